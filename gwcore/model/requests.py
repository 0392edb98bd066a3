"""What a client asks of the gateway about orders. Numbers are decimal text, times ns since the epoch.

Each request carries a `request_id` of the client's own, given back in the `OrderAck`s that answer it (or in a RequestError
where the gateway did not take it at all). `order_id` is the client's too, and unique per user for all time.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from gwcore.model.enums import (
    FeeAsset,
    OrderType,
    PriceType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TriggerReference,
)


class ConditionalClose(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An order of the opposite side that the venue places for each fill of the first one."""

    order_type: OrderType
    price: str | None = None
    price_type: PriceType = PriceType.STATIC
    stop_price: str | None = None
    stop_price_type: PriceType = PriceType.STATIC


class CreateOrder(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="request",
    tag="create_order",
):
    """Place an order.

    `quantity` is in the base asset (`cash_quantity` in the quote asset takes its place for market buys). `price` is the
    limit, `stop_price` what triggers, or the distance at which a trailing stop follows. A relative `price` is an offset from
    the trigger: above it, or below it with a minus. `validate_only`: the venue checks, and places nothing.
    """

    account: str
    order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: str | None = None
    price: str | None = None
    stop_price: str | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    display_quantity: str | None = None
    strategy: str | None = None
    request_id: int = 0
    cash_quantity: str | None = None
    price_type: PriceType = PriceType.STATIC
    stop_price_type: PriceType = PriceType.STATIC
    trigger: TriggerReference | None = None
    margin: bool = False
    self_trade_prevention: SelfTradePrevention | None = None
    fee_asset: FeeAsset | None = None
    conditional_close: ConditionalClose | None = None
    effective_time_ns: int | None = None  # the order starts then
    expire_time_ns: int | None = None  # with GTD: it ends then
    deadline_ns: int | None = None  # the venue may not take it after this
    validate_only: bool = False


class ModifyOrder(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="request",
    tag="modify_order",
):
    """Change a working order in place; what is None stays. `quantity` is the new total, what was traded included.

    `version`: only if the order's last accepted version is still this one.
    """

    account: str
    order_id: str
    quantity: str | None = None
    price: str | None = None
    version: int | None = None
    request_id: int = 0
    stop_price: str | None = None
    display_quantity: str | None = None
    price_type: PriceType = PriceType.STATIC
    stop_price_type: PriceType = PriceType.STATIC
    post_only: bool | None = None
    deadline_ns: int | None = None


class CancelOrder(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="request",
    tag="cancel_order",
):
    """Cancel one order. External orders are named by `venue_order_id`, with an empty `order_id`."""

    account: str
    order_id: str
    version: int | None = None
    request_id: int = 0
    venue_order_id: str | None = None


class CancelAllOrders(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="request",
    tag="cancel_all_orders",
):
    """Cancel all working orders that match the filters; None matches all.

    Without `user` those of the one who asks; `*` for everybody's and external ones (needs the right to that).
    """

    account: str
    symbol: str | None = None
    side: Side | None = None
    strategy: str | None = None
    request_id: int = 0
    user: str | None = None


class CreateOrders(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="request",
    tag="create_orders",
):
    """Place several orders of one account together: one request to the venue where it can, else one each.

    Each order gets its own acks. One that is refused does not hold up the others, unless the venue refuses the whole.
    """

    account: str
    orders: tuple[CreateOrder, ...]
    request_id: int = 0


class CancelOrders(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="request",
    tag="cancel_orders",
):
    """Cancel several orders of one account together."""

    account: str
    order_ids: tuple[str, ...]
    request_id: int = 0


class CancelAllAfter(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="request",
    tag="cancel_all_after",
):
    """Arm the venue's dead-man timer of the account: unless renewed in time, it cancels every order there. 0 disarms."""

    account: str
    timeout_s: int
    request_id: int = 0


#: What a client may ask for about orders.
OrderRequest: TypeAlias = (
    CreateOrder | ModifyOrder | CancelOrder | CancelAllOrders | CreateOrders | CancelOrders | CancelAllAfter
)
