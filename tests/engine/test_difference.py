"""The difference of two books leads from one to the other, whatever they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gwcore.book import BookRule, OrderBook
from gwcore.engine.market.difference import difference, top_of
from gwcore.model import MarketByPriceUpdate, PriceLevel, UpdateType

DEPTH = 4
RULE = BookRule(
    price_decimals=1,
    quantity_decimals=2,
    depth=DEPTH,
    level_text=lambda price, quantity: b"%d:%d;" % (price, quantity),
    checksum=lambda bids, asks: hash((tuple(bids), tuple(asks))),
)
sides = st.dictionaries(st.integers(1, 9), st.integers(1, 3), max_size=DEPTH)


def book(bids, asks):
    made = OrderBook("BTC/USD", RULE)
    levels = [tuple(PriceLevel(f"{price}.0", f"{n}.00") for price, n in side.items()) for side in (bids, asks)]
    snapshot = MarketByPriceUpdate(
        symbol="BTC/USD", update_type=UpdateType.SNAPSHOT, bids=levels[0], asks=levels[1], venue_time_ns=7
    )
    assert made.apply(snapshot) is None
    return made


@given(sides, sides, sides, sides)
def test_applied_to_the_first_it_gives_the_second(bids, asks, new_bids, new_asks):
    before, after = book(bids, asks), book(new_bids, new_asks)
    change = difference(before, after)
    if change is None:
        assert (before.bids(), before.asks()) == (after.bids(), after.asks())
        return
    assert before.apply(change) is None  # its checksum is right too
    assert (before.bids(), before.asks()) == (after.bids(), after.asks())


def test_alike_books_have_no_difference_and_the_top_is_the_books_own():
    assert difference(book({1: 1}, {2: 1}), book({1: 1}, {2: 1})) is None
    top = top_of(book({1: 1}, {}))
    assert (top.bid_price, top.bid_quantity, top.ask_price, top.venue_time_ns) == ("1.0", "1.00", None, 7)
