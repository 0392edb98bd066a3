"""LiveCheck: is the venue reachable, its clock ours, its frames known, its checksums right? What `gw check --connect` runs.

It looks at public data alone, asks for nothing that needs a key, and keeps the venue's limits as a gateway does. The report
holds no secret, no name and no private address of the machine it ran on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from gwcore.capture import RECEIVED
from gwcore.engine.market.shards import matches
from gwcore.errors import DecodeError, VenueError
from gwcore.model import (
    Event,
    Instrument,
    MarketByPriceUpdate,
    StaleReason,
    StreamState,
    TradingStatus,
    UpdateType,
)
from gwcore.ports import Clock, Connection, Ids, Network, Random
from gwcore.redaction import redact
from gwcore.runtime.capture.captures import Captures
from gwcore.runtime.venue.clock_offset import ClockSample, OffsetBounds, offset_bounds
from gwcore.runtime.venue.http import run_flow
from gwcore.runtime.venue.observer import Observer
from gwcore.runtime.venue.probe import EndpointReport, probe
from gwcore.settings import GatewayConfig
from gwcore.venue import Pong, Shard, Streams

#: Questions for the time, and the pause between them: a second and a bit, which walks through the venue's second.
CLOCK_SAMPLES, CLOCK_PAUSE_S = 8, 1.13
PINGS = 5
PONG_TIMEOUT_S = 5.0
#: An offset of more than this spoils every latency that is computed from the venue's time stamps.
OFFSET_NS_MAX = 500_000_000
#: Names of new fields and frames that are reported.
NAMES_MAX = 100


class BooksReport(msgspec.Struct, kw_only=True):
    """Books over the time of the check."""

    symbols: list[str] = []
    seconds: float = 0.0
    live: int = 0  # books that were LIVE at the end
    checksums_passed: int = 0
    stale: dict[str, int] = {}  # reason -> how often a book went bad
    bad_snapshots: dict[str, int] = {}  # reason -> snapshots that were bad from the beginning
    details: list[str] = []
    not_live: list[str] = []


class FramesReport(msgspec.Struct, kw_only=True):
    """Frames over the time of the check."""

    received: int = 0
    bytes: int = 0
    undecodable: int = 0
    last_undecodable: str = ""
    unknown_frames: dict[str, int] = {}
    unknown_fields: dict[str, int] | None = None  # None: the venue's plugin can't tell


class ClockReport(msgspec.Struct, kw_only=True):
    """The venue's clock minus ours."""

    low_ms: float | None = None
    high_ms: float | None = None
    samples: int = 0
    failed: str | None = None


class LiveReport(msgspec.Struct, kw_only=True):
    """All of it."""

    venue: str
    environment: str
    started: str
    versions: dict[str, str]
    endpoints: dict[str, EndpointReport] = {}
    clock: ClockReport = msgspec.field(default_factory=ClockReport)
    frames: FramesReport = msgspec.field(default_factory=FramesReport)
    books: BooksReport = msgspec.field(default_factory=BooksReport)
    faults: list[str] = []

    @property
    def is_reachable(self) -> bool:
        """Whether all endpoints could be connected to."""
        return all(endpoint.failed is None for endpoint in self.endpoints.values())

    def redacted(self) -> bytes:
        """The report as JSON, with what looks like a secret masked."""
        return msgspec.json.format(msgspec.json.encode(_redacted(msgspec.to_builtins(self))), indent=2) + b"\n"


class LiveCheck:
    """One check. `run` fills the report; it never raises for what the venue or the network does."""

    def __init__(
        self,
        config: GatewayConfig,
        report: LiveReport,
        *,
        pairs: int,
        network: Network,
        clock: Clock,
        random: Random,
        ids: Ids,
    ) -> None:
        self._config = config
        self._pairs = pairs
        self._network = network
        self._clock = clock
        self._random = random
        self._ids = ids
        self._streams: Streams = config.venue.spec.streams(config.venue.settings)
        self._unknown: Counter[str] = Counter()
        self._audit = getattr(self._streams, "unknown_fields", None)
        self.report = report

    async def run(self, duration_s: float) -> None:
        """Endpoints first; where they can be reached, clock and books at the same time."""
        try:
            await self._endpoints()
            if self.report.is_reachable:
                await asyncio.gather(self._clocks(duration_s), self._watch(duration_s))
        except VenueError as error:
            self.report.faults.append(str(error))
        self._judge()

    # --- the ways -------------------------------------------------------------------------------------------------

    async def _endpoints(self) -> None:
        flow = self._config.venue.spec.symbols(self._config.venue.settings).discover()
        urls = {"rest": next(flow).url}
        flow.close()
        group = next(iter(self._streams.limits.groups))
        codec = self._streams.market_data(Shard(index=0, group=group, topics=()))
        endpoint = await run_flow(self._network, codec.endpoint())
        urls["websocket"] = endpoint.url
        found = await asyncio.gather(*(probe(url, self._clock) for url in urls.values()))
        self.report.endpoints = dict(zip(urls, found, strict=True))
        if self.report.is_reachable and hasattr(codec, "ping"):
            pinger = _Pinger(codec, self._clock)
            try:
                pinger.connection = await self._network.connect(endpoint, pinger)
                self.report.endpoints["websocket"].round_trips_ms = await pinger.run()
            except VenueError as error:
                self.report.endpoints["websocket"].failed = str(error)
            finally:
                pinger.close()

    async def _clocks(self, duration_s: float) -> None:
        ask = getattr(self._streams, "server_time", None)
        clock = self.report.clock
        if ask is None:
            clock.failed = "this venue's plugin can't ask for the time"
            return
        samples: list[ClockSample] = []
        for number in range(min(CLOCK_SAMPLES, 1 + int(duration_s / CLOCK_PAUSE_S))):
            if number:
                await asyncio.sleep(CLOCK_PAUSE_S)
            sent_ns, begin_ns = self._clock.now_ns(), self._clock.monotonic_ns()
            try:
                answer = await run_flow(self._network, ask())
            except VenueError as error:
                clock.failed = str(error)
                continue
            elapsed_ns = self._clock.monotonic_ns() - begin_ns
            samples.append(ClockSample(sent_ns, sent_ns + elapsed_ns, answer))
            self.report.endpoints["rest"].round_trips_ms.append(round(elapsed_ns / 1e6, 3))
        clock.samples = len(samples)
        bounds = offset_bounds(samples)
        if bounds is not None:
            clock.failed = None
            clock.low_ms, clock.high_ms = round(bounds.low_ns / 1e6, 3), round(bounds.high_ns / 1e6, 3)

    # --- the data -------------------------------------------------------------------------------------------------

    async def _watch(self, duration_s: float) -> None:
        symbols = self._config.venue.spec.symbols(self._config.venue.settings)
        instruments = await run_flow(self._network, symbols.discover())
        # By name, so that what the venue lists meanwhile is not taken in too.
        chosen = tuple(glob_of(one.symbol) for one in self._choose(instruments))
        config = replace(self._config, gateway=msgspec.structs.replace(self._config.gateway, symbols=chosen))
        observer = Observer(
            config,
            self._streams,
            network=self._network,
            clock=self._clock,
            random=self._random,
            ids=self._ids,
            captures=Captures(config.capture, self._streams, self._clock, tap=self),
            on_event=self._on_event,
        )
        stop = asyncio.Event()
        watching = asyncio.create_task(observer.run(stop, instruments))
        begin_ns = self._clock.monotonic_ns()
        await asyncio.wait({watching}, timeout=duration_s)
        self.report.books.seconds = round((self._clock.monotonic_ns() - begin_ns) / 1e9, 1)
        self._count(observer)
        stop.set()
        await watching

    def _choose(self, instruments: Sequence[Instrument]) -> Sequence[Instrument]:
        """Those that were asked for; else the most traded, as far as the listing tells: more leverage is offered on them."""
        settings = self._config.gateway
        wanted = [one for one in instruments if matches(one.symbol, settings.symbols, settings.exclude)]
        if settings.symbols != ("*",):
            return wanted
        online = [one for one in wanted if one.status is TradingStatus.ONLINE]
        return sorted(online, key=lambda one: (-len(one.leverage_buy), one.symbol))[: self._pairs]

    def add(self, connection: str, direction: str, frame: bytes, time_ns: int) -> None:
        """One frame of a connection (runtime.capture.FrameTap)."""
        if direction != RECEIVED:
            return
        self.report.frames.received += 1
        self.report.frames.bytes += len(frame)
        for name in self._audit(frame) if self._audit is not None else ():
            if name in self._unknown or len(self._unknown) < NAMES_MAX:
                self._unknown[name] += 1

    def _on_event(self, event: Event) -> None:
        if isinstance(event, MarketByPriceUpdate):
            books = self.report.books
            if event.update_type is not UpdateType.STALE:
                books.checksums_passed += event.checksum is not None
            elif event.reason not in (None, StaleReason.DISCONNECT):
                assert event.reason is not None
                books.stale[event.reason.value] = books.stale.get(event.reason.value, 0) + 1
                if len(books.details) < NAMES_MAX:
                    books.details.append(f"{event.symbol} {event.reason.value}: {event.detail}")

    def _count(self, observer: Observer) -> None:
        frames, books = self.report.frames, self.report.books
        totals: Counter[str] = Counter()
        unknown: Counter[str] = Counter()
        for connection in observer.hub.connections:
            machine = connection.machine
            frames.undecodable += machine.undecodable + machine.plugin_errors
            frames.last_undecodable = machine.last_undecodable or frames.last_undecodable
            unknown.update(machine.unknown)
            totals.update({reason.value: count for reason, count in machine.books.stale.items()})
            for symbol, subscription in machine.books.of_symbol.items():
                books.symbols.append(symbol)
                if subscription.state is StreamState.LIVE:
                    books.live += 1
                else:
                    books.not_live.append(f"{symbol}: {subscription.state.value} {subscription.detail or ''}".strip())
        books.bad_snapshots = {
            reason: count - books.stale.get(reason, 0)
            for reason, count in totals.items()
            if count > books.stale.get(reason, 0) and reason != StaleReason.DISCONNECT.value
        }
        frames.unknown_frames = dict(unknown)
        frames.unknown_fields = dict(self._unknown) if self._audit is not None else None

    # --- judgement ------------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        report, faults = self.report, self.report.faults
        faults += [f"{name}: {one.failed}" for name, one in report.endpoints.items() if one.failed is not None]
        if not report.is_reachable or faults:
            return
        clock, frames, books = report.clock, report.frames, report.books
        if clock.failed is not None:
            faults.append(f"clock: {clock.failed}")
        elif clock.low_ms is not None and clock.high_ms is not None:
            faults += clock_faults(OffsetBounds(int(clock.low_ms * 1e6), int(clock.high_ms * 1e6)))
        if frames.undecodable:
            faults.append(f"{frames.undecodable} frames could not be read, the last one: {frames.last_undecodable}")
        faults += [f"unknown frame, {count} times: {name}" for name, count in frames.unknown_frames.items()]
        faults += [f"unknown field, {count} times: {name}" for name, count in (frames.unknown_fields or {}).items()]
        faults += [f"books went bad, {count} times: {reason}" for reason, count in books.stale.items()]
        faults += [f"bad snapshots, {count} times: {reason}" for reason, count in books.bad_snapshots.items()]
        faults += [f"not LIVE at the end: {text}" for text in books.not_live]
        if not books.checksums_passed:
            faults.append("not one checksum was compared")


def glob_of(symbol: str) -> str:
    """A glob that matches this symbol alone."""
    return "".join(f"[{one}]" if one in "*?[" else one for one in symbol)


def clock_faults(bounds: OffsetBounds) -> list[str]:
    """What is wrong with an offset; nothing, if it is small."""
    if bounds.low_ns > bounds.high_ns:
        return ["clock: the answers contradict each other: one of the two clocks was set meanwhile"]
    nearest_ns = max(bounds.low_ns, min(0, bounds.high_ns))
    if abs(nearest_ns) > OFFSET_NS_MAX:
        return [
            f"clock: the venue's is {nearest_ns / 1e6:+.0f} ms or more from ours: is this machine's clock synchronised?"
        ]
    return []


class _Pinger:
    """Listens on a connection of its own and measures pings."""

    def __init__(self, codec: Any, clock: Clock) -> None:
        self._codec = codec
        self._clock = clock
        self._pong: asyncio.Future[int] | None = None
        self.connection: Connection | None = None

    async def run(self) -> list[float]:
        """Round trips in milliseconds; fewer than PINGS where an answer did not come."""
        found: list[float] = []
        assert self.connection is not None
        for number in range(1, PINGS + 1):
            self._pong = asyncio.get_running_loop().create_future()
            begin_ns = self._clock.monotonic_ns()
            self.connection.send(self._codec.ping(number))
            try:
                async with asyncio.timeout(PONG_TIMEOUT_S):
                    found.append(round((await self._pong - begin_ns) / 1e6, 3))
            except TimeoutError:
                break
        return found

    def close(self) -> None:
        """End the connection."""
        if self.connection is not None:
            self.connection.close("measured")

    def on_frame(self, frame: bytes, received_ns: int) -> None:
        """One frame (ports.ConnectionListener)."""
        try:
            messages = self._codec.decode(frame, received_ns)
        except DecodeError:
            return
        if self._pong is not None and not self._pong.done() and any(isinstance(one, Pong) for one in messages):
            self._pong.set_result(self._clock.monotonic_ns())

    def on_burst_end(self) -> None:
        """Nothing to flush."""

    def on_close(self, cause: str) -> None:
        """The round trips that are missing tell it."""


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_redacted(one) for one in value]
    if isinstance(value, dict):
        return {redact(key): _redacted(one) for key, one in value.items()}
    return value
