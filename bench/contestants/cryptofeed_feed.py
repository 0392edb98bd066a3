"""cryptofeed 3 (Kraken v2): its feed with its own connections, or its message handler in process. CRC on, as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any

from cryptofeed.connection import WebsocketEndpoint, WSAsyncConn
from cryptofeed.defines import ASK, BID, L2_BOOK, TICKER, TRADES
from cryptofeed.exceptions import BadChecksum
from cryptofeed.exchanges.kraken import Kraken
from cryptofeed.symbols import Symbols
from workload import DEPTH

from contestants.base import EPOCH_S, Contestant, InProcessContestant, LoopbackContestant, Side


class _Cryptofeed(Contestant):
    name = "cryptofeed"
    distribution = "cryptofeed"

    def make_feed(self) -> Any:
        """The feed, with all symbols; it must be made inside a loop."""
        pairs, info = Kraken._parse_symbol_data({"error": [], "result": self.workload.pairs})
        Symbols.set(Kraken.id, pairs, info)
        theirs = {venue: own for own, venue in pairs.items()}
        self.own_name = {symbol: theirs[symbol] for symbol in self.workload.endings}
        self.symbol = {own: symbol for symbol, own in self.own_name.items()}
        return Kraken(
            symbols=list(self.symbol),
            channels=[L2_BOOK, TRADES, TICKER],
            callbacks={L2_BOOK: self.on_book, TRADES: self.on_trade, TICKER: self.on_ticker},
            max_depth=DEPTH,
            checksum_validation=True,
        )

    async def on_book(self, book: Any, receipt: float) -> None:
        self.books += 1
        sides = book.book
        self.best = (sides.bids.index(0), sides.asks.index(0))

    async def on_trade(self, trade: Any, receipt: float) -> None:
        self.trades += 1

    async def on_ticker(self, ticker: Any, receipt: float) -> None:
        self.tickers += 1

    def book(self, symbol: str) -> tuple[Side, Side]:
        """See Contestant."""
        sides = self.feed_object._l2_book[self.own_name[symbol]].book
        bids, asks = ([side.index(i) for i in range(len(side))] for side in (sides[BID], sides[ASK]))
        return bids, asks


class _NoConnection:
    uuid = "KRAKEN.ws.0"
    last_message = 0.0


class InProcess(_Cryptofeed, InProcessContestant):
    """Its message handler."""

    def __init__(self, *arguments: Any, **options: str) -> None:
        super().__init__(*arguments, **options)
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self.feed_object = self.make_feed()

    def feed(self, frames: Sequence[bytes]) -> None:
        """See InProcessContestant."""
        self._loop.run_until_complete(self._feed([frame.decode() for frame in frames]))

    async def _feed(self, frames: Sequence[str]) -> None:
        handler, connection, now = self.feed_object.message_handler, _NoConnection(), time.time
        for frame in frames:
            connection.last_message = now()
            try:
                await handler(frame, connection, connection.last_message)
            except BadChecksum:
                self.bad += 1


class Loopback(_Cryptofeed, LoopbackContestant):
    """The whole feed."""

    async def on_book(self, book: Any, receipt: float) -> None:
        """As in process, and the end of the stream."""
        if not self.meter.has_begun:
            self.meter.begin()
        self.books += 1
        sides = book.book
        self.best = (sides.bids.index(0), sides.asks.index(0))
        if book.timestamp is None:
            return
        us = round((book.timestamp - EPOCH_S) * 1e6)
        if self.samples is not None:
            self.samples.append((self.symbol[book.symbol], us, time.monotonic_ns()))
        if us >= self.workload.tail_us:
            symbol = self.symbol[book.symbol]
            if us >= self.workload.endings[symbol].final_us:
                self._open.discard(symbol)
                if not self._open:
                    self.meter.end()
                    self._done.set()

    async def run(self, ws_url: str, rest_url: str) -> None:
        """See LoopbackContestant."""
        self._open = set(self.workload.endings)
        self._done = asyncio.Event()
        # It takes wss:// addresses only; the real one is put in behind that check, so that all run on plain TCP.
        Kraken.websocket_endpoints = [WebsocketEndpoint("wss://replaced/v2", limit=20)]
        original = WSAsyncConn.__init__

        def connect_here(connection: Any, address: str, *arguments: Any, **options: Any) -> None:
            original(connection, address, *arguments, **options)
            connection.address = ws_url

        WSAsyncConn.__init__ = connect_here
        self.feed_object = self.make_feed()
        stop = asyncio.Event()
        task = asyncio.create_task(self.feed_object._run(stop))
        done = asyncio.create_task(self._done.wait())
        self.start_stream()  # the stand-in waits for the last subscription by itself
        await asyncio.wait({task, done}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        if not done.done():
            done.cancel()
            await task  # raises why it ended
            raise RuntimeError("cryptofeed ended before the stream did")
        with contextlib.suppress(Exception):  # how it ends is not measured
            await asyncio.wait_for(task, 5)
