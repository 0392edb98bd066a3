"""How python-kraken-sdk trades: `Trade` by REST, `SpotWSClient.send_message` by WebSocket. Unmodified.

Its socket client hands every frame to its user, who finds the reply by the number that he gave. Numbers go as JSON numbers
there, which its users write as doubles.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from account_referee import Way, Wish
from kraken import exceptions
from kraken.spot import SpotWSClient, Trade

Answer = dict[str, Any]
REPLY_S = 30.0


class VenueError(Exception):
    """An error that the client hands on as it came: by socket all, by REST those that it has no class for."""


REFUSALS = (
    VenueError,
    *(value for name, value in vars(exceptions).items() if name.startswith("Kraken") and name.endswith("Error")),
)


class SdkRest(Way):
    """`Trade`. `pairs` names a market's pair as REST does."""

    refusals = REFUSALS

    def __init__(self, trade: Trade, pairs: Callable[[], Mapping[str, str]]) -> None:
        self._trade = trade
        self._pairs = pairs

    async def place(self, wish: Wish) -> Answer:
        return {"ids": (await self._call(self._trade.create_order, **self._order(wish)))["txid"]}

    async def place_many(self, wish: Wish) -> Answer:
        rows = []
        for one in wish["orders"]:
            row = self._order(one)
            del row["pair"]
            rows.append(row | {"type": row.pop("side")})
        pair = self._pairs()[wish["orders"][0]["symbol"]]
        answer = await self._call(self._trade.create_order_batch, orders=rows, pair=pair)
        return {"ids": [row["txid"] for row in answer["orders"]]}

    async def amend(self, wish: Wish) -> Answer:
        await self._call(
            self._trade.amend_order, txid=wish["id"], order_qty=wish["quantity"], limit_price=wish["price"]
        )
        return {"ids": [wish["id"]]}

    async def edit(self, wish: Wish) -> Answer:
        changes = {"volume": wish["quantity"], "price": wish["price"], "pair": self._pairs()[wish["symbol"]]}
        return {"ids": [(await self._call(self._trade.edit_order, txid=wish["id"], **changes))["txid"]]}

    async def cancel(self, wish: Wish) -> Answer:
        return {"count": (await self._call(self._trade.cancel_order, txid=wish["id"]))["count"]}

    async def cancel_many(self, wish: Wish) -> Answer:
        return {"count": (await self._call(self._trade.cancel_order_batch, orders=wish["ids"]))["count"]}

    async def cancel_all(self, wish: Wish) -> Answer:
        return {"count": (await self._call(self._trade.cancel_all_orders))["count"]}

    def _order(self, wish: Wish) -> dict[str, Any]:
        names = {"type": "ordertype", "side": "side", "quantity": "volume", "price": "price"}
        names |= {"time_in_force": "timeinforce", "client_id": "cl_ord_id", "userref": "userref"}
        order = {theirs: wish[ours] for ours, theirs in names.items() if ours in wish}
        if "stop_price" in wish:
            order |= {"price": wish["stop_price"], "price2": wish["price"]}
        flags = [word for word, field in (("post", "post_only"), ("fcib", "fee_asset")) if wish.get(field)]
        return order | {"pair": self._pairs()[wish["symbol"]]} | ({"oflags": flags} if flags else {})

    @staticmethod
    async def _call(method: Callable[..., Any], **arguments: Any) -> Any:
        answer = await asyncio.to_thread(method, **arguments)
        if answer.get("error"):
            raise VenueError(str(answer["error"]))
        return answer


class SdkSocket(Way):
    """Replies come by `on_reply`, which is the client's callback."""

    refusals = REFUSALS

    def __init__(self) -> None:
        self.client: SpotWSClient | None = None
        self._number = 0
        self._waiting: dict[int, asyncio.Queue[dict[str, Any]]] = {}

    def on_reply(self, message: Any) -> None:
        """A frame, maybe the reply to a request of ours."""
        waiting = self._waiting.get(message.get("req_id", 0)) if isinstance(message, dict) else None
        if waiting is not None:
            waiting.put_nowait(message)

    async def place(self, wish: Wish) -> Answer:
        [reply] = await self._ask("add_order", {"symbol": wish["symbol"]} | _order(wish))
        return {"ids": [reply["result"]["order_id"]]}

    async def place_many(self, wish: Wish) -> Answer:
        symbol, orders = wish["orders"][0]["symbol"], [_order(one) for one in wish["orders"]]
        [reply] = await self._ask("batch_add", {"symbol": symbol, "orders": orders})
        return {"ids": [row["order_id"] for row in reply["result"]]}

    async def amend(self, wish: Wish) -> Answer:
        changes = {"order_qty": float(wish["quantity"]), "limit_price": float(wish["price"])}
        [reply] = await self._ask("amend_order", {"order_id": wish["id"]} | changes)
        return {"ids": [reply["result"]["order_id"]]}

    async def edit(self, wish: Wish) -> Answer:
        changes = {"order_qty": float(wish["quantity"]), "limit_price": float(wish["price"])}
        [reply] = await self._ask("edit_order", {"order_id": wish["id"], "symbol": wish["symbol"]} | changes)
        return {"ids": [reply["result"]["order_id"]]}

    async def cancel(self, wish: Wish) -> Answer:
        return {"count": len(await self._ask("cancel_order", {"order_id": [wish["id"]]}))}

    async def cancel_many(self, wish: Wish) -> Answer:
        [reply] = await self._ask("batch_cancel", {"orders": wish["ids"]})
        # Kraken's page has it in `result`, a recorded reply had not.
        return {"count": reply["result"]["count"] if "result" in reply else reply["orders_cancelled"]}

    async def cancel_all(self, wish: Wish) -> Answer:
        [reply] = await self._ask("cancel_all", {})
        return {"count": reply["result"]["count"]}

    async def _ask(self, method: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        assert self.client is not None
        self._number += 1
        number, replies = self._number, asyncio.Queue[dict[str, Any]]()
        self._waiting[number] = replies
        try:
            await self.client.send_message({"method": method, "params": params, "req_id": number})
            reply = await asyncio.wait_for(replies.get(), REPLY_S)
        finally:
            del self._waiting[number]
        if not reply["success"]:
            raise VenueError(reply["error"])
        return [reply]


def _order(wish: Wish) -> dict[str, Any]:
    texts = {"type": "order_type", "side": "side", "post_only": "post_only", "client_id": "cl_ord_id"}
    texts |= {"fee_asset": "fee_preference"}
    numbers = {"quantity": "order_qty", "price": "limit_price"}
    order = {theirs: wish[ours] for ours, theirs in texts.items() if ours in wish}
    order |= {theirs: float(wish[ours]) for ours, theirs in numbers.items() if ours in wish}
    order |= {"order_userref": wish["userref"]} if "userref" in wish else {}
    order |= {"triggers": {"price": float(wish["stop_price"])}} if "stop_price" in wish else {}
    return order | ({"time_in_force": wish["time_in_force"].lower()} if "time_in_force" in wish else {})
