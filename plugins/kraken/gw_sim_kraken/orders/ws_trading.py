"""Trading by WebSocket (sheet 4.14): every method ends at the order desk; replies have their keys sorted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.orders import engine_costs, ws_parsing
from gw_sim_kraken.orders.own_order import OwnOrder
from gw_sim_kraken.orders.request import OrderRefused, OrderRequest
from gw_sim_kraken.requests import Request, RequestError

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

BATCH_ADD = (2, 15)
BATCH_CANCEL = (2, 50)
_FIELDS = {
    "add_order": ws_parsing.ADD_FIELDS,
    "amend_order": ws_parsing.AMEND_FIELDS,
    "edit_order": ws_parsing.EDIT_FIELDS,
    "cancel_order": frozenset({"order_id", "cl_ord_id", "order_userref", "token"}),
    "cancel_all": frozenset({"token"}),
    "cancel_all_orders_after": frozenset({"timeout", "token"}),
    "batch_add": frozenset({"symbol", "orders", "deadline", "validate", "token", "broker"}),
    "batch_cancel": frozenset({"orders", "cl_ord_id", "token"}),
}
_CANCELS = frozenset({"cancel_order", "cancel_all", "batch_cancel", "cancel_all_orders_after"})


class WsTrading:
    """Answers with results: one for each reply frame. A result that is an OrderRefused is an error reply."""

    def __init__(self, exchange: SimulatedKraken) -> None:
        self._exchange = exchange
        self._table: dict[str, Callable[[Account, Mapping[str, Any], int], list[Any]]] = {
            "add_order": self._add_order,
            "amend_order": self._amend_order,
            "edit_order": self._edit_order,
            "cancel_order": self._cancel_order,
            "cancel_all": self._cancel_all,
            "cancel_all_orders_after": self._cancel_all_orders_after,
            "batch_add": self._batch_add,
            "batch_cancel": self._batch_cancel,
        }

    def answer(self, request: Request, account: Account, permissions: frozenset[str], now_ns: int) -> list[Any]:
        """What the request comes to. Raises RequestError or OrderRefused where nothing was done."""
        call = self._table[request.method]
        for name in sorted(request.params.keys() - _FIELDS[request.method]):
            words = request.method.replace("_", " ")
            raise RequestError(f"Unsupported field: '{name}' for the given msg type: {words}")
        allowed = {"modify-trades", "close-trades"} if request.method in _CANCELS else {"modify-trades"}
        if allowed.isdisjoint(permissions):
            raise OrderRefused("EGeneral:Permission denied")
        return call(account, request.params, now_ns)

    def _add_order(self, account: Account, params: Mapping[str, Any], now_ns: int) -> list[Any]:
        request = ws_parsing.order(params, self._exchange.feed.listing, self._exchange.received_ns())
        order = self._exchange.order_desk.place(account, request, now_ns)
        return [_added(params, order)]

    def _amend_order(self, account: Account, params: Mapping[str, Any], now_ns: int) -> list[Any]:
        name = "order_id" if "order_id" in params else "cl_ord_id"
        order = account.find_order(str(params.get(name, "")))
        # Once it is triggered, a trailing stop is as any other order.
        order_type = order.order_type if order is not None and order.is_waiting else ""
        request = ws_parsing.amend(params, order_type, self._exchange.received_ns())
        amend_id = self._exchange.order_desk.amend(account, order, request, now_ns)
        return [{"amend_id": amend_id, name: params[name]}]

    def _edit_order(self, account: Account, params: Mapping[str, Any], now_ns: int) -> list[Any]:
        order = account.orders.get(str(params.get("order_id", "")))
        if order is None:
            raise OrderRefused("EOrder:Unknown order")
        listing = self._exchange.feed.listing
        request = ws_parsing.edit(params, listing, order.order_type, self._exchange.received_ns())
        made = self._exchange.order_desk.edit(account, order, request, now_ns)
        new_id = {} if made is None else {"order_id": made.order_id}
        return [{**new_id, "original_order_id": order.order_id}]

    def _cancel_order(self, account: Account, params: Mapping[str, Any], now_ns: int) -> list[Any]:
        """A reply for each order; which one failed its error does not say."""
        found: list[Any] = []
        for name in ("order_id", "cl_ord_id", "order_userref"):
            for value in _list(params, name):
                orders: list[OwnOrder | None] = [account.find_order(str(value))]
                if name == "order_userref":
                    orders = [*account.with_userref(value)] or [None]
                for order in orders:
                    try:
                        self._exchange.order_desk.cancel(account, order, now_ns)
                    except OrderRefused as refusal:
                        found.append(refusal)
                    else:
                        shown = "order_id" if name == "order_userref" and order is not None else name
                        found.append({shown: order.order_id if shown == "order_id" and order is not None else value})
        if not found:
            raise OrderRefused("EGeneral:Invalid arguments")
        return found

    def _cancel_all(self, account: Account, params: Mapping[str, Any], now_ns: int) -> list[Any]:
        return [{"count": self._exchange.order_desk.cancel_all(account, now_ns, limited=True)}]

    def _cancel_all_orders_after(self, account: Account, params: Mapping[str, Any], now_ns: int) -> list[Any]:
        timeout = params.get("timeout")
        if type(timeout) is not int:
            raise OrderRefused("EGeneral:Invalid arguments:timeout")
        return [self._exchange.dead_man.arm(account, timeout, now_ns)]

    def _batch_add(self, account: Account, params: Mapping[str, Any], now_ns: int) -> list[Any]:
        """One reply with an array. One bad order refuses all; what fails in the engine has an error in its place, which is
        a guess: no such reply was recorded."""
        rows = _list(params, "orders")
        if not BATCH_ADD[0] <= len(rows) <= BATCH_ADD[1] or not all(isinstance(row, dict) for row in rows):
            raise OrderRefused("EGeneral:Invalid arguments:orders")
        shared = {name: params[name] for name in ("symbol", "deadline", "validate") if name in params}
        exchange, desk = self._exchange, self._exchange.order_desk
        requests: list[OrderRequest] = []
        for row in rows:
            for name in sorted(row.keys() - ws_parsing.ADD_FIELDS):
                raise RequestError(f"Unsupported field: '{name}' for the given msg type: batch add")
            requests.append(ws_parsing.order({**row, **shared}, exchange.feed.listing, exchange.received_ns()))
        desk.charge_batch(account, requests[0].symbol, engine_costs.ADD * len(requests) // 2, now_ns)
        for request in requests:
            desk.check_fields(account, request, now_ns)
        found: list[dict[str, Any]] = []
        for row, request in zip(rows, requests, strict=True):
            try:
                found.append(_added(row, desk.place(account, request, now_ns, limited=False)))
            except OrderRefused as refusal:
                found.append({"error": str(refusal)})
        return [found]

    def _batch_cancel(self, account: Account, params: Mapping[str, Any], now_ns: int) -> list[Any]:
        rows = [*_list(params, "orders"), *_list(params, "cl_ord_id")]
        if not BATCH_CANCEL[0] <= len(rows) <= BATCH_CANCEL[1]:
            raise OrderRefused("EGeneral:Invalid arguments:orders")
        desk = self._exchange.order_desk
        orders = {one.order_id: one for row in rows for one in account.find_orders(str(row)) if one.is_open}
        for order in orders.values():
            desk.charge_cancel(account, order, now_ns)
            desk.cancel(account, order, now_ns, limited=False)
        return [{"count": len(orders)}]


def _added(params: Mapping[str, Any], order: OwnOrder | None) -> dict[str, Any]:
    """The ids of a new order and those that the client gave; without an order (validate) these alone."""
    given = {name: params[name] for name in ("cl_ord_id", "order_userref") if name in params}
    return {**given, "order_id": order.order_id} if order is not None else given


def _list(params: Mapping[str, Any], name: str) -> list[Any]:
    value = params.get(name, [])
    if not isinstance(value, list):
        raise RequestError("Malformed request")
    return value
