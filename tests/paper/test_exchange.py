"""The paper exchange: what an order trades with, what it holds and costs, and how it ends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gwcore.model import Fate, OrderError, OrderStatus, OrderType, PriceType, Side, TimeInForce
from gwcore.paper.market import Sides


def test_a_market_order_takes_the_best_levels_first_and_pays_the_takers_fee(stage: Any) -> None:
    key, answer = stage.create(Side.BUY, "2")
    assert answer.fate is Fate.DONE
    assert stage.fills() == [("101.0", "1", "TAKER"), ("102.0", "1", "TAKER")]
    order = stage.order(key)
    assert (order.order_status, order.traded_quantity, order.average_price) == (OrderStatus.FILLED, "2", "101.5")
    # 101 + 102 and 0.4 % of each
    assert (stage.funds("USD").total, stage.funds("USD").hold) == ("796.18800", "0.00000")
    assert stage.funds("BTC").total == "7"


def test_what_was_taken_is_gone_until_the_market_changes_the_level(stage: Any) -> None:
    stage.create(Side.BUY, "1")
    stage.create(Side.BUY, "1")
    assert stage.fills() == [("101.0", "1", "TAKER"), ("102.0", "1", "TAKER")]
    stage.set_book([("99.0", "1")], [("101.0", "0.5"), ("102.0", "2")])
    stage.create(Side.BUY, "1")
    assert stage.fills()[2:] == [("101.0", "0.5", "TAKER"), ("102.0", "0.5", "TAKER")]


def test_a_limit_order_takes_what_it_may_and_rests_with_the_rest(stage: Any) -> None:
    key, _ = stage.create(Side.BUY, "3", price="101.0")
    order = stage.order(key)
    assert stage.fills() == [("101.0", "1", "TAKER")]
    assert (order.order_status, order.remaining_quantity) == (OrderStatus.PARTIALLY_FILLED, "2")
    assert stage.funds("USD").hold == "202.80800"  # 2 x 101 and the taker's fee
    stage.ask(cancel=True, keys=(key,))
    assert stage.order(key).order_status is OrderStatus.CANCELED
    assert Decimal(stage.funds("USD").hold) == 0


def test_who_rests_stands_behind_the_book_and_moves_up_as_the_market_trades(stage: Any) -> None:
    key, _ = stage.create(Side.BUY, "1", price="99.0")
    stage.trade("99.0", "0.6")
    assert stage.fills() == []  # 0.4 still stand before it
    stage.trade("99.0", "1")
    assert stage.fills() == [("99.0", "0.6", "MAKER")]
    stage.trade("99.0", "0.4")
    assert stage.order(key).order_status is OrderStatus.FILLED


def test_what_the_book_shows_no_more_does_not_stand_before_it(stage: Any) -> None:
    stage.create(Side.BUY, "1", price="99.0")
    stage.set_book([("99.0", "0.1"), ("98.0", "2")], [("101.0", "1")])
    stage.trade("99.0", "0.5")
    assert stage.fills() == [("99.0", "0.4", "MAKER")]


def test_a_level_beyond_what_is_shown_is_not_taken_for_empty(stage: Any) -> None:
    stage.set_book([("99.0", "1"), ("98.0", "2"), ("97.0", "3")], [("101.0", "1")])
    stage.create(Side.BUY, "1", price="97.0")
    stage.set_book([("99.0", "1"), ("98.0", "2")], [("101.0", "1")])
    stage.trade("97.0", "3")
    assert stage.fills() == []


@pytest.mark.parametrize(("side", "price", "traded"), [(Side.BUY, "99.5", "99.0"), (Side.SELL, "100.5", "101.0")])
def test_a_trade_beyond_its_price_meets_it_at_its_own(stage: Any, side: Side, price: str, traded: str) -> None:
    stage.create(side, "0.3", price=price)
    taker = Side.SELL if side is Side.BUY else Side.BUY
    stage.trade(traded, "1", side)  # an order of its own side trades elsewhere
    assert stage.fills() == []
    stage.trade(traded, "1", taker)
    assert stage.fills() == [(price, "0.3", "MAKER")]


def test_a_market_that_comes_through_it_trades_at_its_price(stage: Any) -> None:
    stage.create(Side.SELL, "1", price="100.0")
    stage.set_book([("100.5", "0.4"), ("99.0", "1")], [("101.0", "1")])
    assert stage.fills() == [("100.0", "0.4", "MAKER")]


def test_one_trade_is_shared_by_who_stands_first(stage: Any) -> None:
    worse, _ = stage.create(Side.BUY, "1", price="99.4")
    better, _ = stage.create(Side.BUY, "1", price="99.5")
    stage.trade("99.2", "1.5")
    assert stage.order(better).order_status is OrderStatus.FILLED
    assert stage.order(worse).traded_quantity == "0.5"


def test_orders_that_may_not_rest(stage: Any) -> None:
    key, _ = stage.create(Side.BUY, "3", price="101.0", time_in_force=TimeInForce.IOC)
    assert (stage.order(key).order_status, stage.order(key).traded_quantity) == (OrderStatus.CANCELED, "1")
    key, _ = stage.create(Side.SELL, "4", price="98.0", time_in_force=TimeInForce.FOK)
    assert (stage.order(key).order_status, stage.order(key).traded_quantity) == (OrderStatus.CANCELED, "0")
    key, _ = stage.create(Side.SELL, "3", price="98.0", time_in_force=TimeInForce.FOK)
    assert (stage.order(key).order_status, stage.order(key).traded_quantity) == (OrderStatus.FILLED, "3")


def test_a_post_only_order_never_takes(stage: Any) -> None:
    key, answer = stage.create(Side.BUY, "1", price="101.0", post_only=True)
    assert answer.fate is Fate.DONE
    assert (stage.order(key).order_status, stage.order(key).reason) == (OrderStatus.CANCELED, "Post only order")
    key, _ = stage.create(Side.BUY, "1", price="100.9", post_only=True)
    assert stage.order(key).order_status is OrderStatus.WORKING
    assert stage.fills() == []


def test_an_order_ends_when_its_time_is_over(stage: Any) -> None:
    ends_ns = stage.now_ns + 10_000_000_000
    key, _ = stage.create(Side.BUY, "1", price="90.0", time_in_force=TimeInForce.GTD, expire_time_ns=ends_ns)
    assert stage.exchange.next_ns() == ends_ns
    assert stage.exchange.on_timer(ends_ns - 1) == []
    assert stage.note(stage.exchange.on_timer(ends_ns))
    assert stage.order(key).order_status is OrderStatus.EXPIRED


def test_the_dead_mans_timer_cancels_everything_and_a_renewal_puts_it_off(stage: Any) -> None:
    key, _ = stage.create(Side.BUY, "1", price="90.0")
    stage.ask(cancel_after_s=60)
    first_ns = stage.exchange.next_ns()
    stage.ask(cancel_after_s=60)
    assert stage.exchange.on_timer(first_ns) == []
    stage.note(stage.exchange.on_timer(first_ns + 60_000_000_000))
    assert stage.order(key).order_status is OrderStatus.CANCELED
    stage.ask(cancel_after_s=60)
    stage.ask(cancel_after_s=0)
    assert stage.exchange.next_ns() is None


# --- triggers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order_type", "side", "stop", "quiet", "loud"),
    [
        (OrderType.STOP_LOSS, Side.SELL, "98.5", "98.6", "98.5"),
        (OrderType.STOP_LOSS, Side.BUY, "101.5", "101.4", "101.5"),
        (OrderType.TAKE_PROFIT, Side.SELL, "101.5", "101.4", "101.6"),
        (OrderType.TAKE_PROFIT, Side.BUY, "98.5", "98.6", "98.0"),
    ],
)
def test_triggers_look_from_their_own_side(
    stage: Any, order_type: OrderType, side: Side, stop: str, quiet: str, loud: str
) -> None:
    key, _ = stage.create(side, "1", order_type=order_type, stop_price=stop)
    stage.trade(quiet, "0.1")
    assert stage.fills() == []
    stage.trade(loud, "0.1")
    assert stage.order(key).order_status is OrderStatus.FILLED


def test_a_triggered_limit_order_rests_at_its_limit(stage: Any) -> None:
    key, _ = stage.create(Side.SELL, "1", order_type=OrderType.STOP_LOSS_LIMIT, stop_price="98.5", price="100.0")
    stage.trade("98.0", "0.1")
    assert stage.order(key).order_status is OrderStatus.WORKING
    stage.trade("100.5", "1", Side.BUY)
    assert stage.fills() == [("100.0", "1", "MAKER")]


@pytest.mark.parametrize(("kind", "offset"), [(PriceType.QUOTE, "2"), (PriceType.PERCENT, "2")])
def test_a_trailing_stop_follows_the_peak(stage: Any, kind: PriceType, offset: str) -> None:
    fields = {"order_type": OrderType.TRAILING_STOP, "stop_price": offset, "stop_price_type": kind}
    key, _ = stage.create(Side.SELL, "1", **fields)
    for price in ("100.0", "99.0", "110.0", "108.0" if kind is PriceType.PERCENT else "108.1"):
        stage.trade(price, "0.1", Side.BUY)
        assert stage.fills() == []
    stage.trade("107.0", "0.1", Side.BUY)
    assert stage.order(key).order_status is OrderStatus.FILLED


# --- changes -------------------------------------------------------------------------------------------------------------


def test_a_smaller_quantity_keeps_the_place_and_a_new_price_does_not(stage: Any) -> None:
    key, _ = stage.create(Side.BUY, "1", price="99.0")
    stage.trade("99.0", "0.9")
    stage.set_book([("99.0", "5"), ("98.0", "2")], [("101.0", "1")])
    assert stage.modify(key, quantity="0.5").fate is Fate.DONE
    stage.trade("99.0", "0.2")
    assert stage.fills() == [("99.0", "0.1", "MAKER")]
    stage.modify(key, price="98.0")
    stage.trade("98.0", "1.9")
    assert len(stage.fills()) == 1


def test_a_quantity_below_what_was_traded_ends_the_order(stage: Any) -> None:
    key, _ = stage.create(Side.BUY, "3", price="101.0")
    stage.modify(key, quantity="0.5")
    order = stage.order(key)
    assert (order.order_status, order.traded_quantity, order.quantity) == (OrderStatus.CANCELED, "1", "1")


def test_a_new_price_that_crosses_takes(stage: Any) -> None:
    key, _ = stage.create(Side.BUY, "1", price="99.0")
    assert stage.modify(key, price="101.0", post_only=True).error is OrderError.POST_ONLY
    assert stage.order(key).price == "99.0"
    stage.modify(key, price="101.0")
    assert stage.order(key).order_status is OrderStatus.FILLED


def test_cancel_all(stage: Any) -> None:
    keys = [stage.create(Side.BUY, "1", price=price)[0] for price in ("90.0", "91.0")]
    answer, *_ = stage.ask(cancel_all=True)
    assert answer.number_of_orders == 2
    assert {stage.order(key).order_status for key in keys} == {OrderStatus.CANCELED}


# --- refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"quantity": "10"}, OrderError.INSUFFICIENT_FUNDS),
        ({"quantity": "11", "price": "99.0"}, OrderError.INSUFFICIENT_FUNDS),
        ({"side": Side.SELL, "quantity": "5.1"}, OrderError.INSUFFICIENT_FUNDS),
        ({"symbol": "ETH/USD"}, OrderError.UNKNOWN_SYMBOL),
    ],
)
def test_a_refused_order_leaves_nothing(stage: Any, fields: dict[str, Any], error: OrderError) -> None:
    _, answer = stage.create(**fields)
    assert (answer.fate, answer.error) == (Fate.NOT_DONE, error)
    assert answer.text
    assert stage.exchange.records.open_orders() == ()
    assert Decimal(stage.funds("USD").available) == 1000


def test_without_a_live_book_nothing_trades_and_what_rests_waits(stage: Any) -> None:
    stage.book = Sides()
    assert stage.create(Side.BUY, "1")[1].error is OrderError.BOOK_NOT_LIVE
    key, answer = stage.create(Side.BUY, "1", price="102.0")
    assert answer.fate is Fate.DONE
    assert stage.order(key).order_status is OrderStatus.WORKING
    stage.set_book([], [("101.0", "2")])
    assert stage.fills() == [("102.0", "1", "MAKER")]


def test_cancelling_what_is_not_there_is_refused_alone(stage: Any) -> None:
    key, _ = stage.create(Side.BUY, "1", price="90.0")
    first, second, *_ = stage.ask(cancel=True, keys=("nobody", key))
    assert (first.order, first.error) == (0, OrderError.UNKNOWN_ORDER)
    assert (second.order, second.fate) == (1, Fate.DONE)
    assert stage.modify(key, price="91.0").error is OrderError.UNKNOWN_ORDER


def test_what_is_only_checked_places_nothing(stage: Any) -> None:
    _, answer = stage.create(Side.BUY, "1", price="90.0", validate_only=True)
    assert (answer.fate, answer.venue_order_id) == (Fate.DONE, None)
    assert stage.exchange.records.open_orders() == ()
