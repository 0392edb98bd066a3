"""python-kraken-sdk: SpotOrderBookClient, which always checks; trades and tickers reach the user as dicts."""

from __future__ import annotations

import time
from typing import Any

from kraken.spot import SpotOrderBookClient

from contestants.base import LoopbackContestant, Side
from contestants.tail import Tail, stamp_us


class _Market:
    """Stands for its blocking look-up of a pair's decimals over REST, one request a book."""

    def __init__(self, owner: Loopback) -> None:
        self._endings = owner.workload.endings

    def get_asset_pairs(self, pair: str) -> dict[str, Any]:
        ending = self._endings[pair]
        return {pair: {"pair_decimals": ending.price_decimals, "lot_decimals": ending.quantity_decimals}}


class _Client(SpotOrderBookClient):
    def __init__(self, owner: Loopback) -> None:
        super().__init__(depth=10)
        self._owner = owner
        self._SpotOrderBookClient__market = _Market(owner)

    async def on_book_update(self, pair: str, message: dict[str, Any]) -> None:
        self._owner.on_book(pair, message)

    async def on_message(self, message: Any) -> None:
        await super().on_message(message)
        kind = message.get("channel")
        self._owner.trades += len(message["data"]) if kind == "trade" else 0
        self._owner.tickers += kind == "ticker"

    async def remove_book(self, pairs: list[str]) -> None:
        self._owner.bad += 1
        await super().remove_book(pairs)


class Loopback(LoopbackContestant):
    """The whole client."""

    name = distribution = "python-kraken-sdk"

    def on_book(self, pair: str, message: dict[str, Any]) -> None:
        """The user's callback."""
        if "error" in message:
            return
        if not self.meter.has_begun:
            self.meter.begin()
        self.books += 1
        book = self.client.get(pair)
        self.best = (next(iter(book["bid"].items())), next(iter(book["ask"].items())))
        if message["type"] == "update":
            us = stamp_us(message["data"][0]["timestamp"])
            if self.samples is not None:
                self.samples.append((pair, us, time.monotonic_ns()))
            self.tail.note(pair, us)

    def book(self, symbol: str) -> tuple[Side, Side]:
        """See Contestant."""
        book = self.client.get(symbol)
        bids, asks = ([(price, level[0]) for price, level in book[side].items()] for side in ("bid", "ask"))
        return bids, asks

    async def run(self, ws_url: str, rest_url: str) -> None:
        """See LoopbackContestant."""
        base, _, version = ws_url.rpartition("/")
        _Client.WS_URL, _Client.API_V = base, f"/{version}"
        self.tail = Tail(self.workload, self.meter)
        self.client = _Client(self)
        await self.client.start()
        self.start_stream()
        symbols = list(self.workload.endings)
        await self.client.add_book(pairs=symbols)
        for channel in ("ticker", "trade"):
            await self.client.subscribe(params={"channel": channel, "symbol": symbols})
        await self.tail.done.wait()  # how it ends is not measured: its close waits for one more message
