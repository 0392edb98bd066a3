"""A gateway and a client on virtual time through outages of given lengths: what the client got against what the venue traded.

The whole way to the venue is gone during an outage, REST too. Tests and scripts share it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gwcore.model import Gap, GatewayStatus, Origin, TimeSeriesUpdate, TradeSummary
from gwcore.plugins import load_simulator, load_venue
from gwcore.runtime.app import Gateway, Ports
from gwcore.settings import GatewayConfig, GatewaySettings, SelectedVenue
from gwcore.testing.clients import SimClient
from gwcore.testing.clock import VirtualClock
from gwcore.testing.committer import virtual_committer
from gwcore.testing.loop import Budget, SimLoop, run
from gwcore.testing.network import ConnectMode, HttpMode, SimNetwork
from gwcore.testing.seeds import SeededIds, SeededRandom, derive
from gwcore.testing.storage import MemoryStorage
from gwcore.wire import decode_envelope

#: Quiet seconds before, between and after outages.
CALM_S = 30.0
#: Longest wait for the last gap to be filled.
SETTLE_S = 240.0

#: (id, price, quantity, side), as text
Row = tuple[str, str, str, str]


@dataclass(slots=True)
class Played:
    """What one course gave. `faults` is empty where the client's trades are the venue's, each once, in order."""

    seed: int
    outages_s: list[float]
    faults: list[str] = field(default_factory=list)
    trades: int = 0
    backfilled: int = 0
    gaps: Counter[str] = field(default_factory=Counter)
    bars_backfilled: int = 0
    requests: int = 0
    request_distance_s: float = float("inf")  # smallest one between two requests for one pair, as the venue saw them
    statuses: list[GatewayStatus] = field(default_factory=list)  # of connections that came back


async def _inline(work: Any, *args: Any) -> Any:
    return work(*args)


class _SpiedNetwork(SimNetwork):
    """Notes when the venue is asked for the history of a pair."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.asked_s: dict[str, list[float]] = {}

    def _http(self, request: Any) -> Any:
        if "pair=" in request.url:
            pair = request.url.split("pair=")[1].split("&")[0]
            self.asked_s.setdefault(pair, []).append(self.venue_ns() / 1e9)
        return super()._http(request)


def play(seed: int, outages_s: list[float], *, pairs: int = 4, rate: float = 400.0, candles: bool = True) -> Played:
    """One course on virtual time."""

    async def main(loop: SimLoop) -> Played:
        return await _Course(loop, seed, outages_s, pairs, rate, candles).run()

    budget = Budget(time_s=sum(outages_s) + CALM_S * (len(outages_s) + 2) + SETTLE_S + 600.0)
    return run(main, seed=seed, budget=budget, inline_executor=True)


class _Course:
    def __init__(
        self, loop: SimLoop, seed: int, outages_s: list[float], pairs: int, rate: float, candles: bool
    ) -> None:
        self.played = Played(seed, outages_s)
        self.random = SeededRandom(seed, "outages")
        self.clock = VirtualClock(loop)
        venue, simulator = load_venue("kraken"), load_simulator("kraken")
        self.simulator = simulator.create(
            simulator.settings(seed=derive(seed, "venue") % 2**31, pairs=pairs, rate=rate)
        )
        self.network = _SpiedNetwork(loop, self.simulator, self.random.stream("network"), clock=self.clock)
        self.client = SimClient(loop, "client", self.clock, self.random.stream("client"), from_start=True)
        channels = ("instrument", "status", "book", "trade", "ticker", *(("ohlc",) if candles else ()))
        config = GatewayConfig(
            gateway=GatewaySettings(env="sim", channels=channels),
            venue=SelectedVenue(
                spec=venue, settings=venue.settings(**venue.environments["sim"], symbols_per_connection=3)
            ),
        )
        ports = Ports(
            clock=self.clock,
            random=self.random.stream("gateway"),
            ids=SeededIds(self.clock, self.random.stream("ids")),
            network=self.network,
            storage=MemoryStorage(),
            state_dir=Path("/simulated"),
            committer=lambda journal, settings: virtual_committer(journal, settings, self.random.stream("committer")),
            offload=_inline,
        )
        self.gateway = Gateway(config, ports)

    async def run(self) -> Played:
        running = asyncio.create_task(self.gateway.run(), name="gateway")
        self.client.start(self.gateway.fanout)
        await asyncio.sleep(CALM_S)
        for outage_s in self.played.outages_s:
            await self._outage(outage_s)
            await asyncio.sleep(CALM_S)
        await self._settle()
        self.network.freeze()
        await asyncio.sleep(3.0)
        self._compare()
        self.gateway.request_stop("the show ends")
        await running
        self.client.end()
        return self.played

    async def _outage(self, outage_s: float) -> None:
        network = self.network
        network.connect_mode, network.http_mode = ConnectMode.REFUSE, HttpMode.REFUSE
        for link in network.links:
            link.cut("the way to the venue is gone")
        await asyncio.sleep(outage_s)
        network.connect_mode, network.http_mode = ConnectMode.OK, HttpMode.OK

    async def _settle(self) -> None:
        for _ in range(int(SETTLE_S)):
            machines = [connection.machine for connection in self.gateway.hub.connections]
            if all(machine.is_open and not machine.trades.held for machine in machines):
                return
            await asyncio.sleep(1.0)
        self.played.faults.append(f"gaps are not filled after {SETTLE_S:g} s")

    def _compare(self) -> None:
        played = self.played
        got: dict[str, list[Row]] = {}
        payloads = [payload for session in self.client.log.received.values() for _, payload in session]
        for payload in payloads:
            event = decode_envelope(payload).event
            if isinstance(event, TradeSummary):
                got.setdefault(event.symbol, []).extend(
                    (str(t.trade_id), t.price, t.quantity, t.side.value) for t in event.trades
                )
                played.backfilled += len(event.trades) if event.origin is Origin.BACKFILL else 0
            elif isinstance(event, Gap):
                played.gaps[event.state.value] += 1
            elif isinstance(event, TimeSeriesUpdate) and event.origin is Origin.BACKFILL:
                played.bars_backfilled += len(event.bars)
            elif isinstance(event, GatewayStatus) and event.outage_ns is not None:
                played.statuses.append(event)
        for symbol in self.simulator.feed.listing.pairs:
            played.faults += differences(symbol, got.get(symbol, []), self._truth(symbol))
            played.trades += len(got.get(symbol, []))
        for asked_s in self.network.asked_s.values():
            played.requests += len(asked_s)
            distances = [later - earlier for earlier, later in itertools.pairwise(asked_s)]
            played.request_distance_s = min([played.request_distance_s, *distances])

    def _truth(self, symbol: str) -> list[Row]:
        return [
            (str(trade.trade_id), trade.price, trade.quantity, trade.side.upper())
            for trade in self.simulator.trades(symbol)
        ]


def differences(symbol: str, got: list[Row], truth: list[Row]) -> list[str]:
    """Nothing where `got` is the truth from its first trade to the venue's last one."""
    if not got:
        return [f"{symbol}: the client has no trades"]
    ids = [row[0] for row in truth]
    if got[0][0] not in ids:
        return [f"{symbol}: the venue has no trade {got[0][0]}"]
    expected = truth[ids.index(got[0][0]) :]
    for index, (mine, true) in enumerate(zip(got, expected, strict=False)):
        if mine != true:
            return [f"{symbol}: trade number {index} is {mine}, at the venue {true}"]
    return [] if len(got) == len(expected) else [f"{symbol}: {len(got)} trades, at the venue {len(expected)}"]
