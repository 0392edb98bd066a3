"""Numbers of requests: above zero, but for the offset of a limit from its trigger, which has a side."""

from __future__ import annotations

import pytest

from gwcore.engine.orders.checks import check_create, check_modify
from gwcore.model import ModifyOrder, OrderError, OrderStatus, OrderType, OrderUpdate, PriceType, Side
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
