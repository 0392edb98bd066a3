"""Makes an account's order of what was asked for: relative prices become prices, those of trailing stops to start with."""

from __future__ import annotations

from decimal import Decimal

from gw_sim_kraken.accounts.amounts import rounded
from gw_sim_kraken.market.market import PairMarket
from gw_sim_kraken.orders.own_order import OwnOrder, Trigger
from gw_sim_kraken.orders.request import OrderRequest, PriceSpec
from gw_sim_kraken.orders.types import TRAILING, rises


def build(
    account: str, market: PairMarket, request: OrderRequest, now_ns: int, last: Decimal, reference: Decimal
) -> OwnOrder:
    """An order that nobody knows of yet: it has no id. `reference`: the price that its trigger looks at."""
    order = OwnOrder(
        "", account, market, request.side, request.order_type,
        request.quantity, None, now_ns, request.time_in_force, request.expire_ns, request.post_only,
        request.reduce_only, request.leverage, request.fee_in_base, request.cl_ord_id, request.userref,
        limit=request.limit, display=request.display, cash=request.cash, close=request.close, stp=request.stp,
        start_ns=request.start_ns if request.start_ns > now_ns else 0, changed_ns=now_ns,
    )  # fmt: skip
    if request.trigger is not None:
        order.trigger = Trigger(request.trigger, request.reference)
    set_prices(order, last, reference)
    return order


def set_prices(order: OwnOrder, last: Decimal, reference: Decimal) -> None:
    """The prices that its limit and trigger come to now."""
    trigger = order.trigger
    if trigger is None:
        order.limit_price = None if order.limit is None else _price(order, order.limit, last)
        return
    trigger.last_price = reference
    if order.order_type in TRAILING:
        trigger.peak = reference
        _follow(order, trigger)
        return
    trigger.price = _price(order, trigger.spec, reference)
    order.limit_price = None if order.limit is None else _price(order, order.limit, trigger.price)


def trail(order: OwnOrder, reference: Decimal) -> bool:
    """Let a trailing stop follow; whether its trigger moved. It never moves away from the reference."""
    trigger = order.trigger
    assert trigger is not None
    waits_for_rise = rises(order.order_type, is_buy=not order.side)
    if (reference >= trigger.peak) if waits_for_rise else (reference <= trigger.peak):
        return False
    trigger.peak = reference
    _follow(order, trigger)
    if order.limit_price is not None:
        order.limit_price = max(order.limit_price, Decimal(order.market.pair.tick_text))
    return True


def is_reached(order: OwnOrder, reference: Decimal) -> bool:
    """Whether the reference is at the trigger or beyond it."""
    trigger = order.trigger
    assert trigger is not None
    if rises(order.order_type, is_buy=not order.side):
        return reference >= trigger.price
    return reference <= trigger.price


def _follow(order: OwnOrder, trigger: Trigger) -> None:
    """Trigger and limit beside the peak: a stop that sells is below it."""
    offset = trigger.spec.value if rises(order.order_type, is_buy=not order.side) else -trigger.spec.value
    trigger.price = _price(order, PriceSpec(offset, trigger.spec.kind), trigger.peak)
    order.limit_price = None if order.limit is None else _price(order, order.limit, trigger.price)


def _price(order: OwnOrder, spec: PriceSpec, reference: Decimal) -> Decimal:
    """A static price as it was written, so that wrong digits show; a relative one has the pair's."""
    if spec.kind == "static":
        return spec.value
    return rounded(spec.at(reference), order.market.pair.price_precision)
