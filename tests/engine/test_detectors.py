"""Each rule that doubts a book: what trips it, what does not, and how a fresh snapshot confirms it."""

from __future__ import annotations

import pytest

from gwcore.engine.market.evidence import agrees, same_number
from gwcore.model import MarketByPriceUpdate, StaleReason, StatisticsUpdate, StreamState, TopOfBook, UpdateType

BTC = "BTC/USD"


def state(b):
    return b.machine.books.of_symbol[BTC].state


def last_book(b):
    return [event for event in b.book.events if isinstance(event, MarketByPriceUpdate)][-1]


def healed(b, **snapshot):
    """The venue answers the repair with this snapshot."""
    b.wait(1).hear(ack=["book", BTC], left=True).hear(ack=["book", BTC])
    levels = {"bids": [["9.9", "1.00"]], "asks": [["10.0", "1.00"]], "checksum": 101} | snapshot
    return b.hear(book=BTC, type="SNAPSHOT", **levels)


# --- a jump of the mid away from trades -------------------------------------------------------------------------------


def test_a_middle_far_from_fresh_trades_is_a_jump_and_a_snapshot_confirms_it(bench):
    b = bench(BTC, channels=("book", "trade")).connect().live(BTC).hear(symbol=BTC, trades=[1], price="10.0")
    b.hear(book=BTC, bids=[["9.9", "0.00"], ["1.0", "1.00"]], checksum=101)
    assert (last_book(b).update_type, last_book(b).reason) == (UpdateType.STALE, StaleReason.JUMP)
    healed(b, bids=[["1.0", "1.00"]])
    assert state(b) is StreamState.LIVE
    # It stays confirmed as long as it lasts: no second STALE.
    b.hear(book=BTC, bids=[["1.1", "1.00"]], checksum=201)
    assert state(b) is StreamState.LIVE
    assert b.machine.books.stale[StaleReason.JUMP] == 1


@pytest.mark.parametrize("trades", ["none", "old", "snapshot"])
def test_without_a_fresh_trade_no_middle_is_a_jump(bench, trades):
    b = bench(BTC, channels=("book", "trade"), silence_s=1000.0, ping_s=None).connect().live(BTC)
    if trades == "old":
        b.hear(symbol=BTC, trades=[1], price="10.0").wait(61)
    elif trades == "snapshot":
        b.hear(symbol=BTC, trades=[1], price="10.0", type="SNAPSHOT")
    b.hear(book=BTC, bids=[["9.9", "0.00"], ["1.0", "1.00"]], checksum=101)
    assert state(b) is StreamState.LIVE


def test_within_the_bound_no_middle_is_a_jump(bench):
    b = bench(BTC, channels=("book", "trade")).connect().live(BTC).hear(symbol=BTC, trades=[1], price="10.0")
    b.hear(book=BTC, bids=[["9.9", "0.00"], ["6.0", "1.00"]], checksum=101)  # the middle is 8.0: a fifth below
    assert state(b) is StreamState.LIVE


def test_a_wide_spread_far_from_its_trades_is_no_jump(bench):
    b = bench(BTC, channels=("book", "trade")).connect().hear(ack=["book", BTC])
    b.hear(book=BTC, type="SNAPSHOT", bids=[["2.0", "1.00"]], asks=[["10.0", "1.00"]], checksum=101)
    b.hear(symbol=BTC, trades=[1], price="10.0")  # the middle is 6.0, and has been
    b.hear(book=BTC, bids=[["2.1", "1.00"]], checksum=201)
    assert state(b) is StreamState.LIVE


# --- time going backwards ---------------------------------------------------------------------------------------------


def test_time_that_goes_back_is_stale_before_anyone_sees_the_levels(bench):
    b = bench(BTC).connect().live(BTC, time_s=100).hear(book=BTC, bids=[["9.8", "1.00"]], checksum=201, time_s=98)
    assert (last_book(b).update_type, last_book(b).reason) == (UpdateType.STALE, StaleReason.TIME_BACKWARDS)
    healed(b, time_s=101)
    assert state(b) is StreamState.LIVE


def test_time_may_stand_and_go_back_a_little(bench):
    b = bench(BTC).connect().live(BTC, time_s=100).hear(book=BTC, bids=[["9.8", "1.00"]], checksum=201, time_s=100)
    b.hear(book=BTC, bids=[["9.7", "1.00"]], checksum=301, time_s=99)
    assert state(b) is StreamState.LIVE


def test_an_old_snapshot_is_believed_only_when_the_venue_says_so_later_too(bench):
    b = bench(BTC, silence_s=1000.0, ping_s=None).connect().live(BTC, time_s=100)
    b.hear(book=BTC, bids=[["9.8", "1.00"]], checksum=999, time_s=100.5)
    healed(b, time_s=50)
    assert state(b) is StreamState.RESYNC
    sent = len(b.book.sent)
    b.wait(4)
    assert len(b.book.sent) == sent  # not asked again at once: the same old place would answer
    b.wait(2)
    healed(b, time_s=50)
    assert state(b) is StreamState.LIVE


# --- ticks and precision ----------------------------------------------------------------------------------------------


def test_another_tick_size_is_a_change_of_precision_and_another_spelling_is_not(bench, instrument):
    b = bench(BTC).connect().live(BTC)
    b.machine.on_instrument(instrument(BTC, tick_size="0.10"), is_matching=True, now_ns=b.now_ns)
    assert state(b) is StreamState.LIVE
    b.machine.on_instrument(instrument(BTC, tick_size="0.5"), is_matching=True, now_ns=b.now_ns)
    assert last_book(b).reason is StaleReason.PRECISION


# --- what was confirmed -----------------------------------------------------------------------------------------------


def test_a_thin_pair_that_loses_a_side_again_and_again_is_doubted_once(bench):
    b = bench(BTC).connect().live(BTC).hear(book=BTC, asks=[["10.0", "0.00"]], checksum=100)
    assert last_book(b).reason is StaleReason.EMPTY_SIDE
    healed(b, asks=[], checksum=100)
    for _ in range(10):
        b.hear(book=BTC, asks=[["10.0", "1.00"]], checksum=101).wait(5)
        b.hear(book=BTC, asks=[["10.0", "0.00"]], checksum=100)
        assert state(b) is StreamState.LIVE
    assert b.machine.books.stale[StaleReason.EMPTY_SIDE] == 1


def test_what_was_confirmed_long_ago_is_doubted_again(bench):
    b = (
        bench(BTC, silence_s=1000.0, ping_s=None)
        .connect()
        .live(BTC)
        .hear(book=BTC, bids=[["10.5", "1.00"]], checksum=201)
    )
    healed(b, bids=[["10.5", "1.00"]])
    b.hear(book=BTC, bids=[["10.5", "0.00"], ["9.9", "1.00"]], checksum=101)
    b.wait(61).hear(book=BTC, bids=[["9.8", "1.00"], ["9.9", "2.00"]], checksum=201)
    b.hear(book=BTC, bids=[["10.5", "1.00"]], checksum=301)
    assert last_book(b).reason is StaleReason.CROSSED
    assert b.machine.books.stale[StaleReason.CROSSED] == 2


def test_a_confirmed_suspicion_is_no_step_towards_quarantine(bench):
    b = bench(BTC, silence_s=1000.0, ping_s=None).connect().live(BTC)
    b.hear(book=BTC, bids=[["10.5", "1.00"]], checksum=201)
    healed(b, bids=[["10.5", "1.00"]])
    assert not b.machine.books.of_symbol[BTC].failures


# --- evidence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("83744.2", "83744.20000", True),
        ("83744.2", "83744.30000", False),
        ("0.00044780", "0.000", True),
        ("0.56251979", "0.562", True),
        ("0.56251979", "0.563", True),
        ("0.56251979", "0.564", False),
        (None, None, True),
        (None, "0.000", True),
        (None, "1.000", False),
        ("1.0", None, False),
    ],
)
def test_numbers_agree_to_the_last_digit_of_the_coarser_one(one, other, same):
    assert same_number(one, other) is same


def test_a_book_disagrees_when_any_of_its_four_numbers_does():
    held = {"bid_price": "9.9", "bid_quantity": "1.00", "ask_price": "10.0", "ask_quantity": "2.00"}

    def top(**changes):
        return TopOfBook(symbol=BTC, update_type=UpdateType.SNAPSHOT, **(held | changes))

    assert agrees(top(), top())
    for name in held:
        assert not agrees(top(), top(**{name: "7.7"}))
    assert agrees(None, top())
    assert not agrees(StatisticsUpdate(symbol=BTC, last_price="1.0"), StatisticsUpdate(symbol=BTC, last_price="1.1"))
