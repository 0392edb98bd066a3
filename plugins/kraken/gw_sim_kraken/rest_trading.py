"""Private REST: placing, amending and cancelling orders (sheet 2.7). All of it ends at the order desk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gw_sim_kraken import engine_costs
from gw_sim_kraken.order_parsing import amend_from_rest, from_rest
from gw_sim_kraken.order_request import OrderRefused, OrderRequest
from gw_sim_kraken.own_order import OwnOrder
from gw_sim_kraken.private_body import as_text
from gw_sim_kraken.rest_market import ApiError
from gw_sim_kraken.rest_orders import sentence

if TYPE_CHECKING:
    from gw_sim_kraken.rest_private import Caller

BATCH_ADD = (2, 15)
BATCH_CANCEL_MAX = 50


def add_order(caller: Caller) -> Any:
    """AddOrder: the order in words, and its id unless it was only to be checked."""
    request = from_rest(caller.params, caller.exchange.feed.listing, caller.now_ns)
    order = caller.exchange.order_desk.place(caller.account, request, caller.now_ns)
    result: dict[str, Any] = {"descr": {"order": _words(caller, order or request)}}
    if order is not None:
        result["txid"] = [order.order_id]
    return result


def add_order_batch(caller: Caller) -> Any:
    """AddOrderBatch: one bad order refuses all of them; what the engine refuses is refused alone."""
    rows = caller.params.get("orders")
    if (
        not isinstance(rows, list)
        or not BATCH_ADD[0] <= len(rows) <= BATCH_ADD[1]
        or not all(isinstance(row, dict) for row in rows)
    ):
        raise ApiError("EGeneral:Invalid arguments:orders")
    shared = {name: caller.params[name] for name in ("pair", "deadline", "validate") if name in caller.params}
    listing, desk = caller.exchange.feed.listing, caller.exchange.order_desk
    requests = [
        from_rest({**{name: as_text(value) for name, value in row.items()}, **shared}, listing, caller.now_ns)
        for row in rows
    ]
    desk.charge_batch(caller.account, requests[0].symbol, engine_costs.ADD * len(requests) // 2, caller.now_ns)
    found: list[dict[str, Any]] = []
    for request in requests:
        try:
            order = desk.place(caller.account, request, caller.now_ns, limited=False)
        except OrderRefused as refusal:
            found.append({"error": str(refusal), "descr": {"order": _words(caller, request)}})
            continue
        identity = {"txid": order.order_id} if order is not None else {}
        found.append({**identity, "descr": {"order": _words(caller, request)}})
    return {"orders": found}


def amend_order(caller: Caller) -> Any:
    """AmendOrder, by txid or cl_ord_id."""
    order = caller.account.find_order(str(caller.params.get("txid") or caller.params.get("cl_ord_id", "")))
    request = amend_from_rest(caller.params)
    return {"amend_id": caller.exchange.order_desk.amend(caller.account, order, request, caller.now_ns)}


def cancel_order(caller: Caller) -> Any:
    """CancelOrder, by txid (also a userref) or cl_ord_id."""
    text = str(caller.params.get("txid") or caller.params.get("cl_ord_id", ""))
    orders = _orders(caller, text)
    if not orders:
        raise ApiError("EOrder:Unknown order")
    for order in orders:
        caller.exchange.order_desk.cancel(caller.account, order, caller.now_ns)
    return {"count": len(orders)}


def cancel_order_batch(caller: Caller) -> Any:
    """CancelOrderBatch: those that are open; accepted whatever the engine's counter says."""
    rows = [*_list(caller, "orders"), *_list(caller, "cl_ord_ids")]
    if not 0 < len(rows) <= BATCH_CANCEL_MAX:
        raise ApiError("EGeneral:Invalid arguments:orders")
    desk = caller.exchange.order_desk
    orders = {order.order_id: order for row in rows for order in _orders(caller, str(row)) if order.is_open}
    for order in orders.values():
        desk.charge_cancel(caller.account, order, caller.now_ns)
        desk.cancel(caller.account, order, caller.now_ns, limited=False)
    return {"count": len(orders)}


def cancel_all(caller: Caller) -> Any:
    """CancelAll."""
    return {"count": caller.exchange.order_desk.cancel_all(caller.account, caller.now_ns)}


def cancel_all_orders_after(caller: Caller) -> Any:
    """CancelAllOrdersAfter: the dead man's switch."""
    text = str(caller.params.get("timeout", ""))
    if not (text.isascii() and text.isdigit()):
        raise ApiError("EGeneral:Invalid arguments:timeout")
    return caller.exchange.dead_man.arm(caller.account, int(text), caller.now_ns)


def _orders(caller: Caller, text: str) -> list[OwnOrder]:
    """By id or cl_ord_id; else all open ones with this userref."""
    order = caller.account.find_order(text)
    if order is not None:
        return [order]
    is_number = text.removeprefix("-").isdigit()
    return caller.account.with_userref(int(text)) if is_number and int(text) else []


def _list(caller: Caller, name: str) -> list[Any]:
    """A JSON list, or a form's text with commas."""
    value = caller.params.get(name, [])
    return value if isinstance(value, list) else [text for text in str(value).split(",") if text]


def _words(caller: Caller, order: OwnOrder | OrderRequest) -> str:
    return sentence(order, caller.exchange.feed.listing.pairs[order.symbol])
