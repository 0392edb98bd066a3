"""An archive as a short seeded run of a whole gateway leaves it, in files; made once for all tests of a process."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gwcore import wire
from gwcore.archive.lines import record_of
from gwcore.client.session import Delivery, Session
from gwcore.journal.scan import RecordFilter, scan_class
from gwcore.model import Envelope, Gap, GapState, Header, Record
from gwcore.plugins import load_simulator, load_sink, load_venue
from gwcore.runtime.app import Gateway, Ports
from gwcore.runtime.capture.recordings import Recording
from gwcore.runtime.capture.replay import Replay, ReplayOptions
from gwcore.runtime.clock import SystemClock
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.settings import GatewayConfig, GatewaySettings, JournalSettings, SelectedSink, SelectedVenue
from gwcore.sink import SinkContext
from gwcore.testing.clock import VirtualClock
from gwcore.testing.committer import virtual_committer
from gwcore.testing.events import book_change, book_snapshot, book_stale, top, trade
from gwcore.testing.loop import SimLoop, run
from gwcore.testing.memory_transport import MemoryTransport, Wire
from gwcore.testing.network import SimNetwork
from gwcore.testing.seeds import SeededIds, SeededRandom
from gwcore.testing.storage import MemoryStorage
from gwcore.transport import TransportContext

if sys.version_info >= (3, 14):
    from compression import zstd as _zstd
else:
    from backports import zstd as _zstd

SEED = 7
PAIRS = 4
RATE = 30.0
FAULTY = "BTC/USD"


async def _inline(work: Callable[..., Any], *args: Any) -> Any:
    return work(*args)


#: 20 s before midnight: the first run is of two days.
BEGIN_NS = 1_795_391_980 * 10**9
DAY1, DAY2 = "2026-11-22", "2026-11-23"
RUN_S = 40.0


async def play(loop: SimLoop, storage: MemoryStorage, begin_ns: int, kill_copy: MemoryStorage | None = None) -> None:
    """One gateway on a simulated venue for some virtual seconds, with a wrong checksum and a lost connection on the way.
    `kill_copy`: what a kill near the end would have left is copied there."""
    venue, simulator, sink = load_venue("kraken"), load_simulator("kraken"), load_sink("file")
    random, clock = SeededRandom(SEED, f"archive.{begin_ns}"), VirtualClock(loop, epoch_ns=begin_ns)
    market = simulator.create(simulator.settings(seed=SEED, pairs=PAIRS, rate=RATE))
    network = SimNetwork(loop, market, random.stream("network"), clock=clock)
    config = GatewayConfig(
        gateway=GatewaySettings(env="sim"),
        venue=SelectedVenue(spec=venue, settings=venue.settings(**venue.environments["sim"], symbols_per_connection=2)),
        sinks=(SelectedSink(spec=sink, settings=sink.settings(file_age_max_s=RUN_S / 4)),),
        journal=JournalSettings(memory_records=500),
    )
    ports = Ports(
        clock=clock,
        random=random.stream("gateway"),
        ids=SeededIds(clock, random.stream("ids")),
        network=network,
        storage=storage,
        state_dir=Path("/simulated"),
        committer=lambda journal, settings: virtual_committer(journal, settings, random.stream("committer")),
        offload=_inline,
    )
    gateway = Gateway(config, ports)
    running = asyncio.create_task(gateway.run())
    await asyncio.sleep(RUN_S / 4)
    market.fault("wrong_checksum", symbol=FAULTY, count=1)
    await asyncio.sleep(RUN_S / 4)
    market.fault("close", abort=True)
    await asyncio.sleep(RUN_S / 2 - 1)
    if kill_copy is not None:
        copy(storage, kill_copy)
    await asyncio.sleep(1)
    gateway.request_stop("done")
    assert await running == 0


def copy(source: MemoryStorage, target: MemoryStorage) -> None:
    for name in source.list():
        file = target.append(name)
        file.write(source.read(name))
        file.sync()


@dataclass(frozen=True)
class Recorded:
    """A state directory that gateways left."""

    state_dir: Path

    @property
    def archive(self) -> Path:
        return self.state_dir / "sinks" / "file"

    @property
    def storage(self) -> DirectoryStorage:
        return DirectoryStorage(self.archive)

    def journalled(self, journal_class: str) -> list[Record]:
        return list(scan_class(DirectoryStorage(self.state_dir), journal_class, RecordFilter()))


def record_runs(folder: Path) -> Recorded:
    """Two runs on one state directory: the first was killed a second before its end, the second stopped in order."""
    whole, killed = MemoryStorage(), MemoryStorage()
    run(lambda loop: play(loop, whole, BEGIN_NS, killed), seed=SEED, inline_executor=True)
    run(lambda loop: play(loop, killed, BEGIN_NS + 60 * 10**9), seed=SEED, inline_executor=True)
    write_out(killed, folder)
    return Recorded(folder)


def write_out(storage: MemoryStorage, folder: Path) -> None:
    for name in storage.list():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(storage.read(name))


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The two runs. Only to be read."""
    return record_runs(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="session")
def killed_run(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """What a kill leaves: files that nobody finished. Only to be read."""
    folder, whole, killed = tmp_path_factory.mktemp("killed"), MemoryStorage(), MemoryStorage()
    run(lambda loop: play(loop, whole, BEGIN_NS, killed), seed=SEED, inline_executor=True)
    write_out(killed, folder)
    return Recorded(folder)


@pytest.fixture
def killed(killed_run: Recorded, tmp_path: Path) -> Recorded:
    """A copy of it, to be changed."""
    shutil.copytree(killed_run.state_dir, tmp_path / "killed")
    return Recorded(tmp_path / "killed")


@pytest.fixture
def spoilt(runs: Recorded, tmp_path: Path) -> Recorded:
    """A copy of the two runs, to be damaged."""
    shutil.copytree(runs.state_dir, tmp_path / "state")
    return Recorded(tmp_path / "state")


class MakeRecord:
    """`record("top", partition=..., ...)`: the next record of its class and session."""

    start_ns = BEGIN_NS

    def __init__(self) -> None:
        self._positions: Counter[str] = Counter()
        self._sequences: Counter[tuple[str, str]] = Counter()

    def __call__(
        self,
        what: str,
        *,
        partition: str = "md.0",
        session_id: str = "S",
        symbol: str = "BTC/USD",
        time_ns: int = BEGIN_NS,
        first: int = 5,
        last: int | None = 7,
    ) -> Record:
        events: dict[str, Any] = {
            "top": lambda: top(symbol),
            "trade": lambda: trade(symbol),
            "snapshot": lambda: book_snapshot(symbol),
            "change": lambda: book_change(symbol, bids=["100.0x2.00"]),
            "stale": lambda: book_stale(symbol),
            "gap": lambda: Gap(
                state=GapState.LOST,
                cause="lost",
                partition="md.0",
                session_id="S",
                first_sequence=first,
                last_sequence=last,
            ),
        }
        event = events[what]()
        self._positions[partition.split(".")[0]] += 1
        self._sequences[partition, session_id] += 1
        header = Header(
            v=1,
            venue="toy",
            source="gw1",
            partition=partition,
            session_id=session_id,
            sequence=self._sequences[partition, session_id],
            published_ns=time_ns,
        )
        payload = wire.encode(Envelope(header=header, event=event))
        position = self._positions[partition.split(".")[0]]
        return record_of(payload, position)


@pytest.fixture
def record() -> MakeRecord:
    return MakeRecord()


@pytest.fixture
def make_archive() -> Callable[..., MemoryStorage]:
    """An archive made by the sink itself: each batch in files of its own, positions given anew."""

    def make(*batches: Sequence[Record]) -> MemoryStorage:
        storage = MemoryStorage()
        positions: Counter[str] = Counter()

        async def write() -> None:
            for batch in batches:
                spec = load_sink("file")
                context = SinkContext(
                    venue="toy",
                    environment="sim",
                    source="gw1",
                    state_dir=Path(),
                    storage=storage,
                    clock=SystemClock(),
                    progress=lambda journal_class, position: None,
                    status=lambda cause, detail: None,
                )
                sink = spec.create(spec.settings(), context)
                await sink.connect(dict.fromkeys(("md", "st", "ex"), 0))
                for one in batch:
                    positions[one.journal_class] += 1
                    await sink.write([one._replace(position=positions[one.journal_class])])
                await sink.close()

        asyncio.run(write())
        return storage

    return make


@pytest.fixture
def squeeze() -> Callable[[bytes], bytes]:
    """The same content, compressed anew in another way."""
    return lambda data: _zstd.compress(_zstd.decompress(data), level=19)


class Stage:
    """A replay on virtual time, and clients on wires in memory that are pumped as fast as they like."""

    def __init__(self, sim_loop: SimLoop, recording: Recording, **options: Any) -> None:
        self.clock = VirtualClock(sim_loop)
        self.transport = MemoryTransport()
        self.addresses: list[str] = []
        self.replay = Replay(
            recording,
            ReplayOptions(**{"speed": 0.0, **options}),
            clock=self.clock,
            make_transport=self._make,
            on_ready=self.addresses.append,
        )
        self.items: dict[str, list[Any]] = {}
        self.sessions: dict[str, Session] = {}
        self.wires: dict[str, Wire] = {}
        self._running: asyncio.Task[int] | None = None

    def _make(self, ready: Callable[[str], None]) -> MemoryTransport:
        self.transport._context = TransportContext(
            venue="", environment="", source="", state_dir=None, clock=self.clock, ready=ready
        )
        return self.transport

    async def start(self) -> None:
        self._running = asyncio.create_task(self.replay.run())
        while not self.addresses:
            assert not self._running.done(), await self._running
            await asyncio.sleep(0.001)

    def client(self, name: str, pump_s: float = 0.001, **subscribe: Any) -> asyncio.Task[None]:
        """A client that subscribes and takes what comes until the connection ends."""
        session = self.sessions[name] = Session(name=name, monotonic_ns=self.clock.monotonic_ns)
        session.subscribe(**subscribe)
        items = self.items[name] = []
        wire = self.wires[name] = self.transport.attach(session)
        items += wire.pump()
        return asyncio.create_task(self._pump(wire, items, pump_s))

    @staticmethod
    async def _pump(wire: Wire, items: list[Any], pump_s: float) -> None:
        while wire.is_open:
            await asyncio.sleep(pump_s)
            items += wire.pump()

    async def pause(self, seconds: float) -> None:
        """Some time; then every client has taken what is there for it."""
        await asyncio.sleep(seconds)
        for name, connection in self.wires.items():
            self.items[name] += connection.pump()

    async def end(self) -> int:
        assert self._running is not None
        return await self._running

    def payloads(self, name: str) -> list[bytes]:
        """What is recorded: without state, notices and gaps found by the client."""
        return [
            item.payload
            for item in self.items[name]
            if isinstance(item, Delivery) and item.envelope.header.sequence is not None
        ]

    def gaps(self, name: str) -> list[Gap]:
        """Notices and gaps found by the client, not those that were recorded."""
        return [
            item.envelope.event
            for item in self.items[name]
            if isinstance(item, Delivery)
            and isinstance(item.envelope.event, Gap)
            and item.envelope.header.sequence is None
        ]


@pytest.fixture
def replay_stage() -> type[Stage]:
    return Stage
