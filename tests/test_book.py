from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sortedcontainers import SortedDict

from gwcore.book import OUTDATED, BookRule, Continuity, OrderBook
from gwcore.model import MarketByPriceUpdate, PriceLevel, StaleReason, UpdateType
from gwcore.numbers import unscaled

PRICE_DECIMALS, QUANTITY_DECIMALS = 1, 3
Change = tuple[str, int, int]  # side, price, quantity as scaled integers


def level_text(price: int, quantity: int) -> bytes:
    return b"%d:%d;" % (price, quantity)


def checksum(bids: Sequence[bytes], asks: Sequence[bytes]) -> int:
    return crc32(b"".join(asks) + b"|" + b"".join(bids))


RULE = BookRule(
    price_decimals=PRICE_DECIMALS,
    quantity_decimals=QUANTITY_DECIMALS,
    depth=10,
    level_text=level_text,
    checksum=checksum,
)
UNCHECKED = replace(RULE, level_text=None, checksum=None)
#: The same checksum, of each side's whole text.
BY_TEXT = replace(RULE, checksum=None, text_checksum=lambda bids, asks: checksum([bids], [asks]))


def level(price: int, quantity: int) -> PriceLevel:
    return PriceLevel(unscaled(price, PRICE_DECIMALS), unscaled(quantity, QUANTITY_DECIMALS))


def message(
    changes: Iterable[Change], update_type: UpdateType = UpdateType.INCREMENTAL, **other: object
) -> MarketByPriceUpdate:
    changes = list(changes)
    return MarketByPriceUpdate(
        symbol="A/B",
        update_type=update_type,
        bids=tuple(level(price, quantity) for side, price, quantity in changes if side == "bid"),
        asks=tuple(level(price, quantity) for side, price, quantity in changes if side == "ask"),
        **other,  # type: ignore[arg-type]
    )


class NaiveBook:
    """The oracle: a sorted dictionary a side, cut after every message."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.sides = {"bid": SortedDict(lambda price: -price), "ask": SortedDict()}

    def apply(self, changes: Iterable[Change], *, is_snapshot: bool) -> None:
        if is_snapshot:
            for side in self.sides.values():
                side.clear()
        for name, price, quantity in changes:
            if quantity:
                self.sides[name][price] = quantity
            else:
                self.sides[name].pop(price, None)
        for side in self.sides.values():
            while len(side) > self.depth:
                side.popitem(-1)

    def levels(self, name: str) -> list[PriceLevel]:
        return [level(price, quantity) for price, quantity in self.sides[name].items()]

    def checksum(self) -> int:
        parts = {name: [level_text(*item) for item in side.items()][:10] for name, side in self.sides.items()}
        return checksum(parts["bid"], parts["ask"])


def loaded(rule: BookRule = RULE, **other: object) -> OrderBook:
    book = OrderBook("A/B", rule)
    changes: list[Change] = [("bid", 100, 1000), ("bid", 99, 2000), ("ask", 101, 3000), ("ask", 102, 4000)]
    assert book.apply(message(changes, UpdateType.SNAPSHOT, **other)) is None
    return book


def prices(levels: list[PriceLevel]) -> list[str]:
    return [each.price for each in levels]


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["bid", "ask"]),
        st.integers(1, 40),  # few prices, so that levels are hit, removed and touched twice
        st.one_of(st.just(0), st.integers(1, 10**6)),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(
    rule=st.sampled_from([RULE, BY_TEXT]),
    depth=st.sampled_from([1, 2, 10, 25, 100, 500, 1000]),
    messages=st.lists(st.tuples(st.booleans(), CHANGES), min_size=1, max_size=12),
)
def test_equals_the_oracle_after_every_message(
    rule: BookRule, depth: int, messages: list[tuple[bool, list[Change]]]
) -> None:
    book, oracle = OrderBook("A/B", replace(rule, depth=depth)), NaiveBook(depth)
    for index, (is_snapshot, changes) in enumerate(messages):
        is_snapshot = is_snapshot or index == 0
        oracle.apply(changes, is_snapshot=is_snapshot)
        update_type = UpdateType.SNAPSHOT if is_snapshot else UpdateType.INCREMENTAL
        assert book.apply(message(changes, update_type, checksum=oracle.checksum())) is None
        assert book.bids() == oracle.levels("bid")
        assert book.asks() == oracle.levels("ask")
        assert book.checksum() == oracle.checksum()
        assert book.is_crossed == bool(
            oracle.sides["bid"]
            and oracle.sides["ask"]
            and oracle.sides["bid"].peekitem(0)[0] >= oracle.sides["ask"].peekitem(0)[0]
        )


@settings(max_examples=30, deadline=None)
@given(changes=st.lists(CHANGES, min_size=1, max_size=5))
def test_a_snapshot_of_the_book_makes_an_equal_book(changes: list[list[Change]]) -> None:
    book = loaded()
    for each in changes:
        book.apply(message(each))
    copy = OrderBook("A/B", RULE)
    assert copy.apply(book.snapshot()) is None
    assert (copy.bids(), copy.asks()) == (book.bids(), book.asks())
    assert copy.snapshot() == book.snapshot()


def test_the_texts_of_the_venue_are_kept() -> None:
    book = OrderBook("A/B", RULE)
    kept = PriceLevel("10.00", "1.0000")  # more zeros than the rule has decimals
    update = MarketByPriceUpdate(symbol="A/B", update_type=UpdateType.SNAPSHOT, bids=(kept,))
    assert book.apply(update) is None
    assert book.best_bid is kept
    assert book.best_ask is None
    assert not book.is_crossed


def test_an_update_before_any_snapshot_is_a_fault() -> None:
    fault = OrderBook("A/B", RULE).apply(message([("bid", 1, 1)]))
    assert fault is not None
    assert fault.reason is StaleReason.NO_SNAPSHOT


def test_each_side_is_cut_to_depth_and_what_fell_out_is_gone() -> None:
    book = loaded(replace(UNCHECKED, depth=2))
    book.apply(message([("bid", 101, 1)]))
    assert prices(book.bids()) == ["10.1", "10.0"]
    book.apply(message([("bid", 101, 0)]))
    assert prices(book.bids()) == ["10.0"]


def test_the_cut_comes_after_all_changes_of_a_message() -> None:
    # A level that leaves is back-filled in the same message, in any order (API sheet §4.8, rule 5).
    book = loaded(replace(UNCHECKED, depth=2))
    book.apply(message([("ask", 103, 5), ("ask", 101, 0)]))
    assert prices(book.asks()) == ["10.2", "10.3"]


def test_removal_of_a_price_that_is_not_there_changes_nothing() -> None:
    book = loaded()
    before = book.snapshot()
    assert book.apply(message([("bid", 50, 0)])) is None
    assert book.snapshot() == before
    assert not book.top_changed


def test_the_last_change_of_a_price_in_a_message_wins() -> None:
    book = loaded()
    book.apply(message([("bid", 100, 7), ("bid", 100, 8), ("ask", 101, 0), ("ask", 101, 9)]))
    assert book.best_bid == level(100, 8)
    assert book.best_ask == level(101, 9)


def test_top_changed_tells_whether_the_best_prices_were_touched() -> None:
    book = loaded()
    assert book.top_changed
    book.apply(message([("bid", 99, 5)]))
    assert not book.top_changed
    book.apply(message([("bid", 100, 5)]))
    assert book.top_changed


def test_a_wrong_checksum_clears_the_book() -> None:
    book = loaded()
    good = book.checksum()
    assert good is not None
    fault = book.apply(message([("bid", 100, 5)], checksum=good))
    assert fault is not None
    assert fault.reason is StaleReason.CHECKSUM
    assert not book.has_snapshot
    assert book.bids() == []
    after = book.apply(message([]))
    assert after is not None
    assert after.reason is StaleReason.NO_SNAPSHOT


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (PriceLevel("10.05", "1.000"), StaleReason.PRECISION),
        (PriceLevel("10.0", "1.0001"), StaleReason.PRECISION),
        (PriceLevel("x.0", "1.000"), StaleReason.DECODE),
        (PriceLevel("10.0", "1.0x0"), StaleReason.DECODE),
        (PriceLevel("ten", "1.000"), StaleReason.DECODE),
    ],
)
def test_numbers_the_instrument_can_not_have_are_faults(bad: PriceLevel, reason: StaleReason) -> None:
    book = loaded()
    update = MarketByPriceUpdate(symbol="A/B", update_type=UpdateType.INCREMENTAL, bids=(level(98, 1), bad))
    fault = book.apply(update)
    assert fault is not None
    assert fault.reason is reason
    assert not book.has_snapshot


def test_stale_empties_the_book() -> None:
    book = loaded()
    assert book.apply(message([], UpdateType.STALE, reason=StaleReason.DISCONNECT)) is None
    assert not book.has_snapshot
    assert book.asks() == []


def test_plus_one_needs_the_next_number() -> None:
    book = loaded(replace(UNCHECKED, continuity=Continuity.PLUS_ONE), venue_sequence=7)
    assert book.apply(message([], venue_sequence=8)) is None
    fault = book.apply(message([], venue_sequence=10))
    assert fault is not None
    assert fault.reason is StaleReason.SEQUENCE_GAP
    assert not book.has_snapshot


def test_linked_needs_the_last_number_named() -> None:
    book = loaded(replace(UNCHECKED, continuity=Continuity.LINKED), venue_sequence=7)
    assert book.apply(message([], venue_sequence=12, venue_sequence_previous=7)) is None
    fault = book.apply(message([], venue_sequence=14, venue_sequence_previous=13))
    assert fault is not None
    assert fault.reason is StaleReason.SEQUENCE_GAP


def test_range_drops_what_the_snapshot_covers_and_refuses_a_hole() -> None:
    book = loaded(replace(UNCHECKED, continuity=Continuity.RANGE), venue_sequence=100)
    assert book.apply(message([("bid", 100, 9)], venue_sequence=100, venue_sequence_first=90)) is OUTDATED
    assert book.best_bid == level(100, 1000)
    assert book.apply(message([], venue_sequence=105, venue_sequence_first=99)) is None
    assert book.apply(message([], venue_sequence=106, venue_sequence_first=106)) is None
    fault = book.apply(message([], venue_sequence=109, venue_sequence_first=108))
    assert fault is not None
    assert fault.reason is StaleReason.SEQUENCE_GAP


@pytest.mark.parametrize("continuity", [Continuity.PLUS_ONE, Continuity.LINKED, Continuity.RANGE])
def test_a_numbered_book_refuses_a_message_without_number(continuity: Continuity) -> None:
    book = loaded(replace(UNCHECKED, continuity=continuity), venue_sequence=7)
    fault = book.apply(message([]))
    assert fault is not None
    assert fault.reason is StaleReason.SEQUENCE_GAP


def test_counts_look_at_the_best_levels() -> None:
    book = loaded()
    assert prices(book.bids(1)) == ["10.0"]
    assert prices(book.asks(5)) == ["10.1", "10.2"]
    assert not book.is_crossed
    book.apply(message([("bid", 101, 1)]))
    assert book.is_crossed  # locked counts


def test_without_a_checksum_rule_there_is_none() -> None:
    book = loaded(UNCHECKED)
    assert book.checksum() is None
    assert book.apply(message([("bid", 100, 5)], checksum=1)) is None
