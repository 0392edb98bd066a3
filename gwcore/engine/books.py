"""BookKeeper: the books of one connection. A book is checked before anyone sees it; a bad one is STALE in the same call.

It publishes, marks and asks for healing; it never touches a connection. Only the symbol that went bad is subscribed
again; when many prove bad at once the whole connection is renewed (law 3).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping

import msgspec

from gwcore.book import BookFault, OrderBook
from gwcore.engine.outbox import Outbox
from gwcore.engine.reconnect import NANOSECONDS
from gwcore.engine.subscription import BUFFER_MESSAGES_MAX, Phase, Subscription
from gwcore.engine.subscriptions import SubscriptionSet
from gwcore.model import (
    Instrument,
    MarketByPriceUpdate,
    Origin,
    StaleReason,
    StreamState,
    TopOfBook,
    UpdateType,
)
from gwcore.settings import HealingSettings
from gwcore.venue import Streams

#: Faults that are proof: the book is wrong. Everything else is suspicion, and a fresh snapshot may confirm it.
PROOF = frozenset(
    {
        StaleReason.CHECKSUM,
        StaleReason.SEQUENCE_GAP,
        StaleReason.PRECISION,
        StaleReason.DECODE,
        StaleReason.NO_SNAPSHOT,
    }
)
#: Proofs within this time count as one event when a whole shard goes bad.
RENEW_WINDOW_NS = 2 * NANOSECONDS

#: (subscription, state, reason, detail, monotonic ns)
OnState = Callable[[Subscription, StreamState, StaleReason | None, str | None, int], None]

# Members by name: on Python 3.11 looking one up in its class runs Python code.
_LIVE = StreamState.LIVE
_SNAPSHOT = UpdateType.SNAPSHOT


class BookKeeper:
    """All books of one shard. `now_ns` (monotonic) is set by the machine before each call."""

    def __init__(
        self,
        streams: Streams,
        subscriptions: SubscriptionSet,
        outbox: Outbox,
        healing: HealingSettings,
        on_state: OnState,
        now_ns: int,
    ) -> None:
        self._streams = streams
        self._subscriptions = subscriptions
        self._outbox = outbox
        self._publish = outbox.publish
        self._healing = healing
        self._on_state = on_state
        self.now_ns = now_ns
        self.of_symbol: dict[str, Subscription] = {}
        self._proofs: deque[int] = deque(maxlen=4096)
        self._venue_held = False
        # Counters, read at scrape time.
        self.dropped = 0  # messages of symbols that are not live
        self.unasked = 0  # messages of symbols that were not asked for
        self.stale: Counter[StaleReason] = Counter()

    def add(self, subscription: Subscription, instrument: Instrument) -> None:
        """Keep a book for a new subscription."""
        rule = self._streams.book_rule(instrument, subscription.topic.parameter)
        subscription.book = OrderBook(instrument.symbol, rule)
        self.of_symbol[instrument.symbol] = subscription

    def remove(self, symbol: str) -> None:
        """Keep it no longer; a live one is published as STALE first."""
        subscription = self.of_symbol.pop(symbol, None)
        if subscription is not None and subscription.state is _LIVE:
            self._mark_stale(subscription, StaleReason.UNSUBSCRIBED, "no longer subscribed")

    def on_open(self) -> None:
        """A new connection: what went bad before says nothing of it."""
        self._proofs.clear()

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
        if rule != subscription.book.rule:
            subscription.book = OrderBook(symbol, rule)
            if subscription.state is _LIVE:
                self._fault(subscription, StaleReason.PRECISION, "the instrument's decimals changed")
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
            self._on_live_book(subscription, update, received_ns)
        elif update.update_type is _SNAPSHOT:
            if subscription.phase is Phase.SENT or subscription.phase is Phase.DATA:
                self._on_snapshot(subscription, update, received_ns)
            else:
                self.dropped += 1
        elif subscription.buffer is not None:
            if len(subscription.buffer) < BUFFER_MESSAGES_MAX:
                subscription.buffer.append(update)
            else:
                self._subscriptions.fail(
                    subscription, StaleReason.NO_SNAPSHOT, "too many updates before the snapshot", self.now_ns
                )
        else:
            self.dropped += 1

    def _on_live_book(self, subscription: Subscription, update: MarketByPriceUpdate, received_ns: int) -> None:
        book = subscription.book
        assert book is not None
        fault = book.apply(update)
        if fault is not None:
            if fault.reason is not None:
                self._fault(subscription, fault.reason, fault.detail)
            return
        if book.top_changed:
            suspicion = self._suspicion(subscription, book)
            if suspicion is not None and suspicion.reason is not None:
                self._fault(subscription, suspicion.reason, suspicion.detail)
                return
        self._publish(update if update.update_type is not _SNAPSHOT else self._complete(update, book), received_ns)
        if book.top_changed:
            self._publish(self._top(book, update), received_ns)

    def _on_snapshot(self, subscription: Subscription, update: MarketByPriceUpdate, received_ns: int) -> None:
        book = subscription.book
        assert book is not None
        fault = book.apply(update)
        buffered, subscription.buffer = subscription.buffer, None
        for later in buffered or ():
            if fault is None or fault.reason is None:
                fault = book.apply(later)
        if fault is not None and fault.reason is not None:
            self._count(fault.reason)
            self._subscriptions.fail(subscription, fault.reason, fault.detail, self.now_ns)
            return
        self._subscriptions.fed(subscription)
        if subscription.held:
            book.clear()
            self._on_state(subscription, StreamState.STALE, StaleReason.VENUE_STATUS, None, self.now_ns)
            return
        suspicion = self._suspicion(subscription, book)
        if suspicion is not None:
            if subscription.reason is not suspicion.reason:
                # The first snapshot that looks odd: ask once more. The second one confirms it.
                self._count(suspicion.reason)
                self._subscriptions.fail(subscription, suspicion.reason, suspicion.detail, self.now_ns)  # type: ignore[arg-type]
                return
            subscription.confirmed = suspicion.reason
        subscription.quarantined = False
        self._on_state(subscription, StreamState.LIVE, None, None, self.now_ns)
        self._publish(book.snapshot() if buffered else self._complete(update, book), received_ns)
        self._publish(self._top(book, update), received_ns)

    def _suspicion(self, subscription: Subscription, book: OrderBook) -> BookFault | None:
        """Whether the book looks wrong though nothing proves it (thin pairs do lose a side, books may cross)."""
        if book.is_sound:
            subscription.had_both_sides = True
            subscription.confirmed = None
            return None
        both = book.is_crossed
        reason = StaleReason.CROSSED if both else StaleReason.EMPTY_SIDE
        if subscription.confirmed is reason or (not both and not subscription.had_both_sides):
            return None
        return BookFault(reason, "best bid at or above best ask" if both else "a side of the book is empty")

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

    def _fault(self, subscription: Subscription, reason: StaleReason, detail: str) -> None:
        """A live book went bad: say so first, then heal that symbol alone, or the shard when many go at once."""
        self._mark_stale(subscription, reason, detail)
        self._on_state(subscription, StreamState.STALE, reason, detail, self.now_ns)
        self._subscriptions.fail(subscription, reason, detail, self.now_ns)
        if reason in PROOF:
            self._proofs.append(self.now_ns)
            while self._proofs[0] < self.now_ns - RENEW_WINDOW_NS:
                self._proofs.popleft()
            enough = max(self._healing.renew_shard_min, self._healing.renew_shard_share * len(self.of_symbol))
            if len(self._proofs) >= enough:
                self._proofs.clear()
                self._outbox.close("renew: many books of this connection went bad at once")

    def mark_all(self, reason: StaleReason, detail: str) -> None:
        """The whole connection can't be trusted any more: every live book is stale."""
        for subscription in self.of_symbol.values():
            if subscription.state is _LIVE:
                self._mark_stale(subscription, reason, detail)
                self._on_state(subscription, StreamState.STALE, reason, detail, self.now_ns)

    def _mark_stale(self, subscription: Subscription, reason: StaleReason, detail: str) -> None:
        book = subscription.book
        assert book is not None
        self._count(reason)
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

    def _count(self, reason: StaleReason | None) -> None:
        if reason is not None:
            self.stale[reason] += 1
