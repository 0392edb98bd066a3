"""Requests in the form of their venue: one by itself, several as a batch. Pure; what a plugin raises comes through."""

from __future__ import annotations

from collections.abc import Sequence

from gwcore.engine.orders.order import Ask
from gwcore.model import CancelAllAfter, CreateOrder, ModifyOrder
from gwcore.venue import BatchOrders, CancelTimer, Orders, Outbound


def outbound_of(way: Orders, asks: Sequence[Ask], wire_id: int) -> Outbound:
    """Requests that leave as one, under this number. Raises Unsupported for what the venue does not have."""
    return _one(way, asks[0], wire_id) if len(asks) == 1 else _several(way, asks, wire_id)


def _one(way: Orders, ask: Ask, wire_id: int) -> Outbound:
    request, order = ask.request, ask.order
    if order is None:
        if isinstance(request, CancelAllAfter):
            timer: CancelTimer = way  # type: ignore[assignment]
            return timer.cancel_all_after(wire_id, request.timeout_s)
        return way.cancel_all_orders(wire_id)
    if isinstance(request, CreateOrder):
        return way.create_order(wire_id, request, order.client_id or "")
    if isinstance(request, ModifyOrder):
        return way.modify_order(wire_id, request, order.key)
    return way.cancel_order(wire_id, order.key)


def _several(way: Orders, asks: Sequence[Ask], wire_id: int) -> Outbound:
    batches: BatchOrders = way  # type: ignore[assignment]
    creates = [ask.request for ask in asks if isinstance(ask.request, CreateOrder)]
    orders = [ask.order for ask in asks if ask.order is not None]
    if creates:
        return batches.create_orders(wire_id, creates, [order.client_id or "" for order in orders])
    return batches.cancel_orders(wire_id, [order.key for order in orders])
