"""Private REST: placing, amending and cancelling orders (sheet 2.7). All of it ends at the order desk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gw_sim_kraken.accounts.amounts import fixed
from gw_sim_kraken.orders import engine_costs
from gw_sim_kraken.orders.own_order import OwnOrder
from gw_sim_kraken.orders.request import OrderRefused
from gw_sim_kraken.rest import parsing as rest_parsing
from gw_sim_kraken.rest.market import ApiError
from gw_sim_kraken.rest.orders import close_sentence, price_texts, sentence
from gw_sim_kraken.rest.private_body import as_text

if TYPE_CHECKING:
    from gw_sim_kraken.rest.private import Caller

BATCH_ADD = (2, 15)
BATCH_CANCEL_MAX = 50


def add_order(caller: Caller) -> Any:
    """AddOrder: the order in words, and its id unless it was only to be checked."""
    exchange = caller.exchange
    request = rest_parsing.order(caller.params, exchange.feed.listing, exchange.received_ns())
    draft = exchange.order_desk.draft(caller.account, request, caller.now_ns)
    order = exchange.order_desk.place(caller.account, request, caller.now_ns)
    result: dict[str, Any] = {"descr": _words(draft)}
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
    exchange, desk, account = caller.exchange, caller.exchange.order_desk, caller.account
    requests = [
        rest_parsing.order(
            {**{name: as_text(value) for name, value in row.items()}, **shared},
            exchange.feed.listing,
            exchange.received_ns(),
        )
        for row in rows
    ]
    desk.charge_batch(account, requests[0].symbol, engine_costs.ADD * len(requests) // 2, caller.now_ns)
    for request in requests:
        desk.check_fields(account, request, caller.now_ns)
    found: list[dict[str, Any]] = []
    for request in requests:
        words = _words(desk.draft(account, request, caller.now_ns))
        shown: dict[str, Any] = {"descr": {"order": words["order"]}}
        if "close" in words:
            shown["close"] = words["close"]
        try:
            order = desk.place(account, request, caller.now_ns, limited=False)
        except OrderRefused as refusal:
            found.append({"error": str(refusal), **shown})
            continue
        identity = {"txid": order.order_id} if order is not None else {}
        found.append({**identity, **shown})
    return {"orders": found}


def amend_order(caller: Caller) -> Any:
    """AmendOrder, by txid or cl_ord_id."""
    order = caller.account.find_order(str(caller.params.get("txid") or caller.params.get("cl_ord_id", "")))
    if order is None:
        raise ApiError("EOrder:Unknown order")
    request = rest_parsing.amend(caller.params, order.side, order.order_type)
    return {"amend_id": caller.exchange.order_desk.amend(caller.account, order, request, caller.now_ns)}


def edit_order(caller: Caller) -> Any:
    """EditOrder, by txid or a userref that one open order has."""
    orders = caller.account.find_orders(str(caller.params.get("txid", "")))
    if len(orders) != 1:
        raise ApiError("EOrder:Unknown order")
    order, exchange = orders[0], caller.exchange
    request = rest_parsing.edit(caller.params, exchange.feed.listing, order.side, order.order_type)
    made = exchange.order_desk.edit(caller.account, order, request, caller.now_ns)
    shown = made or order
    pair = shown.market.pair
    price, price2 = price_texts(shown, pair)
    return {
        "status": "ok",
        **({} if made is None else {"txid": made.order_id}),
        "originaltxid": order.order_id,
        "volume": fixed(shown.quantity, pair.qty_precision),
        "price": price,
        "price2": price2,
        "orders_cancelled": 0 if made is None else 1,
        "descr": {"order": sentence(shown, pair)},
        "newuserref": request.userref,
        "olduserref": order.userref,
        "error_message": "",
    }


def cancel_order(caller: Caller) -> Any:
    """CancelOrder, by txid (also a userref) or cl_ord_id."""
    text = str(caller.params.get("txid") or caller.params.get("cl_ord_id", ""))
    orders = caller.account.find_orders(text)
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
    orders = {order.order_id: order for row in rows for order in caller.account.find_orders(str(row)) if order.is_open}
    for order in orders.values():
        desk.charge_cancel(caller.account, order, caller.now_ns)
        desk.cancel(caller.account, order, caller.now_ns, limited=False)
    return {"count": len(orders)}


def cancel_all(caller: Caller) -> Any:
    """CancelAll."""
    return {"count": caller.exchange.order_desk.cancel_all(caller.account, caller.now_ns, limited=True)}


def cancel_all_orders_after(caller: Caller) -> Any:
    """CancelAllOrdersAfter: the dead man's switch."""
    text = str(caller.params.get("timeout", ""))
    if not (text.isascii() and text.isdigit()):
        raise ApiError("EGeneral:Invalid arguments:timeout")
    return caller.exchange.dead_man.arm(caller.account, int(text), caller.now_ns)


def _list(caller: Caller, name: str) -> list[Any]:
    """A JSON list, or a form's text with commas."""
    value = caller.params.get(name, [])
    return value if isinstance(value, list) else [text for text in str(value).split(",") if text]


def _words(order: OwnOrder) -> dict[str, str]:
    """The order in words, and its conditional close where it has one."""
    pair = order.market.pair
    close = close_sentence(order, pair)
    return {"order": sentence(order, pair), **({"close": close} if close else {})}
