"""simulate(): one seed of a whole gateway, with venue, sinks and clients, on virtual time, with faults, and its judgement.

First faults strike; then they end, and within a bound everything must heal; then the market stands still, and every client
must hold what the venue holds; then the gateway stops, and what it left behind is read. Nothing here knows a venue: that
is in the Scenario.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gwcore.client.book import BookState
from gwcore.journal import Journal
from gwcore.journal.verify import verify
from gwcore.model import Record
from gwcore.runtime.app import Gateway, Ports
from gwcore.settings import (
    ClientSettings,
    DetectionSettings,
    GatewayConfig,
    GatewaySettings,
    HealingSettings,
    JournalSettings,
    SelectedSink,
    SelectedVenue,
)
from gwcore.simulator import Simulator
from gwcore.testing.clients import SimClient
from gwcore.testing.clock import VirtualClock
from gwcore.testing.committer import virtual_committer
from gwcore.testing.faults import FaultKind, FaultPlan, FaultTargets
from gwcore.testing.loop import Budget, SimLoop, run
from gwcore.testing.network import SimNetwork
from gwcore.testing.oracles import (
    TrueLevels,
    TrueTrade,
    check_archive,
    check_book_streams,
    check_books,
    check_client,
    check_sequences,
    check_trades,
    check_trades_true,
    journal_hash,
)
from gwcore.testing.seeds import SeededIds, SeededRandom, derive
from gwcore.testing.storage import MemoryStorage

_CLASSES = ("md", "ex", "st")
#: Violations of one seed that are kept.
_VIOLATIONS_MAX = 50
#: Records read from the journal at once.
_READ_RECORDS = 10_000
#: How long the last frames and records may take to reach clients after the market stood still.
_DRAIN_S = 3.0
#: How often it is looked at what clients take for LIVE; far above the time an event takes to reach them.
_WATCH_S = 0.1
#: Shortest time without faults before the comparison: what a fault spoiled shows with the next update, not before.
_CALM_S = 10.0
#: How often it is looked whether all has healed.
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is simulated, and how its truth is read. `make_simulator` gets a number that follows from the seed."""

    venue: SelectedVenue
    make_simulator: Callable[[int], Any]
    symbols: tuple[str, ...]  # those whose books must be LIVE in the end
    true_levels: Callable[[Any, str, int], TrueLevels]  # (simulator, symbol, depth)
    true_trades: Callable[[Any, str], Mapping[int, TrueTrade]]  # (simulator, symbol)
    faults: Sequence[FaultKind]
    sinks: tuple[SelectedSink, ...] = ()
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    healing: HealingSettings = field(default_factory=HealingSettings)
    journal: JournalSettings = field(default_factory=JournalSettings)
    clients: ClientSettings = field(default_factory=ClientSettings)
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    clients_count: int = 3  # the first reads from the start, the others come while it runs
    faults_s: float = 60.0
    kinds_min: int = 3
    heal_s: float = 150.0  # bound of healing: above quarantine_retry_s, since a symbol may be in quarantine


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What one seed gave. No violation: all held."""

    seed: int
    violations: list[str] = field(default_factory=list)
    journal_hash: str = ""
    trace_hash: str = ""
    struck: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)  # by kind
    stale: Counter[str] = field(default_factory=Counter)  # books, by reason
    faults: Counter[str] = field(default_factory=Counter)  # subscriptions that went bad, by "channel reason"
    transitions: Counter[str] = field(default_factory=Counter)  # of subscriptions, "BEFORE -> AFTER"
    probes: Counter[str] = field(default_factory=Counter)  # of quiet subscriptions, by outcome
    frames: int = 0
    connects: int = 0
    client_connects: int = 0
    conflations: int = 0
    trades_backfilled: int = 0
    trades_lost: int = 0
    healed_s: float = -1.0  # after the faults' end; negative: never
    virtual_s: float = 0.0
    steps: int = 0


def simulate(seed: int, scenario: Scenario) -> Outcome:
    """Run one seed to its end. Raises SimulationError where the program did what no program may (deadlock, leaked task)."""

    async def main(loop: SimLoop) -> Outcome:
        return await _Play(loop, seed, scenario).run()

    budget = Budget(time_s=scenario.faults_s + scenario.heal_s + 600.0)
    return run(main, seed=seed, budget=budget, inline_executor=True)


async def _inline(work: Callable[..., Any], *args: Any) -> Any:
    return work(*args)


class _Play:
    """One run: everything in one place, so that each step reads as a sentence."""

    def __init__(self, loop: SimLoop, seed: int, scenario: Scenario) -> None:
        self.loop = loop
        self.scenario = scenario
        self.outcome = Outcome(seed=seed)
        self.random = SeededRandom(seed, "simulation")
        self.clock = VirtualClock(loop)
        self.simulator: Simulator = scenario.make_simulator(derive(seed, "venue") % 2**31)
        self.network = SimNetwork(loop, self.simulator, self.random.stream("network"), clock=self.clock)
        self.storage = MemoryStorage()
        self.clients = [
            SimClient(loop, f"client-{n}", self.clock, self.random.stream(f"client.{n}"), from_start=n == 0)
            for n in range(scenario.clients_count)
        ]
        self.plan = FaultPlan(seed, scenario.faults, scenario.faults_s, kinds_min=scenario.kinds_min)
        self.targets = FaultTargets(
            network=self.network, simulator=self.simulator, clock=self.clock, clients=tuple(self.clients)
        )
        self.gateway = self._make_gateway()

    def _make_gateway(self) -> Gateway:
        scenario = self.scenario
        config = GatewayConfig(
            gateway=scenario.gateway,
            venue=scenario.venue,
            sinks=scenario.sinks,
            healing=scenario.healing,
            journal=scenario.journal,
            clients=scenario.clients,
            detection=scenario.detection,
        )
        rng = self.random.stream("committer")
        ports = Ports(
            clock=self.clock,
            random=self.random.stream("gateway"),
            ids=SeededIds(self.clock, self.random.stream("ids")),
            network=self.network,
            storage=self.storage,
            state_dir=Path("/simulated"),
            committer=lambda journal, settings: virtual_committer(journal, settings, rng),
            offload=_inline,
        )
        return Gateway(config, ports)

    async def run(self) -> Outcome:
        running = asyncio.create_task(self.gateway.run(), name="gateway")
        watching = asyncio.create_task(self._watch(), name="watch")
        self._start_clients()
        await self.plan.run(self.targets)
        await self._heal(running)
        watching.cancel()
        if not running.done():
            await self._compare_with_venue()
            self.gateway.request_stop("the simulation ends")
        exit_code = await running
        if exit_code != 0:
            self.violate(f"the gateway ended with {exit_code}")
        await asyncio.sleep(1.0)  # goodbyes arrive
        for client in self.clients:
            client.end()
        self._judge_what_is_left()
        return self._count()

    def violate(self, *violations: str) -> None:
        room = _VIOLATIONS_MAX - len(self.outcome.violations)
        self.outcome.violations += violations[: max(0, room)]

    def _start_clients(self) -> None:
        for number, client in enumerate(self.clients):
            delay_s = self.random.uniform(0.0, self.scenario.faults_s / 2) if number else 0.0
            self.loop.call_later(delay_s, client.start, self.gateway.fanout)

    # --- what must hold -----------------------------------------------------------------------------------------------

    def _is_healed(self) -> bool:
        if any(connection.machine.trades.held for connection in self.gateway.hub.connections):
            return False  # a gap is being filled
        return all(
            client.is_connected
            and all(client.session.books[symbol].state is BookState.LIVE for symbol in self.scenario.symbols)
            for client in self.clients
        )

    async def _watch(self) -> None:
        """Safety, all the time: no client holds a book for LIVE whose connection to the venue is known to be gone."""
        suspects: dict[tuple[int, str, str], int] = {}
        while True:
            await asyncio.sleep(_WATCH_S)
            found = {
                (connection.shard.index, client.name, symbol): connection.connects
                for connection in self.gateway.hub.connections
                if connection.leads and not connection.machine.is_open
                for client in self.clients
                if client.is_connected
                for symbol in connection.machine.instruments
                if client.session.books[symbol].state is BookState.LIVE
            }
            # Once may be news on its way; twice in a row, with no connection made in between, is not.
            for key in [key for key, connects in found.items() if suspects.get(key) == connects]:
                self.violate(
                    f"{key[1]}: {key[2]} is LIVE at {self.loop.time():.3f} s, and connection md.{key[0]} is gone"
                )
                found[key] = -1
            suspects = found

    async def _heal(self, running: asyncio.Task[int]) -> None:
        """Liveness: without faults everything is LIVE at every client within the bound."""
        since_s = self.loop.time()
        await asyncio.sleep(_CALM_S)
        while not running.done() and self.loop.time() - since_s < self.scenario.heal_s:
            if self._is_healed():
                self.outcome.healed_s = self.loop.time() - since_s
                return
            await asyncio.sleep(_LOOK_S)
        if not running.done():
            self.violate(f"not all is LIVE {self.scenario.heal_s:g} s after the last fault")

    async def _compare_with_venue(self) -> None:
        """Truth: the market stands still, the last frames arrive, every client's book is the venue's."""
        self.network.freeze()
        await asyncio.sleep(_DRAIN_S)
        depth = self.scenario.gateway.book_depth
        truth = {symbol: self.scenario.true_levels(self.simulator, symbol, depth) for symbol in self.scenario.symbols}
        for client in self.clients:
            self.violate(*(f"{client.name}: {found}" for found in check_books(client.session.books, truth)))

    def _judge_what_is_left(self) -> None:
        report = verify(self.storage)
        self.violate(*(f"journal: {fault.file} at {fault.offset}: {fault.cause}" for fault in report.faults))
        self.violate(
            *(f"journal: {one.journal_class} was not closed" for one in report.classes if one.records and not one.clean)
        )
        by_class = self._read_journal()
        records = [record for name in _CLASSES for record in by_class[name]]
        self.violate(*check_sequences(records))
        streams = self.gateway.streams
        self.violate(*check_book_streams(by_class["md"], streams.book_rule))
        if streams.limits.trade_ids_contiguous:
            self.violate(*check_trades(by_class["md"]))
        truth = {symbol: self.scenario.true_trades(self.simulator, symbol) for symbol in self.scenario.symbols}
        self.violate(*check_trades_true(by_class["md"], truth))
        for selected in self.scenario.sinks:
            self.violate(*check_archive(self.storage.child(f"sinks/{selected.spec.name}"), records))
        for client in self.clients:
            self.violate(*check_client(client.log, records, from_start=client.from_start))
            self.violate(*(f"{client.name} gave up: {fault}" for fault in client.faults))
        self.outcome.records = Counter(record.kind for record in records)
        self.outcome.journal_hash = journal_hash(records)

    def _read_journal(self) -> dict[str, list[Record]]:
        """All records as the next start would find them."""
        journal = Journal(self.storage, self.clock, self.scenario.journal)
        found: dict[str, list[Record]] = {}
        for name in _CLASSES:
            reader = journal.reader(name, 0)
            found[name] = []
            while batch := reader.read(_READ_RECORDS):
                found[name] += batch
        journal.close()
        return found

    def _count(self) -> Outcome:
        outcome, gateway = self.outcome, self.gateway
        outcome.struck = self.plan.counts
        outcome.connects = sum(connection.connects for connection in gateway.hub.connections)
        outcome.client_connects = sum(client.connects for client in self.clients)
        outcome.conflations = gateway.fanout.conflations
        for machine in gateway.machine.machines:  # two connections of a pair share their trades
            outcome.trades_backfilled += machine.trades.backfilled
            outcome.trades_lost += machine.trades.lost
        for connection in gateway.hub.connections:
            outcome.stale.update({reason.value: n for reason, n in connection.machine.books.stale.items()})
            outcome.frames += connection.machine.frames
            watch = connection.machine.watch
            outcome.probes.update(watch.quiet.outcomes)
            for (channel, reason), count in watch.states.faults.items():
                outcome.faults[f"{channel.value} {reason.value}"] += count
            for (before, after), count in watch.states.transitions.items():
                outcome.transitions[f"{before.value} -> {after.value}"] += count
        outcome.virtual_s = self.loop.time()
        outcome.steps = self.loop.steps
        outcome.trace_hash = self.loop.trace_hash()
        return outcome
