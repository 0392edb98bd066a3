"""Numbers of requests: above zero, but for the offset of a limit from its trigger, which has a side."""

from __future__ import annotations

import pytest

from gwcore.engine.order_checks import check_create, check_modify
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
        account="main", symbol=SYMBOL, order_status=OrderStatus.WORKING, order_type=OrderType.TRAILING_STOP_LIMIT
    )
    assert check_modify(change, order, INSTRUMENTS, ABILITIES, 0) is None


@pytest.mark.parametrize("fields", [{"price": "-1"}, {"price": "0"}, {"quantity": "-1"}, {"price": "1e3"}])
def test_every_other_number_is_above_zero(fields: dict[str, str]) -> None:
    refusal = check_create(create(**fields), INSTRUMENTS, ABILITIES, 0)
    assert refusal is not None
    assert refusal.error is OrderError.BAD_REQUEST
