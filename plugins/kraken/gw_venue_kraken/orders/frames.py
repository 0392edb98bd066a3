"""Our order requests as WebSocket v2 trading requests (API sheet §4.14). Pure functions.

Numbers leave as JSON numbers of the text's own digits, always with a point and never with an exponent (§3.3). What is the
venue's default is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gw_venue_kraken.orders.checks import TRAILING, TRIGGERED
from gw_venue_kraken.times import millisecond_text, second_text
from gwcore.model import (
    ConditionalClose,
    CreateOrder,
    FeeAsset,
    ModifyOrder,
    OrderType,
    PriceType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TriggerReference,
)
from gwcore.numbers import decimal_text
from gwcore.venue import Frame, OrderKey

ORDER_TYPES = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.ICEBERG: "iceberg",
    OrderType.STOP_LOSS: "stop-loss",
    OrderType.STOP_LOSS_LIMIT: "stop-loss-limit",
    OrderType.TAKE_PROFIT: "take-profit",
    OrderType.TAKE_PROFIT_LIMIT: "take-profit-limit",
    OrderType.TRAILING_STOP: "trailing-stop",
    OrderType.TRAILING_STOP_LIMIT: "trailing-stop-limit",
    OrderType.SETTLE_POSITION: "settle-position",
}
SIDES = {Side.BUY: "buy", Side.SELL: "sell"}
TIMES = {TimeInForce.GTC: "gtc", TimeInForce.GTD: "gtd", TimeInForce.IOC: "ioc", TimeInForce.FOK: "fok"}
PRICE_TYPES = {PriceType.STATIC: "static", PriceType.PERCENT: "pct", PriceType.QUOTE: "quote"}
TRIGGERS = {TriggerReference.LAST: "last", TriggerReference.INDEX: "index"}
PREVENTIONS = {
    SelfTradePrevention.CANCEL_NEWEST: "cancel_newest",
    SelfTradePrevention.CANCEL_OLDEST: "cancel_oldest",
    SelfTradePrevention.CANCEL_BOTH: "cancel_both",
}
#: What settles all of a position (§2.7).
WHOLE_POSITION = "0"
FEES = {FeeAsset.BASE: "base", FeeAsset.QUOTE: "quote"}


def number(text: str) -> msgspec.Raw:
    """A JSON number with the digits of wire text: `5` is written `5.0`. Raises NumberError."""
    plain = decimal_text(text)
    sign = "-" if plain.startswith("-") else ""
    whole, _, fraction = plain.removeprefix("-").partition(".")
    return msgspec.Raw(f"{sign}{whole.lstrip('0') or '0'}.{fraction or '0'}".encode())


def order_params(request: CreateOrder, client_id: str) -> dict[str, Any]:
    """What says which order it is: all but what a batch says once (symbol, deadline, validate) and the token."""
    params: dict[str, Any] = {"order_type": ORDER_TYPES[request.order_type], "side": SIDES[request.side]}
    if request.cash_quantity is not None:
        params["cash_order_qty"] = number(request.cash_quantity)
    else:
        params["order_qty"] = number(request.quantity or WHOLE_POSITION)
    if request.price is not None:
        params["limit_price"] = number(request.price)
    if request.order_type is OrderType.TRAILING_STOP_LIMIT:
        params["limit_price_type"] = PRICE_TYPES[request.price_type]
    if request.order_type in TRIGGERED and request.stop_price is not None:
        params["triggers"] = _triggers(request, request.stop_price)
    if request.display_quantity is not None:
        params["display_qty"] = number(request.display_quantity)
    if request.time_in_force is not TimeInForce.GTC:
        params["time_in_force"] = TIMES[request.time_in_force]
    params |= _times(request) | _flags(request)
    if request.fee_asset is not None:
        params["fee_preference"] = FEES[request.fee_asset]
    if request.self_trade_prevention is not None:
        params["stp_type"] = PREVENTIONS[request.self_trade_prevention]
    if request.conditional_close is not None:
        params["conditional"] = _conditional(request.conditional_close)
    params["cl_ord_id"] = client_id
    return params


def _triggers(request: CreateOrder, stop_price: str) -> dict[str, Any]:
    triggers: dict[str, Any] = {"price": number(stop_price)}
    if request.stop_price_type is not PriceType.STATIC or request.order_type in TRAILING:
        triggers["price_type"] = PRICE_TYPES[request.stop_price_type]
    if request.trigger is not None:
        triggers["reference"] = TRIGGERS[request.trigger]
    return triggers


def _times(request: CreateOrder) -> dict[str, Any]:
    """The venue counts whole seconds here: never earlier than the order may start, never later than it must end."""
    times: dict[str, Any] = {}
    if request.effective_time_ns is not None:
        times["effective_time"] = second_text(start_ns(request.effective_time_ns))
    if request.expire_time_ns is not None:
        times["expire_time"] = second_text(request.expire_time_ns)
    return times


def start_ns(effective_time_ns: int) -> int:
    """The first whole second that is not before a time."""
    return -(-effective_time_ns // 1_000_000_000) * 1_000_000_000


def _flags(request: CreateOrder) -> dict[str, Any]:
    flags = {"post_only": request.post_only, "reduce_only": request.reduce_only, "margin": request.margin}
    return {name: True for name, is_set in flags.items() if is_set}


def _conditional(close: ConditionalClose) -> dict[str, Any]:
    params: dict[str, Any] = {"order_type": ORDER_TYPES[close.order_type]}
    if close.price is not None:
        params["limit_price"] = number(close.price)
    if close.price_type is not PriceType.STATIC:
        params["limit_price_type"] = PRICE_TYPES[close.price_type]
    if close.stop_price is not None:
        params["trigger_price"] = number(close.stop_price)
    if close.stop_price_type is not PriceType.STATIC:
        params["trigger_price_type"] = PRICE_TYPES[close.stop_price_type]
    return params


def add_params(request: CreateOrder, client_id: str) -> dict[str, Any]:
    """Of `add_order`."""
    params = {**order_params(request, client_id), "symbol": request.symbol}
    if request.deadline_ns is not None:
        params["deadline"] = millisecond_text(request.deadline_ns)
    if request.validate_only:
        params["validate"] = True
    return params


def batch_params(requests: Sequence[CreateOrder], client_ids: Sequence[str]) -> dict[str, Any]:
    """Of `batch_add`: one symbol, and the earliest deadline that one of them has."""
    params: dict[str, Any] = {
        "symbol": requests[0].symbol,
        "orders": [order_params(each, client_id) for each, client_id in zip(requests, client_ids, strict=True)],
    }
    deadline_ns = earliest_deadline_ns(requests)
    if deadline_ns is not None:
        params["deadline"] = millisecond_text(deadline_ns)
    if requests[0].validate_only:
        params["validate"] = True
    return params


def earliest_deadline_ns(requests: Sequence[CreateOrder]) -> int | None:
    """What a batch may say of deadlines: an order is never taken after its own."""
    return min((each.deadline_ns for each in requests if each.deadline_ns is not None), default=None)


def amend_params(request: ModifyOrder, key: OrderKey) -> dict[str, Any]:
    """Of `amend_order`."""
    params: dict[str, Any] = dict(one_id(key))
    if request.quantity is not None:
        params["order_qty"] = number(request.quantity)
    if request.price is not None:
        params["limit_price"] = number(request.price)
    if request.price_type is not PriceType.STATIC:
        params["limit_price_type"] = PRICE_TYPES[request.price_type]
    if request.stop_price is not None:
        params["trigger_price"] = number(request.stop_price)
    if request.stop_price_type is not PriceType.STATIC:
        params["trigger_price_type"] = PRICE_TYPES[request.stop_price_type]
    if request.display_quantity is not None:
        params["display_qty"] = number(request.display_quantity)
    if request.post_only is not None:
        params["post_only"] = request.post_only
    if request.deadline_ns is not None:
        params["deadline"] = millisecond_text(request.deadline_ns)
    return params


def one_id(key: OrderKey) -> dict[str, str]:
    """What names one order: its own id where it is known, which is unique over all time (§3.5). Raises ValueError."""
    if key.venue_order_id is not None:
        return {"order_id": key.venue_order_id}
    if key.venue_client_id is not None:
        return {"cl_ord_id": key.venue_client_id}
    raise ValueError(f"an order in {key.symbol} without any id")


def cancel_params(keys: Sequence[OrderKey]) -> dict[str, Any]:
    """Of `cancel_order`: lists of ids, each of which gets a reply of its own."""
    params: dict[str, list[str]] = {}
    for key in keys:
        for name, value in one_id(key).items():
            params.setdefault(name, []).append(value)
    return params


def request_frame(method: str, params: Mapping[str, Any], token: str, request_id: int) -> Frame:
    """One trading request."""
    return msgspec.json.encode({"method": method, "params": {**params, "token": token}, "req_id": request_id})
