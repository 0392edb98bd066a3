"""Watch: all that doubts one connection's feeds: data clocks, the clock of application frames, and what a doubt leads to.

Nothing here runs per message but two dictionary look-ups for trades and tickers; the clocks are read twice a second.
"""

from __future__ import annotations

from gwcore.engine.market.books import BookKeeper
from gwcore.engine.market.held_data import HeldData
from gwcore.engine.market.lag import LagWatch
from gwcore.engine.market.outbox import Outbox
from gwcore.engine.market.quiet import QuietWatch
from gwcore.engine.market.stream_states import StreamStates
from gwcore.engine.market.subscription import Subscription
from gwcore.engine.market.subscriptions import SubscriptionSet
from gwcore.engine.market.top_feed import TopFeed
from gwcore.engine.reconnect import NANOSECONDS
from gwcore.model import StaleReason, StreamState, TradeSummary
from gwcore.settings import DetectionSettings
from gwcore.venue import GroupLimits, MarketDataCodec

#: Failures of a subscription that was accepted or asked for, and is not fed.
UNFED = frozenset({StaleReason.NO_SNAPSHOT, StaleReason.SILENCE})


class Watch:
    """Of one shard. `bind` completes it: books and subscriptions tell it their states."""

    def __init__(self, shard: int, outbox: Outbox, limits: GroupLimits, settings: DetectionSettings) -> None:
        self._outbox = outbox
        self._has_heartbeats = limits.has_heartbeats
        self._application_ns = int(settings.application_s * NANOSECONDS)
        self._settings = settings
        self._own_frames = -1  # frames of the venue's own accord at the last look: answers to pings are none
        self._own_ns = 0  # when that number was another one
        self.answers = 0  # frames that only answered a ping of ours: bytes flow, and that is all they show
        self._shard = shard

    def bind(self, subscriptions: SubscriptionSet, books: BookKeeper, tops: TopFeed) -> None:
        """Give it what it watches."""
        self._subscriptions = subscriptions
        self._books = books
        self._suspicions = books.suspicions
        self.held = HeldData(books.of_symbol)
        self.quiet = QuietWatch(self._settings, self._outbox, self.held, on_silent=self._on_silent, verify=self._verify)
        self.states = StreamStates(self._outbox, self._shard, self.quiet.age_ns)
        books.on_confirmed = self.quiet.confirmed
        self.lag = LagWatch(self._settings, renew=self._outbox.close, on_state=self.on_state, hold_tops=tops.hold)
        self.lag.bind(subscriptions, books)

    # --- from the machine -----------------------------------------------------------------------------------------

    def on_open(self, codec: MarketDataCodec, now_ns: int) -> None:
        """Connected."""
        self._own_frames, self._own_ns = -1, now_ns
        self.quiet.on_open(codec)

    def on_close(self) -> None:
        """The connection is gone."""
        self.quiet.on_close()
        self.lag.on_close()

    def on_trades(self, summary: TradeSummary) -> None:
        """Trades came: where their book's middle may be."""
        self.held.on_trades(summary)
        subscription = self._books.of_symbol.get(summary.symbol)
        if subscription is not None:
            self._suspicions.on_trades(subscription, summary, self._books.now_ns)

    def on_timer(self, now_ns: int, frames: int, unanswered_ns: int | None) -> None:
        """Time passed; `frames` came since the start; the oldest ping without an answer left at `unanswered_ns`."""
        if self.quiet.is_tick(now_ns):
            for subscription in self._books.of_symbol.values():
                self._suspicions.expire(subscription, now_ns)
            self._read_application_clock(now_ns, frames - self.answers)
            self.lag.on_timer(now_ns, unanswered_ns)
        self.quiet.on_timer(now_ns)

    def _read_application_clock(self, now_ns: int, own_frames: int) -> None:
        if own_frames != self._own_frames:
            self._own_frames, self._own_ns = own_frames, now_ns
        elif self._has_heartbeats and now_ns - self._own_ns >= self._application_ns:
            self._own_ns = now_ns
            self._outbox.close(f"silence: nothing but answers to our pings for {self._settings.application_s:g} s")

    # --- what a doubt leads to ------------------------------------------------------------------------------------

    def _on_silent(self, subscription: Subscription, detail: str) -> None:
        if subscription.book is not None:
            self._books.silent(subscription, detail)
        else:
            self._subscriptions.fail(subscription, StaleReason.SILENCE, detail, self._books.now_ns)

    def _verify(self, subscription: Subscription) -> bool:
        return self._subscriptions.verify(subscription, self._books.now_ns)

    def on_lost(self, subscription: Subscription, reason: StaleReason, detail: str) -> None:
        """What was live can't be vouched for any more."""
        if subscription.book is not None:
            self._books.lose(subscription, reason, detail)
        else:
            self.on_state(subscription, StreamState.STALE, reason, detail, self._books.now_ns)

    def on_state(
        self,
        subscription: Subscription,
        state: StreamState,
        reason: StaleReason | None,
        detail: str | None,
        now_ns: int,
    ) -> None:
        """A subscription changes its state."""
        before = subscription.state
        if state is StreamState.LIVE and subscription.book is None and self.lag.is_late:
            # Accepted, and what comes of it waits on the same way as all the rest.
            state, reason, detail = StreamState.STALE, StaleReason.LAG, self.lag.detail
        self.states.change(subscription, state, reason, detail, now_ns)
        failed = state is StreamState.RESYNC or state is StreamState.QUARANTINED
        is_open_book = subscription.book is not None and not subscription.held
        if failed and reason in UNFED and before is not StreamState.STALE and is_open_book:
            # A whole connection that accepts and does not feed: nothing of it was live, so no book could go bad.
            self._books.renewal.note(now_ns)
