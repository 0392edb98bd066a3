"""What a book says of itself, field by field, and the edges of its rules: one less or more than each bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gwcore import book as book_module
from gwcore.book import OUTDATED, BookFault, BookRule, Continuity, OrderBook
from gwcore.model import MarketByPriceUpdate, PriceLevel, StaleReason, UpdateType

SEEN: list[tuple[list[bytes], list[bytes]]] = []


def level_text(price: int, quantity: int) -> bytes:
    return b"%d:%d" % (price, quantity)


def checksum(bids: Sequence[bytes], asks: Sequence[bytes]) -> int:
    """Easy to give by hand; what it was given is kept."""
    SEEN.append((list(bids), list(asks)))
    return len(bids) * 100 + len(asks)


RULE = BookRule(price_decimals=1, quantity_decimals=2, depth=5, level_text=level_text, checksum=checksum)
BARE = BookRule(price_decimals=1, quantity_decimals=2, depth=5)


def levels(*pairs: tuple[str, str]) -> tuple[PriceLevel, ...]:
    return tuple(PriceLevel(*pair) for pair in pairs)


BIDS, ASKS = levels(("10.0", "1.00"), ("9.9", "2.00")), levels(("10.2", "3.00"), ("10.3", "4.00"))


def update(
    bids: Any = (), asks: Any = (), kind: UpdateType = UpdateType.INCREMENTAL, **other: Any
) -> MarketByPriceUpdate:
    return MarketByPriceUpdate(symbol="A/B", update_type=kind, bids=bids, asks=asks, **other)


def loaded(rule: BookRule = RULE, bids: Any = BIDS, asks: Any = ASKS, **other: Any) -> OrderBook:
    book = OrderBook("A/B", rule)
    assert book.apply(update(bids, asks, UpdateType.SNAPSHOT, **other)) is None
    return book


def prices(found: Sequence[PriceLevel]) -> list[str]:
    return [each.price for each in found]


def is_empty(book: OrderBook) -> bool:
    sides = (book._bids, book._asks)
    nothing = all(not side.keys and not side.levels and not side.texts for side in sides)
    return nothing and (book.updates, book.venue_sequence, book.venue_time_ns) == (-1, None, None) and book.top_changed


def test_a_new_book_knows_nothing() -> None:
    book = OrderBook("A/B", RULE)
    assert (book.symbol, book.rule, book.has_snapshot, book.top_changed) == ("A/B", RULE, False, False)
    assert (book.updates, book.venue_sequence, book.venue_time_ns) == (-1, None, None)
    assert (book.best_bid, book.best_ask, book.bids(), book.asks(), book.checksum()) == (None, None, [], [], 0)
    assert (book.is_sound, book.is_two_sided, book.is_crossed) == (False, False, False)


def test_the_book_as_a_snapshot_has_every_field() -> None:
    book = loaded(venue_sequence=7, venue_time_ns=8)
    assert book.snapshot() == MarketByPriceUpdate(
        symbol="A/B",
        update_type=UpdateType.SNAPSHOT,
        bids=BIDS,
        asks=ASKS,
        checksum=202,
        depth=5,
        price_decimals=1,
        quantity_decimals=2,
        venue_sequence=7,
        venue_time_ns=8,
    )
    assert (book.updates, book.has_snapshot, book.top_changed) == (0, True, True)
    assert book.apply(update(venue_sequence=9, venue_time_ns=10)) is None
    assert (book.updates, book.venue_sequence, book.venue_time_ns) == (1, 9, 10)


def test_best_prices_and_their_middle() -> None:
    book = loaded()
    assert (book.best_bid, book.best_ask) == (BIDS[0], ASKS[0])
    assert (book.middle2, book.is_sound, book.is_two_sided, book.is_crossed) == (202, True, True, False)
    assert (prices(book.bids(1)), prices(book.asks(1))) == (["10.0"], ["10.2"])


@pytest.mark.parametrize(
    ("bid", "sound", "crossed"), [("10.1", True, False), ("10.2", False, True), ("10.3", False, True)]
)
def test_a_book_is_sound_up_to_one_tick(bid: str, sound: bool, crossed: bool) -> None:
    book = loaded(bids=levels((bid, "1.00")))
    assert (book.is_sound, book.is_crossed, book.is_two_sided) == (sound, crossed, True)


@pytest.mark.parametrize("sides", [{"bids": ()}, {"asks": ()}, {"bids": (), "asks": ()}])
def test_a_book_without_a_side_is_neither_sound_nor_crossed(sides: dict[str, Any]) -> None:
    book = loaded(**sides)
    assert (book.is_sound, book.is_crossed, book.is_two_sided) == (False, False, False)
    assert (book.best_bid is None, book.best_ask is None) == ("bids" in sides, "asks" in sides)


@pytest.mark.parametrize("side", ["bids", "asks"])
def test_only_what_touches_the_best_of_a_side_changes_the_top(side: str) -> None:
    best, second = {"bids": BIDS, "asks": ASKS}[side]
    book = loaded()
    for change, changed in (
        (PriceLevel(second.price, "7.00"), False),
        (PriceLevel(best.price, "7.00"), True),
        (PriceLevel(second.price, "0.00"), False),
        (PriceLevel(best.price, "0.00"), True),
        (PriceLevel(best.price, "0.00"), False),
        (PriceLevel(best.price, "7.00"), True),
    ):
        assert book.apply(update(**{side: (change,)})) is None
        assert book.top_changed is changed


@pytest.mark.parametrize("rule", [RULE, BARE])
def test_levels_come_and_go_in_the_order_of_their_prices(rule: BookRule) -> None:
    book = loaded(rule)
    changes = levels(("9.9", "0.00"), ("9.95", "0.00"), ("10.1", "5.00"), ("9.8", "6.00"), ("10.0", "7"))
    changes = tuple(each for each in changes if each.price != "9.95")
    assert book.apply(update(bids=changes)) is None
    assert book.bids() == list(levels(("10.1", "5.00"), ("10.0", "7"), ("9.8", "6.00")))
    assert book._bids.texts == ([b"101:500", b"100:700", b"98:600"] if rule is RULE else [])
    assert book._bids.keys == [-101, -100, -98]
    assert book.apply(update(asks=levels(("10.1", "1.00"), ("10.3", "0.00")))) is None
    assert book._asks.keys == [101, 102]


@pytest.mark.parametrize(
    ("price", "quantity", "key", "text"),
    [("10", "1", 100, b"100:100"), ("10.00", "1.000", 100, b"100:100"), ("0.5", "0.05", 5, b"5:5")],
)
def test_numbers_written_in_another_way_are_the_same_numbers(price: str, quantity: str, key: int, text: bytes) -> None:
    book = loaded(bids=levels((price, quantity)))
    assert (book._bids.keys, book._bids.texts) == ([-key], [text])


@pytest.mark.parametrize(("depth", "kept"), [(1, 1), (2, 2), (3, 3), (4, 3), (None, 3)])
def test_a_side_has_as_many_levels_as_it_is_deep(depth: int | None, kept: int) -> None:
    three = levels(("10.0", "1.00"), ("9.9", "1.00"), ("9.8", "1.00"))
    book = loaded(replace(RULE, depth=depth), bids=three)
    assert book.bids() == list(three[:kept])
    assert len(book._bids.keys) == len(book._bids.texts) == kept


def test_a_side_without_a_depth_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "LEVELS_MAX", 2)
    book = loaded(replace(RULE, depth=None))
    fault = book.apply(update(bids=levels(("9.8", "1.00"))))
    assert fault == BookFault(StaleReason.OVERFLOW, "more than 2 levels on one side")
    assert is_empty(book)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_checksum_is_over_the_best_levels_alone(count: int) -> None:
    book = loaded(replace(RULE, checksum_levels=count))
    shown = ([b"100:100", b"99:200"][:count], [b"102:300", b"103:400"][:count])
    good = min(count, 2) * 101
    assert book.checksum() == good
    assert SEEN[-1] == shown
    assert book.apply(update(checksum=good)) is None
    assert SEEN[-1] == shown
    fault = book.apply(update(checksum=good + 1))
    assert fault == BookFault(StaleReason.CHECKSUM, f"venue says {good + 1}, book gives {good}")
    assert is_empty(book)


def test_without_a_checksum_of_the_venue_none_is_computed() -> None:
    book = loaded()
    SEEN.clear()
    assert book.apply(update()) is None
    assert SEEN == []


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (("10.05", "1.00"), (StaleReason.PRECISION, "10.05")),
        (("10.0", "1.005"), (StaleReason.PRECISION, "1.005")),
        (("1x.0", "1.00"), (StaleReason.DECODE, "not a decimal number: invalid literal for int() with base 10: '1x0'")),
    ],
)
@pytest.mark.parametrize("side", ["bids", "asks"])
def test_what_is_no_number_of_the_instrument_says_so(side: str, bad: tuple[str, str], fault: Any) -> None:
    book = loaded(venue_sequence=7, venue_time_ns=8)
    found = book.apply(update(**{side: levels(bad)}))
    assert found is not None
    assert found.reason is fault[0]
    assert fault[1] in found.detail
    assert is_empty(book)


def test_an_update_before_a_snapshot_and_one_that_says_stale() -> None:
    book = OrderBook("A/B", RULE)
    assert book.apply(update()) == BookFault(StaleReason.NO_SNAPSHOT, "update before any snapshot")
    book = loaded(venue_sequence=7, venue_time_ns=8)
    assert book.apply(update(kind=UpdateType.STALE)) is None
    assert is_empty(book)


# --- numbers ----------------------------------------------------------------------------------------------------------


def numbered(continuity: Continuity, *, later: bool = False) -> OrderBook:
    """A book at number 100; with `later` that is not the snapshot's any more."""
    book = loaded(replace(BARE, continuity=continuity), venue_sequence=99 if later else 100)
    if later:
        one = update(venue_sequence=100, venue_sequence_previous=99, venue_sequence_first=100)
        assert book.apply(one) is None
    return book


GOOD, COVERED, HOLE = "good", "covered", "hole"


@pytest.mark.parametrize(
    ("continuity", "later", "numbers", "end"),
    [
        (Continuity.PLUS_ONE, False, (101, None, None), GOOD),
        (Continuity.PLUS_ONE, False, (100, None, None), COVERED),
        (Continuity.PLUS_ONE, False, (102, None, None), HOLE),
        (Continuity.PLUS_ONE, True, (101, None, None), GOOD),
        (Continuity.PLUS_ONE, True, (100, None, None), HOLE),
        (Continuity.PLUS_ONE, True, (102, None, None), HOLE),
        (Continuity.LINKED, False, (105, 100, None), GOOD),
        (Continuity.LINKED, False, (90, 100, None), GOOD),  # a venue that numbers anew says what it follows
        (Continuity.LINKED, False, (100, 95, None), COVERED),
        (Continuity.LINKED, False, (105, 95, 101), GOOD),
        (Continuity.LINKED, False, (105, 95, 102), HOLE),
        (Continuity.LINKED, False, (105, 95, None), HOLE),
        (Continuity.LINKED, True, (105, 100, None), GOOD),
        (Continuity.LINKED, True, (105, 95, 101), HOLE),
        (Continuity.LINKED, True, (99, 95, None), HOLE),
        (Continuity.RANGE, False, (101, None, 101), GOOD),
        (Continuity.RANGE, False, (105, None, 90), GOOD),
        (Continuity.RANGE, False, (100, None, 90), COVERED),
        (Continuity.RANGE, False, (105, None, 102), HOLE),
        (Continuity.RANGE, False, (105, None, None), HOLE),
        (Continuity.RANGE, True, (100, None, 90), HOLE),
        (Continuity.RANGE, True, (101, None, 101), GOOD),
    ],
)
def test_the_number_that_follows(continuity: Continuity, later: bool, numbers: tuple[Any, ...], end: str) -> None:
    book = numbered(continuity, later=later)
    sequence, previous, first = numbers
    fault = book.apply(
        update(venue_sequence=sequence, venue_sequence_previous=previous, venue_sequence_first=first, venue_time_ns=5)
    )
    if end == GOOD:
        assert (fault, book.venue_sequence) == (None, sequence)
    elif end == COVERED:
        assert fault is OUTDATED
        assert (book.venue_sequence, book.bids(), book.updates) == (100, list(BIDS), 0)
    else:
        assert fault == BookFault(StaleReason.SEQUENCE_GAP, f"expected to follow 100, got {sequence}")
        assert is_empty(book)


@pytest.mark.parametrize("numbers", [(None, 5), (5, None)])
def test_a_number_that_is_missing_is_a_hole(numbers: tuple[int | None, int | None]) -> None:
    book = loaded(replace(BARE, continuity=Continuity.PLUS_ONE), venue_sequence=numbers[0])
    fault = book.apply(update(venue_sequence=numbers[1]))
    assert fault == BookFault(StaleReason.SEQUENCE_GAP, "a message without a sequence number")
    assert is_empty(book)


def test_without_numbers_none_is_asked_for() -> None:
    book = loaded(BARE, venue_sequence=100)
    assert book.apply(update(venue_sequence=7)) is None
    assert (book.venue_sequence, OUTDATED) == (7, BookFault(None, "covered by the snapshot"))
