"""Requests for orders, and the three separate facts about one: the ack, its state, its fills."""

from __future__ import annotations

import msgspec

from gwcore.model.enums import (
    AckStatus,
    Liquidity,
    OrderStatus,
    OrderType,
    Origin,
    Side,
    TimeInForce,
    UpdateType,
)


class CreateOrder(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="request",
    tag="create_order",
):
    """Place an order. `order_id` is the client's and unique per user; numbers are decimal text."""

    account: str
    order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: str
    price: str | None = None
    stop_price: str | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    display_quantity: str | None = None
    strategy: str | None = None


class ModifyOrder(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="request",
    tag="modify_order",
):
    """Change quantity or price of a working order."""

    account: str
    order_id: str
    quantity: str | None = None
    price: str | None = None
    version: int | None = None


class CancelOrder(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="request",
    tag="cancel_order",
):
    """Cancel one order."""

    account: str
    order_id: str
    version: int | None = None


class CancelAllOrders(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="request",
    tag="cancel_all_orders",
):
    """Cancel all working orders that match the filters."""

    account: str
    symbol: str | None = None
    side: Side | None = None
    strategy: str | None = None


class OrderAck(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="kind", tag="order_ack"
):
    """What became of one request. `error` is our code, `text` the venue's raw words."""

    account: str
    request_id: str
    request: str
    order_id: str | None = None
    symbol: str | None = None
    status: AckStatus
    origin: Origin
    error: str | None = None
    text: str | None = None
    retryable: bool | None = None
    venue_order_id: str | None = None
    number_of_affected_orders: int | None = None
    venue_time_ns: int | None = None


class OrderUpdate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="order_update",
):
    """State of one order."""

    account: str
    order_id: str | None = None
    venue_order_id: str | None = None
    symbol: str | None = None
    side: Side | None = None
    order_type: OrderType | None = None
    order_status: OrderStatus
    update_type: UpdateType = UpdateType.INCREMENTAL
    quantity: str | None = None
    price: str | None = None
    stop_price: str | None = None
    traded_quantity: str | None = None
    remaining_quantity: str | None = None
    average_price: str | None = None
    external: bool = False
    reason: str | None = None
    origin: Origin = Origin.VENUE
    venue_time_ns: int | None = None
    cost: str | None = None  # of what was traded, in the quote asset
    time_in_force: TimeInForce | None = None
    opened_ns: int | None = None  # when the venue took it
    venue_client_id: str | None = None  # the client's id as the venue has it


class Fill(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One execution of an order."""

    trade_id: str
    price: str
    quantity: str
    cost: str | None = None
    liquidity: Liquidity | None = None
    fees: tuple[tuple[str, str], ...] = ()  # (asset, amount)
    venue_time_ns: int | None = None
    market_trade_id: str | None = None  # the public trade's id: rises within a symbol where the venue numbers


class TradeUpdate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="trade_update",
):
    """Fills of one order, each once (law 2)."""

    account: str
    order_id: str | None = None
    venue_order_id: str | None = None
    symbol: str | None = None
    side: Side | None = None
    fills: tuple[Fill, ...] = ()
    origin: Origin = Origin.VENUE
    venue_time_ns: int | None = None
