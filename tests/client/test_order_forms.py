"""What a program says about an order: numbers keep their digits, floats are refused, ids are new."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gwcore.client.trading.order_forms import OrderNumbers, close_form, create_form, modify_form, number_text
from gwcore.model import ConditionalClose, CreateOrder, OrderType, PriceType, Side, TimeInForce


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("0.10"), "0.10"),
        (Decimal("1E-8"), "0.00000001"),
        (Decimal("1E+3"), "1000"),
        (7, "7"),
        ("84003.50", "84003.50"),
        (None, None),
    ],
)
def test_numbers_travel_as_they_were_written(value: Any, text: str | None) -> None:
    assert number_text("price", value) == text


@pytest.mark.parametrize("value", [0.1, 1.0, float("nan")])
def test_a_float_is_refused_with_what_to_write(value: float) -> None:
    with pytest.raises(TypeError, match=r"price is the float .*: give Decimal\('"):
        number_text("price", value)


@pytest.mark.parametrize("value", [True, b"1", [1]])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"price is a \w+: give a Decimal, an int, or text"):
        number_text("price", value)


@pytest.mark.parametrize("value", ["", "1e5", "abc", Decimal("NaN"), Decimal("Infinity"), "1,5", " 1", "0x1"])
def test_text_that_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"is no decimal number: write it like 0\.25"):
        number_text("price", value)


def test_an_order_is_a_limit_where_there_is_a_price() -> None:
    limit = create_form("main", "BTC/USD", "buy", "1", quantity=Decimal("0.5"), price="3", time_in_force="ioc")
    assert limit == CreateOrder(
        account="main",
        order_id="1",
        symbol="BTC/USD",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity="0.5",
        price="3",
        time_in_force=TimeInForce.IOC,
    )
    assert create_form("main", "BTC/USD", Side.SELL, "2", quantity=1).order_type is OrderType.MARKET


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"side": "long"}, ValueError, "side 'long' is none of BUY, SELL"),
        ({"order_type": "peg"}, ValueError, "order_type 'peg' is none of "),
        ({"colour": "red"}, TypeError, "a CreateOrder has no colour: it has account, "),
        ({"deadline_ns": 1.5}, TypeError, "deadline_ns is a float: give an int, nanoseconds since the epoch"),
        ({"display_quantity": 0.1}, TypeError, "display_quantity is the float 0.1"),
    ],
)
def test_what_no_order_has_is_refused(fields: dict[str, Any], error: type[Exception], text: str) -> None:
    side = fields.pop("side", "BUY")
    with pytest.raises(error, match=text):
        create_form("main", "BTC/USD", side, "1", **fields)


def test_changes_and_closes_are_made_alike() -> None:
    assert modify_form("main", "1", price=Decimal("2.50"), quantity=None).price == "2.50"
    close = close_form("take_profit", stop_price=5, stop_price_type="percent")
    assert close == ConditionalClose(
        order_type=OrderType.TAKE_PROFIT, stop_price="5", stop_price_type=PriceType.PERCENT
    )


def test_ids_of_no_two_runs_are_the_same() -> None:
    def run(now_ns: int, bits: int) -> OrderNumbers:
        return OrderNumbers(lambda: now_ns, lambda count: bits)

    runs = [run(10**18, 1), run(10**18, 2), run(10**18 + 10**6, 1)]
    ids = [numbers.order_id() for numbers in runs for _ in range(100)]
    assert len(set(ids)) == 300
    assert all(len(name) <= 40 and name.isascii() and name.isprintable() for name in ids)


def test_request_numbers_rise_and_fit_every_reader() -> None:
    numbers = OrderNumbers(lambda: 1_795_735_648_000_000_000)
    assert [numbers.request_id() for _ in range(3)] == [1_795_735_648_000_000 + each for each in range(3)]
    assert numbers.request_id() < 2**53
