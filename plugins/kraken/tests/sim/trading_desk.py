"""A client that trades: account1 on a market without a crowd, which account2 (buys) and account3 (sells) move."""

from __future__ import annotations

import json
from typing import Any

SYMBOL = "BTC/USD"


class TradingDesk:
    """account1 on the wire, by both ways; what others do."""

    def __init__(self, client: Any, read: Any) -> None:
        self.client, self.read = client, read
        self.driver, self.call, self.do = client.driver, client.call, client.do
        self.check_truth = client.check_truth
        client.listen("executions", "balances", executions={"snap_trades": True, "ratecounter": True})
        self.sim, self.token = client.driver.simulator, client.token()
        self.engine = self.sim.feed.market(SYMBOL).engine
        for number in list(self.engine.orders):
            self.engine.cancel(number)
        self.last("70000.0")

    def ask(self, method: str, raw: str = "", seconds: float = 0.02, **params: Any) -> list[Any]:
        """The replies to one WebSocket request; `raw` is put among the parameters as it is."""
        text = json.dumps({"token": self.token, **params})[:-1] + (f",{raw}" if raw else "") + "}"
        frame = f'{{"method":"{method}","params":{text},"req_id":9}}'
        self.driver.send_raw(self.client.connection, frame.encode())
        return [message for message in map(self.read, self.driver.run(seconds)) if message.get("req_id") == "9"]

    def add(self, side: str, order_type: str, raw: str, quantity: str = "0.10000000", **params: Any) -> Any:
        """The id of a new order, or the error."""
        parts = ",".join(part for part in (raw, f'"order_qty":{quantity}' if quantity else "") if part)
        (reply,) = self.ask("add_order", parts, side=side, order_type=order_type, symbol=SYMBOL, **params)
        return reply["result"]["order_id"] if reply["success"] else reply["error"]

    def rest(self, method: str = "AddOrder", **params: Any) -> Any:
        """The result or the errors of a REST request."""
        shared = {"pair": "XBTUSD", "volume": "0.1"} if method == "AddOrder" else {}
        made = self.call(method, **{**shared, **params})
        self.driver.run(0.001)
        return made

    def last(self, price: str) -> None:
        """A trade at this price between others."""
        for side, account in (("sell", "account2"), ("buy", "account3")):
            self.do("order", symbol=SYMBOL, side=side, quantity="0.01", price=price, account=account)

    def other(self, side: str, quantity: str, price: str | None = None, **options: Any) -> str:
        """An order of somebody else, by its id."""
        options = {"account": "account3" if side == "buy" else "account2", **options}
        return str(self.do("order", symbol=SYMBOL, side=side, quantity=quantity, price=price, **options)["order_id"])

    def new(self) -> list[Any]:
        """Rows of executions since the snapshot."""
        return list(self.client.new())

    def orders(self) -> list[Any]:
        """The truth about account1's orders."""
        return list(self.sim.account("account1")["orders"])

    def order(self, order_id: str) -> Any:
        """The truth about one."""
        return next(one for one in self.orders() if one["order_id"] == order_id)

    def rows_of(self, order_id: str) -> list[Any]:
        """Rows of executions about one order."""
        return [row for row in self.new() if row["order_id"] == order_id]

    def kinds(self, order_id: str) -> list[str]:
        """Their exec_types."""
        return [row["exec_type"] for row in self.rows_of(order_id)]
