"""OrderBook: one L2 book on scaled integers. Applies updates, finds faults, knows no venue.

Three parallel sorted lists a side: keys (price in ticks, negated for bids so that the best is always first), levels
(the venue's own text) and, where the venue has a checksum, each level's part of the checksum's text. That costs half of a
sorted dictionary and does not grow with depth (performance notes, Book).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from gwcore.model import MarketByPriceUpdate, PriceLevel, StaleReason, UpdateType
from gwcore.numbers import PrecisionError, scaled


class Continuity(str, Enum):
    """How a venue numbers its book messages."""

    NONE = "NONE"
    PLUS_ONE = "PLUS_ONE"  # venue_sequence is the last one's plus one
    LINKED = "LINKED"  # venue_sequence_previous is the last one's venue_sequence
    RANGE = "RANGE"  # [venue_sequence_first, venue_sequence] holds the last one's plus one


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRule:
    """What the book has to know of a venue and an instrument.

    `level_text(price, quantity)` is one level's part of the checksum text, from scaled integers;
    `checksum(bids, asks)` is the checksum over those parts of the best `checksum_levels` of each side, best first. Where it
    takes each side as one text, its parts put together, give `text_checksum(bids, asks)` instead: a side that did not change
    is then not put together again.
    """

    price_decimals: int
    quantity_decimals: int
    depth: int | None  # None: the venue keeps every level up to date, so nothing is cut (LEVELS_MAX bounds it)
    level_text: Callable[[int, int], bytes] | None = None
    checksum: Callable[[Sequence[bytes], Sequence[bytes]], int] | None = None
    checksum_levels: int = 10
    continuity: Continuity = Continuity.NONE
    text_checksum: Callable[[bytes, bytes], int] | None = None


class BookFault(NamedTuple):
    """Why a message could not be applied. `reason` None: it is only outdated, drop it in silence."""

    reason: StaleReason | None
    detail: str


#: Levels a side of a book without a depth may hold; more is a fault, not memory without end.
LEVELS_MAX = 100_000


class _Overflow(Exception):
    """A side grew beyond LEVELS_MAX."""


OUTDATED = BookFault(None, "covered by the snapshot")
# Members by name: looking one up in its class costs a tenth of an update.
_INCREMENTAL = UpdateType.INCREMENTAL
_NOT_NUMBERED = Continuity.NONE
_NO_SNAPSHOT = BookFault(StaleReason.NO_SNAPSHOT, "update before any snapshot")


class _BookSide:
    """One side: three lists kept in step by `change` and `cut` alone."""

    __slots__ = ("keys", "levels", "sign", "text", "texts")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[int] = []
        self.levels: list[PriceLevel] = []
        self.texts: list[bytes] = []
        self.text = b""  # the best parts put together, where the rule has a `text_checksum`

    def clear(self) -> None:
        self.keys.clear()
        self.levels.clear()
        self.texts.clear()
        self.text = b""

    def change(self, changes: Sequence[PriceLevel], rule: BookRule) -> None:
        """Apply changes in order, then cut to depth (spot API sheet §4.8, rules 1-3). Raises _Overflow."""
        keys, levels, texts, sign = self.keys, self.levels, self.texts, self.sign
        price_decimals, quantity_decimals, level_text = (
            rule.price_decimals,
            rule.quantity_decimals,
            rule.level_text,
        )
        price_point, quantity_point = -price_decimals - 1, -quantity_decimals - 1
        for level in changes:
            # `scaled`, without its call: the point stands where it should in nearly all that a venue writes.
            try:
                text = level.price
                is_plain = text[price_point] == "."
                price = int(text.replace(".", "", 1)) if is_plain else scaled(text, price_decimals)
                text = level.quantity
                is_plain = text[quantity_point] == "."
                quantity = int(text.replace(".", "", 1)) if is_plain else scaled(text, quantity_decimals)
            except IndexError:  # shorter than its decimals
                price, quantity = scaled(level.price, price_decimals), scaled(level.quantity, quantity_decimals)
            key = price * sign
            index = bisect_left(keys, key)
            if index < len(keys) and keys[index] == key:
                if quantity:
                    levels[index] = level
                    if level_text is not None:
                        texts[index] = level_text(price, quantity)
                else:
                    del keys[index], levels[index]
                    if level_text is not None:
                        del texts[index]
            elif quantity:
                keys.insert(index, key)
                levels.insert(index, level)
                if level_text is not None:
                    texts.insert(index, level_text(price, quantity))
        if rule.depth is None or len(keys) > rule.depth:
            self.cut(rule.depth)
        if rule.text_checksum is not None:
            count = rule.checksum_levels
            self.text = b"".join(texts if len(texts) <= count else texts[:count])

    def cut(self, depth: int | None) -> None:
        """Drop what lies deeper than the subscribed depth: the venue sends nothing for it. Raises _Overflow."""
        if depth is None:
            if len(self.keys) > LEVELS_MAX:
                raise _Overflow
        elif len(self.keys) > depth:
            del self.keys[depth:], self.levels[depth:], self.texts[depth:]


class OrderBook:
    """One L2 book. `apply` returns None or the fault; after a fault the book is unusable until a SNAPSHOT."""

    __slots__ = (
        "_asks",
        "_bids",
        "rule",
        "symbol",
        "top_changed",
        "updates",
        "venue_sequence",
        "venue_time_ns",
    )

    def __init__(self, symbol: str, rule: BookRule) -> None:
        self.symbol = symbol
        self.rule = rule
        self._bids = _BookSide(-1)
        self._asks = _BookSide(1)
        self.updates = -1  # messages since the snapshot; -1 before any
        self.venue_sequence: int | None = None
        self.venue_time_ns: int | None = None
        self.top_changed = False  # whether the last message changed the best bid or ask

    @property
    def has_snapshot(self) -> bool:
        """Whether a snapshot was applied and no fault since."""
        return self.updates >= 0

    def clear(self) -> None:
        """Forget everything: the state before a snapshot."""
        self._bids.clear()
        self._asks.clear()
        self.updates = -1
        self.venue_sequence = None
        self.venue_time_ns = None
        self.top_changed = True

    def apply(self, update: MarketByPriceUpdate) -> BookFault | None:
        """Apply one message and check it.

        Faults: NO_SNAPSHOT, SEQUENCE_GAP, PRECISION, CHECKSUM are proof and leave the book cleared. OUTDATED says that the
        snapshot holds it already. Whether the book is crossed or one-sided is for the caller to ask: it may be true.
        """
        if update.update_type is not _INCREMENTAL:
            self.clear()
            if update.update_type is UpdateType.STALE:
                return None
        elif self.updates < 0:
            return _NO_SNAPSHOT
        elif self.rule.continuity is not _NOT_NUMBERED:
            fault = self._continuity_fault(update)
            if fault is not None:
                if fault.reason is not None:
                    self.clear()
                return fault
        fault = self._change(update)
        if fault is not None:
            self.clear()
        return fault

    def _change(self, update: MarketByPriceUpdate) -> BookFault | None:
        bids, asks, rule = self._bids, self._asks, self.rule
        best_bid = bids.levels[0] if bids.levels else None
        best_ask = asks.levels[0] if asks.levels else None
        try:
            if update.bids:
                bids.change(update.bids, rule)
            if update.asks:
                asks.change(update.asks, rule)
        except _Overflow:
            return BookFault(StaleReason.OVERFLOW, f"more than {LEVELS_MAX} levels on one side")
        except PrecisionError as error:
            return BookFault(StaleReason.PRECISION, str(error))
        except ValueError as error:
            return BookFault(StaleReason.DECODE, f"not a decimal number: {error!s:.200}")
        if update.checksum is not None:
            text_checksum = rule.text_checksum
            found = text_checksum(bids.text, asks.text) if text_checksum is not None else self.checksum()
            if found != update.checksum and found is not None:
                return BookFault(StaleReason.CHECKSUM, f"venue says {update.checksum}, book gives {found}")
        # Identity is enough: a level that was touched is a new object.
        self.top_changed = (
            self.updates < 0
            or (bids.levels[0] if bids.levels else None) is not best_bid
            or (asks.levels[0] if asks.levels else None) is not best_ask
        )
        self.updates += 1
        self.venue_sequence = update.venue_sequence
        self.venue_time_ns = update.venue_time_ns
        return None

    def _continuity_fault(self, update: MarketByPriceUpdate) -> BookFault | None:
        last, sequence = self.venue_sequence, update.venue_sequence
        if last is None or sequence is None:
            return BookFault(StaleReason.SEQUENCE_GAP, "a message without a sequence number")
        first = update.venue_sequence_first
        # Only the first message after a snapshot may be covered by it or reach back into it. Later on that would hide
        # a venue that numbers anew.
        is_first = self.updates == 0
        if is_first and sequence <= last and update.venue_sequence_previous != last:
            return OUTDATED
        reaches = first is not None and first <= last + 1 <= sequence
        match self.rule.continuity:
            case Continuity.PLUS_ONE:
                good = sequence == last + 1
            case Continuity.LINKED:
                good = update.venue_sequence_previous == last or (is_first and reaches)
            case _:
                good = reaches
        return None if good else BookFault(StaleReason.SEQUENCE_GAP, f"expected to follow {last}, got {sequence}")

    def checksum(self) -> int | None:
        """The venue's checksum over the book as it stands; None where the venue has none."""
        rule = self.rule
        if rule.text_checksum is not None:
            return rule.text_checksum(self._bids.text, self._asks.text)
        if rule.checksum is None:
            return None
        levels = rule.checksum_levels
        return rule.checksum(self._bids.texts[:levels], self._asks.texts[:levels])

    @property
    def best_bid(self) -> PriceLevel | None:
        """Highest bid."""
        return self._bids.levels[0] if self._bids.levels else None

    @property
    def best_ask(self) -> PriceLevel | None:
        """Lowest ask."""
        return self._asks.levels[0] if self._asks.levels else None

    @property
    def is_sound(self) -> bool:
        """Whether both sides stand and the best bid is below the best ask."""
        bids, asks = self._bids.keys, self._asks.keys
        return bool(bids and asks) and -bids[0] < asks[0]

    @property
    def is_two_sided(self) -> bool:
        """Whether there is a bid and an ask."""
        return bool(self._bids.keys and self._asks.keys)

    @property
    def middle2(self) -> int:
        """Twice the middle of a two-sided book, in ticks: an integer."""
        return self._asks.keys[0] - self._bids.keys[0]

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is at or above the best ask (locked counts)."""
        return bool(self._bids.keys and self._asks.keys) and -self._bids.keys[0] >= self._asks.keys[0]

    def bids(self, count: int | None = None) -> list[PriceLevel]:
        """Levels of the bid side, best first; at most `count`."""
        return self._bids.levels[:count]

    def asks(self, count: int | None = None) -> list[PriceLevel]:
        """Levels of the ask side, best first; at most `count`."""
        return self._asks.levels[:count]

    def snapshot(self) -> MarketByPriceUpdate:
        """The book as a SNAPSHOT message, with its checksum: what a late client is given."""
        return MarketByPriceUpdate(
            symbol=self.symbol,
            update_type=UpdateType.SNAPSHOT,
            bids=tuple(self._bids.levels),
            asks=tuple(self._asks.levels),
            checksum=self.checksum(),
            depth=self.rule.depth,
            price_decimals=self.rule.price_decimals,
            quantity_decimals=self.rule.quantity_decimals,
            venue_sequence=self.venue_sequence,
            venue_time_ns=self.venue_time_ns,
        )
