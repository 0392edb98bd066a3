"""SubscriptionSet: what one connection should be subscribed to, and the way there.

Desired and confirmed are driven together until equal: batches, paced, each answer awaited with a deadline, failures
backed off, hopeless ones put in quarantine with slow retries. It decides and queues; frames leave through `send`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gwcore.engine.market.deadlines import Deadlines
from gwcore.engine.market.subscription import Phase, Subscription
from gwcore.engine.reconnect import NANOSECONDS, Pacer, RollingBudget
from gwcore.model import StaleReason, StreamState
from gwcore.ports import Random
from gwcore.settings import HealingSettings
from gwcore.venue import Acknowledged, Frame, GroupLimits, MarketDataCodec, Refused, Request, Topic

#: Requests without an answer that are remembered; the oldest is forgotten (its topics have deadlines of their own).
IN_FLIGHT_MAX = 4_096


class SubscriptionSet:
    """All subscriptions of one shard, over successive connections."""

    def __init__(
        self,
        limits: GroupLimits,
        healing: HealingSettings,
        random: Random,
        *,
        send: Callable[[Frame], None],
        renew: Callable[[str], None],
        on_state: Callable[[Subscription, StreamState, StaleReason | None, str | None, int], None],
        on_accepted: Callable[[Subscription, int], None],
        on_lost: Callable[[Subscription, StaleReason, str], None],
    ) -> None:
        self._limits = limits
        self._healing = healing
        self._random = random
        self._send = send
        self._renew = renew
        self._on_state = on_state
        self._on_accepted = on_accepted
        self._on_lost = on_lost  # what was live can't be vouched for any more: said before anything else
        self._codec: MarketDataCodec | None = None
        self._pacer = self._new_pacer()
        self.topics: dict[Topic, Subscription] = {}
        self._join_queue: dict[Topic, None] = {}
        self._leave_queue: dict[Topic, None] = {}
        self._in_flight: dict[int, Request] = {}
        self._deadlines = Deadlines()
        self.requests = 0  # frames sent that ask for something

    # --- what should be -------------------------------------------------------------------------------------------

    def add(self, topics: Iterable[Topic], now_ns: int) -> list[Subscription]:
        """Want these topics too; returns the new subscriptions."""
        fresh = []
        for topic in topics:
            subscription = self.topics.get(topic)
            if subscription is None:
                subscription = self.topics[topic] = Subscription(topic)
                fresh.append(subscription)
                if self._codec is not None:
                    self._join(subscription, now_ns)
            elif not subscription.wanted:
                subscription.wanted = True
                if subscription.phase is Phase.OFF and self._codec is not None:
                    self._join(subscription, now_ns)
        return fresh

    def remove(self, topics: Iterable[Topic], now_ns: int) -> None:
        """Want these topics no longer: leave them, then forget them."""
        for topic in topics:
            subscription = self.topics.get(topic)
            if subscription is None:
                continue
            subscription.wanted = False
            if self._codec is not None and subscription.at_venue and self._limits.can_unsubscribe:
                self._leave(subscription, now_ns)
            else:
                self._forget(subscription)

    def _forget(self, subscription: Subscription) -> None:
        subscription.phase = Phase.OFF
        subscription.deadline_ns = None
        self._join_queue.pop(subscription.topic, None)
        self._leave_queue.pop(subscription.topic, None)
        self.topics.pop(subscription.topic, None)

    # --- the connection -------------------------------------------------------------------------------------------

    def on_open(self, codec: MarketDataCodec, now_ns: int) -> None:
        """A new connection: nothing is subscribed there, everything wanted is to be."""
        self._codec = codec
        self._pacer = self._new_pacer()
        for subscription in self.topics.values():
            self._join(subscription, now_ns)

    def on_close(self) -> None:
        """The connection is gone, and every subscription with it."""
        self._codec = None
        self._in_flight.clear()
        self._join_queue.clear()
        self._leave_queue.clear()
        self._deadlines.clear()
        for subscription in list(self.topics.values()):
            subscription.at_venue = subscription.verifying = False
            subscription.deadline_ns = None
            subscription.buffer = None
            if subscription.wanted:
                subscription.phase = Phase.OFF
            else:
                self._forget(subscription)

    def _new_pacer(self) -> Pacer:
        limits = self._limits
        budget = RollingBudget(limits.requests_max, limits.requests_window_s) if limits.requests_max else None
        return Pacer(limits.requests_per_s, budget)

    def ready_ns(self) -> int:
        """When the pace allows a frame (monotonic ns); 0 or past: now."""
        return self._pacer.ready_ns()

    def spend(self, now_ns: int) -> None:
        """A frame that is no subscription takes its place in the pace."""
        self._pacer.spend(now_ns)

    def pump(self, now_ns: int) -> None:
        """Send what is queued, as far as the pace allows."""
        codec = self._codec
        if codec is None:
            return
        while (self._leave_queue or self._join_queue) and self._may_ask(now_ns):
            # Leaving first: a repair needs it, and it never waits behind a start-up.
            if self._leave_queue:
                batch = self._batch(self._leave_queue)
                self._ask(codec.unsubscribe(batch), Phase.LEAVING, now_ns)
                self._answer_unasked(batch, Phase.LEAVE_QUEUED, self._unasked_left, now_ns)
            else:
                batch = self._batch(self._join_queue)
                self._ask(codec.subscribe(batch), Phase.SENT, now_ns)
                self._answer_unasked(batch, Phase.QUEUED, self._accepted, now_ns)

    def _answer_unasked(
        self, batch: Sequence[Topic], phase: Phase, answer: Callable[[Subscription, int], None], now_ns: int
    ) -> None:
        """What the venue sends unasked (its status, say) has no request: it stands as it is."""
        for topic in batch:
            subscription = self.topics.get(topic)
            if subscription is not None and subscription.phase is phase:
                answer(subscription, now_ns)

    def _unasked_left(self, subscription: Subscription, now_ns: int) -> None:
        subscription.phase = Phase.LEAVING
        self._left(subscription, now_ns)

    def _batch(self, queue: dict[Topic, None]) -> list[Topic]:
        first = next(iter(queue))
        batch = []
        for topic in queue:
            if topic.channel is first.channel and topic.parameter == first.parameter:
                batch.append(topic)
                if len(batch) >= self._limits.topics_per_request:
                    break
        for topic in batch:
            del queue[topic]
        return batch

    def _ask(self, requests: Sequence[Request], phase: Phase, now_ns: int) -> None:
        deadline_ns = now_ns + int(self._limits.ack_timeout_s * NANOSECONDS)
        for request in requests:
            if len(self._in_flight) >= IN_FLIGHT_MAX:
                self._in_flight.pop(next(iter(self._in_flight)))
            self._in_flight[request.request_id] = request
            self._pacer.spend(now_ns)
            self.requests += 1
            for topic in request.topics:
                subscription = self.topics.get(topic)
                if subscription is None:
                    continue
                subscription.phase = phase
                subscription.at_venue = True
                self._deadlines.set(subscription, deadline_ns)
                if phase is Phase.SENT and subscription.state is StreamState.IDLE:
                    self._on_state(subscription, StreamState.SUBSCRIBING, None, None, now_ns)
            self._send(request.frame)

    # --- answers --------------------------------------------------------------------------------------------------

    def on_acknowledged(self, answer: Acknowledged, now_ns: int) -> None:
        """The venue accepted."""
        for topic in answer.topics or self._topics_of(answer.request_id):
            subscription = self.topics.get(topic)
            if subscription is None:
                continue
            if answer.unsubscribed:
                self._left(subscription, now_ns)
            elif subscription.phase is Phase.SENT:
                self._accepted(subscription, now_ns)

    def _accepted(self, subscription: Subscription, now_ns: int) -> None:
        if subscription.needs_snapshot:
            subscription.phase = Phase.DATA
            self._deadlines.set(subscription, now_ns + int(self._limits.snapshot_timeout_s * NANOSECONDS))
            if subscription.state is StreamState.LIVE:
                pass  # only verified: what clients hold stays good until the snapshot says otherwise
            elif subscription.state is not StreamState.STALE or not subscription.held:
                self._on_state(subscription, StreamState.PENDING_DATA, subscription.reason, subscription.detail, now_ns)
        else:
            self.fed(subscription)
            self._on_state(subscription, StreamState.LIVE, None, None, now_ns)
        self._on_accepted(subscription, now_ns)

    def _left(self, subscription: Subscription, now_ns: int) -> None:
        if subscription.phase is not Phase.LEAVING:
            return
        subscription.at_venue = False
        if subscription.wanted:
            self._join(subscription, now_ns)
        else:
            self._forget(subscription)

    def on_refused(self, answer: Refused, now_ns: int) -> None:
        """The venue refused; what that means is in the answer's flags."""
        for topic in answer.topics or self._meant_by(answer):
            subscription = self.topics.get(topic)
            if subscription is None:
                continue
            if subscription.phase is Phase.LEAVING:
                # Whatever the reason, the venue does not feed it after this; `missing` says so plainly.
                self._left(subscription, now_ns)
            elif subscription.phase is not Phase.SENT or answer.missing:
                continue  # it is not about what we wait for: a late answer to an earlier unsubscribe, say
            elif answer.duplicate:
                self._duplicate(subscription, now_ns)
            elif answer.retryable:
                subscription.at_venue = False
                self.fail(subscription, StaleReason.REJECTED, answer.text, now_ns)
            else:
                # Tried again, rarely: a symbol may be refused in maintenance and accepted after it.
                subscription.at_venue = False
                subscription.phase = Phase.WAIT
                self._lose(subscription, StaleReason.REJECTED, answer.text)
                self._on_state(subscription, StreamState.REJECTED, StaleReason.REJECTED, answer.text, now_ns)
                self._deadlines.set(subscription, now_ns + int(self._healing.quarantine_retry_s * NANOSECONDS))

    def _meant_by(self, answer: Refused) -> tuple[Topic, ...]:
        if answer.request_id is not None:
            return self._topics_of(answer.request_id)
        for request in self._in_flight.values():
            if waiting := self._waiting(request):
                return waiting
        return ()

    def _topics_of(self, request_id: int | None) -> tuple[Topic, ...]:
        request = self._in_flight.get(request_id) if request_id is not None else None
        return request.topics if request is not None else ()

    def _waiting(self, request: Request) -> tuple[Topic, ...]:
        return tuple(topic for topic in request.topics if self._phase(topic) in (Phase.SENT, Phase.LEAVING))

    def _may_ask(self, now_ns: int) -> bool:
        if self._pacer.ready_ns() > now_ns:
            return False
        in_flight_max = self._limits.requests_in_flight_max
        return in_flight_max is None or sum(map(bool, map(self._waiting, self._in_flight.values()))) < in_flight_max

    def _phase(self, topic: Topic) -> Phase | None:
        subscription = self.topics.get(topic)
        return subscription.phase if subscription is not None else None

    def _duplicate(self, subscription: Subscription, now_ns: int) -> None:
        if subscription.needs_snapshot:
            # It is fed already but its snapshot was long ago: leave and come again.
            self.fail(subscription, StaleReason.NO_SNAPSHOT, "already subscribed, without a snapshot", now_ns)
        else:
            self._accepted(subscription, now_ns)

    def on_throttled(self, now_ns: int) -> None:
        """The venue says that we send too much."""
        self._pacer.punish(now_ns)

    # --- phases ---------------------------------------------------------------------------------------------------

    def fed(self, subscription: Subscription) -> None:
        """Data came as it should: the subscription stands."""
        subscription.phase = Phase.ON
        subscription.verifying = False
        subscription.deadline_ns = None

    def fail(
        self, subscription: Subscription, reason: StaleReason, detail: str, now_ns: int, not_before_ns: int = 0
    ) -> None:
        """One try ended badly: try again at once, later, or rarely (quarantine), by how often that happened lately."""
        self._lose(subscription, reason, detail)
        failures = subscription.failures
        failures.append(now_ns)
        window_ns = int(self._healing.quarantine_window_s * NANOSECONDS)
        while failures[0] < now_ns - window_ns:
            failures.popleft()
        subscription.resubscribes += 1
        subscription.phase = Phase.WAIT
        subscription.buffer = None
        if subscription.quarantined or len(failures) >= self._healing.quarantine_after:
            subscription.quarantined = True
            self._on_state(subscription, StreamState.QUARANTINED, reason, detail, now_ns)
            self._deadlines.set(subscription, now_ns + int(self._healing.quarantine_retry_s * NANOSECONDS))
            return
        self._on_state(subscription, StreamState.RESYNC, reason, detail, now_ns)
        if len(failures) == 1 and not not_before_ns:
            self._retry(subscription, now_ns)
            return
        bound_s = min(self._healing.resubscribe_max_s, self._healing.resubscribe_first_s * 2.0 ** (len(failures) - 2))
        delay_ns = int(bound_s * self._random.random() * NANOSECONDS)
        self._deadlines.set(subscription, max(now_ns + delay_ns, not_before_ns))

    def _lose(self, subscription: Subscription, reason: StaleReason, detail: str) -> None:
        subscription.verifying = False
        if subscription.state is StreamState.LIVE:
            self._on_lost(subscription, reason, detail)

    def verify(self, subscription: Subscription, now_ns: int) -> bool:
        """Subscribe a live one anew to see whether it is still the venue's. False: that can't be done without harm."""
        if not self._limits.can_unsubscribe or self._codec is None or subscription.phase is not Phase.ON:
            return False
        subscription.verifying = True
        self.resubscribe(subscription, now_ns)
        return True

    def resubscribe(self, subscription: Subscription, now_ns: int) -> None:
        """Ask for it anew, without counting a failure."""
        subscription.resubscribes += 1
        self._retry(subscription, now_ns)

    def _retry(self, subscription: Subscription, now_ns: int) -> None:
        if self._codec is None:
            return
        if not subscription.at_venue:
            self._join(subscription, now_ns)
        elif hasattr(self._codec, "snapshot") and subscription.heals_by_request(self._limits.can_unsubscribe):
            self._accepted(subscription, now_ns)
        elif self._limits.can_unsubscribe:
            self._leave(subscription, now_ns)
        else:
            self._renew(f"{subscription.topic.symbol} can only be subscribed again by a new connection")

    def wait(self, subscription: Subscription, until_ns: int) -> None:
        """Try again then, without counting a failure; what waits for a snapshot goes on waiting."""
        subscription.phase = Phase.WAIT
        self._deadlines.set(subscription, until_ns)

    def _join(self, subscription: Subscription, now_ns: int) -> None:
        subscription.phase = Phase.QUEUED
        subscription.deadline_ns = None
        subscription.buffer = subscription.seen_sequence = None
        self._leave_queue.pop(subscription.topic, None)
        self._join_queue[subscription.topic] = None

    def _leave(self, subscription: Subscription, now_ns: int) -> None:
        subscription.phase = Phase.LEAVE_QUEUED
        subscription.deadline_ns = None
        self._join_queue.pop(subscription.topic, None)
        self._leave_queue[subscription.topic] = None

    # --- time -----------------------------------------------------------------------------------------------------

    def on_timer(self, now_ns: int) -> None:
        """Act on every deadline that has passed."""
        while (subscription := self._deadlines.take(now_ns)) is not None:
            self._expired(subscription, now_ns)

    def _expired(self, subscription: Subscription, now_ns: int) -> None:
        match subscription.phase:
            case Phase.SENT:
                self.fail(subscription, StaleReason.SILENCE, "no answer to the subscription", now_ns)
            case Phase.DATA:
                self.fail(subscription, StaleReason.NO_SNAPSHOT, "accepted, but no snapshot came", now_ns)
            case Phase.LEAVING:
                self._left(subscription, now_ns)
            case Phase.WAIT:
                self._retry(subscription, now_ns)
            case _:
                pass

    def next_ns(self) -> int | None:
        """When `on_timer` or `pump` has something to do; None: nothing planned."""
        first = self._deadlines.next_ns()
        if self._codec is not None and (self._join_queue or self._leave_queue):
            ready_ns = self._pacer.ready_ns()
            return ready_ns if first is None else min(first, ready_ns)
        return first
