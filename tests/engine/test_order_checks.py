"""Numbers of requests: above zero, but for the offset of a limit from its trigger, which has a side."""

from __future__ import annotations

import pytest

from gwcore.engine.orders.checks import check_create, check_modify
from gwcore.model import (
    ConditionalClose,
    ModifyOrder,
    OrderError,
    OrderStatus,
    OrderType,
    OrderUpdate,
    PriceType,
    Side,
    TimeInForce,
)
from gwcore.testing.order_stage import ABILITIES, INSTRUMENT, SYMBOL, create

INSTRUMENTS = {SYMBOL: INSTRUMENT}


@pytest.mark.parametrize("offset", ["-12.5", "0", "12.5"])
def test_the_limit_of_a_trailing_stop_may_lie_on_either_side(offset: str) -> None:
    request = create(
        side=Side.SELL,
        order_type=OrderType.TRAILING_STOP_LIMIT,
        price=offset,
        price_type=PriceType.QUOTE,
        stop_price="2",
        stop_price_type=PriceType.PERCENT,
    )
    assert check_create(request, INSTRUMENTS, ABILITIES, 0) is None
    change = ModifyOrder(account="main", order_id="a1", price=offset, price_type=PriceType.QUOTE)
    order = OrderUpdate(
        account="main",
        symbol=SYMBOL,
        order_status=OrderStatus.WORKING,
        order_type=OrderType.TRAILING_STOP_LIMIT,
        price_type=PriceType.QUOTE,
    )
    assert check_modify(change, order, INSTRUMENTS, ABILITIES, 0) is None


@pytest.mark.parametrize("fields", [{"price": "-1"}, {"price": "0"}, {"quantity": "-1"}, {"price": "1e3"}])
def test_every_other_number_is_above_zero(fields: dict[str, str]) -> None:
    refusal = check_create(create(**fields), INSTRUMENTS, ABILITIES, 0)
    assert refusal is not None
    assert refusal.error is OrderError.BAD_REQUEST


@pytest.mark.parametrize(
    ("known", "asked", "is_refused"),
    [
        (PriceType.QUOTE, PriceType.STATIC, True),
        (PriceType.STATIC, PriceType.PERCENT, True),
        (None, PriceType.QUOTE, True),
        (None, PriceType.STATIC, False),
        (PriceType.QUOTE, PriceType.PERCENT, False),
    ],
)
@pytest.mark.parametrize("name", ["price", "stop_price"])
def test_a_price_never_takes_the_place_of_a_distance(
    name: str, known: PriceType | None, asked: PriceType, is_refused: bool
) -> None:
    order = OrderUpdate(account="main", symbol=SYMBOL, order_status=OrderStatus.WORKING, **{f"{name}_type": known})  # type: ignore[arg-type]
    change = ModifyOrder(account="main", order_id="a1", **{name: "75594", f"{name}_type": asked})  # type: ignore[arg-type]
    refusal = check_modify(change, order, INSTRUMENTS, ABILITIES, 0)
    assert (refusal is not None) == is_refused
    if refusal is not None:
        assert refusal.error is OrderError.BAD_REQUEST
        assert f"give {name}_type {(known or PriceType.STATIC).value}" in refusal.text


@pytest.mark.parametrize("text", ["abc", "Infinity", "-5", "0", "1e3", '1,"validate":true', "9" * 31])
@pytest.mark.parametrize("name", ["price", "stop_price"])
def test_numbers_of_a_conditional_close_are_numbers_too(name: str, text: str) -> None:
    prices = {"price": "90.0", "stop_price": "91.0", name: text}
    close = ConditionalClose(order_type=OrderType.STOP_LOSS_LIMIT, **prices)
    refusal = check_create(create(conditional_close=close), INSTRUMENTS, ABILITIES, 0)
    assert refusal is not None
    assert refusal.error is OrderError.BAD_REQUEST
    assert f"{name} of the close" in refusal.text


def test_the_distance_of_a_closes_trailing_stop_is_a_number() -> None:
    close = ConditionalClose(order_type=OrderType.TRAILING_STOP, stop_price="x", stop_price_type=PriceType.PERCENT)
    refusal = check_create(create(conditional_close=close), INSTRUMENTS, ABILITIES, 0)
    assert refusal is not None
    assert refusal.error is OrderError.BAD_REQUEST


@pytest.mark.parametrize("at_ns", [-(10**20), 0, 2**63, 10**400])
@pytest.mark.parametrize("name", ["effective_time_ns", "expire_time_ns", "deadline_ns"])
def test_a_time_that_no_calendar_has_is_refused(name: str, at_ns: int) -> None:
    force = TimeInForce.GTD if name == "expire_time_ns" else TimeInForce.GTC
    refusal = check_create(create(time_in_force=force, **{name: at_ns}), INSTRUMENTS, ABILITIES, 0)
    assert refusal is not None
    assert refusal.error is OrderError.BAD_REQUEST
    assert name in refusal.text
