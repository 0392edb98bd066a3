"""StreamStates: every change of a subscription's state passes here: it is noted, counted and published, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from gwcore.engine.market.outbox import Outbox
from gwcore.engine.market.subscription import Subscription
from gwcore.model import Channel, StaleReason, StreamState, StreamStatus
from gwcore.venue import Topic

#: States in which a subscription is being got back.
_GOT_BACK = frozenset({StreamState.RESYNC, StreamState.QUARANTINED})
#: States on the way up: clients are not told, a subscription is theirs from its first answer on.
_UNTOLD = frozenset({StreamState.IDLE, StreamState.SUBSCRIBING})


class StreamStates:
    """Of one shard. `age_ns(topic, now_ns)`: how old the subscription's data is, where that is known."""

    def __init__(self, outbox: Outbox, shard: int, age_ns: Callable[[Topic, int], int | None]) -> None:
        self._publish_status = outbox.publish_status
        self._shard = shard
        self._age_ns = age_ns
        # Counters, read at scrape time.
        self.transitions: Counter[tuple[StreamState, StreamState]] = Counter()
        self.faults: Counter[tuple[Channel, StaleReason]] = Counter()
        self.resyncs: Counter[tuple[Channel, StaleReason]] = Counter()  # tries to get it back

    def change(
        self,
        subscription: Subscription,
        state: StreamState,
        reason: StaleReason | None,
        detail: str | None,
        now_ns: int,
    ) -> None:
        """The subscription is in this state now."""
        before = subscription.state
        if before is state and subscription.reason is reason:
            return
        if before is not state:
            self.transitions[before, state] += 1
        if reason is not None and (before is StreamState.LIVE or subscription.reason is not reason):
            self.faults[subscription.topic.channel, reason] += 1
        if reason is not None and state in _GOT_BACK:
            self.resyncs[subscription.topic.channel, reason] += 1
        subscription.state = state
        subscription.reason = reason
        subscription.detail = detail
        subscription.since_ns = now_ns
        self.tell(subscription, now_ns)

    def tell(self, subscription: Subscription, now_ns: int) -> None:
        """Publish how the subscription stands."""
        topic = subscription.topic
        if subscription.state in _UNTOLD:
            return
        self._publish_status(
            StreamStatus(
                channel=topic.channel.value,
                symbol=topic.symbol,
                shard=self._shard,
                state=subscription.state,
                reason=subscription.reason,
                detail=subscription.detail,
                resubscribes=subscription.resubscribes,
                age_ns=self._age_ns(topic, now_ns),
            )
        )
