"""The three separate facts about an order: what became of a request, its state, its fills."""

from __future__ import annotations

import msgspec

from gwcore.model.enums import (
    AckStatus,
    Fate,
    Liquidity,
    OrderStatus,
    OrderType,
    Origin,
    PriceType,
    Side,
    TimeInForce,
    TriggerReference,
    UpdateType,
)
from gwcore.model.requests import OrderRequest


class OrderAck(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="kind", tag="order_ack"
):
    """What became of one request about one order (of all that it is about, for CancelAllOrders and CancelAllAfter).

    FORWARDED comes once it is on its way, then one of ACCEPTED and REJECTED; or UNKNOWN, and one of those two when it is
    known. `request_id` is the gateway's, unique per account; `client_request_id` the client's. `error` is an OrderError,
    `text` the venue's raw words, `fate` what became of the thing asked for. `version` counts the order's requests from 1.
    `asked`: with FORWARDED, the request as it was taken, deadline filled in: by it a restart knows what may be under way.
    """

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
    client_request_id: int | None = None
    user: str | None = None
    strategy: str | None = None
    version: int | None = None
    fate: Fate | None = None
    retry_at_ns: int | None = None  # wall clock: before this the same refusal is certain
    venue_client_id: str | None = None
    round_trip_ns: int | None = None
    asked: OrderRequest | None = None


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
    user: str | None = None  # who placed it through us
    strategy: str | None = None
    version: int | None = None  # of the last request that the venue accepted
    display_quantity: str | None = None
    cash_quantity: str | None = None
    price_type: PriceType | None = None
    stop_price_type: PriceType | None = None
    trigger: TriggerReference | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    margin: bool | None = None
    effective_time_ns: int | None = None
    expire_time_ns: int | None = None
    parent_venue_order_id: str | None = None  # the order whose fill made the venue place this one


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
    user: str | None = None
    strategy: str | None = None
    venue_client_id: str | None = None
