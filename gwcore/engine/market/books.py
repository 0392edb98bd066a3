"""BookKeeper: the books of one connection. A book is checked before anyone sees it; a bad one is STALE in the same call.

It publishes, marks and asks for healing; it never touches a connection. Only the symbol that went bad is subscribed
again; when many prove bad at once the whole connection is renewed (law 3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from gwcore.book import BookFault, OrderBook
from gwcore.engine.market.detectors import DETAILS, RENEWING, Suspicions, is_other_tick
from gwcore.engine.market.outbox import Outbox
from gwcore.engine.market.renewal import Renewal
from gwcore.engine.market.subscription import BUFFER_MESSAGES_MAX, Phase, Subscription
from gwcore.engine.market.subscriptions import SubscriptionSet
from gwcore.engine.reconnect import NANOSECONDS
from gwcore.model import (
    Instrument,
    MarketByPriceUpdate,
    Origin,
    StaleReason,
    StreamState,
    TopOfBook,
    UpdateType,
)
from gwcore.settings import DetectionSettings, HealingSettings
from gwcore.venue import Streams

#: Fetched snapshots in a row that may be older than the updates that wait for them, and how long until the next is asked for.
OLD_SNAPSHOTS_MAX = 5
OLD_SNAPSHOT_PAUSE_NS = 300_000_000

#: (subscription, state, reason, detail, monotonic ns)
OnState = Callable[[Subscription, StreamState, StaleReason | None, str | None, int], None]

# Members by name: on Python 3.11 looking one up in its class runs Python code.
_LIVE = StreamState.LIVE
#: No message is late: the venue's clock is not known, or nobody asks.
NEVER_LATE = 1 << 62
_SNAPSHOT = UpdateType.SNAPSHOT


class BookKeeper:
    """All books of one shard. `now_ns` (monotonic) is set by the machine before each call."""

    def __init__(
        self,
        streams: Streams,
        subscriptions: SubscriptionSet,
        outbox: Outbox,
        healing: HealingSettings,
        detection: DetectionSettings,
        on_state: OnState,
        now_ns: int,
    ) -> None:
        self._streams = streams
        self._subscriptions = subscriptions
        self._publish = outbox.publish
        self._on_state = on_state
        self.now_ns = now_ns
        self.of_symbol: dict[str, Subscription] = {}
        self._ticks: dict[str, str] = {}  # tick size of each symbol's instrument
        self.suspicions = Suspicions(detection)
        self.renewal = Renewal(healing, self.of_symbol, outbox.close)
        self._back_ns = self.suspicions.back_ns
        self._venue_held = False
        # Set by the watch of lag. A message is late where our clock minus its venue's time is above the first; well in time
        # up to the second. The last: whatever comes on this connection is too old.
        self.late_after_ns = self.on_time_ns = NEVER_LATE
        self.is_late = False
        #: A live book that was subscribed anew holds what the venue holds.
        self.on_confirmed: Callable[[Subscription, int], None] = lambda subscription, now_ns: None
        # Counters, read at scrape time.
        self.dropped = 0  # messages of symbols that are not live
        self.unasked = 0  # messages of symbols that were not asked for
        self.stale: Counter[StaleReason] = Counter()

    def add(self, subscription: Subscription, instrument: Instrument) -> None:
        """Keep a book for a new subscription."""
        rule = self._streams.book_rule(instrument, subscription.topic.parameter)
        subscription.book = OrderBook(instrument.symbol, rule)
        self.of_symbol[instrument.symbol] = subscription
        self._ticks[instrument.symbol] = instrument.tick_size

    def remove(self, symbol: str) -> None:
        """Keep it no longer; a live one is published as STALE first."""
        subscription = self.of_symbol.pop(symbol, None)
        self._ticks.pop(symbol, None)
        if subscription is not None and subscription.state is _LIVE:
            self._mark_stale(subscription, StaleReason.UNSUBSCRIBED, "no longer subscribed")

    def on_open(self) -> None:
        """A new connection: what went bad before says nothing of it."""
        self.renewal.forget()

    def on_close(self, subscription: Subscription, cause: str) -> None:
        """The connection of a live book is gone."""
        self._mark_stale(subscription, StaleReason.DISCONNECT, cause)

    def on_instrument(self, instrument: Instrument, *, is_matching: bool) -> None:
        """The instrument changed: other decimals make the book worthless, another status may stop or start it."""
        symbol = instrument.symbol
        subscription = self.of_symbol.get(symbol)
        if subscription is None or subscription.book is None:
            return
        rule = self._streams.book_rule(instrument, subscription.topic.parameter)
        before, self._ticks[symbol] = self._ticks.get(symbol), instrument.tick_size
        if rule != subscription.book.rule:
            subscription.low2 = subscription.high2 = subscription.middle2 = 0  # in ticks that are no more
            self._note_end(subscription)
            subscription.book = OrderBook(symbol, rule)
            if subscription.state is _LIVE:
                self._fault(subscription, StaleReason.PRECISION, "the instrument's decimals changed")
        elif is_other_tick(before, instrument.tick_size) and subscription.state is StreamState.LIVE:
            detail = f"the tick size was {before} and is {instrument.tick_size}"
            self._fault(subscription, StaleReason.PRECISION, detail)
        self._hold(subscription, not is_matching or self._venue_held)

    def on_venue_matching(self, is_matching: bool, matching_symbols: Mapping[str, bool]) -> None:
        """The venue as a whole stopped or started matching."""
        self._venue_held = not is_matching
        for symbol, subscription in self.of_symbol.items():
            self._hold(subscription, self._venue_held or not matching_symbols.get(symbol, True))

    def _hold(self, subscription: Subscription, held: bool) -> None:
        if held == subscription.held:
            return
        subscription.held = held
        if held:
            if subscription.state is _LIVE:
                self._mark_stale(subscription, StaleReason.VENUE_STATUS, "the market is not online")
                self._on_state(subscription, StreamState.STALE, StaleReason.VENUE_STATUS, None, self.now_ns)
        elif subscription.phase is Phase.ON:
            self._subscriptions.resubscribe(subscription, self.now_ns)

    def on_book(self, update: MarketByPriceUpdate, received_ns: int) -> None:
        """One book message of the venue."""
        subscription = self.of_symbol.get(update.symbol)
        if subscription is None:
            self.unasked += 1
        elif subscription.state is _LIVE:
            if subscription.verifying and update.update_type is _SNAPSHOT:
                self._on_verified(subscription, update, received_ns)
            else:
                self._on_live_book(subscription, update, received_ns)
        elif update.update_type is _SNAPSHOT:
            if subscription.phase is Phase.SENT or subscription.phase is Phase.DATA:
                self._on_snapshot(subscription, update, received_ns)
            else:
                self.dropped += 1
        elif subscription.buffer is not None:
            if len(subscription.buffer) < BUFFER_MESSAGES_MAX:
                subscription.buffer.append(update)
                seen, sequence = subscription.seen_sequence, update.venue_sequence
                if seen is not None and sequence is not None and sequence < seen:
                    subscription.seen_sequence = None  # the venue numbers anew: what was seen says nothing any more
            else:
                self._subscriptions.fail(
                    subscription, StaleReason.NO_SNAPSHOT, "too many updates before the snapshot", self.now_ns
                )
        else:
            self.dropped += 1
            subscription.seen_sequence = update.venue_sequence
            if subscription.is_late and update.venue_time_ns is not None:
                age_ns = self.now_ns - update.venue_time_ns
                if age_ns <= self.on_time_ns:
                    subscription.late_ns = 0
                elif age_ns > self.late_after_ns:
                    subscription.late_ns = self.now_ns

    def _on_live_book(self, subscription: Subscription, update: MarketByPriceUpdate, received_ns: int) -> None:
        book = subscription.book
        assert book is not None
        last_ns = book.venue_time_ns
        fault = book.apply(update)
        if fault is not None:
            if fault.reason is not None:
                subscription.newest_ns = last_ns
                subscription.seen_sequence = update.venue_sequence
                self._fault(subscription, fault.reason, fault.detail)
            return
        time_ns = book.venue_time_ns
        if time_ns is not None and last_ns is not None and time_ns < last_ns and time_ns < last_ns - self._back_ns:
            book.venue_time_ns = last_ns  # of what was published
            self._fault(subscription, StaleReason.TIME_BACKWARDS, DETAILS[StaleReason.TIME_BACKWARDS])
            return
        told_ns = update.venue_time_ns
        if told_ns is not None and self.now_ns - told_ns > self.late_after_ns and update.update_type is not _SNAPSHOT:
            # A snapshot's time may be that of the last change, so it says nothing of its way.
            book.venue_time_ns = last_ns  # of what was published
            late_s = (self.now_ns - told_ns - self.late_after_ns) / NANOSECONDS
            self.be_late(subscription, f"its messages are {late_s:.1f} s older than they may be")
            return
        if book.top_changed:
            suspicion = self.suspicions.of(subscription, book, self.now_ns)
            if suspicion is not None:
                self._fault(subscription, suspicion, DETAILS[suspicion])
                return
        self._publish(update if update.update_type is not _SNAPSHOT else self._complete(update, book), received_ns)
        if book.top_changed:
            self._publish(self._top(book, update), received_ns)

    def _on_snapshot(self, subscription: Subscription, update: MarketByPriceUpdate, received_ns: int) -> None:
        book = subscription.book
        assert book is not None
        fault = book.apply(update)
        buffered, subscription.buffer = subscription.buffer, None
        if fault is None and buffered is not None and self._is_older(subscription, book):
            fault = BookFault(StaleReason.SEQUENCE_GAP, "the snapshot is older than what was seen before it")
        for later in buffered or ():
            if fault is None or fault.reason is None:
                fault = book.apply(later)
        if fault is not None and fault.reason is not None:
            is_gap = fault.reason is StaleReason.SEQUENCE_GAP
            if buffered is not None and is_gap and self._waits_for_newer(subscription, buffered):
                return
            self._count(fault.reason)
            self._subscriptions.fail(subscription, fault.reason, fault.detail, self.now_ns)
            return
        subscription.old_snapshots, subscription.seen_sequence = 0, None
        self._subscriptions.fed(subscription)
        if subscription.held:
            book.clear()
            self._on_state(subscription, StreamState.STALE, StaleReason.VENUE_STATUS, None, self.now_ns)
            return
        subscription.is_late = self.is_late
        if self.is_late:
            book.clear()
            subscription.late_ns = self.now_ns
            self._on_state(subscription, StreamState.STALE, StaleReason.LAG, None, self.now_ns)
            return
        suspicions = self.suspicions
        suspicion = suspicions.went_back(subscription, book) or suspicions.of(subscription, book, self.now_ns)
        if suspicion is None:
            subscription.suspected = None
        elif not suspicions.is_confirmed(subscription, suspicion, self.now_ns):
            # A snapshot that looks odd: ask once more. The next one confirms it.
            self._count(suspicion)
            not_before_ns = suspicions.ask_again_ns(suspicion, self.now_ns)
            self._subscriptions.fail(subscription, suspicion, DETAILS[suspicion], self.now_ns, not_before_ns)
            return
        subscription.quarantined = False
        self._on_state(subscription, StreamState.LIVE, None, None, self.now_ns)
        self._publish(book.snapshot() if buffered else self._complete(update, book), received_ns)
        self._publish(self._top(book, update), received_ns)

    @staticmethod
    def _is_older(subscription: Subscription, book: OrderBook) -> bool:
        seen, sequence = subscription.seen_sequence, book.venue_sequence
        return seen is not None and sequence is not None and sequence < seen

    def _waits_for_newer(self, subscription: Subscription, buffered: list[MarketByPriceUpdate]) -> bool:
        """A fetched snapshot does not reach up to what waits for it (ADR 0002, M3): a later one may, so ask again soon."""
        subscription.old_snapshots += 1
        if subscription.old_snapshots > OLD_SNAPSHOTS_MAX:
            subscription.old_snapshots = 0
            return False
        subscription.buffer = buffered
        if subscription.book is not None:
            subscription.book.clear()
        self._subscriptions.wait(subscription, self.now_ns + OLD_SNAPSHOT_PAUSE_NS)
        return True

    def _on_verified(self, subscription: Subscription, update: MarketByPriceUpdate, received_ns: int) -> None:
        """A live book was subscribed anew because nothing came: does it hold what the venue holds?"""
        book = subscription.book
        assert book is not None
        fresh = OrderBook(book.symbol, book.rule)
        fault = fresh.apply(update)
        if fault is not None and fault.reason is not None:
            self._fault(subscription, fault.reason, fault.detail)
        elif self._is_as_new(book, fresh) or (fresh.bids() == book.bids() and fresh.asks() == book.asks()):
            self._subscriptions.fed(subscription)
            self.on_confirmed(subscription, self.now_ns)
        else:
            self.lose(subscription, StaleReason.SILENCE, "no data came, and the venue holds something else")
            self._on_snapshot(subscription, update, received_ns)

    @staticmethod
    def _is_as_new(book: OrderBook, snapshot: OrderBook) -> bool:
        """Whether numbers show that the book holds all that a snapshot does: it came by another way, and later."""
        ours, theirs = book.venue_sequence, snapshot.venue_sequence
        return ours is not None and theirs is not None and theirs <= ours

    @staticmethod
    def _complete(update: MarketByPriceUpdate, book: OrderBook) -> MarketByPriceUpdate:
        """A snapshot of the venue with what a client has to know to go on from it."""
        rule = book.rule
        return msgspec.structs.replace(
            update,
            depth=rule.depth,
            price_decimals=rule.price_decimals,
            quantity_decimals=rule.quantity_decimals,
        )

    @staticmethod
    def _top(book: OrderBook, update: MarketByPriceUpdate) -> TopOfBook:
        bid, ask = book.best_bid, book.best_ask
        return TopOfBook(
            symbol=book.symbol,
            update_type=_SNAPSHOT,
            bid_price=bid.price if bid is not None else None,
            bid_quantity=bid.quantity if bid is not None else None,
            ask_price=ask.price if ask is not None else None,
            ask_quantity=ask.quantity if ask is not None else None,
            venue_time_ns=update.venue_time_ns,
        )

    def silent(self, subscription: Subscription, detail: str) -> None:
        """A probe showed that a live book is not fed any more."""
        self._fault(subscription, StaleReason.SILENCE, detail)

    def lose(self, subscription: Subscription, reason: StaleReason, detail: str) -> None:
        """A live book can't be vouched for any more: say so. What is done about it is the caller's."""
        self._mark_stale(subscription, reason, detail)
        self._on_state(subscription, StreamState.STALE, reason, detail, self.now_ns)

    def be_late(self, subscription: Subscription, detail: str) -> None:
        """What comes of a live book is too old. To ask for it anew would only put more on a way that is too narrow."""
        subscription.is_late, subscription.late_ns = True, self.now_ns
        subscription.verifying = False
        self.lose(subscription, StaleReason.LAG, detail)

    def _fault(self, subscription: Subscription, reason: StaleReason, detail: str) -> None:
        """A live book went bad: say so first, then heal that symbol alone, or the shard when many go at once."""
        self.lose(subscription, reason, detail)
        self.suspicions.suspect(subscription, reason, self.now_ns)
        self._subscriptions.fail(subscription, reason, detail, self.now_ns)
        if reason in RENEWING:
            self.renewal.note(self.now_ns)

    def mark_all(self, reason: StaleReason, detail: str) -> None:
        """The whole connection can't be trusted any more: every live book is stale."""
        for subscription in self.of_symbol.values():
            if subscription.state is _LIVE:
                self.lose(subscription, reason, detail)

    def _mark_stale(self, subscription: Subscription, reason: StaleReason, detail: str) -> None:
        book = subscription.book
        assert book is not None
        self._count(reason)
        self._note_end(subscription)
        book.clear()
        self._publish(
            MarketByPriceUpdate(
                symbol=book.symbol,
                update_type=UpdateType.STALE,
                reason=reason,
                detail=detail,
                origin=Origin.GATEWAY,
            )
        )
        self._publish(TopOfBook(symbol=book.symbol, update_type=UpdateType.STALE, reason=reason, origin=Origin.GATEWAY))

    @staticmethod
    def _note_end(subscription: Subscription) -> None:
        """A book is about to be forgotten: how far it had come, so that no snapshot sets clients back behind it."""
        book = subscription.book
        assert book is not None
        if book.venue_time_ns is not None:
            subscription.newest_ns = book.venue_time_ns
        if subscription.seen_sequence is None:  # else an update that did not fit has told more
            subscription.seen_sequence = book.venue_sequence

    def _count(self, reason: StaleReason | None) -> None:
        if reason is not None:
            self.stale[reason] += 1
