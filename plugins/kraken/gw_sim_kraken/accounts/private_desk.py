"""Private requests on a connection: tokens, and who may listen to `executions` and `balances` (sheet 4.2, 4.12, 4.13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gw_sim_kraken import replies
from gw_sim_kraken.accounts.private_streams import BALANCES, EXECUTIONS, PrivateSubscription
from gw_sim_kraken.accounts.tokens import Token
from gw_sim_kraken.connections import Connection
from gw_sim_kraken.faults import trade_faults, trade_strikes
from gw_sim_kraken.orders.request import OrderRefused
from gw_sim_kraken.orders.ws_trading import WsTrading
from gw_sim_kraken.requests import Request, RequestError

if TYPE_CHECKING:
    from gw_sim_kraken.desk import Desk
    from gw_sim_kraken.exchange import SimulatedKraken

_FLAGS = {
    EXECUTIONS: ("snap_orders", "snap_trades", "order_status", "ratecounter", "rebased", "snapshot", "snapshot_trades"),
    BALANCES: ("snapshot", "rebased"),
}
#: What a key needs for a channel. The sheet names no permission for them.
_PERMISSIONS = {
    EXECUTIONS: frozenset({"query-open-trades", "query-closed-trades"}),
    BALANCES: frozenset({"query-funds"}),
}
#: Share of batch_cancel replies in the shape that was recorded; the others are as documented.
_OLD_SHAPE = 0.5
_WARNINGS = [
    "cancel_reason is deprecated, use reason",
    "stop_price is deprecated, use triggers.price",
    "trigger is deprecated use triggers.reference",
    "triggered_price is deprecated use triggers.last_price",
]


class PrivateDesk:
    """What the desk hands on once it knows that the host is the private one."""

    def __init__(self, exchange: SimulatedKraken, desk: Desk) -> None:
        self._exchange = exchange
        self._desk = desk
        self._trading = WsTrading(exchange)

    def token(self, request: Request, now_ns: int, **keys: Any) -> Token:
        """The good token of a request. Raises RequestError; `keys` go into the refusal of a bad one."""
        text = request.params.get("token")
        if not isinstance(text, str):
            raise RequestError("Token(s) not found")
        token = self._exchange.accounts.tokens.find(text, now_ns)
        if token is None or self._exchange.account_faults.refuses_tokens:
            raise RequestError("ESession:Invalid session", **keys)
        return token

    def subscribe(self, connection: Connection, request: Request, now_ns: int) -> None:
        """Ack, then the snapshot. Raises RequestError."""
        channel = request.params["channel"]
        wanted = _wanted(request, channel)
        token = self.token(request, now_ns, channel=channel, status="error")
        if _PERMISSIONS[channel].isdisjoint(token.key.permissions):
            raise RequestError("EGeneral:Permission denied", channel=channel, status="error")
        exchange = self._exchange
        if exchange.streams.find(connection.number, channel) is not None:
            raise RequestError("Already subscribed", channel=channel)
        exchange.counts["subscribes"] += 1
        subscription = PrivateSubscription(connection, channel, token, **wanted)
        exchange.streams.add(subscription)
        self._desk.begin_private(connection, channel, self._ack(subscription, request, now_ns), subscription, now_ns)

    def unsubscribe(self, connection: Connection, request: Request, now_ns: int) -> None:
        """Strike it and say so. Raises RequestError."""
        channel = request.params["channel"]
        self.token(request, now_ns, channel=channel, status="error")
        if self._exchange.streams.find(connection.number, channel) is None:
            # Kraken names the wrong method here (sheet 4.3).
            reply = replies.error(
                "subscribe", "Subscription Not Found", request.req_id, self._desk.times(connection, now_ns)
            )
        else:
            self._exchange.counts["unsubscribes"] += 1
            self._exchange.streams.remove(connection.number, channel)
            times_ns = self._desk.times(connection, now_ns)
            reply = replies.success("unsubscribe", {"channel": channel}, request.req_id, times_ns)
        self._desk.reply(connection, reply, now_ns)

    def trade(self, connection: Connection, request: Request, now_ns: int) -> None:
        """A trading request and its replies. Raises RequestError."""
        exchange = self._exchange
        token = self.token(request, now_ns)
        scope = (request.method, trade_faults.WEBSOCKET, token.key.account)
        faults = exchange.trade_faults
        if faults.take(trade_faults.LOSE_REQUEST, *scope) is not None:
            return
        late = faults.take(trade_faults.TAKE_LATE, *scope)
        if late is not None:
            exchange.schedule.at(
                now_ns + late.delay_ns, self._carry_out, connection, request, token, scope, late.delay_ns
            )
        else:
            self._carry_out(now_ns, connection, request, token, scope)

    def _carry_out(
        self, now_ns: int, connection: Connection, request: Request, token: Token, scope: tuple[str, str, str],
        lag_ns: int = 0,
    ) -> None:  # fmt: skip
        exchange, desk, faults = self._exchange, self._desk, self._exchange.trade_faults
        position = exchange.queued
        refused = faults.take(trade_faults.REFUSE, *scope)
        results: list[Any] = []
        if refused is None or refused.after:
            trade_strikes.strike(exchange, scope, request.params)
            exchange.lag_ns = lag_ns
            results = self._results(request, token, now_ns)
            exchange.lag_ns = 0
        if refused is not None:
            results = [OrderRefused(refused.error)]
        lost, closes = faults.take(trade_faults.LOSE, *scope), faults.take(trade_faults.CLOSE, *scope)
        late, double = faults.take(trade_faults.LATE, *scope), faults.take(trade_faults.DOUBLE, *scope)
        if closes is not None and not closes.reports:
            exchange.unsend(connection.number, position)
        for result in results:
            if connection.number not in exchange.connections:
                break  # closed while the request was on its way
            if lost is not None or (closes is not None and not closes.reply):
                continue
            reply = self._reply(connection, request, result, now_ns)
            if closes is not None:
                exchange.send(connection.number, reply)
                continue
            if late is not None:
                desk.reply_at(connection, reply, now_ns + late.delay_ns)
            else:
                desk.reply_to_order(connection, reply, position, now_ns)
            if double is not None:
                desk.reply_at(connection, reply, now_ns + double.delay_ns + (late.delay_ns if late is not None else 0))
        if closes is not None:
            exchange.cut(connection.number, abort=closes.abort)

    def _results(self, request: Request, token: Token, now_ns: int) -> list[Any]:
        """One for each reply; refusals among them."""
        account = self._exchange.accounts.get(token.key.account)
        try:
            return self._trading.answer(request, account, token.key.permissions, now_ns)
        except OrderRefused as refusal:
            return [refusal]
        except RequestError as fault:
            return [OrderRefused(fault.text)]

    def _reply(self, connection: Connection, request: Request, result: Any, now_ns: int) -> bytes:
        times_ns = self._desk.times(connection, now_ns)
        if isinstance(result, OrderRefused):
            return replies.error(request.method, str(result), request.req_id, times_ns)
        if request.method == "batch_cancel" and connection.rng.random() < _OLD_SHAPE:
            return replies.batch_cancelled(result["count"], request.req_id, times_ns)
        return replies.success(request.method, result, request.req_id, times_ns)

    def _ack(self, subscription: PrivateSubscription, request: Request, now_ns: int) -> bytes:
        result: dict[str, Any] = {"channel": subscription.channel}
        if subscription.channel == EXECUTIONS:
            result["maxratecount"] = self._exchange.accounts.get(subscription.account).tier.engine_max
            result["snap_orders"] = subscription.snap_orders
            result["snap_trades"] = subscription.snap_trades
            result["warnings"] = _WARNINGS
        else:
            result["snapshot"] = subscription.snapshot
        times_ns = self._desk.times(subscription.connection, now_ns)
        return replies.success("subscribe", result, request.req_id, times_ns)


def _wanted(request: Request, channel: str) -> dict[str, bool]:
    """The flags of a subscription by their field's name. Raises RequestError."""
    params = request.params
    for name in params:
        if name not in ("channel", "token", "users", *_FLAGS[channel]):
            raise RequestError(f"Unsupported field: '{name}' for the given msg type: {request.method}")
    for name in _FLAGS[channel]:
        if not isinstance(params.get(name, True), bool):
            raise RequestError("Malformed request")
    if channel == BALANCES:
        return {"snapshot": params.get("snapshot", True)}
    # The deprecated `snapshot` and `snapshot_trades` mean the same as the newer names.
    return {
        "snap_orders": params.get("snap_orders", params.get("snapshot", True)),
        "snap_trades": params.get("snap_trades", params.get("snapshot_trades", False)),
        "order_status": params.get("order_status", True),
        "ratecounter": params.get("ratecounter", False),
    }
