"""Observer: a gateway that keeps nothing: it connects, subscribes, checks and heals as `gw run` does, without journal,
clients and sinks. `gw record` and `gw check --connect` look at the venue through it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import gwcore
from gwcore.engine.clients.state import CurrentState
from gwcore.engine.gateway import GatewayMachine
from gwcore.engine.market.standby import Seat
from gwcore.engine.publisher import Partition, Publisher
from gwcore.engine.reconnect import RollingBudget
from gwcore.model import Event, GatewayState, Instrument, Record, UpdateType
from gwcore.ports import Clock, Ids, Network, Random
from gwcore.runtime.capture.captures import Captures
from gwcore.runtime.hub import Hub
from gwcore.runtime.venue.connection import MarketDataConnection
from gwcore.runtime.venue.http import run_flow
from gwcore.runtime.venue.rest import PacedNetwork
from gwcore.settings import GatewayConfig
from gwcore.venue import InstrumentUpdate, Shard, Streams


class _NoJournal:
    """Numbers records and forgets them."""

    def __init__(self) -> None:
        self._position = 0

    def append(self, record: Record) -> int:
        self._position += 1
        return self._position


class Observer:
    """One look at a venue. `run` lasts until `stop` is set."""

    def __init__(
        self,
        config: GatewayConfig,
        streams: Streams,
        *,
        network: Network,
        clock: Clock,
        random: Random,
        ids: Ids,
        captures: Captures,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self._config = config
        self._streams = streams
        self._clock = clock
        self._random = random
        self._captures = captures
        self._on_event = on_event
        self._symbols = config.venue.spec.symbols(config.venue.settings)
        self._network = PacedNetwork(network, streams.limits.rest, clock, lambda component, round_trip_ns: None)
        self._tasks: list[asyncio.Task[None]] = []
        self.hub = Hub(clock)
        self.publisher = Publisher(
            venue=config.venue.spec.name,
            source="observer",
            clock=clock,
            ids=ids,
            journal=_NoJournal(),
            on_record=self._on_record,
        )
        self.machine = GatewayMachine(
            config.gateway,
            streams.limits,
            self.publisher,
            CurrentState(),
            version=gwcore.__version__,
            start_shard=self.hub.start_shard,
        )
        self._budgets = {
            name: RollingBudget(group.connects, group.connects_window_s)
            for name, group in streams.limits.groups.items()
        }
        self.hub.bind(
            fanout=None,
            gateway=self.machine,
            make_connection=self._make_connection,
            start=self._start_connection,
            wake_committer=lambda: None,
        )

    def _on_record(self, record: Record, event: Event, partition: Partition) -> None:
        self._on_event(event)

    def _make_connection(self, shard: Shard, seat: Seat | None) -> MarketDataConnection:
        return MarketDataConnection(
            shard,
            streams=self._streams,
            publisher=self.publisher,
            hub=self.hub,
            network=self._network,
            clock=self._clock,
            random=self._random,
            healing=self._config.healing,
            detection=self._config.detection,
            budget=self._budgets[shard.group],
            capture=self._captures.of(self.publisher.partition(f"md.{shard.index}")),
        )

    def _start_connection(self, connection: MarketDataConnection) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(connection.run()))

    async def discover(self) -> Sequence[Instrument]:
        """What is traded. Raises VenueError."""
        return await run_flow(self._network, self._symbols.discover())

    async def run(self, stop: asyncio.Event, instruments: Sequence[Instrument] | None = None) -> None:
        """Discover (where that was not done), connect, and look on until `stop` is set.

        Raises VenueError where discovery fails, ConfigError where no symbol matches, and what a connection may not raise.
        """
        self.machine.set_state(GatewayState.STARTING)
        found = await self.discover() if instruments is None else instruments
        self.machine.on_discovered(found, self._clock.monotonic_ns())
        self._tasks += [asyncio.create_task(self._captures.run()), asyncio.create_task(self._discover_again())]
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stopping.done():
                done, _ = await asyncio.wait({stopping, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
                for task in done - {stopping}:
                    self._tasks.remove(task)  # type: ignore[arg-type]  # the other type is left out
                    task.result()
        finally:
            stopping.cancel()
            for task in self._tasks:
                task.cancel()
            for task in self._tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            for connection in self.hub.connections:
                connection.stop("the observer stops")
            self.hub.close()
            await self._captures.finish()

    async def _discover_again(self) -> None:
        while (again_s := self._streams.limits.discover_s) is not None:
            await asyncio.sleep(again_s)
            update = InstrumentUpdate(UpdateType.SNAPSHOT, tuple(await self.discover()))
            self.hub.on_instruments(update, self._clock.now_ns())
