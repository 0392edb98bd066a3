"""nautilus_trader 2.0: a live node, native but for the actor; its Kraken adapter checks (its default)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from nautilus_trader.adapters.kraken import KrakenDataClientConfig, KrakenDataClientFactory, KrakenProductType
from nautilus_trader.common import DataActor, DataActorConfig, Environment, LoggerConfig, LogLevel
from nautilus_trader.live import LiveNode
from nautilus_trader.model import ActorId, BookType, InstrumentId, TraderId
from workload import DEPTH

from contestants.base import EPOCH_S, LoopbackContestant, Side
from contestants.tail import Tail

_OWNER: list[Loopback] = []


class _Actor(DataActor):
    def on_start(self) -> None:
        owner = _OWNER[0]
        for symbol in owner.workload.endings:
            instrument = InstrumentId.from_str(f"{symbol}.KRAKEN")
            owner.symbol_of[instrument] = symbol
            self.subscribe_book_deltas(instrument, BookType.L2_MBP, depth=DEPTH, managed=True)
            self.subscribe_trades(instrument)
            self.subscribe_quotes(instrument)
        owner.start_stream()

    def on_book_deltas(self, deltas: Any) -> None:
        owner = _OWNER[0]
        if not owner.meter.has_begun:
            owner.meter.begin()
        owner.books += 1
        instrument = deltas.instrument_id
        book = self.cache.order_book(instrument)
        owner.best = (book.best_bid_price(), book.best_bid_size(), book.best_ask_price(), book.best_ask_size())
        us = deltas.ts_event // 1000 - EPOCH_S * 1_000_000
        if owner.samples is not None:
            owner.samples.append((owner.symbol_of[instrument], us, time.monotonic_ns()))
        if us >= owner.tail.from_us:
            symbol = owner.symbol_of[instrument]
            owner.held[symbol] = book
            owner.tail.note(symbol, us)

    def on_trade(self, tick: Any) -> None:
        _OWNER[0].trades += 1

    def on_quote(self, tick: Any) -> None:
        _OWNER[0].tickers += 1


class Loopback(LoopbackContestant):
    """The whole node."""

    name = distribution = "nautilus-trader"

    def book(self, symbol: str) -> tuple[Side, Side]:
        """See Contestant. Its levels' sizes are binary floats, these are decimals."""
        held = self.held[symbol]
        bids, asks = (list(side.items()) for side in (held.bids_to_dict(), held.asks_to_dict()))
        return bids, asks

    async def run(self, ws_url: str, rest_url: str) -> None:
        """See LoopbackContestant."""
        _OWNER.append(self)
        self.symbol_of: dict[Any, str] = {}
        self.held: dict[str, Any] = {}
        self.tail = Tail(self.workload, self.meter)
        config = KrakenDataClientConfig(product_type=KrakenProductType.SPOT, base_url=rest_url, ws_public_url=ws_url)
        node = (
            LiveNode.builder("BENCH", TraderId.from_str("BENCH-001"), Environment.LIVE)
            .with_timeout_connection(20)
            .with_delay_post_stop_secs(0)
            .with_logging(LoggerConfig(stdout_level=LogLevel.ERROR))
            .add_data_client(None, KrakenDataClientFactory(), config)
            .build()
        )
        node.add_actor(_Actor(DataActorConfig(actor_id=ActorId.from_str("BENCH-ACTOR"))))
        node_run = asyncio.ensure_future(node.run_async())
        done = asyncio.ensure_future(self.tail.done.wait())
        await asyncio.wait((node_run, done), return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            await node_run
            raise RuntimeError("nautilus_trader ended before the stream did")
