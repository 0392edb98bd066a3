"""Gateway: starts, runs and stops all parts of one process, in order.

Order of starting: journal, committer, transports, sinks, discovery, connections. Order of stopping: connections,
clients, sinks (drained within the deadline), journal. A component that ends unasked stops the whole: never a zombie.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gwcore
from gwcore.engine.clients.fanout import Fanout
from gwcore.engine.clients.state import CurrentState
from gwcore.engine.gateway import GatewayMachine
from gwcore.engine.market.standby import Seat
from gwcore.engine.publisher import Publisher
from gwcore.engine.reconnect import Backoff, RollingBudget
from gwcore.errors import ConfigError, StorageError, VenueError
from gwcore.journal import CursorStore, Journal
from gwcore.model import ConnectionState, ExternalLatency, GatewayState, Instrument, UpdateType
from gwcore.ports import Clock, Ids, Network, Random, Storage
from gwcore.runtime.accounts.accounts import Accounts, access_of
from gwcore.runtime.accounts.keys import Keys, StorageKeys
from gwcore.runtime.beat import ATTEMPT_S, Beat
from gwcore.runtime.capture.captures import gateway_captures
from gwcore.runtime.control.controls import Controls
from gwcore.runtime.hub import Hub
from gwcore.runtime.journal.committer_port import CommitterPort
from gwcore.runtime.journal.journal_watch import JournalWatch
from gwcore.runtime.journal.sinks import SinkRunner
from gwcore.runtime.orders.paper import make_paper_room
from gwcore.runtime.orders.safety import OrderSafety
from gwcore.runtime.told_identity import identity_of
from gwcore.runtime.venue.connection import MarketDataConnection
from gwcore.runtime.venue.http import run_flow
from gwcore.runtime.venue.rest import PacedNetwork
from gwcore.settings import GatewayConfig, SelectedSink, SelectedTransport
from gwcore.sink import AckMeaning, SinkContext, SinkStatus
from gwcore.transport import TransportContext, TransportCounters
from gwcore.venue import InstrumentUpdate, Shard

_log = logging.getLogger("gwcore.gateway")

#: Discovery is asked for what a new listing did not tell after this long, and not sooner.
DETAILS_S = 5.0
#: It asks anew where nothing came in this time: there may be thousands of requests before it.
DISCOVERY_S = 240.0

#: Exit codes of a run (see docs: CLI).
EXIT_OK, EXIT_CONFIG, EXIT_UNREACHED, EXIT_INTERNAL = 0, 2, 3, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything a gateway reaches for (law 5)."""

    clock: Clock
    random: Random
    ids: Ids
    network: Network
    storage: Storage  # the state directory
    state_dir: Path
    committer: Callable[[Journal, Any], CommitterPort]  # (journal, JournalSettings)
    offload: Callable[..., Awaitable[Any]]  # run a blocking function aside
    keys: Keys | None = None  # of accounts; None: in the state directory, for this process alone


class Gateway:
    """One gateway process. `run` returns the exit code."""

    def __init__(self, config: GatewayConfig, ports: Ports) -> None:
        self.config = config
        self.ports = ports
        self.name = config.gateway.name or config.venue.spec.name
        self._stop = asyncio.Event()
        self._exit_code = EXIT_OK
        self.discovery = Beat(asyncio.get_running_loop().time)
        self._tasks: set[asyncio.Task[None]] = set()
        self.transport_counters: dict[str, Callable[[], TransportCounters]] = {}  # of transports that count
        self.addresses: dict[str, str] = {}  # transport -> where clients come in
        self.journal = Journal(ports.storage, ports.clock, config.journal)
        self.committer = ports.committer(self.journal, config.journal)
        self.hub = Hub(ports.clock)
        self.state = CurrentState()
        self.publisher = Publisher(
            venue=config.venue.spec.name,
            source=self.name,
            clock=ports.clock,
            ids=ports.ids,
            journal=self.journal,
            on_record=self.hub.on_record,
        )
        self.fanout = Fanout(
            identity=identity_of(config, self.name),
            publisher=self.publisher,
            state=self.state,
            journal=self.journal,
            settings=config.clients,
            clock=ports.clock,
            wake=self.hub.wake_fanout,
            access=access_of(config),
        )
        self.streams = config.venue.spec.streams(config.venue.settings)
        self.symbols = config.venue.spec.symbols(config.venue.settings)
        self.network = PacedNetwork(ports.network, self.streams.limits.rest, ports.clock, self._on_latency)
        self.captures = gateway_captures(config, self.streams, ports.clock, ports.storage, ports.offload)
        self.machine = GatewayMachine(
            config.gateway,
            self.streams.limits,
            self.publisher,
            self.state,
            version=gwcore.__version__,
            start_shard=self.hub.start_shard,
        )
        self._budgets = {
            name: RollingBudget(group.connects, group.connects_window_s)
            for name, group in self.streams.limits.groups.items()
        }
        self.paper = make_paper_room(config, ports, self.state, lambda: self.machine.instruments)
        self.safety = OrderSafety(config, ports, self.machine, self.state)
        self.accounts = self._make_accounts()
        self.fanout.orders = self.accounts
        self.hub.bind(
            fanout=self.fanout,
            gateway=self.machine,
            make_connection=self._make_connection,
            start=self._start_connection,
            wake_committer=self.committer.wake,
            on_event=self.paper.on_event if self.paper is not None else None,
            has_standby=config.healing.standby,
        )
        self._make_operable()
        self.watch = JournalWatch(self.journal, self.machine)
        cursors = CursorStore(ports.storage)
        self.sinks = [self._make_sink(selected, cursors) for selected in config.sinks]

    def _make_operable(self) -> None:
        self.started_ns = self.ports.clock.now_ns()
        self.on_address: Callable[[], None] = lambda: None  # called when `addresses` has one more
        # Called with a configuration that was read anew; each says what it took of it.
        self.on_reload: list[Callable[[GatewayConfig], Sequence[str]]] = []
        self.controls = Controls(self.machine.publish_status, self._spawn, self.ports.clock.monotonic_ns)
        self.fanout.controls = self.controls
        self.safety.bind(self.accounts.connections, self.fanout, self.controls, self.on_reload)

    # --- parts ----------------------------------------------------------------------------------------------------

    def _make_connection(self, shard: Shard, seat: Seat | None) -> MarketDataConnection:
        partition = self.publisher.partition(f"md.{shard.index}")
        # Of a pair the first one's frames are kept: a recording with both would tell everything twice.
        is_captured = seat is None or seat is seat.pair.seats[0]
        return MarketDataConnection(
            shard,
            streams=self.streams,
            publisher=self.publisher,
            hub=self.hub,
            network=self.network,
            clock=self.ports.clock,
            random=self.ports.random,
            healing=self.config.healing,
            detection=self.config.detection,
            budget=self._budgets[shard.group],
            capture=self.captures.of(partition) if is_captured else None,
            seat=seat,
        )

    def _make_accounts(self) -> Accounts:
        ports = self.ports
        return Accounts(
            self.config,
            streams=self.streams,
            publisher=self.publisher,
            machine=self.machine,
            network=self.network,
            clock=ports.clock,
            random=ports.random,
            keys=ports.keys or StorageKeys(ports.storage.child("keys"), ports.clock),
            budget=next(iter(self._budgets.values())),
            journal=self.journal,
            paper=self.paper,
            guard=self.safety.guard,
        )

    def _on_latency(self, component: str, round_trip_ns: int) -> None:
        self.machine.publish_status(ExternalLatency(component=component, round_trip_ns=round_trip_ns))

    def _start_connection(self, connection: MarketDataConnection) -> None:
        self._spawn(connection.run(), f"connection {connection.name}")

    def _make_sink(self, selected: SelectedSink, cursors: CursorStore) -> SinkRunner:
        def context(
            progress: Callable[[str, int], None], status: SinkStatus, ack_meaning: Callable[[AckMeaning], None]
        ) -> SinkContext:
            return SinkContext(
                venue=self.config.venue.spec.name,
                environment=self.config.gateway.env,
                source=self.name,
                state_dir=self.ports.state_dir,
                storage=self.ports.storage.child(f"sinks/{selected.spec.name}"),
                clock=self.ports.clock,
                progress=progress,
                status=status,
                ack_meaning=ack_meaning,
            )

        return SinkRunner(
            selected,
            journal=self.journal,
            cursors=cursors,
            context=context,
            clock=self.ports.clock,
            random=self.ports.random,
            offload=self.ports.offload,
            on_state=self.hub.on_sink_state,
            on_gap=self.watch.on_sink_gap,
        )

    async def _run_transport(self, selected: SelectedTransport) -> None:
        def ready(address: str) -> None:
            self.addresses[selected.spec.name] = address
            self.on_address()
            _log.info("clients of transport %s: %s", selected.spec.name, address)

        def status(cause: str, detail: str) -> None:
            state = ConnectionState.DISCONNECTED if cause else ConnectionState.CONNECTED
            self.machine.on_component(f"transport.{selected.spec.name}", state, cause or None, detail or None)

        transport = selected.spec.create(
            selected.settings,
            TransportContext(
                venue=self.config.venue.spec.name,
                environment=self.config.gateway.env,
                source=self.name,
                state_dir=self.ports.state_dir,
                clock=self.ports.clock,
                ready=ready,
                status=status,
                counters=lambda read: self.transport_counters.update({selected.spec.name: read}),
            ),
        )
        await transport.run(self.fanout)

    # --- life -----------------------------------------------------------------------------------------------------

    @property
    def is_stopping(self) -> bool:
        """Whether somebody has asked it to stop."""
        return self._stop.is_set()

    async def stopping(self) -> None:
        """Return when somebody has asked it to stop."""
        await self._stop.wait()

    def request_stop(self, reason: str, exit_code: int = EXIT_OK) -> None:
        """Stop in order; the first reason counts."""
        if not self._stop.is_set():
            _log.info("stopping: %s", reason)
            self._exit_code = exit_code
            self._stop.set()

    def _on_duration(self, duration_s: float) -> None:
        if self.machine.is_ready:
            self.request_stop(f"ran for {duration_s:g} s")
        else:
            self.request_stop(f"ran for {duration_s:g} s without ever being ready", EXIT_UNREACHED)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._supervise(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _supervise(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except ConfigError as error:
            _log.error("%s: %s", name, error)
            self.request_stop(f"{name} can't be configured", EXIT_CONFIG)
        except Exception:
            _log.exception("%s failed", name)
            self.request_stop(f"{name} failed", EXIT_INTERNAL)

    async def run(self) -> int:
        """Run until stopped; returns the exit code."""
        self.accounts.recall(self.journal)
        self.committer.start(self._on_synced, self._on_journal)
        self.machine.set_state(GatewayState.STARTING)
        transports = [self._spawn(self._run_transport(t), f"transport {t.spec.name}") for t in self.config.transports]
        sinks = [self._spawn(runner.run(), f"sink {runner.name}") for runner in self.sinks]
        self._spawn(self.captures.run(), "captures")
        self._spawn(self._discover(), "discovery")
        self.accounts.start(self._spawn)
        self._spawn(self.watch.compress(self.ports.offload), "compression of the journal")
        duration_s = self.config.gateway.duration_s
        if duration_s is not None:
            asyncio.get_running_loop().call_later(duration_s, self._on_duration, duration_s)
        await self._stop.wait()
        try:
            async with asyncio.timeout(self.config.gateway.shutdown_s):
                await self._shut_down(transports, sinks)
        except TimeoutError:
            backlog = {runner.name: runner.backlog() for runner in self.sinks}
            _log.error("stopped at the deadline of %g s; sinks' backlog: %s", self.config.gateway.shutdown_s, backlog)
        finally:
            await self._cancel(list(self._tasks))
            self.hub.close()
            await self.committer.stop()
            self._close_journal()
        return self._exit_code

    def _close_journal(self) -> None:
        try:
            self.journal.close()
        except StorageError as error:
            _log.error("journal: the last records could not be made durable: %s", error)
            self._exit_code = EXIT_INTERNAL

    def _on_synced(self) -> None:
        self.watch.on_committed()
        self.accounts.on_synced()
        self.fanout.release()
        for runner in self.sinks:
            runner.wake()

    def _on_journal(self, cause: str) -> None:
        self.watch.on_failed(cause)
        self.accounts.on_journal(self.journal.failed_of("ex"))

    async def _discover(self) -> None:
        """Ask what is traded until the venue answers, start the connections; ask again where nobody would tell us."""
        instruments = await self._ask_instruments(is_news=True)
        self.machine.on_discovered(instruments, self.ports.clock.monotonic_ns())
        asked = asyncio.Event()
        self.machine.ask_details = asked.set
        again_s = self.streams.limits.discover_s
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(again_s):
                    await asked.wait()
                    await asyncio.sleep(DETAILS_S)  # listings come in groups
            asked.clear()
            instruments = await self._ask_instruments()
            if again_s is not None:
                update = InstrumentUpdate(UpdateType.SNAPSHOT, tuple(instruments))
                self.hub.on_instruments(update, self.ports.clock.now_ns())
            else:
                self.machine.on_details(instruments, self.ports.clock.now_ns(), self.ports.clock.monotonic_ns())

    async def _ask_instruments(self, is_news: bool = False) -> Sequence[Instrument]:
        """Ask until there is an answer. `is_news`: that there is one is told; else only where it had failed before."""
        backoff = Backoff(self.ports.random, first_s=0.5, max_s=30.0, held_s=60.0)
        while True:
            self.discovery.within(ATTEMPT_S)
            try:
                async with asyncio.timeout(DISCOVERY_S):
                    instruments = await run_flow(self.network, self.symbols.discover())
                self.discovery.rest()
                if is_news:
                    self.machine.on_component("discovery", ConnectionState.CONNECTED)
                return instruments
            except (VenueError, TimeoutError) as error:
                cause = str(error) or f"no answer in {DISCOVERY_S:g} s; other questions to the venue may come first"
                is_news = True
                self.machine.on_component("discovery", ConnectionState.DISCONNECTED, cause)
                _log.warning("discovery: %s", cause)
                await self.discovery.sleep(backoff.on_failure(self.ports.clock.monotonic_ns()))

    async def _shut_down(self, transports: list[asyncio.Task[None]], sinks: list[asyncio.Task[None]]) -> None:
        await self.safety.on_shutdown()
        await self.accounts.wind_down()
        others = [task for task in self._tasks if task not in transports and task not in sinks]
        await self._cancel(others)
        for connection in self.hub.connections:
            connection.stop("the gateway stops")
        self.accounts.stop("the gateway stops")
        if self.paper is not None:
            await self.paper.finish()
        await self.captures.finish()
        self.machine.set_state(GatewayState.STOPPING)
        self.fanout.close("the gateway stops")
        await asyncio.sleep(0)  # let transports write their goodbyes
        await self._cancel(transports)
        await self.committer.drain()
        for runner in self.sinks:
            runner.drain()
        if sinks:
            await asyncio.wait(sinks)

    @staticmethod
    async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
