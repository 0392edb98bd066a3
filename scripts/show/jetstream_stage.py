"""What the shows of the JetStream sink share: a gateway under load, a Unix client that measures, streams read back."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import nats
from nats.aio.client import Client as NatsClient
from nats.js.api import AckPolicy, ConsumerConfig

from gwcore.client import connect
from gwcore.journal.scan import RecordFilter, scan_class
from gwcore.model import ConnectionState, Gap, GatewayStatus, StreamState, StreamStatus, UpdateType
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.testing.processes import Gw, ProcessError, Sim, ask

T = TypeVar("T")

RATE = 500
SYMBOLS = ("BTC/USD", "ETH/USD", "SOL/USD", "XRP/USD", "ADA/USD")
CLASSES = ("md", "st")
BASE_S = 5.0
#: Pairs of a run without and a run with the fault; as many again where the first are no proof on a busy machine.
PAIRS = 3
HEAL_S = 60.0
_FETCH = 2000
_BACKLOG = re.compile(r"^gw_sink_backlog_(\w+)\{.*\} ([\d.e+]+)$", re.MULTILINE)


def stream_name(journal_class: str) -> str:
    """The stream of a class, as the sink names it."""
    return f"gw-sim-kraken-{journal_class}"


@dataclass
class Told:
    """One event about the sink, and when the client had it (monotonic seconds)."""

    at_s: float
    connection: ConnectionState | None
    cause: str
    detail: str


@dataclass
class Watch:
    """A Unix client: how late each event was, what was told of the sink, and what disturbed it."""

    told: list[Told] = field(default_factory=list)
    disturbed: list[str] = field(default_factory=list)
    late: list[tuple[float, int]] = field(
        default_factory=list
    )  # (monotonic s of receipt, ns since the gateway's receipt)
    is_judging: bool = False

    async def run(self, path: Path, ready: asyncio.Event) -> None:
        """Read until cancelled."""
        async with await connect(path, name="show") as client:
            await client.subscribe()
            ready.set()
            while True:
                for delivery in await client.batch():
                    self._take(delivery.envelope)
                if client.gaps and self.is_judging:
                    self.disturbed.append(f"{client.gaps} gaps found")

    def _take(self, envelope: object) -> None:
        header, event = envelope.header, envelope.event  # type: ignore[attr-defined]
        now_s = time.monotonic()
        if header.received_ns is not None and header.sequence is not None:
            self.late.append((now_s, time.time_ns() - header.received_ns))
        if isinstance(event, GatewayStatus) and event.component == "sink.jetstream" and header.sequence is not None:
            self.told.append(Told(now_s, event.connection, event.cause or "", event.detail or ""))
        elif self.is_judging:
            is_stale = getattr(event, "update_type", None) is UpdateType.STALE
            is_stale |= isinstance(event, StreamStatus) and event.state in (StreamState.STALE, StreamState.QUARANTINED)
            if is_stale or isinstance(event, Gap):
                self.disturbed.append(f"{type(event).__name__}: {event}")

    def p99_ms(self, from_s: float, to_s: float) -> float:
        """Of the events received in a window."""
        found = [late_ns for at_s, late_ns in self.late if from_s <= at_s <= to_s]
        return statistics.quantiles(found, n=100)[98] / 1e6 if len(found) > 100 else float("nan")

    async def wait_told(self, what: str, wanted: Callable[[Told], bool], after_s: float, timeout_s: float) -> Told:
        """The first event about the sink after a moment that is wanted. Raises ProcessError."""
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s:
            found = next((told for told in self.told if told.at_s >= after_s and wanted(told)), None)
            if found is not None:
                return found
            await asyncio.sleep(0.02)
        raise ProcessError(f"not told within {timeout_s:g} s: {what}; told was {self.told[-5:]}")


class Stage:
    """One gateway on `urls`, and its Watch. `async with` it."""

    def __init__(self, folder: Path, sim: Sim, url: str, monitor_url: str, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.url = url
        self.watch = Watch()
        self.gateway = start_gateway(folder, sim, url, monitor_url, **settings)
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Stage:
        try:
            await asyncio.to_thread(self.gateway.wait_ready)
            ready = asyncio.Event()
            self._reading = asyncio.create_task(self.watch.run(self.gateway.socket_path, ready))
            await asyncio.wait(
                {self._reading, asyncio.create_task(ready.wait())}, return_when="FIRST_COMPLETED", timeout=20
            )
            if self._reading.done() or not ready.is_set():
                raise ProcessError(f"the client can't read: {self._reading}")
            await self.wait("the sink to catch up", self._is_fed)
            await asyncio.sleep(1.0)
        except BaseException:
            self.gateway.end()
            raise
        self.watch.is_judging = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.watch.is_judging = False
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await asyncio.to_thread(self.gateway.end)

    async def wait(self, what: str, condition: Callable[[], T | None], timeout_s: float = HEAL_S) -> T:
        """`wait_for` of the gateway's process, aside."""
        return await asyncio.to_thread(self.gateway.wait_for, what, condition, timeout_s=timeout_s)

    async def wait_drained(self) -> None:
        """Until what waits for the sink is no more than what a second brings."""
        await self.wait("the backlog to drain", self._is_fed)

    def _is_fed(self) -> bool:
        sinks = self.gateway.status().get("sinks", ())
        return bool(sinks) and all(sink["is_connected"] and sink["backlog"] <= 1.5 * RATE for sink in sinks)

    async def backlog(self) -> dict[str, float]:
        """The most any class waits: events, bytes, seconds, as metrics."""
        text = await asyncio.to_thread(lambda: ask(f"{self.gateway.metrics_url}/metrics").decode())
        found: dict[str, float] = {}
        for unit, value in _BACKLOG.findall(text):
            found[unit] = max(found.get(unit, 0.0), float(value))
        return found


def start_gateway(folder: Path, sim: Sim, url: str, monitor_url: str, *, state: str = "state", **settings: str) -> Gw:
    """`gw run` with a JetStream sink on servers of ours. `settings`: of the sink."""
    symbols = [word for symbol in SYMBOLS for word in ("--symbols", symbol)]
    environment = {"GW_SINK__JETSTREAM__MONITOR_URL": monitor_url}
    environment |= {f"GW_SINK__JETSTREAM__{name.upper()}": value for name, value in settings.items()}
    chosen = [*symbols, "--transport", "unix", "--sink", "jetstream", "--nats-url", url]
    return Gw(folder, sim, *chosen, state=state, **environment)


async def with_client(url: str, work: Callable[[NatsClient], Awaitable[T]]) -> T:
    """Do something over a connection of its own."""
    client = await nats.connect(url, connect_timeout=10)
    try:
        return await work(client)
    finally:
        await client.close()


async def stream_ids(client: NatsClient, journal_class: str) -> list[str]:
    """Event ids of a stream, in its order."""
    js, name = client.jetstream(timeout=20), stream_name(journal_class)
    left = (await js.stream_info(name)).state.messages
    consumer = ConsumerConfig(ack_policy=AckPolicy.NONE, headers_only=True, inactive_threshold=30.0)
    subscription = await js.pull_subscribe("", stream=name, config=consumer)
    found: list[str] = []
    while left > 0:
        messages = await subscription.fetch(min(_FETCH, left), timeout=20)
        found += [(message.headers or {}).get("Nats-Msg-Id", "") for message in messages]
        left -= len(messages)
    return found


def journal_ids(state_dir: Path, journal_class: str) -> list[str]:
    """Event ids of a class, in the journal's order."""
    return [record.event_id for record in scan_class(DirectoryStorage(state_dir), journal_class, RecordFilter())]


async def compare(url: str, state_dir: Path) -> tuple[int, list[str]]:
    """Journal and streams: events of both, and what differs. Order counts."""
    total, complaints = 0, []

    async def read(client: NatsClient) -> dict[str, list[str]]:
        return {name: await stream_ids(client, name) for name in CLASSES}

    stored = await with_client(url, read)
    for name in CLASSES:
        wanted = await asyncio.to_thread(journal_ids, state_dir, name)
        total += len(wanted)
        complaints += differences(name, wanted, stored[name])
    return total, complaints


def differences(name: str, wanted: Sequence[str], found: Sequence[str]) -> list[str]:
    """What a stream lacks, has twice, has by itself or has in another order."""
    if list(wanted) == list(found):
        return []
    lost, strange = set(wanted) - set(found), set(found) - set(wanted)
    twice = len(found) - len(set(found))
    return [
        f"{name}: {len(lost)} lost, {twice} twice, {len(strange)} strange, "
        f"order {'kept' if [i for i in wanted if i not in lost] == list(found) else 'broken'}"
    ]
