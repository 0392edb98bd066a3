"""gwcore from received bytes to the checked book: the real connection, codec and machines, and a publisher that only counts.

Over loopback the real WebSocket client too. No journal, no clients, nothing encoded: what cryptofeed does, with our law 1.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workload import DEPTH, Workload

import gwcore
from contestants.base import EPOCH_S, Contestant, InProcessContestant, LoopbackContestant, Side, until
from gwcore.engine.market.shards import plan_shards
from gwcore.engine.publisher import Partition
from gwcore.engine.reconnect import RollingBudget
from gwcore.model import (
    Channel,
    Instrument,
    MarketByPriceUpdate,
    StatisticsUpdate,
    StreamState,
    TopOfBook,
    TradeSummary,
)
from gwcore.plugins import load_venue
from gwcore.ports import Endpoint
from gwcore.rest import HttpResponse
from gwcore.runtime.clock import SystemClock, SystemRandom
from gwcore.runtime.libraries import find_client
from gwcore.runtime.venue.connection import MarketDataConnection
from gwcore.runtime.venue.http import run_flow
from gwcore.runtime.venue.network import RealNetwork
from gwcore.settings import HealingSettings

#: About what one read brings when the venue is ahead.
BURST_FRAMES = 256
CHANNELS = (Channel.BOOK, Channel.TRADE, Channel.TICKER)


class CountingPublisher:
    """Stands for the user: counts each event, and reads the best of each book."""

    def __init__(self) -> None:
        self.counts: dict[type, int] = {}
        self.best: Any = None

    def partition(self, name: str) -> Partition:
        """As `Publisher.partition`."""
        return Partition(name, "BENCH")

    def publish(self, partition: Partition, event: Any, received_ns: int | None = None) -> None:
        """As `Publisher.publish`."""
        kind = type(event)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind is TopOfBook:
            self.best = (event.bid_price, event.bid_quantity, event.ask_price, event.ask_quantity)


class QuietHub:
    """A hub for one connection."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments

    def instruments(self) -> Mapping[str, Instrument]:
        """All instruments."""
        return self._instruments

    def _nothing(self, *_: Any) -> None:
        pass

    on_instruments = on_venue_status = on_connection = publish_status = on_turn = _nothing


class _Engine(Contestant):
    name = "gwcore: received to checked book"
    distribution = "gwcore"

    @property
    def version(self) -> str:
        """Of the checkout."""
        return gwcore.__version__

    def make_publisher(self) -> Any:
        """What the connection publishes to."""
        return CountingPublisher()

    async def make_connection(self, network: Any, ws_url: str, rest_url: str) -> MarketDataConnection:
        """The connection of one shard with all symbols."""
        spec = load_venue("kraken")
        settings = spec.settings(ws_public_url=ws_url, rest_url=rest_url)
        found = await run_flow(network, spec.symbols(settings).discover())
        instruments = {i.symbol: i for i in found if i.symbol in self.workload.endings}
        streams = spec.streams(settings)
        (shard,) = plan_shards(instruments, CHANNELS, streams.limits, depth=DEPTH)
        limits = streams.limits.groups[shard.group]
        self.publisher = self.make_publisher()
        return MarketDataConnection(
            shard,
            streams=streams,
            publisher=self.publisher,
            hub=QuietHub(instruments),
            network=network,
            clock=SystemClock(),
            random=SystemRandom(),
            healing=HealingSettings(),
            budget=RollingBudget(limits.connects, limits.connects_window_s),
        )

    def counts(self) -> dict[str, int]:
        """See Contestant."""
        found = self.publisher.counts
        types = {"book": MarketByPriceUpdate, "top": TopOfBook, "trade": TradeSummary, "ticker": StatisticsUpdate}
        return {name: found.get(kind, 0) for name, kind in types.items()} | {
            "bad": sum(self.connection.machine.books.stale.values()) + self.connection.machine.undecodable
        }

    def book(self, symbol: str) -> tuple[Side, Side]:
        """See Contestant."""
        return book_of(self.connection, symbol)


def book_of(connection: MarketDataConnection, symbol: str) -> tuple[Side, Side]:
    """Bids and asks of a live book of one connection; a stale one is empty."""
    subscription = connection.machine.books.of_symbol[symbol]
    book = subscription.book
    if book is None or subscription.state is not StreamState.LIVE:
        return (), ()
    bids, asks = ([(level.price, level.quantity) for level in side] for side in (book.bids(), book.asks()))
    return bids, asks


def stream_ended(connections: Sequence[MarketDataConnection], workload: Workload) -> Callable[[], bool]:
    """A condition: every book has had its last update."""
    final_ns = {symbol: EPOCH_S * 1_000_000_000 + ending.final_us * 1000 for symbol, ending in workload.endings.items()}

    def is_over() -> bool:
        for connection in connections:
            for symbol, subscription in connection.machine.books.of_symbol.items():
                book = subscription.book
                if book is None or book.venue_time_ns is None or book.venue_time_ns < final_ns[symbol]:
                    return False
        return True

    return is_over


def all_asked(connections: Sequence[MarketDataConnection]) -> Callable[[], bool]:
    """A condition: the venue was asked for everything, so the stream may begin."""

    def is_so() -> bool:
        return bool(connections) and all(
            subscription.at_venue
            for connection in connections
            for subscription in connection.machine.subscriptions.topics.values()
        )

    return is_so


class Loopback(_Engine, LoopbackContestant):
    """Over a socket. Books and faults are taken before the connection ends: that makes every book stale."""

    def counts(self) -> dict[str, int]:
        """See Contestant."""
        return self._counts

    def book(self, symbol: str) -> tuple[Side, Side]:
        """See Contestant."""
        return self._books[symbol]

    async def run(self, ws_url: str, rest_url: str) -> None:
        """See LoopbackContestant."""
        network = RealNetwork(SystemClock(), "bench", find_client(self.options.get("websocket", "websockets")))
        try:
            self.connection = await self.make_connection(network, ws_url, rest_url)
            task = asyncio.create_task(self.connection.run())
            await until(all_asked([self.connection]), 0.01, "acknowledged subscriptions")
            self.meter.begin()
            self.start_stream()
            await until(stream_ended([self.connection], self.workload), 0.005, "end of the stream")
            self.meter.end()
            self._books = {symbol: book_of(self.connection, symbol) for symbol in self.workload.endings}
            self._counts = super().counts()
            task.cancel()
            await asyncio.wait({task})
        finally:
            await network.close()


class _Memory:
    """A network without one: REST from the workload, a connection that only takes."""

    def __init__(self, workload: Workload, on_sent: Callable[[bytes], None]) -> None:
        self._workload = workload
        self.send = on_sent

    async def connect(self, endpoint: Endpoint, listener: Any) -> Any:
        return self

    async def request(self, request: Any) -> HttpResponse:
        result = self._workload.pairs if "AssetPairs" in request.url else {}
        return HttpResponse(status=200, headers={}, body=json.dumps({"error": [], "result": result}).encode())

    def close(self, reason: str) -> None:
        pass


class InProcess(_Engine, InProcessContestant):
    """Frames straight into the connection, as the WebSocket does."""

    def __init__(self, *arguments: Any, **options: str) -> None:
        super().__init__(*arguments, **options)
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._start())

    async def _start(self) -> None:
        sent: list[bytes] = []
        self.connection = await self.make_connection(
            _Memory(self.workload, sent.append), "ws://memory", "http://memory"
        )
        self._task = asyncio.create_task(self.connection.run())
        await until(lambda: len(sent) >= 3, 0.01, "subscriptions")
        times = {"time_in": "2026-11-01T00:00:00.000000Z", "time_out": "2026-11-01T00:00:00.000001Z"}
        for request in map(json.loads, sent):
            params = request["params"]
            for symbol in params["symbol"]:
                result = {"channel": params["channel"], "symbol": symbol, "snapshot": True}
                answer = {
                    "method": "subscribe",
                    "req_id": request["req_id"],
                    "result": result,
                    "success": True,
                    **times,
                }
                self.connection.on_frame(json.dumps(answer).encode(), 0)
        self.connection.on_burst_end()

    def feed(self, frames: Sequence[bytes]) -> None:
        """See InProcessContestant."""
        now_ns, on_frame = SystemClock().now_ns, self.connection.on_frame
        for start in range(0, len(frames), BURST_FRAMES):
            received_ns = now_ns()
            for frame in frames[start : start + BURST_FRAMES]:
                on_frame(frame, received_ns)
            self.connection.on_burst_end()
