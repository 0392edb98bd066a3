"""Rows of data frames from events: trades, best prices, levels of books. Pure; it knows no library of data frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple, TypeAlias

from gwcore.book import OrderBook
from gwcore.client.book import rule_of
from gwcore.client.errors import TooManyRows
from gwcore.model import Envelope, Header, MarketByPriceUpdate, TopOfBook, TradeSummary, UpdateType

_NS = 1_000_000_000
#: In a row of a book that nobody vouches for, where its session ended.
STALE_SESSION = "SESSION"


class Column(Enum):
    """What a column holds."""

    TIME = 1  # ns since the epoch, UTC
    NUMBER = 2  # decimal text
    TEXT = 3
    COUNT = 4  # whole numbers


Row: TypeAlias = tuple[int | str | None, ...]
Schema: TypeAlias = dict[str, Column]

TRADES: Schema = {
    "time": Column.TIME,  # the venue's; where it gave none, when it was published
    "symbol": Column.TEXT,
    "price": Column.NUMBER,
    "quantity": Column.NUMBER,
    "side": Column.TEXT,
    "trade_id": Column.TEXT,
    "origin": Column.TEXT,
    "published": Column.TIME,
    "sequence": Column.COUNT,
}
TOPS: Schema = {
    "time": Column.TIME,
    "symbol": Column.TEXT,
    "bid_price": Column.NUMBER,
    "bid_quantity": Column.NUMBER,
    "ask_price": Column.NUMBER,
    "ask_quantity": Column.NUMBER,
    "stale": Column.TEXT,  # why there are no prices
    "sequence": Column.COUNT,
}
LEVELS: Schema = {
    "time": Column.TIME,
    "symbol": Column.TEXT,
    "side": Column.TEXT,
    "level": Column.COUNT,  # 1 is the best
    "price": Column.NUMBER,
    "quantity": Column.NUMBER,
    "stale": Column.TEXT,
    "sequence": Column.COUNT,
}


class Span(NamedTuple):
    """Times of publication, inclusive; None: open."""

    from_ns: int | None = None
    to_ns: int | None = None

    def holds(self, header: Header) -> bool:
        """Whether an event was published within."""
        time_ns = header.published_ns
        return (self.from_ns is None or time_ns >= self.from_ns) and (self.to_ns is None or time_ns <= self.to_ns)


def limited(rows: Iterable[Row], rows_max: int) -> list[Row]:
    """All rows. Raises TooManyRows."""
    found: list[Row] = []
    for row in rows:
        if len(found) >= rows_max:
            raise TooManyRows(rows_max)
        found.append(row)
    return found


def trade_rows(events: Iterable[Envelope], span: Span) -> Iterator[Row]:
    """One row a trade, in order of publication; those a venue repeats on subscribing (SNAPSHOT) are left out."""
    for envelope in events:
        event, header = envelope.event, envelope.header
        if not isinstance(event, TradeSummary) or event.update_type is not UpdateType.INCREMENTAL:
            continue
        if not span.holds(header):
            continue
        for trade in event.trades:
            yield (
                trade.venue_time_ns or event.venue_time_ns or header.published_ns,
                event.symbol,
                trade.price,
                trade.quantity,
                trade.side.value,
                trade.trade_id,
                event.origin.value,
                header.published_ns,
                header.sequence,
            )


def top_rows(events: Iterable[Envelope], span: Span) -> Iterator[Row]:
    """One row a change of the best prices; without prices, and with the reason, where the book was not to be trusted."""
    for envelope in events:
        event, header = envelope.event, envelope.header
        if isinstance(event, TopOfBook) and span.holds(header):
            stale = None
            if event.update_type is UpdateType.STALE:
                stale = event.reason.value if event.reason is not None else UpdateType.STALE.value
            yield (
                header.published_ns,
                event.symbol,
                event.bid_price,
                event.bid_quantity,
                event.ask_price,
                event.ask_quantity,
                stale,
                header.sequence,
            )


class LevelRows:
    """Books rebuilt from their events. At most once in `every_s` a symbol's best `levels` of each side become rows.

    A book that turns STALE is one row at once, without side and price.
    """

    def __init__(self, span: Span, *, levels: int, every_s: float) -> None:
        self._span = span
        self._levels = levels
        self._every_ns = int(every_s * _NS)
        self._books: dict[str, OrderBook] = {}
        self._told: dict[str, int] = {}  # symbol -> when it last became rows
        self._stale: dict[str, str] = {}  # symbol -> why
        self._sessions: dict[str, str] = {}  # symbol -> session of its events

    def rows(self, events: Iterable[Envelope]) -> Iterator[Row]:
        """Rows, as events are read."""
        for envelope in events:
            event, header = envelope.event, envelope.header
            if isinstance(event, MarketByPriceUpdate):
                stale = self._apply(event, header)
                if self._span.holds(header):
                    yield from self._state(event.symbol, header, stale)

    def _apply(self, event: MarketByPriceUpdate, header: Header) -> str:
        # Returns why the book may not be used; empty: it may.
        symbol = event.symbol
        if self._sessions.get(symbol, header.session_id) != header.session_id:
            self._books.pop(symbol, None)
            self._stale[symbol] = STALE_SESSION
        self._sessions[symbol] = header.session_id
        if event.update_type is UpdateType.SNAPSHOT:
            try:
                self._books[symbol] = OrderBook(symbol, rule_of(event))
            except ValueError as error:
                self._books.pop(symbol, None)
                self._stale[symbol] = str(error)
        elif event.update_type is UpdateType.STALE:
            self._books.pop(symbol, None)
            self._stale[symbol] = event.reason.value if event.reason is not None else UpdateType.STALE.value
        book = self._books.get(symbol)
        if book is None:
            return self._stale.get(symbol, "NO_SNAPSHOT")
        fault = book.apply(event)
        if fault is not None and fault.reason is not None:
            del self._books[symbol]
            self._stale[symbol] = fault.reason.value
            return fault.reason.value
        return ""

    def _state(self, symbol: str, header: Header, stale: str) -> Iterator[Row]:
        time_ns = header.published_ns
        if stale:
            if self._told.get(symbol) != -1:
                self._told[symbol] = -1  # once, and the next good book at once
                yield (time_ns, symbol, None, None, None, None, stale, header.sequence)
            return
        told_ns = self._told.get(symbol, -1)
        if told_ns >= 0 and time_ns - told_ns < self._every_ns:
            return
        self._told[symbol] = time_ns
        book = self._books[symbol]
        for side, found in (("BID", book.bids(self._levels)), ("ASK", book.asks(self._levels))):
            for number, level in enumerate(found, 1):
                yield (time_ns, symbol, side, number, level.price, level.quantity, None, header.sequence)
