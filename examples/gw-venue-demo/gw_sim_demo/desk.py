"""Desk: the one account of the simulator: login by challenge, orders that are filled bit by bit, and REST to tell of them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from gwcore.rest import HttpResponse

START_MS = 1_767_225_600_000


class Desk:
    """Key, orders, fills and funds. `send(connection, None)` closes."""

    def __init__(self, send: Callable[[int, dict[str, Any] | None], None]) -> None:
        self.key, self.secret = "demo-key", "demo-secret"
        self.now_ms = START_MS
        self._send = send
        self._is_revoked = False
        self._stages: dict[int, str] = {}  # private connection -> "", the challenge, "in" or "fed"
        self._orders: list[dict[str, Any]] = []
        self._fills: list[dict[str, Any]] = []

    def http(self, headers: Mapping[str, str], target: str, query: Mapping[str, str], now_ns: int) -> HttpResponse:
        """`GET /account`, signed."""
        self.now_ms = max(self.now_ms, now_ns // 1_000_000)
        wanted = self._sign(headers.get("x-time", "") + target)
        if self._is_revoked or headers.get("x-key") != self.key or headers.get("x-sign") != wanted:
            return HttpResponse(status=401, body=b"bad key")
        since_ms = int(query.get("since_ms", "0"))
        return HttpResponse(status=200, body=msgspec.json.encode(self._whole(since_ms)))

    def open(self, connection: int) -> None:
        """Somebody came."""
        self._stages[connection] = ""

    def close(self, connection: int) -> None:
        """He left."""
        self._stages.pop(connection, None)

    def receive(self, connection: int, request: dict[str, Any]) -> None:
        """login, prove, sub."""
        stage = self._stages.get(connection, "")
        if request.get("op") == "login":
            if self._is_revoked or request.get("key") != self.key:
                self._send(connection, {"op": "denied", "text": "no such key"})
                return
            self._stages[connection] = f"say {connection}"
            self._send(connection, {"op": "challenge", "text": self._stages[connection]})
        elif request.get("op") == "prove":
            is_right = stage.startswith("say") and request.get("sign") == self._sign(stage)
            self._stages[connection] = "in" if is_right else ""
            self._send(connection, {"op": "welcome"} if is_right else {"op": "denied", "text": "bad signature"})
        elif request.get("op") == "sub" and stage == "in":
            self._stages[connection] = "fed"
            self._send(connection, {"whole": True, **self._whole(self.now_ms)})
        else:
            self._send(connection, {"op": "denied", "text": "log in first"})

    def fill(self, count: int) -> list[str]:
        """So many fills of one new order; their ids."""
        order: dict[str, Any] = {
            "order": f"O{len(self._orders) + 1}",
            "product": "BTC-USD",
            "side": "buy",
            "state": "open",
        }
        order |= {"quantity": f"{count}.0000", "done": "0.0000", "price": "10000.00", "time_ms": self._tick()}
        self._orders.append(order)
        self._tell({"orders": [order]})
        ids = []
        for number in range(1, count + 1):
            fill = {"fill": f"F{len(self._fills) + 1}", "order": order["order"], "quantity": "1.0000"}
            self._fills.append(fill | {"price": "10000.00", "time_ms": self._tick()})
            ids.append(fill["fill"])
            order |= {"done": f"{number}.0000", "state": "filled" if number == count else "open"}
            order["time_ms"] = self.now_ms
            self._tell({"fills": [self._fills[-1]], "orders": [order]})
        self._tell({"funds": self._funds()})
        return ids

    def fills(self) -> list[str]:
        """Ids of all fills."""
        return [fill["fill"] for fill in self._fills]

    def revoke(self) -> None:
        """The key is good no more; its connections are closed."""
        self._is_revoked = True
        for connection in list(self._stages):
            self._send(connection, None)

    def _tick(self) -> int:
        self.now_ms += 1
        return self.now_ms

    def _sign(self, text: str) -> str:
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def _funds(self) -> list[dict[str, str]]:
        return [{"asset": "BTC", "total": f"{len(self._fills)}.0000"}, {"asset": "USD", "total": "1000000.00"}]

    def _whole(self, since_ms: int) -> dict[str, Any]:
        fills = [fill for fill in self._fills if fill["time_ms"] >= since_ms]
        orders = [order for order in self._orders if order["state"] == "open" or order["time_ms"] >= since_ms]
        return {"orders": orders, "fills": fills, "funds": self._funds()}

    def _tell(self, row: dict[str, Any]) -> None:
        for connection, stage in self._stages.items():
            if stage == "fed":
                self._send(connection, row)
