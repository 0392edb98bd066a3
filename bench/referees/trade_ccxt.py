"""How ccxt trades: `ccxt.kraken` by REST, `ccxt.pro.kraken` by WebSocket. Unmodified, by its unified calls alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ccxt
from account_referee import Way, Wish

Answer = dict[str, Any]
#: The second is a fault of the network to ccxt; the venue says it of an order that it does not take.
REFUSALS = (ccxt.ExchangeError, ccxt.RateLimitExceeded)


def _options(wish: Wish) -> dict[str, Any]:
    names = {
        "post_only": "postOnly",
        "time_in_force": "timeInForce",
        "client_id": "clientOrderId",
        "userref": "userref",
    }
    names |= {"stop_price": "stopLossPrice"}
    options = {theirs: wish[ours] for ours, theirs in names.items() if ours in wish}
    return options | ({"oflags": "fcib"} if "fee_asset" in wish else {})


def _whole(wish: Wish) -> tuple[Any, ...]:
    """Market, type, side, amount and price: ccxt wants them all said again with a change, too.

    A stop with a limit is a limit order to it, and where it stops an option.
    """
    return wish["symbol"], wish["type"].removeprefix("stop-loss-"), wish["side"], wish["quantity"], wish.get("price")


class CcxtRest(Way):
    """`createOrder` and its like; an edit of ccxt is Kraken's amend."""

    refusals = REFUSALS

    def __init__(self, client: Any) -> None:
        self._client = client

    async def place(self, wish: Wish) -> Answer:
        order = await asyncio.to_thread(self._client.create_order, *_whole(wish), _options(wish))
        return {"ids": [order["id"]]}

    async def place_many(self, wish: Wish) -> Answer:
        rows = []
        for one in wish["orders"]:
            names = ("symbol", "type", "side", "amount", "price")
            rows.append(dict(zip(names, _whole(one), strict=True)) | {"params": _options(one)})
        orders = await asyncio.to_thread(self._client.create_orders, rows)
        return {"ids": [order["id"] for order in orders]}

    async def amend(self, wish: Wish) -> Answer:
        await asyncio.to_thread(self._client.edit_order, wish["id"], *_whole(wish), _options(wish))
        return {"ids": [wish["id"]]}

    async def cancel(self, wish: Wish) -> Answer:
        return _count(await asyncio.to_thread(self._client.cancel_order, wish["id"]))

    async def cancel_many(self, wish: Wish) -> Answer:
        [order] = await asyncio.to_thread(self._client.cancel_orders, wish["ids"])
        return _count(order)

    async def cancel_all(self, wish: Wish) -> Answer:
        [order] = await asyncio.to_thread(self._client.cancel_all_orders)
        return _count(order)


def _count(order: dict[str, Any]) -> Answer:
    """Of its answers ccxt hands on the venue's words alone."""
    return {"count": int(order["info"]["result"]["count"])}


class CcxtSocket(Way):
    """`createOrderWs` and its like. ccxt has no batch of new orders there, and no word for the asset of the fee; of several
    cancels it awaits the first reply."""

    refusals = REFUSALS
    options = ()

    def __init__(self, client: Any) -> None:
        self._client = client

    async def place(self, wish: Wish) -> Answer:
        return {"ids": [(await self._client.create_order_ws(*_whole(wish), _options(wish)))["id"]]}

    async def amend(self, wish: Wish) -> Answer:
        await self._client.edit_order_ws(wish["id"], *_whole(wish), _options(wish))
        return {"ids": [wish["id"]]}

    async def cancel(self, wish: Wish) -> Answer:
        return await self._canceled(lambda: self._client.cancel_order_ws(wish["id"]), 1)

    async def cancel_many(self, wish: Wish) -> Answer:
        return await self._canceled(lambda: self._client.cancel_orders_ws(wish["ids"]), len(wish["ids"]))

    async def cancel_all(self, wish: Wish) -> Answer:
        reply = await self._client.cancel_all_orders_ws()
        return {"count": reply["result"]["count"]}

    async def _canceled(self, call: Callable[[], Any], count: int) -> Answer:
        await call()
        return {"count": count}
