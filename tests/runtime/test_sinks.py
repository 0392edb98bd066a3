"""What the core does with sinks: feeds, causes, cursors, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
import pytest

from gwcore.errors import ConfigError, NotConnected
from gwcore.hookspecs import API_VERSION
from gwcore.journal import CursorStore, Journal
from gwcore.model import ConnectionState, Record
from gwcore.runtime.journal.backlog import measure_backlog
from gwcore.runtime.journal.sinks import SinkRunner
from gwcore.settings import JournalSettings, SelectedSink
from gwcore.sink import SinkContext, SinkSpec
from gwcore.testing.clock import VirtualClock
from gwcore.testing.loop import SimLoop, run
from gwcore.testing.seeds import SeededRandom
from gwcore.testing.storage import MemoryStorage

CONNECTED, DISCONNECTED, CONNECTING = (
    ConnectionState.CONNECTED,
    ConnectionState.DISCONNECTED,
    ConnectionState.CONNECTING,
)


class NoSettings(msgspec.Struct):
    """None."""


class PartSink:
    """A sink of some classes that can be broken."""

    def __init__(self, context: SinkContext, journal_class: str | None = None) -> None:
        self.context = context
        self.journal_class = journal_class
        self.taken: list[Record] = []
        self.connects = 0
        self.refuses = ""  # cause with which it fails at each write, as it says itself
        self.fails = ""  # text of NotConnected that it does not explain
        self.pending: dict[str, int] = {}
        self.flushes = 0

    async def connect(self, cursors: Mapping[str, int]) -> Mapping[str, int]:
        self.connects += 1
        return cursors

    async def write(self, batch: Sequence[Record]) -> None:
        assert self.journal_class in (None, batch[0].journal_class)
        if self.refuses:
            self.context.status(self.refuses, "the stream is full", self.journal_class)
            raise NotConnected(f"{self.refuses}: the stream is full")
        if self.fails:
            raise NotConnected(self.fails)
        self.taken += batch
        self.pending[batch[-1].journal_class] = batch[-1].position

    async def flush(self) -> None:
        self.flushes += 1
        if self.fails:
            raise NotConnected(self.fails)
        for name, position in self.pending.items():
            self.context.progress(name, position)
        self.context.status("", "", self.journal_class)

    async def close(self) -> None:
        pass


class ThreeSinks(PartSink):
    """One for each class."""

    def __init__(self, context: SinkContext) -> None:
        super().__init__(context)
        self.parts = {name: PartSink(context, name) for name in ("md", "st", "ex")}

    def of_class(self, journal_class: str) -> PartSink:
        return self.parts[journal_class]


class Core:
    """A journal and one sink's runner."""

    def __init__(self, loop: SimLoop, create: Callable[[SinkContext], PartSink]) -> None:
        self.clock = VirtualClock(loop)
        self.storage = MemoryStorage()
        self.journal = Journal(self.storage, self.clock, JournalSettings())
        self.cursors = CursorStore(self.storage)
        self.told: list[tuple[ConnectionState, str | None, str | None]] = []
        self._sequence = 0
        spec = SinkSpec(
            name="toy",
            api_version=API_VERSION,
            settings=NoSettings,
            create=lambda settings, context: create(context),
            batch_max=10,
            linger_ms=1.0,
            summary="a toy",
        )
        self.runner = SinkRunner(
            SelectedSink(spec=spec, settings=NoSettings()),
            journal=self.journal,
            cursors=self.cursors,
            context=self._context,
            clock=self.clock,
            random=SeededRandom(1),
            offload=self._offload,
            on_gap=lambda name, gap: None,
            on_state=lambda name, state, cause, detail: self.told.append((state, cause, detail)),
        )

    async def _offload(self, function: Callable[..., object], *arguments: object) -> None:
        function(*arguments)

    def _context(self, progress, status, ack_meaning) -> SinkContext:
        return SinkContext(
            venue="toy",
            environment="sim",
            source="toy",
            state_dir=None,
            storage=self.storage,
            clock=self.clock,
            progress=progress,
            status=status,
            ack_meaning=ack_meaning,
        )

    def publish(self, partition: str, count: int) -> None:
        for _ in range(count):
            self._sequence += 1
            now_ns = self.clock.now_ns()
            record = Record(partition, "01S", self._sequence, "toy", None, None, None, now_ns, b'{"x":1}')
            self.journal.append(record)
        self.journal.commit()
        self.runner.wake()


def run_core(create: Callable[[SinkContext], PartSink], check: Callable[[Core], Awaitable[None]]) -> Core:
    async def main(loop: SimLoop) -> Core:
        core = Core(loop, create)
        task = asyncio.create_task(core.runner.run())
        await check(core)
        core.runner.drain()
        await task
        return core

    return run(main)


def test_one_class_at_its_limit_holds_up_no_other() -> None:
    async def check(core: Core) -> None:
        sink = core.runner.sink
        assert isinstance(sink, ThreeSinks)
        await asyncio.sleep(0.5)
        sink.parts["ex"].refuses = "stream_limit"
        for _ in range(20):
            core.publish("md.0", 50)
            core.publish("ex.main", 1)
            await asyncio.sleep(1)
        await asyncio.sleep(2)
        assert core.runner.progress == {"md": 1000, "st": 0, "ex": 0}
        assert (core.runner.cause, core.runner.is_connected) == ("stream_limit", False)
        assert core.runner.detail == "ex: stream_limit: the stream is full"
        assert sink.parts["ex"].connects > 3
        assert sink.parts["md"].connects == 1
        sink.parts["ex"].refuses = ""
        await asyncio.sleep(20)
        assert core.runner.progress == {"md": 1000, "st": 0, "ex": 20}

    core = run_core(ThreeSinks, check)
    assert [told[:2] for told in core.told if told[0] is not CONNECTING] == [
        (CONNECTED, None),
        (CONNECTED, "stream_limit"),
        (DISCONNECTED, "stream_limit"),
        (CONNECTED, None),
    ], "each change once, not each attempt"
    assert core.cursors.load("toy") == {"md": 1000, "st": 0, "ex": 20}
    assert core.runner.reconnects["stream_limit"] > 3


def test_a_sink_without_parts_is_fed_all_classes_and_explains_nothing() -> None:
    async def check(core: Core) -> None:
        sink = core.runner.sink
        assert isinstance(sink, PartSink)
        core.publish("st", 3)
        core.publish("md.0", 25)
        await asyncio.sleep(2)
        assert core.runner.progress == {"md": 25, "st": 3, "ex": 0}
        sink.fails = "the disk is away"
        core.publish("md.0", 5)
        await asyncio.sleep(5)
        assert (core.runner.cause, core.runner.detail) == ("not_connected", "the disk is away")
        assert not core.runner.is_connected
        sink.fails = ""
        await asyncio.sleep(20)
        assert core.runner.progress["md"] == 30
        assert core.runner.records.total() == 33

    core = run_core(PartSink, check)
    assert core.told[-2:] == [(DISCONNECTED, "not_connected", "the disk is away"), (CONNECTED, None, None)]


def test_a_cause_named_while_idle_is_looked_into_at_once() -> None:
    async def check(core: Core) -> None:
        sink = core.runner.sink
        assert isinstance(sink, ThreeSinks)
        part = sink.parts["ex"]
        await asyncio.sleep(60)
        assert (part.connects, part.flushes) == (1, 0)
        part.fails = "the connection broke"
        part.context.status("disconnected", "the connection broke", "ex")
        await asyncio.sleep(0.05)
        assert core.runner.reconnects["disconnected"] == 1
        part.fails = ""
        part.context.status("", "", "ex")
        await asyncio.sleep(1)
        assert part.connects == 2
        assert core.runner.is_connected

    run_core(ThreeSinks, check)


def test_what_an_acknowledgement_means_is_an_event() -> None:
    async def check(core: Core) -> None:
        await asyncio.sleep(1)
        sink = core.runner.sink
        assert isinstance(sink, PartSink)
        sink.context.ack_meaning("flushed")
        sink.context.ack_meaning("flushed")
        sink.context.ack_meaning("fsynced")

    core = run_core(PartSink, check)
    assert [detail for _, _, detail in core.told] == [None, None, "ack_meaning: flushed", "ack_meaning: fsynced"]
    assert core.runner.ack_meaning == "fsynced"


class Misconfigured(PartSink):
    """Can't be connected."""

    async def connect(self, cursors: Mapping[str, int]) -> Mapping[str, int]:
        raise ConfigError("no such folder", place="sink.toy.dir")


def test_a_sink_that_cannot_be_configured_stops_alone() -> None:
    async def check(core: Core) -> None:
        await asyncio.sleep(1)
        assert core.runner.cause == "config"

    core = run_core(Misconfigured, check)
    assert core.told[-1] == (DISCONNECTED, "config", "sink.toy.dir: no such folder")


@pytest.mark.parametrize(("after", "expected"), [(0, (100, 700, 5.0)), (99, (1, 7, 2.0)), (100, (0, 0, 0.0))])
def test_backlog_in_events_bytes_and_seconds(after: int, expected: tuple[int, int, float]) -> None:
    async def main(loop: SimLoop) -> None:
        core = Core(loop, PartSink)
        core.publish("md.0", 60)
        await asyncio.sleep(3)
        core.publish("md.0", 40)
        await asyncio.sleep(2)
        assert measure_backlog(core.journal, "md", after, core.clock.now_ns()) == expected

    run(main)
