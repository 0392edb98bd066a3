"""The private REST methods by name: who may call them and what a call costs (sheet 2.3, 2.4, 2.6, 2.7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gw_sim_kraken.rest import account as rest_account
from gw_sim_kraken.rest import history as rest_history
from gw_sim_kraken.rest import orders as rest_orders
from gw_sim_kraken.rest import trading as rest_trading
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


_CANCEL = ("modify-trades", "close-trades")
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
    "AddOrder": _method(rest_trading.add_order, "modify-trades", price=ENGINE),
    "AddOrderBatch": _method(rest_trading.add_order_batch, "modify-trades", price=ENGINE),
    "AmendOrder": _method(rest_trading.amend_order, "modify-trades", price=ENGINE),
    "EditOrder": _method(rest_trading.edit_order, "modify-trades", price=ENGINE),
    "CancelOrder": _method(rest_trading.cancel_order, *_CANCEL, price=ENGINE),
    "CancelOrderBatch": _method(rest_trading.cancel_order_batch, *_CANCEL, price=ENGINE),
    "CancelAll": _method(rest_trading.cancel_all, *_CANCEL, price=ENGINE),
    "CancelAllOrdersAfter": _method(rest_trading.cancel_all_orders_after, *_CANCEL, price=ENGINE),
    "QueryLedgers": _method(rest_history.query_ledgers, "query-ledger", price=HISTORY),
}
