"""Conditional closes: each fill of an order makes a secondary order of its size on the other side (sheet 3.6)."""

from __future__ import annotations

from gw_sim_kraken.orders.own_order import OwnFill, OwnOrder
from gw_sim_kraken.orders.request import Close, OrderRequest


def secondary(order: OwnOrder, close: Close, fill: OwnFill) -> OrderRequest:
    """The order that a fill makes. It keeps the primary's leverage and user reference; it never expires."""
    return OrderRequest(
        symbol=order.symbol,
        side=1 - order.side,
        order_type=close.order_type,
        quantity=fill.quantity,
        limit_price=None if close.limit is None else close.limit.value,
        limit_type="static" if close.limit is None else close.limit.kind,
        trigger=close.trigger,
        reference=close.reference,
        leverage=order.leverage,
        userref=order.userref,
    )
