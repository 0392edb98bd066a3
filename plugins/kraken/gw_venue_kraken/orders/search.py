"""Everything Kraken lists of one order (API sheet §2.6): by its id, or by its client id where that is all we have.

Open orders are asked for before ended ones: an order that ends meanwhile is in one of the two lists. In neither is no proof
yet that the venue did not take it (§2.7: REST may lag); the engine knows how long to wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

from gw_venue_kraken.accounts import private_messages as wire
from gw_venue_kraken.accounts import private_rest as rest
from gw_venue_kraken.orders.ids import plain_id
from gw_venue_kraken.times import seconds_ns
from gwcore.errors import DecodeError, VenueRejected
from gwcore.model import OrderUpdate, TradeUpdate
from gwcore.rest import HttpFlow
from gwcore.venue import Account, AccountSnapshot, OrderKey

T = TypeVar("T")

#: Ids in one QueryTrades (§2.6).
QUERY_TRADES_MAX = 20
#: Pages of TradesHistory that are read for an order whose answer does not list its trades.
PAGES_MAX = 20
_MISSING = ("eorder:unknown order", "eorder:invalid order")


class OneName:
    """Names for answers about one order: its symbol is known, whatever REST calls the pair."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol

    def symbol(self, pair: str) -> str:
        """The one symbol."""
        return self._symbol


def find_order(rest_url: str, account: Account, key: OrderKey) -> HttpFlow[AccountSnapshot]:
    """The order, open or ended, and its fills; `orders=()` and nothing else where it is in no list. Raises VenueError."""
    return (yield from _Search(rest_url, account, key).run())


class _Search:
    def __init__(self, rest_url: str, account: Account, key: OrderKey) -> None:
        self._url = rest_url
        self._account = account
        self._key = key
        self._names = OneName(key.symbol)

    def _call(self, method: str, decode: Callable[[msgspec.Raw], T], parameters: Mapping[str, str]) -> HttpFlow[T]:
        return rest.call(self._url, self._account.signer, method, decode, parameters)

    def run(self) -> HttpFlow[AccountSnapshot]:
        """One request by the venue's id; two, at the most, by the client's; then its trades."""
        found: dict[str, wire.RestOrder] = {}
        if self._key.venue_order_id is not None:
            found = yield from self._by_id(self._key.venue_order_id)
        elif self._key.venue_client_id is not None:
            found = yield from self._by_client_id(self._key.venue_client_id)
        try:
            orders = [(key, order, self._update(key, order)) for key, order in found.items()]
            trades: list[TradeUpdate] = []
            for key, order, _ in orders:
                trades += yield from self._trades(key, order)
        except (ValueError, ArithmeticError) as error:
            raise DecodeError(f"order {self._key}: {error}") from None
        return AccountSnapshot(
            orders=tuple(update for _, order, update in orders if order.status in ("open", "pending")),
            closed=tuple(update for _, order, update in orders if order.status not in ("open", "pending")),
            trades=tuple(trades),
        )

    def _update(self, order_id: str, order: wire.RestOrder) -> OrderUpdate:
        return rest.order_update(self._account.name, order_id, order, self._names)

    def _by_id(self, order_id: str) -> HttpFlow[dict[str, wire.RestOrder]]:
        parameters = {"txid": order_id, "trades": "true"}
        try:
            found = yield from self._call("QueryOrders", wire.orders_of, parameters)
        except VenueRejected as error:
            if error.text.lower().startswith(_MISSING):
                return {}
            raise
        return {key: order for key, order in found.items() if key == order_id}

    def _by_client_id(self, client_id: str) -> HttpFlow[dict[str, wire.RestOrder]]:
        parameters = {"cl_ord_id": client_id, "trades": "true"}
        found = (yield from self._call("OpenOrders", wire.open_orders_of, parameters)).open
        mine = self._mine("OpenOrders", found, client_id)
        if not mine:
            closed = yield from self._call("ClosedOrders", wire.closed_orders_of, {**parameters, "closetime": "both"})
            mine = self._mine("ClosedOrders", closed.closed, client_id)
        return mine

    @staticmethod
    def _mine(method: str, orders: Mapping[str, wire.RestOrder], client_id: str) -> dict[str, wire.RestOrder]:
        """Orders of this client id. A list with others was not filtered: then it may be only the first page of many."""
        mine = {key: order for key, order in orders.items() if plain_id(order.cl_ord_id or "") == client_id}
        if orders and not mine:
            raise DecodeError(f"{method}: asked for client id {client_id}, told of {len(orders)} other orders")
        return mine

    def _trades(self, order_id: str, order: wire.RestOrder) -> HttpFlow[list[TradeUpdate]]:
        if order.trades:
            return (yield from self._trades_by_id(order))
        if not str(order.vol_exec).strip("0."):
            return []
        return (yield from self._trades_since(order_id, order))

    def _trades_by_id(self, order: wire.RestOrder) -> HttpFlow[list[TradeUpdate]]:
        trade_ids, found = order.trades or [], list[TradeUpdate]()
        for first in range(0, len(trade_ids), QUERY_TRADES_MAX):
            parameters = {"txid": ",".join(trade_ids[first : first + QUERY_TRADES_MAX])}
            found += self._fills(
                (yield from self._call("QueryTrades", wire.query_trades_of, parameters)).items(), order
            )
        return found

    def _trades_since(self, order_id: str, order: wire.RestOrder) -> HttpFlow[list[TradeUpdate]]:
        """The order's answer told of no trades although something was traded: the history has them."""
        start_s = 0 if order.opentm is None else seconds_ns(order.opentm) // 1_000_000_000
        found: dict[str, wire.RestTrade] = {}
        offset = 0
        for _ in range(PAGES_MAX):
            parameters = {"type": "all", "start": str(max(0, start_s - 1)), "ofs": str(offset)}
            page = yield from self._call("TradesHistory", wire.trades_of, parameters)
            found |= {key: trade for key, trade in page.trades.items() if trade.ordertxid == order_id}
            offset += len(page.trades)
            if not page.trades or (page.count is not None and offset >= page.count):
                return self._fills(found.items(), order)
        raise DecodeError(f"TradesHistory: more than {PAGES_MAX} pages since order {order_id} was opened")

    def _fills(self, trades: Iterable[tuple[str, wire.RestTrade]], order: wire.RestOrder) -> list[TradeUpdate]:
        return [rest.trade_update(self._account.name, key, trade, self._names, order) for key, trade in trades]
