"""Private REST: orders as REST shows them (sheet 2.6, Order object). What REST does not know yet is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gw_sim_kraken.accounts.amounts import ZERO, fixed, plain, rounded
from gw_sim_kraken.market.listing import Pair
from gw_sim_kraken.orders.own_order import EXPIRED, FILLED, PENDING, OwnFill, OwnOrder
from gw_sim_kraken.orders.request import PriceSpec
from gw_sim_kraken.orders.types import TAKE_PROFIT, words
from gw_sim_kraken.rest.market import ApiError
from gw_sim_kraken.rest.pages import page, seconds
from gw_sim_kraken.rest.private_body import flag
from gw_sim_kraken.texts import SECOND_NS

if TYPE_CHECKING:
    from gw_sim_kraken.rest.private import Caller

QUERY_MAX = 50
#: REST prints average prices with at least so many decimals.
WIDE_DECIMALS = 5
_WORDS = {FILLED: "closed", EXPIRED: "expired"}


def open_orders(caller: Caller) -> Any:
    """OpenOrders: newest first; by userref or cl_ord_id where asked for."""
    rows = [order for order in _known(caller) if _is_open(caller, order)]
    return {"open": {order.order_id: order_row(caller, order) for order in reversed(_chosen(caller, rows))}}


def closed_orders(caller: Caller) -> Any:
    """ClosedOrders: a page of 50, by the time of opening, closing, or either."""
    rows = [order for order in _known(caller) if not _is_open(caller, order)]
    by_open = caller.params.get("closetime", "both") == "open"
    rows.sort(key=lambda order: order.opened_ns if by_open else order.closed_ns)
    found, count = page(
        _chosen(caller, rows),
        caller.params,
        lambda order: order.opened_ns if by_open else order.closed_ns,
        lambda order: order.order_id,
    )
    result: dict[str, Any] = {"closed": {order.order_id: order_row(caller, order) for order in found}}
    if not flag(caller.params, "without_count"):
        result["count"] = count
    return result


def query_orders(caller: Caller) -> Any:
    """QueryOrders: up to 50 by id."""
    texts = [text.strip() for text in str(caller.params.get("txid", "")).split(",") if text.strip()]
    if not 0 < len(texts) <= QUERY_MAX:
        raise ApiError("EGeneral:Invalid arguments:txid")
    known = {order.order_id: order for order in _known(caller)}
    if any(text not in known for text in texts):
        raise ApiError("EOrder:Unknown order")
    return {text: order_row(caller, known[text]) for text in texts}


def order_amends(caller: Caller) -> Any:
    """OrderAmends: oldest first, the original included; times in nanoseconds."""
    order = caller.account.orders.get(str(caller.params.get("order_id", "")))
    if order is None:
        raise ApiError("EOrder:Unknown order")
    pair = order.market.pair
    rows = [
        {
            "amend_id": one.amend_id,
            "amend_type": one.kind,
            "order_qty": fixed(one.quantity, pair.qty_precision),
            **({} if one.display is None else {"display_qty": fixed(one.display, pair.qty_precision)}),
            "remaining_qty": fixed(one.remaining, pair.qty_precision),
            "limit_price": fixed(one.limit_price or ZERO, pair.price_precision),
            **({} if one.trigger_price is None else {"trigger_price": fixed(one.trigger_price, pair.price_precision)}),
            "reason": one.reason,
            "post_only": one.post_only,
            "timestamp": one.time_ns,
        }
        for one in order.amendments
    ]
    return {"count": len(rows), "amends": rows}


def sentence(order: OwnOrder, pair: Pair) -> str:
    """`buy 2.12340000 XBTUSD @ limit 25000.1 with 2:1 leverage`."""
    leverage = f" with {order.leverage}:1 leverage" if order.leverage else ""
    quantity = fixed(order.quantity, pair.qty_precision) if order.cash is None else plain(order.cash)
    head = f"{order.side_name} {quantity} {pair.altname} @ {words(order.order_type)}"
    trigger = order.trigger
    if trigger is not None:
        head += (
            f" {_spec_text(trigger.spec, pair) if order.is_trailing else fixed(trigger.price, pair.price_precision)}"
        )
    if order.limit_price is not None:
        offset = order.limit if order.is_trailing else None
        limit = fixed(order.limit_price, pair.price_precision) if offset is None else _spec_text(offset, pair)
        head += f" {limit}" if trigger is None else f" -> limit {limit}"
    return head + leverage


def close_sentence(order: OwnOrder, pair: Pair) -> str:
    """`close position @ stop loss 22000.0 -> limit 21000.0`; empty without a conditional close."""
    close = order.close
    if close is None:
        return ""
    text = f"close position @ {words(close.order_type)}"
    if close.trigger is not None:
        text += f" {_spec_text(close.trigger, pair)}"
    if close.limit is not None:
        text += f" {'' if close.trigger is None else '-> limit '}{_spec_text(close.limit, pair)}"
    return text


def _spec_text(spec: PriceSpec, pair: Pair) -> str:
    """A price; an offset with its sign, a percentage with four decimals."""
    if spec.kind == "static":
        return fixed(spec.value, pair.price_precision)
    sign = "+" if spec.value >= 0 else ""
    return (
        f"{sign}{fixed(spec.value, 4)}%" if spec.kind == "pct" else f"{sign}{fixed(spec.value, pair.price_precision)}"
    )


def price_texts(order: OwnOrder, pair: Pair) -> tuple[str, str]:
    """`price` and `price2` of the description: of triggered types the trigger and the limit."""
    limit = "0" if order.limit_price is None else fixed(order.limit_price, pair.price_precision)
    trigger = order.trigger
    if trigger is None:
        return limit, "0"
    if not order.is_trailing:
        return fixed(trigger.price, pair.price_precision), limit
    return _spec_text(trigger.spec, pair), "0" if order.limit is None else _spec_text(order.limit, pair)


def order_row(caller: Caller, order: OwnOrder) -> dict[str, Any]:
    """One Order object; sums are those of the fills that REST knows."""
    pair = order.market.pair
    fills = _fills(caller, order)
    quantity = sum((fill.quantity for fill in fills), ZERO)
    cost = sum((fill.cost for fill in fills), ZERO)
    fee = sum((fill.fee_in_quote for fill in fills), ZERO)
    is_open = _is_open(caller, order)
    wide = max(WIDE_DECIMALS, pair.price_precision)
    average = rounded(cost / quantity, pair.price_precision) if quantity else ZERO
    price, price2 = price_texts(order, pair)
    row: dict[str, Any] = {
        "refid": order.parent_id or None,
        "userref": order.userref,
        **({"cl_ord_id": order.cl_ord_id} if order.cl_ord_id else {}),
        "status": _status(order, is_open=is_open),
        "opentm": seconds(order.opened_ns),
        "starttm": order.start_ns // SECOND_NS,
        "expiretm": order.expire_ns // SECOND_NS,
        "descr": {
            "pair": pair.altname,
            "aclass": "forex",
            "type": order.side_name,
            "ordertype": order.order_type,
            "price": price,
            "price2": price2,
            "leverage": f"{order.leverage}:1" if order.leverage else "none",
            "order": sentence(order, pair),
            "close": close_sentence(order, pair),
        },
        "vol": fixed(order.quantity, pair.qty_precision),
        "vol_exec": fixed(quantity, pair.qty_precision),
        "cost": fixed(cost, pair.cost_precision),
        "fee": fixed(fee, pair.cost_precision),
        "price": fixed(average, wide),
        "stopprice": fixed(ZERO if order.trigger is None else order.trigger.price, wide),
        "limitprice": fixed(ZERO if order.trigger is None else order.limit_price or ZERO, wide),
        **({} if order.trigger is None else {"trigger": order.trigger.reference}),
        "margin": bool(order.leverage),
        "misc": _misc(order, is_open=is_open, has_fills=bool(fills)),
        "oflags": ",".join(_flags(order)),
    }
    if not is_open:
        row["reason"] = order.reason or None
        row["closetm"] = seconds(order.closed_ns)
    if flag(caller.params, "trades") and fills:
        row["trades"] = [fill.exec_id for fill in fills]
    return row


def _status(order: OwnOrder, *, is_open: bool) -> str:
    if is_open:
        return "pending" if order.status == PENDING else "open"
    return _WORDS.get(order.status, "canceled")


def _flags(order: OwnOrder) -> list[str]:
    flags = [order.fee_preference]
    return [*flags, *(["post"] if order.post_only else []), *(["viqc"] if order.cash is not None else [])]


def _misc(order: OwnOrder, *, is_open: bool, has_fills: bool) -> str:
    """What triggered it (stopped, touched), whether it ended with a part, whether it was amended."""
    found = ["partial"] if has_fills and order.status != FILLED and not is_open else []
    if order.trigger is not None and order.trigger.is_fired:
        found.append("touched" if order.order_type.startswith(TAKE_PROFIT) else "stopped")
    return ",".join([*found, *(["amended"] if order.amended else [])])


def _known(caller: Caller) -> list[OwnOrder]:
    return [order for order in caller.account.orders.values() if caller.sees(order.opened_ns)]


def _fills(caller: Caller, order: OwnOrder) -> list[OwnFill]:
    return [fill for fill in order.fills if caller.sees(fill.time_ns)]


def _is_open(caller: Caller, order: OwnOrder) -> bool:
    """Open as far as REST knows: an end that is too new for it has not happened."""
    return order.is_open or not caller.sees(order.closed_ns)


def _chosen(caller: Caller, rows: list[OwnOrder]) -> list[OwnOrder]:
    userref, cl_ord_id = caller.params.get("userref"), caller.params.get("cl_ord_id")
    return [
        order
        for order in rows
        if (userref is None or str(order.userref) == str(userref)) and cl_ord_id in (None, order.cl_ord_id)
    ]
