"""MarketDataConnection: keeps one shard's connection up and drives its machine. The outbox of that machine."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

from gwcore.engine.gateway import Outage
from gwcore.engine.market.market_data import MarketDataMachine
from gwcore.engine.market.outbox import Outbox
from gwcore.engine.market.recovery import Recovered
from gwcore.engine.market.standby import Seat
from gwcore.engine.publisher import Partition, Publisher
from gwcore.engine.reconnect import NANOSECONDS, Backoff, RollingBudget
from gwcore.errors import VenueError
from gwcore.model import ConnectionState, Event, Instrument, MarketStatus, StreamStatus
from gwcore.ports import Clock, Connection, Network, Random
from gwcore.rest import HttpFlow
from gwcore.runtime.beat import ATTEMPT_S, LATE_S, Beat
from gwcore.runtime.capture.connection import ConnectionCapture
from gwcore.runtime.venue.http import outcome_of, run_flow
from gwcore.runtime.wake import Wake
from gwcore.settings import DetectionSettings, HealingSettings
from gwcore.venue import Frame, InstrumentUpdate, MarketDataMessage, Shard, Streams, Topic

#: Frames that came before the machine was told of the connection; more than this is no exchange.
EARLY_FRAMES_MAX = 1_000
#: Kinds of causes told apart; the rest is "other".
CAUSES_MAX = 20
_NUMBERS = re.compile(r"[0-9][0-9.]*( s)?")

T = TypeVar("T")


class Hub(Protocol):
    """What a connection tells the gateway."""

    def on_instruments(self, update: InstrumentUpdate, received_ns: int) -> None:
        """The venue said what is traded."""
        ...

    def on_venue_status(self, status: MarketStatus, shard: Shard, received_ns: int) -> None:
        """The venue said how it stands."""
        ...

    def on_connection(self, name: str, state: ConnectionState, cause: str | None, outage: Outage | None = None) -> None:
        """The connection came or went; `outage`: it was gone before."""
        ...

    def instruments(self) -> Mapping[str, Instrument]:
        """All instruments of the gateway, by symbol: a live view."""
        ...

    def publish_status(self, event: Event) -> None:
        """Publish in partition `st`."""
        ...

    def on_turn(self) -> None:
        """Something was handled: readiness may have changed."""
        ...


def cause_kind(cause: str) -> str:
    """What kind of cause it is: the words before a colon, without numbers, so that a metric may carry it."""
    return " ".join(_NUMBERS.sub("", cause.partition(":")[0]).lower().split())[:40] or "other"


class MarketDataConnection:
    """One shard's connection over all its reconnects. Implements `Outbox` and `ConnectionListener`."""

    def __init__(
        self,
        shard: Shard,
        *,
        streams: Streams,
        publisher: Publisher,
        hub: Hub,
        network: Network,
        clock: Clock,
        random: Random,
        healing: HealingSettings,
        budget: RollingBudget,
        capture: ConnectionCapture | None = None,
        detection: DetectionSettings | None = None,
        seat: Seat | None = None,
    ) -> None:
        self.shard = shard
        self.name = seat.name if seat is not None else f"md.{shard.index}"
        self._seat = seat  # one of two connections of this shard; None: the only one
        self._streams = streams
        self._hub = hub
        self._network = network
        self._clock = clock
        self._monotonic_ns = clock.monotonic_ns
        self._healing = healing
        self._budget = budget
        self._partition: Partition = publisher.partition(f"md.{shard.index}")
        # Not a method: every event passes here, and a partial costs no frame of the interpreter's.
        self.publish: Callable[..., None] = partial(publisher.publish, self._partition)
        self._loop = asyncio.get_running_loop()
        self._backoff = Backoff(
            random,
            first_s=healing.reconnect_first_s,
            max_s=healing.reconnect_max_s,
            held_s=healing.reconnect_held_s,
        )
        self._connection: Connection | None = None
        self._closed: asyncio.Future[str] | None = None
        self._early: list[tuple[bytes, int]] | None = None
        self._wake = Wake(clock, self._on_timer)
        self._fetches: set[asyncio.Task[None]] = set()
        self._is_stopped = False
        self._beat = Beat(self._loop.time)  # of `run`; while the connection is open the machine's times take its place
        self._outage: Outage | None = None  # the last one; while there is no connection, the one that lasts
        self._lost_ns: int | None = None  # monotonic, when the connection was lost; None while there is one
        self.connects = 0
        self.last_cause = ""
        self.ends: Counter[str] = Counter()  # of this connection, by the kind of cause
        now_ns = clock.monotonic_ns()
        outbox: Outbox = self
        shared = None
        if seat is not None:
            seat.outbox, outbox = self, seat
            shared = seat.pair.shared(streams, self)
        self.machine = MarketDataMachine(shard, streams, outbox, healing, random, now_ns, detection, shared)
        if seat is not None:
            seat.machine = self.machine
        self._capture = capture
        self._note = capture.note if capture is not None else None
        if capture is not None:
            capture.bind(self.machine.books, self.machine.instruments)
            self.machine.on_undecodable = capture.on_undecodable

    @property
    def leads(self) -> bool:
        """Whether what this connection says is published."""
        return self._seat is None or self._seat.leads

    # --- life -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, serve, reconnect, until cancelled."""
        try:
            while True:
                cause = await self._once()
                delay_s = self._backoff.on_failure(self._clock.monotonic_ns())
                self.last_cause = cause
                kind = cause_kind(cause)
                self.ends[kind if kind in self.ends or len(self.ends) < CAUSES_MAX else "other"] += 1
                self._hub.on_connection(self.name, ConnectionState.DISCONNECTED, cause)
                await self._beat.sleep(delay_s)
        finally:
            self._is_stopped = True
            self._beat.rest()
            for task in self._fetches:
                task.cancel()
            self._wake.cancel()
            if self._connection is not None:
                self._connection.close("the gateway stops")
                self._connection = None

    async def _once(self) -> str:
        """One connection from start to end; returns why it ended."""
        while (wait_s := self._budget.wait_s(self._clock.monotonic_ns())) > 0:
            await self._beat.sleep(wait_s)
        self._beat.within(ATTEMPT_S)
        self._budget.spend(self._clock.monotonic_ns())
        self.connects += 1
        self._hub.on_connection(self.name, ConnectionState.CONNECTING, None)
        # All of them, and always as they are now: the venue tells of every instrument on one connection.
        shard = replace(self.shard, instruments=self._hub.instruments())
        codec = self._streams.market_data(shard)
        self._closed = self._loop.create_future()
        self._early = []
        try:
            endpoint = await run_flow(self._network, codec.endpoint())
            self._connection = await self._network.connect(endpoint, self)
        except VenueError as error:
            return str(error)
        now_ns = self._clock.monotonic_ns()
        self._backoff.on_open(now_ns)
        self._came_back(now_ns)
        if self._seat is not None:
            self._seat.pair.on_open(self._seat, now_ns)
        self.machine.on_open(codec, now_ns)
        early, self._early = self._early, None
        for frame, received_ns in early:
            self.on_frame(frame, received_ns)
        self.on_burst_end()
        if endpoint.max_age_s is not None:
            self._loop.call_later(endpoint.max_age_s, self._too_old, self._connection)
        self._beat.rest()
        return await self._closed

    def _came_back(self, now_ns: int) -> None:
        if self._lost_ns is None or self._outage is None:
            self._hub.on_connection(self.name, ConnectionState.CONNECTED, None)
            return
        self._outage = self._outage._replace(duration_ns=now_ns - self._lost_ns, to_ns=self._clock.now_ns())
        self._lost_ns = None
        self._hub.on_connection(self.name, ConnectionState.CONNECTED, self._outage.cause, self._outage)

    def _too_old(self, connection: Connection) -> None:
        if connection is self._connection:
            self.close("the venue closes connections of this age: renewed ahead of it")

    # --- ConnectionListener ---------------------------------------------------------------------------------------

    def on_frame(self, frame: bytes, received_ns: int) -> None:
        """One message of the venue."""
        machine = self.machine
        if self._early is not None:
            if len(self._early) < EARLY_FRAMES_MAX:
                self._early.append((frame, received_ns))
        elif machine.is_open:
            if self._note is not None:
                self._note(frame, received_ns)
            machine.on_frame(frame, received_ns, self._monotonic_ns())

    def on_burst_end(self) -> None:
        """No more frames at hand."""
        if self._early is None and self.machine.is_open:
            self.machine.on_burst_end(self._clock.monotonic_ns())
            self._arm()
            self._hub.on_turn()

    def on_close(self, cause: str) -> None:
        """The connection is gone."""
        self._connection = None
        self._wake.cancel()
        if self.machine.is_open:
            now_ns = self._clock.monotonic_ns()
            silent_ns = now_ns - self.machine.last_frame_ns
            if self._seat is not None:
                self._seat.pair.on_failing(self._seat, cause, now_ns)
            self.machine.on_close(cause, now_ns)
            self._lost_ns = now_ns
            self._outage = Outage(cause, from_ns=self._clock.now_ns() - silent_ns)
            self._arm()  # what is being fetched goes on
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(cause)

    # --- time -----------------------------------------------------------------------------------------------------

    def late_s(self) -> float:
        """For how many seconds this connection has been overdue; 0: it moves. Silence of the venue is no lateness."""
        next_ns = self.machine.next_ns() if self.machine.is_open and not self._is_stopped else None
        overdue_s = 0.0 if next_ns is None else (self._clock.monotonic_ns() - next_ns) / NANOSECONDS - LATE_S
        return max(0.0, overdue_s, self._beat.late_s())

    def _arm(self) -> None:
        self._wake.at(None if self._is_stopped else self.machine.next_ns())

    def _on_timer(self) -> None:
        now_ns = self._clock.monotonic_ns()
        self.machine.on_timer(now_ns)
        if self._seat is not None:
            self._seat.pair.on_timer(now_ns)
        self._arm()
        self._hub.on_turn()

    def stop(self, cause: str) -> None:
        """The gateway stops: what the machine still has to say is said."""
        self._is_stopped = True
        self._seat = None  # nobody takes over
        self.on_close(cause)
        self.machine.on_stop(cause)

    def rearm(self) -> None:
        """Something from outside (a new symbol, a status) changed what the machine waits for."""
        if self.machine.is_open:
            self.machine.on_burst_end(self._clock.monotonic_ns())
            self._arm()

    # --- Outbox ---------------------------------------------------------------------------------------------------

    def publish_status(self, event: Event) -> None:
        """Publish in partition `st`; what it says may be worth keeping the frames that led there."""
        self._hub.publish_status(event)
        if self._capture is not None and isinstance(event, StreamStatus):
            self._capture.on_status(event)

    def send(self, frame: Frame) -> None:
        """Send on this connection."""
        if self._connection is not None:
            self._connection.send(frame)
            if self._capture is not None:
                self._capture.note_sent(frame)

    def close(self, reason: str) -> None:
        """End this connection; on_close comes from the loop, never from inside a machine's call."""
        if self._connection is not None:
            self._loop.call_soon(self._connection.close, reason)

    def fetch(self, topic: Topic | None, flow: HttpFlow[Sequence[MarketDataMessage]]) -> None:
        """Run a flow beside the frames."""
        task = self._loop.create_task(self._fetch(topic, flow))
        self._fetches.add(task)
        task.add_done_callback(self._fetches.discard)

    async def _fetch(self, topic: Topic | None, flow: HttpFlow[Sequence[MarketDataMessage]]) -> None:
        connection = self._connection
        result = await outcome_of(self._network, flow)
        if connection is self._connection and self.machine.is_open:
            self.machine.on_fetched(topic, result, self._clock.monotonic_ns())
            self.on_burst_end()

    def run_flow(self, flow: HttpFlow[T], done: Callable[[T | VenueError, int], None]) -> None:
        """Run a flow whatever becomes of the connection."""
        task = self._loop.create_task(self._run_flow(flow, done))
        self._fetches.add(task)
        task.add_done_callback(self._fetches.discard)

    async def _run_flow(self, flow: HttpFlow[T], done: Callable[[T | VenueError, int], None]) -> None:
        result = await outcome_of(self._network, flow)
        if not self._is_stopped:
            done(result, self._clock.monotonic_ns())
            self._arm()
            self._hub.on_turn()

    def on_recovered(self, recovered: Recovered) -> None:
        """All is settled after an outage."""
        if self._outage is not None:
            state = ConnectionState.CONNECTED if self.machine.is_open else ConnectionState.DISCONNECTED
            outage = self._outage._replace(recovered=recovered)
            self._hub.on_connection(self.name, state, outage.cause, outage)

    def on_instruments(self, update: InstrumentUpdate, received_ns: int) -> None:
        """The venue said what is traded."""
        self._hub.on_instruments(update, received_ns)

    def on_venue_status(self, status: MarketStatus, received_ns: int) -> None:
        """The venue said how it stands."""
        self._hub.on_venue_status(status, self.shard, received_ns)
