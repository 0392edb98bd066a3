"""Amends and edits (sheet 3.6): what an order would be, whether it may, and what it loses by it."""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from typing import TYPE_CHECKING

from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.accounts.amounts import from_scaled, rounded, to_scaled
from gw_sim_kraken.orders import checks as order_checks
from gw_sim_kraken.orders import new_order
from gw_sim_kraken.orders.matching import scaled_limit
from gw_sim_kraken.orders.own_order import PENDING, OwnOrder, Trigger
from gw_sim_kraken.orders.request import AmendRequest, EditRequest, OrderRefused, OrderRequest
from gw_sim_kraken.orders.types import LIMITED

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken


def amended(exchange: SimulatedKraken, account: Account, order: OwnOrder, request: AmendRequest) -> OwnOrder:
    """A copy of the order as it would be. Raises OrderRefused where it may not be."""
    order_checks.check_deadline(exchange, request.deadline_ns, request.deadline_min_ns)
    if request.is_empty:
        raise OrderRefused("EGeneral:Invalid arguments")
    if order.close is not None:
        raise OrderRefused("EOrder:Invalid order")
    pair = order.market.pair
    order_checks.check_mode(
        exchange,
        pair,
        post_only=order.post_only or request.post_only,
        is_market=False,
        reduce_only=order.reduce_only,
    )
    made = copy(order)
    if request.quantity is not None:
        if order.cash is not None:
            raise OrderRefused("EGeneral:Invalid arguments:order_qty")
        made.quantity = request.quantity
    _set_prices(exchange, order, made, request)
    order_checks.check_amounts(pair, made.quantity, made.price)
    if made.trigger is not None:
        order_checks.check_price(pair, made.trigger.price)
    if made.quantity <= order.filled:
        return made
    if request.display is not None:
        if order.display is None:
            raise OrderRefused("EGeneral:Invalid arguments:display_qty")
        made.display = request.display
    if made.display is not None:
        if request.display is None and made.display > made.remaining:
            made.display = made.remaining
        order_checks.check_display(pair, made.display, made.remaining)
    is_post = request.post_only or order.post_only
    if is_post and made.market.engine.would_meet(made.side, scaled_limit(made)) is not None:
        raise OrderRefused("EOrder:Post only order")
    order_checks.check_change(exchange, account, made, order)
    return made


def loses_place(order: OwnOrder, made: OwnOrder) -> bool:
    """Whether the change puts a resting order behind others: a new price does, and more quantity."""
    resting = order.market.engine.orders.get(order.number)
    if resting is None:
        # It waits, or a fault took it off the book.
        return not order.is_waiting and order.status != PENDING
    left = to_scaled(made.remaining, order.market.pair.qty_precision)
    return made.limit_price != order.limit_price or left > resting.total


def keep_place(order: OwnOrder, made: OwnOrder) -> None:
    """Make a resting order smaller, or show other slices of it, where it stands."""
    engine, decimals = order.market.engine, order.market.pair.qty_precision
    resting = engine.orders.get(order.number)
    if resting is None:
        return
    left = to_scaled(made.remaining, decimals)
    if 0 < left < resting.total:
        engine.reduce(order.number, left)
    if made.display is not None:
        engine.set_display(order.number, to_scaled(made.display, decimals))
        order.shown = from_scaled(resting.quantity, decimals)


def apply(order: OwnOrder, made: OwnOrder, now_ns: int) -> None:
    """The order is from now on what it was to become."""
    order.limit, order.limit_price, order.trigger = made.limit, made.limit_price, made.trigger
    order.quantity, order.display = made.quantity, made.display
    order.amended, order.changed_ns = True, now_ns


def replacement(order: OwnOrder, request: EditRequest) -> OrderRequest:
    """What an edit puts in the order's place. Raises OrderRefused for orders that can't be edited."""
    if order.symbol != request.symbol:
        raise OrderRefused("EGeneral:Invalid arguments:pair")
    if order.close is not None or order.cl_ord_id or (order.trigger is not None and order.trigger.is_fired):
        raise OrderRefused("EOrder:Invalid order")
    quantity = order.quantity if request.quantity is None else request.quantity
    if quantity <= order.filled:
        raise OrderRefused("EGeneral:Invalid arguments:volume")
    left = quantity - order.filled
    limit = request.limit or order.limit
    trigger = request.trigger or (order.trigger.spec if order.trigger is not None else None)
    display = request.display if request.display is not None else order.display
    if request.display is None and display is not None:
        display = min(display, left)
    in_base = order.fee_in_base if request.fee_in_base is None else request.fee_in_base
    return OrderRequest(
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        quantity=left,
        limit_price=None if limit is None or order.order_type not in LIMITED else limit.value,
        limit_type="static" if limit is None else limit.kind,
        trigger=trigger,
        reference=request.reference or (order.trigger.reference if order.trigger is not None else "last"),
        display=display,
        stp=order.stp,
        time_in_force=order.time_in_force,
        start_ns=order.start_ns,
        expire_ns=order.expire_ns,
        deadline_ns=request.deadline_ns,
        deadline_min_ns=request.deadline_min_ns,
        post_only=request.post_only,
        reduce_only=request.reduce_only or order.reduce_only,
        leverage=order.leverage,
        fee_in_base=in_base,
        userref=request.userref,
        validate=request.validate,
    )


def _set_prices(exchange: SimulatedKraken, order: OwnOrder, made: OwnOrder, request: AmendRequest) -> None:
    """New limit and trigger of the copy; relative ones are away from what they were relative to."""
    if request.limit is not None:
        if order.limit_price is None:
            raise OrderRefused("EGeneral:Invalid arguments:limit_price")
        made.limit = request.limit
    last = exchange.triggers.reference(order.market, "last")
    trigger = order.trigger
    if trigger is None or trigger.is_fired:
        if request.trigger is not None:
            raise OrderRefused("EGeneral:Invalid arguments:trigger_price")
        if request.limit is not None:
            reference = last if trigger is None else trigger.price
            made.limit_price = _price(order, request.limit.at(reference), request.limit.kind)
        return
    made.trigger = copy(trigger)
    if request.trigger is not None:
        is_offset = request.trigger.kind != "static" and request.trigger.value > 0
        if order.is_trailing and not is_offset:
            raise OrderRefused("EGeneral:Invalid arguments:trigger_price")
        made.trigger = Trigger(request.trigger, trigger.reference)
        peak = trigger.peak if order.is_trailing else exchange.triggers.reference(order.market, trigger.reference)
        new_order.set_prices(made, last, peak)
    elif request.limit is not None:
        made.limit_price = _price(order, request.limit.at(trigger.price), request.limit.kind)


def _price(order: OwnOrder, price: Decimal, kind: str) -> Decimal:
    return price if kind == "static" else rounded(price, order.market.pair.price_precision)
