"""Our order requests as parameters of private REST (API sheet §2.7). Pure functions. Decimals are text there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gw_venue_kraken.orders.frames import (
    ORDER_TYPES,
    PREVENTIONS,
    SIDES,
    TIMES,
    TRIGGERS,
    WHOLE_POSITION,
    earliest_deadline_ns,
    one_id,
    start_ns,
)
from gw_venue_kraken.times import millisecond_text
from gwcore.model import ConditionalClose, CreateOrder, FeeAsset, ModifyOrder, OrderType, PriceType, TimeInForce
from gwcore.numbers import decimal_text
from gwcore.venue import OrderKey

_SECOND_NS = 1_000_000_000


def market(pair: str, symbol: str) -> dict[str, str]:
    """What names the market: tokenized stocks (`AAPLx/USD`, §3.1) are looked for among currencies unless told."""
    base = symbol.partition("/")[0]
    return {"pair": pair, **({"asset_class": "tokenized_asset"} if base.endswith("x") else {})}


def order_form(request: CreateOrder, client_id: str, leverage: int | None) -> dict[str, str]:
    """What says which order it is, but for the conditional close and what a batch says once."""
    form = {"ordertype": ORDER_TYPES[request.order_type], "type": SIDES[request.side]}
    form["volume"] = decimal_text(request.cash_quantity or request.quantity or WHOLE_POSITION)
    if request.display_quantity is not None:
        form["displayvol"] = decimal_text(request.display_quantity)
    form |= prices(request.order_type, request.price, request.price_type, request.stop_price, request.stop_price_type)
    if request.trigger is not None:
        form["trigger"] = TRIGGERS[request.trigger]
    if request.margin and leverage is not None:
        form["leverage"] = str(leverage)
    if request.reduce_only:
        form["reduce_only"] = "true"
    if request.self_trade_prevention is not None:
        form["stptype"] = PREVENTIONS[request.self_trade_prevention].replace("_", "-")
    flags = _flags(request)
    if flags:
        form["oflags"] = ",".join(flags)
    if request.time_in_force is not TimeInForce.GTC:
        form["timeinforce"] = TIMES[request.time_in_force].upper()
    if request.effective_time_ns is not None:
        form["starttm"] = str(start_ns(request.effective_time_ns) // _SECOND_NS)
    if request.expire_time_ns is not None:
        form["expiretm"] = str(request.expire_time_ns // _SECOND_NS)
    form["cl_ord_id"] = client_id
    return form


def _flags(request: CreateOrder) -> list[str]:
    flags = ["post"] if request.post_only else []
    if request.fee_asset is not None:
        flags.append("fcib" if request.fee_asset is FeeAsset.BASE else "fciq")
    if request.cash_quantity is not None:
        flags.append("viqc")
    return flags


def prices(
    kind: OrderType, price: str | None, price_type: PriceType, stop_price: str | None, stop_price_type: PriceType
) -> dict[str, str]:
    """`price` is what triggers where something does, else the limit; `price2` the limit behind a trigger."""
    limit = None if price is None else _price(price, price_type)
    if stop_price is None:
        return {} if limit is None else {"price": limit}
    return {"price": _price(stop_price, stop_price_type), **({} if limit is None else {"price2": limit})}


def _price(text: str, price_type: PriceType) -> str:
    """`101.5`, or relative: `+1.5`, `-1.5`, `+2%`."""
    plain = decimal_text(text)
    if price_type is PriceType.STATIC:
        return plain
    sign = "" if plain.startswith("-") else "+"
    return f"{sign}{plain}{'%' if price_type is PriceType.PERCENT else ''}"


def close_form(close: ConditionalClose) -> dict[str, str]:
    """A conditional close."""
    relative = prices(close.order_type, close.price, close.price_type, close.stop_price, close.stop_price_type)
    return {"ordertype": ORDER_TYPES[close.order_type], **relative}


def add_form(request: CreateOrder, client_id: str, pair: str, leverage: int | None) -> dict[str, str]:
    """Of AddOrder."""
    form = {**order_form(request, client_id, leverage), **market(pair, request.symbol)}
    if request.conditional_close is not None:
        form |= {f"close[{name}]": value for name, value in close_form(request.conditional_close).items()}
    if request.deadline_ns is not None:
        form["deadline"] = millisecond_text(request.deadline_ns)
    if request.validate_only:
        form["validate"] = "true"
    return form


def batch_body(
    requests: Sequence[CreateOrder], client_ids: Sequence[str], pair: str, leverages: Sequence[int | None]
) -> dict[str, Any]:
    """Of AddOrderBatch, as JSON: one market, and the earliest deadline that one of the orders has."""
    orders: list[Mapping[str, Any]] = []
    for request, client_id, leverage in zip(requests, client_ids, leverages, strict=True):
        order: dict[str, Any] = dict(order_form(request, client_id, leverage))
        if request.reduce_only:
            order["reduce_only"] = True
        if request.conditional_close is not None:
            order["close"] = close_form(request.conditional_close)
        orders.append(order)
    body: dict[str, Any] = {**market(pair, requests[0].symbol), "orders": orders}
    deadline_ns = earliest_deadline_ns(requests)
    if deadline_ns is not None:
        body["deadline"] = millisecond_text(deadline_ns)
    if requests[0].validate_only:
        body["validate"] = True
    return body


def amend_form(request: ModifyOrder, key: OrderKey) -> dict[str, str]:
    """Of AmendOrder."""
    form = id_form(key)
    if request.quantity is not None:
        form["order_qty"] = decimal_text(request.quantity)
    if request.display_quantity is not None:
        form["display_qty"] = decimal_text(request.display_quantity)
    if request.price is not None:
        form["limit_price"] = _price(request.price, request.price_type)
    if request.stop_price is not None:
        form["trigger_price"] = _price(request.stop_price, request.stop_price_type)
    if request.post_only is not None:
        form["post_only"] = "true" if request.post_only else "false"
    if request.deadline_ns is not None:
        form["deadline"] = millisecond_text(request.deadline_ns)
    return form


def id_form(key: OrderKey) -> dict[str, str]:
    """What names one order. Raises ValueError for one without any id."""
    named = one_id(key)
    return {"txid": named["order_id"]} if "order_id" in named else dict(named)


def cancel_batch_body(keys: Sequence[OrderKey]) -> dict[str, Any]:
    """Of CancelOrderBatch, as JSON."""
    body: dict[str, list[str]] = {"orders": []}
    for key in keys:
        named = one_id(key)
        name = "orders" if "order_id" in named else "cl_ord_ids"
        body.setdefault(name, []).append(next(iter(named.values())))
    return {name: values for name, values in body.items() if values}
