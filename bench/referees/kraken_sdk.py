"""python-kraken-sdk: SpotOrderBookClient, which always checks. Replaced: the two addresses, and TLS by its absence."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from kraken.spot import Market, SpotOrderBookClient
from referee import Referee, Side


class _Client(SpotOrderBookClient):
    def __init__(self, owner: SdkReferee) -> None:
        super().__init__(depth=owner.depth)
        self._owner = owner
        # It makes its REST client itself, with the public address.
        self._SpotOrderBookClient__market = Market(url=owner.rest_url)

    async def on_book_update(self, pair: str, message: dict[str, Any]) -> None:
        self._owner.on_book(pair, message)

    async def on_message(self, message: Any) -> None:
        if isinstance(message, dict):
            self._owner.trades_heard += len(message["data"]) if message.get("channel") == "trade" else 0
            self._owner.tickers_heard += message.get("channel") == "ticker"
        await super().on_message(message)


class SdkReferee(Referee):
    distribution = "python-kraken-sdk"

    async def run(self) -> None:
        logging.basicConfig(level=logging.WARNING)
        base, _, version = self.ws_url.rpartition("/")
        _Client.WS_URL, _Client.API_V = base, f"/{version}"
        self._client = _Client(self)
        await self._client.start()
        await self._client.add_book(pairs=list(self.symbols))
        for channel in ("ticker", "trade"):
            await self._client.subscribe(params={"channel": channel, "symbol": list(self.symbols)})
        while not self._client.exception_occur:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(1)
        raise SystemExit("python-kraken-sdk gave up")

    def on_book(self, symbol: str, message: dict[str, Any]) -> None:
        if "error" in message:
            self.report(symbol, message["error"])
            return
        self.books_heard += 1
        if message["type"] == "snapshot":
            self.snapshots[symbol] += 1

    def book(self, symbol: str) -> tuple[Side, Side] | None:
        found = self._client.get(symbol) if hasattr(self, "_client") else None
        if found is None or not found["valid"]:
            return None
        bids, asks = ([(price, level[0]) for price, level in found[side].items()] for side in ("bid", "ask"))
        return bids, asks


REFEREE = SdkReferee
