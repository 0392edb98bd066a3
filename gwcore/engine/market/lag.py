"""Lag: how old what a connection brings is, and which of its feeds may not be vouched for because of it. Pure.

A narrow or lossy way delivers everything, in order and whole, and late: heartbeats flow, checksums hold, no clock of ours
runs out. Only two things show it: the venue's own times in what it sends, and how long it takes to answer a ping.

The venue reads its clock somewhere between our sending of a ping and its answer's arrival, so each answer bounds how far
its clock is from ours. Ours is the monotonic one: a wall clock that is set wrong changes nothing here.
"""

from __future__ import annotations

from collections.abc import Callable

from gwcore.engine.market.books import NEVER_LATE, BookKeeper
from gwcore.engine.market.subscription import Phase, Subscription
from gwcore.engine.market.subscriptions import SubscriptionSet
from gwcore.engine.reconnect import NANOSECONDS
from gwcore.model import StaleReason, StreamState
from gwcore.settings import DetectionSettings

_LAG = StaleReason.LAG
#: Until something came in time, an unanswered ping stands for half its age: its own way there may have been the slow one.
UNSURE = 2


class VenueClock:
    """The venue's clock minus our monotonic one, between two bounds (ns). `middle_ns` is None until an answer told."""

    def __init__(self) -> None:
        self._low_ns = self._high_ns = 0
        self.middle_ns: int | None = None

    def note(self, sent_ns: int, received_ns: int, venue_ns: int) -> None:
        """The venue's clock showed `venue_ns` between these two moments of ours."""
        low_ns, high_ns = venue_ns - received_ns, venue_ns - sent_ns
        if self.middle_ns is not None and low_ns <= self._high_ns and self._low_ns <= high_ns:
            low_ns, high_ns = max(low_ns, self._low_ns), min(high_ns, self._high_ns)
        # Else one of the clocks moved, or drifted out of what was known: what is true now is what counts.
        self._low_ns, self._high_ns = low_ns, high_ns
        self.middle_ns = (low_ns + high_ns) // 2


class LagWatch:
    """Of one connection. A book whose own messages are late is STALE alone; where the connection is late, all of it is."""

    def __init__(
        self,
        settings: DetectionSettings,
        *,
        renew: Callable[[str], None],
        on_state: Callable[[Subscription, StreamState, StaleReason | None, str | None, int], None],
        hold_tops: Callable[[bool], None],
    ) -> None:
        self._limit_ns = int(settings.lag_s * NANOSECONDS) if settings.lag_s is not None else None
        self._renew_ns = int(settings.lag_renew_s * NANOSECONDS)
        self._renew = renew
        self._on_state = on_state
        self._hold_tops = hold_tops
        self._clock = VenueClock()
        self._answered = False  # one that never answers a ping is not judged by it
        self._since_ns: int | None = None  # monotonic, since when the connection is late; None: it is not
        self.detail = ""  # why it is late, or was
        self.lag_ns: int | None = None  # as far as the last answer, or the one that is missing, shows

    def bind(self, subscriptions: SubscriptionSet, books: BookKeeper) -> None:
        """Give it what it watches."""
        self._subscriptions = subscriptions
        self._books = books

    @property
    def is_late(self) -> bool:
        """Whether the connection as a whole brings what is too old."""
        return self._since_ns is not None

    def on_close(self) -> None:
        """The connection is gone; what waits on the next one's way is another matter. The clocks are the same."""
        self._since_ns = self.lag_ns = None
        self._books.is_late = False
        self._hold_tops(False)
        for subscription in self._books.of_symbol.values():
            subscription.is_late = False

    def on_answer(self, sent_ns: int, now_ns: int, venue_ns: int | None) -> None:
        """A ping was answered; `venue_ns`: what the venue's clock showed then, where it says so."""
        self._answered = True
        lag_ns = (now_ns - sent_ns) // UNSURE
        if venue_ns is not None:
            self._clock.note(sent_ns, now_ns, venue_ns)
            assert self._clock.middle_ns is not None
            lag_ns = now_ns + self._clock.middle_ns - venue_ns  # never negative: the bounds hold for this answer too
        self.lag_ns = lag_ns
        if self._limit_ns is None:
            return
        if self._clock.middle_ns is not None:
            self._books.late_after_ns = self._limit_ns - self._clock.middle_ns
            self._books.on_time_ns = self._limit_ns // 2 - self._clock.middle_ns
        if lag_ns > self._limit_ns:
            self._be_late(f"what this connection brings is {lag_ns / NANOSECONDS:.1f} s old", now_ns)
        elif self._since_ns is not None and lag_ns <= self._limit_ns // 2:
            self._be_in_time(now_ns)

    def on_timer(self, now_ns: int, unanswered_ns: int | None) -> None:
        """Twice a second. `unanswered_ns`: when the oldest ping without an answer left."""
        if self._limit_ns is None:
            return
        if unanswered_ns is not None and self._answered:
            self._judge_silence(now_ns - unanswered_ns, now_ns)
        if self._since_ns is None:
            self._get_back(now_ns)
        elif now_ns - self._since_ns >= self._renew_ns:
            self._since_ns = now_ns
            # What waits on the old way is not worth waiting for.
            self._renew(f"renew: what comes is late for {self._renew_ns / NANOSECONDS:g} s")

    def _judge_silence(self, waited_ns: int, now_ns: int) -> None:
        assert self._limit_ns is not None
        books = self._books.of_symbol.values()
        is_sure = any(each.is_late for each in books)
        if waited_ns <= self._limit_ns * (1 if is_sure else UNSURE):
            return
        late_after_ns = self._books.late_after_ns
        for subscription in books:
            time_ns = subscription.book.venue_time_ns if subscription.book is not None else None
            is_live = subscription.state is StreamState.LIVE and late_after_ns != NEVER_LATE
            if is_live and time_ns is not None and now_ns - time_ns <= late_after_ns:
                return  # fresh data: only our question is slow, or is not answered
        self.lag_ns = max(self.lag_ns or 0, waited_ns)
        self._be_late(f"a ping has no answer for {waited_ns / NANOSECONDS:.1f} s", now_ns)

    def _be_late(self, detail: str, now_ns: int) -> None:
        if self._since_ns is not None:
            return
        self._since_ns, self.detail = now_ns, detail
        self._books.is_late = True
        self._hold_tops(True)
        for subscription in list(self._subscriptions.topics.values()):
            if subscription.state is not StreamState.LIVE:
                continue
            if subscription.book is not None:
                self._books.be_late(subscription, detail)
            else:
                self._on_state(subscription, StreamState.STALE, _LAG, detail, now_ns)

    def _be_in_time(self, now_ns: int) -> None:
        self._since_ns = None
        self._books.is_late = False
        self._hold_tops(False)
        for subscription in list(self._subscriptions.topics.values()):
            is_mine = subscription.state is StreamState.STALE and subscription.reason is _LAG
            if is_mine and subscription.book is None:
                self._on_state(subscription, StreamState.LIVE, None, None, now_ns)

    def _get_back(self, now_ns: int) -> None:
        """Books whose messages are in time again, or whose last late one was long ago: subscribe them anew."""
        assert self._limit_ns is not None
        for subscription in list(self._books.of_symbol.values()):
            if not subscription.is_late or subscription.held or subscription.phase is not Phase.ON:
                continue
            if now_ns - subscription.late_ns >= self._limit_ns:
                subscription.is_late = False
                # A failure, so that a way that is late again and again is tried ever more seldom.
                self._subscriptions.fail(subscription, _LAG, "what comes is in time again", now_ns)
