"""Book: one order book as a client reads it, in Decimal, and only while somebody vouches for it (law 1).

`Books` keeps one per symbol from the market_by_price events of a session. It asks for nothing and knows no connection:
the session tells it what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from gwcore.book import BookRule, OrderBook
from gwcore.client.errors import BookNotLive
from gwcore.model import Header, MarketByPriceUpdate, PriceLevel, StaleReason, UpdateType

#: Makes a BookRule of a snapshot; hand in your own to have the venue's checksum verified again on this side.
RuleFactory = Callable[[MarketByPriceUpdate], BookRule]

#: Events that wait unread for longer than this make every book STALE: the newest state may be among them.
BACKLOG_MAX_S = 1.0


class BookState(str, Enum):
    """Whether a book may be used."""

    LIVE = "LIVE"
    STALE = "STALE"
    UNKNOWN = "UNKNOWN"  # nothing was ever heard of it


class Level(NamedTuple):
    """One price of a book side."""

    price: Decimal
    quantity: Decimal


def rule_of(snapshot: MarketByPriceUpdate) -> BookRule:
    """The rule a snapshot states, without a checksum. Raises ValueError where it states none."""
    if snapshot.depth is None or snapshot.price_decimals is None or snapshot.quantity_decimals is None:
        raise ValueError("a snapshot without depth or decimals")
    return BookRule(
        price_decimals=snapshot.price_decimals, quantity_decimals=snapshot.quantity_decimals, depth=snapshot.depth
    )


def _level(level: PriceLevel) -> Level:
    return Level(Decimal(level.price), Decimal(level.quantity))


class BookReader:
    """Reads a book without asking whether it is LIVE: what `Book.peek()` gives."""

    __slots__ = ("_orders",)

    def __init__(self, orders: OrderBook | None) -> None:
        self._orders = orders

    def bids(self, count: int | None = None) -> list[Level]:
        """Levels of the bid side, best first; at most `count`."""
        return [_level(level) for level in self._orders.bids(count)] if self._orders else []

    def asks(self, count: int | None = None) -> list[Level]:
        """Levels of the ask side, best first; at most `count`."""
        return [_level(level) for level in self._orders.asks(count)] if self._orders else []

    @property
    def best_bid(self) -> Level | None:
        """Highest bid; None where the side is empty."""
        level = self._orders.best_bid if self._orders else None
        return None if level is None else _level(level)

    @property
    def best_ask(self) -> Level | None:
        """Lowest ask; None where the side is empty."""
        level = self._orders.best_ask if self._orders else None
        return None if level is None else _level(level)

    @property
    def mid(self) -> Decimal | None:
        """The middle between the best prices (28 digits); None where a side is empty."""
        bid, ask = self.best_bid, self.best_ask
        return None if bid is None or ask is None else (bid.price + ask.price) / 2

    @property
    def spread(self) -> Decimal | None:
        """Best ask less best bid; None where a side is empty."""
        bid, ask = self.best_bid, self.best_ask
        return None if bid is None or ask is None else ask.price - bid.price

    @property
    def venue_time_ns(self) -> int | None:
        """The venue's time of the last change."""
        return self._orders.venue_time_ns if self._orders else None


class Book:
    """One symbol's book. Reading a price raises BookNotLive unless the state is LIVE."""

    __slots__ = ("_after", "_orders", "_owner", "_partition", "_reason", "_state", "_suspended", "changed_ns", "symbol")

    def __init__(self, symbol: str, owner: Books) -> None:
        self.symbol = symbol
        self.changed_ns = owner.monotonic_ns()  # when it last changed, on the monotonic clock
        self._owner = owner
        self._orders: OrderBook | None = None
        self._state = BookState.UNKNOWN
        self._reason = "no snapshot yet"
        self._suspended = False  # the connection broke; the levels are right as of then and may be resumed
        self._partition = ""
        self._after: tuple[str, int] = ("", 0)  # session and sequence that the last snapshot contains

    @property
    def state(self) -> BookState:
        """LIVE, STALE or UNKNOWN, now."""
        if self._state is BookState.LIVE and (self._suspended or self._owner.doubt()):
            return BookState.STALE
        return self._state

    @property
    def reason(self) -> str:
        """Why it is not LIVE; empty when it is."""
        if self._state is not BookState.LIVE:
            return self._reason
        return self._owner.doubt() or ("DISCONNECT" if self._suspended else "")

    @property
    def age_s(self) -> float:
        """Seconds since the book last changed."""
        return (self._owner.monotonic_ns() - self.changed_ns) / 1e9

    def peek(self) -> BookReader:
        """Read what is there whatever the state: for display and post-mortems, not for prices to trade on."""
        return BookReader(self._orders)

    def bids(self, count: int | None = None) -> list[Level]:
        """Levels of the bid side, best first; at most `count`. Raises BookNotLive."""
        return self._reader().bids(count)

    def asks(self, count: int | None = None) -> list[Level]:
        """Levels of the ask side, best first; at most `count`. Raises BookNotLive."""
        return self._reader().asks(count)

    @property
    def best_bid(self) -> Level | None:
        """Highest bid; None where the side is empty. Raises BookNotLive."""
        return self._reader().best_bid

    @property
    def best_ask(self) -> Level | None:
        """Lowest ask; None where the side is empty. Raises BookNotLive."""
        return self._reader().best_ask

    @property
    def mid(self) -> Decimal | None:
        """The middle between the best prices; None where a side is empty. Raises BookNotLive."""
        return self._reader().mid

    @property
    def spread(self) -> Decimal | None:
        """Best ask less best bid; None where a side is empty. Raises BookNotLive."""
        return self._reader().spread

    def _reader(self) -> BookReader:
        state = self.state
        if state is not BookState.LIVE:
            raise BookNotLive(self.symbol, state.value, self.reason, self.age_s)
        return BookReader(self._orders)

    def _lose(self, reason: str) -> None:
        if self._state is not BookState.UNKNOWN:
            self._state = BookState.STALE
            self._reason = reason
        self._suspended = False

    def _apply(self, update: MarketByPriceUpdate, header: Header, rule: RuleFactory) -> bool:
        # Returns False when the book needs a snapshot that nobody announced.
        if update.update_type is UpdateType.INCREMENTAL:
            return self._apply_change(update, header)
        self._suspended = False
        self._partition = header.partition
        self.changed_ns = self._owner.monotonic_ns()
        if update.update_type is UpdateType.STALE:
            reason = update.reason.value if update.reason is not None else "STALE"
            self._state, self._reason = BookState.STALE, f"{reason}: {update.detail}" if update.detail else reason
            if self._orders is not None:
                self._orders.clear()
            return True
        if header.sequence is not None or header.after_sequence is not None:
            self._after = (header.session_id, header.sequence or header.after_sequence or 0)
        try:
            self._orders = OrderBook(update.symbol, rule(update))
        except ValueError as error:
            self._state, self._reason = BookState.STALE, f"{StaleReason.DECODE.value}: {error}"
            return True  # another snapshot would not be better
        fault = self._orders.apply(update)
        if fault is not None:
            self._state, self._reason = BookState.STALE, f"{_name(fault.reason)}: {fault.detail}"
            return False
        self._state, self._reason = BookState.LIVE, ""
        return True

    def _apply_change(self, update: MarketByPriceUpdate, header: Header) -> bool:
        session_id, sequence = self._after
        if header.session_id == session_id and header.sequence is not None and header.sequence <= sequence:
            return True  # the snapshot holds it already
        if self._state is BookState.STALE:
            return True  # whoever made it stale knows what heals it
        if self._state is BookState.UNKNOWN or self._orders is None:
            return False
        fault = self._orders.apply(update)
        self.changed_ns = self._owner.monotonic_ns()
        if fault is None or fault.reason is None:
            return True
        self._lose(f"{_name(fault.reason)}: {fault.detail}")
        return False


def _name(reason: StaleReason | None) -> str:
    return "" if reason is None else reason.value


class Books(Mapping[str, Book]):
    """All books by symbol. A symbol not heard of yet gives a Book in state UNKNOWN that starts to live with its snapshot."""

    def __init__(self, monotonic_ns: Callable[[], int], rule: RuleFactory | None = None) -> None:
        self.monotonic_ns = monotonic_ns
        self.hold = "NOT_CONNECTED"  # why no book at all may be used; empty: nothing against it
        self.backlog_since_ns: int | None = None  # since when arriving events wait for their reader
        self.broken: set[str] = set()  # books that need a snapshot which nobody announced
        self._rule = rule or rule_of
        self._books: dict[str, Book] = {}

    def __getitem__(self, symbol: str) -> Book:
        book = self._books.get(symbol)
        if book is None:
            book = self._books[symbol] = Book(symbol, self)
        return book

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._books

    def __iter__(self) -> Iterator[str]:
        return iter(self._books)

    def __len__(self) -> int:
        return len(self._books)

    def doubt(self) -> str:
        """What stands against all books at once; empty: nothing."""
        if self.hold:
            return self.hold
        since_ns = self.backlog_since_ns
        if since_ns is not None and self.monotonic_ns() - since_ns > BACKLOG_MAX_S * 1e9:
            return "BACKLOG: events wait to be read, so newer ones can't come in"
        return ""

    def apply(self, update: MarketByPriceUpdate, header: Header) -> None:
        """One event, in order of arrival."""
        book = self[update.symbol]
        if book._apply(update, header, self._rule):
            if update.update_type is not UpdateType.INCREMENTAL:
                self.broken.discard(update.symbol)
        else:
            self.broken.add(update.symbol)

    def lose(self, symbol: str, reason: str, *, announced: bool) -> None:
        """One book missed something. `announced`: a snapshot will come by itself."""
        self[symbol]._lose(reason)
        if not announced:
            self.broken.add(symbol)

    def lose_partition(self, partition: str, reason: str, *, announced: bool) -> None:
        """All books of one partition missed something."""
        for book in self._books.values():
            if book._partition == partition:
                self.lose(book.symbol, reason, announced=announced)

    def suspend(self) -> None:
        """The connection broke. The levels are right as of now, should the stream go on from here."""
        for book in self._books.values():
            book._suspended = True

    def restore(self) -> None:
        """The stream went on where it broke, and caught up."""
        for book in self._books.values():
            book._suspended = False

    def lose_where(self, condition: Callable[[Book], bool], reason: str) -> None:
        """Every book that meets the condition can be used again only after a snapshot of its own."""
        for book in self._books.values():
            if condition(book):
                book._lose(reason)

    def lose_suspended(self, reason: str) -> None:
        """The stream did not go on where it broke."""
        self.lose_where(lambda book: book._suspended, reason)
