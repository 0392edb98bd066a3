"""What the tests of the sinks share: records, and a sink's surroundings that remember what it reported."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nats
import pytest
from gw_sinks.jetstream_settings import JetStreamSettings
from gw_sinks.jetstream_streams import stream_configs
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig

from gwcore import wire
from gwcore.model import Envelope, Header, Record, TopOfBook, UpdateType
from gwcore.ports import Clock, Storage
from gwcore.runtime.clock import SystemClock
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.sink import SinkContext
from gwcore.testing.nats_server import NatsServer

#: 2026-11-22T12:00:00Z
NOON_NS = 1_795_348_800_000_000_000


def make_record(
    position: int,
    *,
    partition: str = "md.0",
    symbol: str | None = "BTC/USD",
    account: str | None = None,
    kind: str = "top_of_book",
    session_id: str = "01SESSION",
    published_ns: int = NOON_NS,
) -> Record:
    """A record whose payload is a whole envelope, different for each position."""
    event = TopOfBook(
        symbol=symbol or "BTC/USD",
        update_type=UpdateType.SNAPSHOT,
        bid_price=f"{position}.10",
        bid_quantity="1.00",
        ask_price=f"{position}.20",
        ask_quantity="0.50000000",
    )
    header = Header(
        v=1,
        venue="toy",
        source="gw1",
        partition=partition,
        session_id=session_id,
        sequence=position,
        published_ns=published_ns,
    )
    return Record(
        partition=partition,
        session_id=session_id,
        sequence=position,
        kind=kind,
        symbol=symbol,
        account=account,
        update_type=UpdateType.SNAPSHOT,
        published_ns=published_ns,
        payload=wire.encode(Envelope(header=header, event=event)),
        position=position,
    )


@dataclass
class Surroundings:
    """A gateway around a sink. `cursors` is what a restart would give to `connect`."""

    storage: Storage
    state_dir: Path
    environment: str = "sim"
    clock: Clock = field(default_factory=SystemClock)
    cursors: dict[str, int] = field(default_factory=lambda: {"md": 0, "st": 0, "ex": 0})
    statuses: list[tuple[str, str]] = field(default_factory=list)
    classes: list[str | None] = field(default_factory=list)  # that the statuses are about
    meanings: list[str] = field(default_factory=list)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def context(self) -> SinkContext:
        return SinkContext(
            venue="toy",
            environment=self.environment,
            source="gw1",
            state_dir=self.state_dir,
            storage=self.storage,
            clock=self.clock,
            progress=self._on_progress,
            status=self._on_status,
            ack_meaning=self.meanings.append,
        )

    async def wait_cause(self, cause: str) -> str:
        """Wait until the last status has this cause; returns its detail."""
        while not self.statuses or self.statuses[-1][0] != cause:
            self._moved = asyncio.Event()
            await self._moved.wait()
        return self.statuses[-1][1]

    async def wait_for(self, journal_class: str, position: int) -> None:
        """Wait until progress reached a position."""
        while self.cursors[journal_class] < position:
            self._moved = asyncio.Event()
            await self._moved.wait()

    def _on_status(self, cause: str, detail: str, journal_class: str | None = None) -> None:
        self.statuses.append((cause, detail))
        self.classes.append(journal_class)
        self._moved.set()

    def _on_progress(self, journal_class: str, position: int) -> None:
        assert position > self.cursors[journal_class], "progress never goes back"
        self.cursors[journal_class] = position
        self._moved.set()


@pytest.fixture
def record() -> Callable[..., Record]:
    return make_record


@pytest.fixture
def records() -> Callable[..., Sequence[Record]]:
    """`records(first, last, **fields)`: a run of records."""
    return lambda first, last, **fields: [make_record(position, **fields) for position in range(first, last + 1)]


@pytest.fixture
def surroundings(tmp_path: Path) -> Surroundings:
    """On a real directory, laid out as a gateway's state directory."""
    return Surroundings(DirectoryStorage(tmp_path / "state/sinks/jetstream"), tmp_path / "state")


@pytest.fixture
def surround() -> type[Surroundings]:
    return Surroundings


class Server(NatsServer):
    """A nats-server whose streams can be read."""

    async def read(self, stream: str, **credentials: str) -> list[Msg]:
        """All messages of a stream, in its order."""
        client = await nats.connect(self.url, **credentials)
        try:
            return await read_all(client, stream)
        finally:
            await client.close()


async def read_all(client: Client, stream: str) -> list[Msg]:
    js = client.jetstream()
    count = (await js.stream_info(stream)).state.messages
    subscription = await js.pull_subscribe("", stream=stream, config=ConsumerConfig(ack_policy=AckPolicy.NONE))
    messages: list[Msg] = []
    while len(messages) < count:
        messages += await subscription.fetch(min(500, count - len(messages)), timeout=5)
    return messages


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """`make_server(extra="")`: a server that runs; all end with the test."""
    servers: list[Server] = []

    def make(**options: str) -> Server:
        server = Server(tmp_path / f"nats-{len(servers)}", **options)
        servers.append(server)
        server.start()
        return server

    yield make
    for server in servers:
        server.kill()


@pytest.fixture
def read_stream() -> Callable[[Client, str], Awaitable[list[Msg]]]:
    """`await read_stream(client, name)`: all messages of a stream, in its order."""
    return read_all


@pytest.fixture
def make_config() -> Callable[..., StreamConfig]:
    """`make_config(class, **changes)`: the configuration of a stream as the sink makes it, but for the changes."""

    def make(journal_class: str, **changes: object) -> StreamConfig:
        return stream_configs(JetStreamSettings(), "sim", "toy")[journal_class].evolve(**changes)

    return make
