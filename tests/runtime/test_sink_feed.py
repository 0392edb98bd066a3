from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from gwcore.errors import ConfigError, NotConnected
from gwcore.journal import CursorStore, Journal, JournalGap
from gwcore.model import ConnectionState, Record
from gwcore.runtime.journal.sink_feed import CALL_S
from gwcore.runtime.journal.sinks import SinkRunner
from gwcore.settings import JournalSettings, SelectedSink
from gwcore.sink import SinkContext, SinkSpec
from gwcore.testing.clock import VirtualClock
from gwcore.testing.loop import SimLoop, run
from gwcore.testing.seeds import SeededRandom
from gwcore.testing.storage import MemoryStorage


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Shelf:
    """A sink that keeps what it is given; `trouble` are raised by the next calls."""

    def __init__(self, context: SinkContext, trouble: dict[str, list[Exception]], back_to: dict[str, int]) -> None:
        self.context = context
        self.trouble = trouble
        self.back_to = back_to
        self.taken: list[int] = []
        self.flushes = 0
        self.closed = 0
        self.hangs = ""  # the call that never comes back

    async def _maybe(self, call: str) -> None:
        if self.hangs == call:
            await asyncio.get_running_loop().create_future()
        if self.trouble.get(call):
            raise self.trouble[call].pop(0)

    async def connect(self, cursors):
        await self._maybe("connect")
        return dict(cursors) | self.back_to

    async def write(self, batch: Sequence[Record]) -> None:
        await self._maybe("write")
        self.taken += [record.position for record in batch]

    async def flush(self) -> None:
        await self._maybe("flush")
        self.flushes += 1
        if self.taken:
            self.context.progress("md", self.taken[-1])

    async def close(self) -> None:
        self.closed += 1


def record(number: int) -> Record:
    return Record("md.0", "S", number, "ready", None, None, None, number, b"{}")


class Play:
    def __init__(self, loop: SimLoop, *, back_to: dict[str, int] | None = None, **trouble: list[Exception]) -> None:
        self.clock = VirtualClock(loop)
        self.storage = MemoryStorage()
        self.journal = Journal(self.storage, self.clock, JournalSettings())
        self.states: list[tuple[ConnectionState, str | None]] = []
        self.gaps: list[JournalGap] = []
        self.shelves: list[Shelf] = []
        self.runner = SinkRunner(
            SelectedSink(
                spec=SinkSpec(
                    name="shelf",
                    api_version=1,
                    settings=Settings,
                    create=lambda settings, context: self._make(context, trouble, back_to or {}),
                    batch_max=7,
                    linger_ms=1,
                    summary="",
                ),
                settings=Settings(),
            ),
            journal=self.journal,
            cursors=CursorStore(self.storage),
            context=self._context,
            clock=self.clock,
            random=SeededRandom(1),
            offload=self._inline,
            on_state=lambda name, state, cause, detail: self.states.append((state, detail)),
            on_gap=lambda name, gap: self.gaps.append(gap),
        )

    def _make(self, context, trouble, back_to) -> Shelf:
        self.shelves.append(Shelf(context, trouble, back_to))
        return self.shelves[-1]

    def _context(self, progress, status, ack_meaning) -> SinkContext:
        return SinkContext(
            venue="toy",
            environment="sim",
            source="t",
            state_dir=Path("unused"),
            storage=self.storage.child("sinks/shelf"),
            clock=self.clock,
            progress=progress,
            status=status,
        )

    @staticmethod
    async def _inline(work, *arguments):
        return work(*arguments)

    def publish(self, first: int, last: int) -> None:
        for number in range(first, last + 1):
            self.journal.append(record(number))
        self.journal.commit()
        self.runner.wake()

    async def drained(self) -> None:
        self.runner.drain()


def play(main, **options) -> None:
    async def start(loop: SimLoop) -> None:
        await main(Play(loop, **options))

    run(start, seed=1)


def test_everything_synced_is_written_in_order_and_flushed_at_the_end():
    async def main(p: Play) -> None:
        p.publish(1, 100)
        task = asyncio.ensure_future(p.runner.run())
        await asyncio.sleep(0.1)
        p.publish(101, 120)
        await p.drained()
        await task
        assert p.shelves[0].taken == list(range(1, 121))
        assert p.shelves[0].closed == 1
        assert CursorStore(p.storage).load("shelf")["md"] == 120
        assert p.runner.backlog() == 0

    play(main)


def test_a_sink_under_load_is_flushed_each_second_all_the_same():
    async def main(p: Play) -> None:
        task = asyncio.ensure_future(p.runner.run())
        for number in range(1, 50):
            p.publish(number, number)
            await asyncio.sleep(0.1)
        assert p.shelves[0].flushes >= 3
        await p.drained()
        await task

    play(main)


@pytest.mark.parametrize("error", [NotConnected("gone"), RuntimeError("a bug in the plugin")])
@pytest.mark.parametrize("call", ["connect", "write", "flush"])
def test_trouble_is_one_sink_s_own_and_heals(call, error):
    async def main(p: Play) -> None:
        p.publish(1, 20)
        task = asyncio.ensure_future(p.runner.run())
        await asyncio.sleep(30)
        assert not task.done()
        assert set(p.shelves[0].taken) == set(range(1, 21))
        assert any(state is ConnectionState.DISCONNECTED and cause for state, cause in p.states)
        assert p.states[-1] == (ConnectionState.CONNECTED, None)
        await p.drained()
        await task

    play(main, **{call: [error]})


@pytest.mark.parametrize("call", ["connect", "write", "flush"])
def test_a_call_that_never_comes_back_is_late_and_idling_is_not(call):
    async def main(p: Play) -> None:
        task = asyncio.ensure_future(p.runner.run())
        (feed,) = p.runner.feeds
        shelf = p.shelves[0]
        if call == "connect":
            shelf.hangs = call
        await asyncio.sleep(3 * CALL_S)
        assert (feed.beat.late_s() > 0) is (call == "connect")
        shelf.hangs = call
        p.publish(1, 20)
        await asyncio.sleep(CALL_S - 5)
        assert (feed.beat.late_s() > 0) is (call == "connect")
        await asyncio.sleep(10)
        assert feed.beat.late_s() > 0
        task.cancel()
        await asyncio.wait([task])
        assert feed.beat.late_s() == 0  # what ended is not stuck

    play(main)


def test_a_sink_that_can_t_be_configured_stops_alone():
    async def main(p: Play) -> None:
        await p.runner.run()
        assert p.states[-1] == (ConnectionState.DISCONNECTED, "no such stream")
        assert p.shelves[0].closed == 1

    play(main, connect=[ConfigError("no such stream")])


def test_a_sink_ahead_of_the_journal_stops_with_the_reason():
    async def main(p: Play) -> None:
        await p.runner.run()
        assert "ahead of the journal" in (p.states[-1][1] or "")

    play(main, back_to={"md": 77})


def test_a_sink_may_go_back_to_what_it_holds():
    async def main(p: Play) -> None:
        p.publish(1, 10)
        CursorStore(p.storage).save("shelf", {"md": 8})
        p.runner.progress["md"] = 8
        task = asyncio.ensure_future(p.runner.run())
        await asyncio.sleep(0.1)
        await p.drained()
        await task
        assert p.shelves[0].taken == list(range(4, 11))

    play(main, back_to={"md": 3})
