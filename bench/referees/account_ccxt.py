"""ccxt on an account: `ccxt.kraken` by REST, `ccxt.pro.kraken` for the stream. Unmodified but for the addresses.

By REST `number=str`, an option of ccxt, keeps the venue's texts; without it these are doubles too. Its stream makes doubles
of all numbers (orjson). Of orders the stream tells what ccxt takes from the frames: status and limits, no traded amounts.
Positions it asks for consolidated by market, which the simulator does not do: they are left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ccxt
import ccxt.pro
from account_referee import PAGE_ROWS, AccountReferee, Reading, empty
from trade_ccxt import CcxtRest, CcxtSocket

#: Trades and orders its caches keep; more would be left out without a word.
CACHE_MAX = 5_000


class CcxtReferee(AccountReferee):
    distribution = "ccxt"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        who = {"apiKey": self.key, "secret": self.secret, "number": str, "enableRateLimit": False}
        base = self.ws_url.removesuffix("/v2")
        self._rest = ccxt.kraken(who)
        self._pro = ccxt.pro.kraken(who | {"options": {"tradesLimit": CACHE_MAX, "ordersLimit": CACHE_MAX}})
        for client in (self._rest, self._pro):
            client.urls["api"] |= {"public": self.rest_url, "private": self.rest_url}
        self._pro.urls["api"]["ws"] |= {"private": base, "privateV2": self.ws_url}
        self.ways = {"REST": CcxtRest(self._rest), "WebSocket": CcxtSocket(self._pro)}

    # --- the stream ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        pro = self._pro
        # One subscription serves orders and trades: ccxt sends the parameters of whichever is asked first.
        everything = {"snap_orders": True, "snap_trades": True}
        follow = (
            self._follow("orders", lambda: pro.watch_orders(params=dict(everything))),
            self._follow("trades", lambda: pro.watch_my_trades(params=dict(everything))),
            self._follow("balances", pro.watch_balance),
        )
        await pro.load_markets()
        await asyncio.gather(*follow)

    async def _follow(self, name: str, watch: Callable[[], Any]) -> None:
        while True:
            await watch()
            self.heard[name] += 1
            # Of what has happened before the first trade there is nothing to tell: balances are told at once.
            self.has_snapshots = self.heard["balances"] > 0

    def stream(self) -> Reading:
        pro, reading = self._pro, empty()
        for asset, total in (pro.balance.get("spot") or {}).get("total", {}).items():
            reading["balances"][asset] = float(total)
        for trade in pro.myTrades or ():
            reading["trades"][trade["id"]] = _trade(trade, float)
        for order in pro.orders or ():
            known = reading["orders"].setdefault(order["id"], {})
            # Frames that do not name the symbol come as orders of their own, since ccxt joins by symbol: later over earlier.
            known |= {name: value for name, value in _stream_order(order).items() if value is not None}
        return reading

    # --- REST ---------------------------------------------------------------------------------------------------------

    def rest(self) -> Reading:
        client, reading = self._rest, empty()
        balance = client.fetch_balance()
        reading["balances"], reading["holds"] = dict(balance["total"]), dict(balance["used"])
        in_base: set[str] = set()  # REST tells their fees in quote: what they are worth, not what was taken
        closed = _pages(lambda ofs: client.fetch_closed_orders(params={"ofs": ofs}))
        for order in [*client.fetch_open_orders(), *closed]:
            reading["orders"][order["id"]] = _rest_order(order)
            if "fcib" in order["info"]["oflags"]:
                in_base.add(order["id"])
                reading["orders"][order["id"]]["fee"] = None
        for trade in _pages(lambda ofs: client.fetch_my_trades(params={"ofs": ofs})):
            row = reading["trades"][trade["id"]] = _trade(trade, str)
            if trade["order"] in in_base:
                row["fee"] = row["fee_asset"] = None
        for symbol in client.markets:
            fee = client.fetch_trading_fee(symbol)
            reading["fees"][symbol] = {"taker_share": fee["taker"], "maker_share": fee["maker"]}
        return reading


def _pages(ask: Callable[[int], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    while True:
        page = ask(len(found))
        found |= {row["id"]: row for row in page}
        if len(page) < PAGE_ROWS:
            return list(found.values())


def _trade(trade: dict[str, Any], number: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        "order": trade["order"],
        "symbol": trade["symbol"],
        "side": trade["side"],
        "price": number(trade["price"]),
        "quantity": number(trade["amount"]),
        "cost": number(trade["cost"]),
        "fee": number(trade["fee"]["cost"]),
        "fee_asset": trade["fee"]["currency"],
        "maker": trade["takerOrMaker"] == "maker",
    }


def _rest_order(order: dict[str, Any]) -> dict[str, Any]:
    return {
        "symbol": order["symbol"],
        "side": order["side"],
        # It tells as what an order that stops executes, which is no type of the venue.
        "type": order["type"] if order["stopLossPrice"] is None else None,
        "status": order["status"],
        "quantity": order["amount"],
        "price": order["price"] if order["type"] == "limit" else None,
        "stop_price": order["stopLossPrice"],
        "filled": order["filled"],
        "cost": order["info"][
            "cost"
        ],  # its own `cost` it computes of average and amount, with more digits than the venue has
        "average": order["average"],
        "fee": order["fee"]["cost"],
        "post_only": order["postOnly"],
        # Without one it takes the number that every order has, 0 where the client gave none.
        "client_id": order["clientOrderId"] if "cl_ord_id" in order["info"] else None,
    }


def _stream_order(order: dict[str, Any]) -> dict[str, Any]:
    row = order["info"]
    return {
        "symbol": order["symbol"],
        "side": order["side"],
        "type": order["type"],
        "status": order["status"],
        "quantity": float(order["amount"]) if "order_qty" in row else None,
        "price": float(order["price"]) if "limit_price" in row else None,
        "stop_price": float(order["triggerPrice"]) if row.get("stop_price") else None,
    }


REFEREE = CcxtReferee
