"""Oracles of books: what was published can be replayed without a fault, and clients hold what the venue holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, Protocol

from gwcore.book import BookRule, OrderBook
from gwcore.model import Instrument, MarketByPriceUpdate, Record, ReferenceData, TopOfBook, UpdateType
from gwcore.testing.oracles.sequences import VIOLATIONS_MAX
from gwcore.wire import decode_envelope

#: (instrument, depth) -> how the venue's books are kept and checked.
RuleOf = Callable[[Instrument, int], BookRule]


class TrueLevels(NamedTuple):
    """The book as the venue has it: (price, quantity) in the venue's text, best first."""

    bids: Sequence[tuple[str, str]]
    asks: Sequence[tuple[str, str]]


class _Level(Protocol):
    @property
    def price(self) -> Decimal: ...

    @property
    def quantity(self) -> Decimal: ...


class _Reader(Protocol):
    def bids(self, count: int | None = None) -> Sequence[_Level]: ...

    def asks(self, count: int | None = None) -> Sequence[_Level]: ...


class _ClientBook(Protocol):
    @property
    def state(self) -> object: ...

    @property
    def reason(self) -> str: ...

    def peek(self) -> _Reader: ...


@dataclass(slots=True)
class _Stream:
    """What a receiver of one symbol's records knows."""

    session_id: str = ""
    book: OrderBook | None = None  # None: nothing that may be used
    top_is_due: bool = False  # the best changed and no TopOfBook said so
    top_is_live: bool = False
    instrument: Instrument | None = None
    found: list[str] = field(default_factory=list)


def check_book_streams(records: Iterable[Record], rule_of: RuleOf) -> list[str]:
    """All `md` records in order: per symbol a book is LIVE only from a SNAPSHOT on, gets no increment while it is not, is
    STALE once for each time it was LIVE, holds the venue's checksum after every message; and each TopOfBook is its top."""
    streams: dict[str, _Stream] = {}
    found: list[str] = []
    for record in records:
        if record.symbol is None or record.kind not in ("market_by_price", "top_of_book", "reference_data"):
            continue
        stream = streams.setdefault(record.symbol, _Stream())
        if record.session_id != stream.session_id:
            # A new session owes nothing to the last one, which may have ended without a word.
            stream.session_id, stream.book, stream.top_is_live, stream.top_is_due = (
                record.session_id,
                None,
                False,
                False,
            )
        event = decode_envelope(record.payload).event
        if isinstance(event, MarketByPriceUpdate):
            violation = _on_book(stream, event, rule_of)
        elif isinstance(event, TopOfBook):
            violation = _on_top(stream, event)
        else:
            assert isinstance(event, ReferenceData)
            stream.instrument, violation = event, ""
        if violation:
            found.append(f"{record.event_id} {record.symbol}: {violation}")
            if len(found) >= VIOLATIONS_MAX:
                break
    return found


def _on_book(stream: _Stream, update: MarketByPriceUpdate, rule_of: RuleOf) -> str:
    book = stream.book
    if update.update_type is UpdateType.STALE:
        stream.book, stream.top_is_due = None, False
        return "" if book is not None else "STALE of a book that was not LIVE"
    if update.update_type is UpdateType.INCREMENTAL:
        if book is None:
            return "an increment of a book that is not LIVE"
        if stream.top_is_due:
            stream.top_is_due = False
            return "the best price changed and no TopOfBook followed"
    else:
        if stream.instrument is None:
            return "a snapshot before the instrument"
        if update.depth is None:
            return "a snapshot without depth"
        book = stream.book = OrderBook(update.symbol, rule_of(stream.instrument, update.depth))
    fault = book.apply(update)
    if fault is not None:
        stream.book = None
        return f"{update.update_type.value}: {fault.detail}"
    stream.top_is_due = book.top_changed
    return ""


def _on_top(stream: _Stream, top: TopOfBook) -> str:
    book = stream.book
    stream.top_is_due = False
    if top.update_type is UpdateType.STALE:
        return "TopOfBook is STALE and its book is not" if book is not None else ""
    if book is None:
        return "TopOfBook of a book that is not LIVE"
    bid, ask = book.best_bid, book.best_ask
    expected = (
        bid.price if bid else None,
        bid.quantity if bid else None,
        ask.price if ask else None,
        ask.quantity if ask else None,
    )
    said = (top.bid_price, top.bid_quantity, top.ask_price, top.ask_quantity)
    return "" if said == expected else f"TopOfBook says {said}, the book {expected}"


def check_books(books: Mapping[str, _ClientBook], truth: Mapping[str, TrueLevels]) -> list[str]:
    """Every symbol of `truth`: the client's book is LIVE and equals it level by level. The market must stand still."""
    found = []
    for symbol, true in truth.items():
        book = books.get(symbol)
        state = "unknown" if book is None else str(getattr(book.state, "value", book.state))
        if book is None or state != "LIVE":
            found.append(f"{symbol}: {state}{f' ({book.reason})' if book is not None else ''}, where it should be LIVE")
            continue
        reader = book.peek()
        for side, mine, theirs in (("bid", reader.bids(), true.bids), ("ask", reader.asks(), true.asks)):
            found += _check_side(f"{symbol} {side}", mine, theirs)
        if len(found) >= VIOLATIONS_MAX:
            break
    return found


def _check_side(name: str, mine: Sequence[_Level], theirs: Sequence[tuple[str, str]]) -> list[str]:
    found = [
        f"{name} {index}: {level.price} x {level.quantity}, at the venue {price} x {quantity}"
        for index, (level, (price, quantity)) in enumerate(zip(mine, theirs, strict=False))
        if (level.price, level.quantity) != (Decimal(price), Decimal(quantity))
    ]
    if len(mine) != len(theirs):
        found.append(f"{name}s: {len(mine)} levels, at the venue {len(theirs)}")
    return found[:3]
