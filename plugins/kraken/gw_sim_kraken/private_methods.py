"""The private REST methods by name: who may call them and what a call costs (sheet 2.3, 2.4, 2.6, 2.7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gw_sim_kraken import rest_account, rest_history, rest_orders
from gw_sim_kraken.settings import SimKrakenSettings

ENGINE, USUAL, HISTORY = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Method:
    """`permissions`: any one of them will do. `price`: of the matching engine's limiter, one point, or history."""

    call: Callable[[Any], Any]
    permissions: frozenset[str]
    price: int = USUAL

    def cost(self, settings: SimKrakenSettings) -> int:
        """Points of the REST counter."""
        return settings.history_cost if self.price == HISTORY else self.price


def _method(call: Callable[[Any], Any], *permissions: str, price: int = USUAL) -> Method:
    return Method(call, frozenset(permissions), price)


_ANY = rest_account.ANY_PERMISSION
TABLE: dict[str, Method] = {
    "Balance": _method(rest_account.balance, "query-funds"),
    "BalanceEx": _method(rest_account.balance_ex, "query-funds"),
    "TradeBalance": _method(rest_account.trade_balance, "query-funds"),
    "TradeVolume": _method(rest_account.trade_volume, "query-funds"),
    "GetApiKeyInfo": _method(rest_account.api_key_info, *_ANY),
    "GetWebSocketsToken": _method(rest_account.websockets_token, "create-ws-token"),
    "OpenOrders": _method(rest_orders.open_orders, "query-open-trades"),
    "ClosedOrders": _method(rest_orders.closed_orders, "query-closed-trades"),
    "QueryOrders": _method(rest_orders.query_orders, "query-open-trades", "query-closed-trades"),
    "OrderAmends": _method(rest_orders.order_amends, "query-open-trades", "query-closed-trades"),
    "TradesHistory": _method(rest_history.trades_history, "query-closed-trades", price=HISTORY),
    "QueryTrades": _method(rest_history.query_trades, "query-closed-trades"),
    "OpenPositions": _method(rest_history.open_positions, "query-open-trades"),
    "Ledgers": _method(rest_history.ledgers, "query-ledger", price=HISTORY),
    "QueryLedgers": _method(rest_history.query_ledgers, "query-ledger", price=HISTORY),
}
