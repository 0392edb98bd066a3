"""Cards K: a sink takes every record once, in order, however often it is connected, closed and cut off."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from gwcore.errors import NotConnected
from gwcore.model import Record
from gwcore.runtime.clock import SystemClock
from gwcore.sink import Sink, SinkContext
from gwcore.testing.conformance.card import Card, require
from gwcore.testing.conformance.records import CLASSES, make_records
from gwcore.testing.conformance.sink_case import Destination, SinkCase

T = TypeVar("T")

#: Records of each class in one go, and how often it is gone through.
BATCH = 40
ROUNDS = 3
#: Attempts to connect, and the pause between them: the core's back-off, made short.
CONNECTS_MAX = 60
RETRY_S = 0.1
#: Batches given to a sink that is cut off, until it has to say so.
WRITES_MAX = 50
#: All that one call of a sink may take before the card gives up on it.
CALL_S = 30.0


@dataclass
class _Core:
    """What the core keeps about a sink: the cursors, and how far it wrote."""

    case: SinkCase
    state_dir: Path
    destination: Destination
    cursors: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLASSES, 0))
    written: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLASSES, 0))
    offered: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLASSES, 0))  # most that was ever written
    faults: list[str] = field(default_factory=list)

    def make(self) -> Sink:
        """A new sink, as after a restart of the gateway."""
        context = SinkContext(
            venue="conformance",
            environment="test",
            source="conformance",
            state_dir=self.state_dir,
            storage=self.destination.storage,
            clock=SystemClock(),
            progress=self._on_progress,
            status=lambda cause, detail, journal_class=None: None,
        )
        return self.case.spec.create(self.destination.settings, context)

    def _on_progress(self, journal_class: str, position: int) -> None:
        if position < self.cursors[journal_class]:
            self.faults.append(
                f"progress of {journal_class} went back from {self.cursors[journal_class]} to {position}"
            )
        if position > self.offered[journal_class]:
            self.faults.append(
                f"progress of {journal_class} is {position}, and only {self.offered[journal_class]} was written"
            )
        self.cursors[journal_class] = max(position, self.cursors[journal_class])

    async def connect(self, sink: Sink) -> None:
        """Connect with retries, and go on where the sink says. Fails the card where it never connects."""
        for part, names in parts_of(sink):
            await self._connect(part, names)

    async def _connect(self, part: Sink, names: Sequence[str]) -> None:
        last = ""
        for _ in range(CONNECTS_MAX):
            try:
                positions = await _within(part.connect({name: self.cursors[name] for name in names}), "connect")
            except NotConnected as error:
                last = str(error)
                await asyncio.sleep(RETRY_S)
                continue
            for name in names:
                position = positions.get(name, self.cursors[name])
                require(
                    position <= self.offered[name],
                    f"connect says to go on after {name} {position}, and only {self.offered[name]} was written",
                )
                # The sink's word counts, also when it goes back.
                self.cursors[name] = self.written[name] = position
            return
        raise AssertionError(f"not connected after {CONNECTS_MAX} attempts: {last}")

    async def write(self, sink: Sink, last: int) -> None:
        """Everything up to position `last` of each class that was not written yet, as many at once as the sink takes."""
        for part, names in parts_of(sink):
            for name in names:
                while self.written[name] < last:
                    first = self.written[name] + 1
                    batch = make_records(name, first, min(last, first + self.case.spec.batch_max - 1))
                    # What is refused may have arrived all the same, and progress may be reported before `write` returns.
                    self.offered[name] = max(batch[-1].position, self.offered[name])
                    await _within(part.write(batch), "write")
                    self.written[name] = batch[-1].position

    async def deliver(self, sink: Sink, last: int, *, flush: bool) -> None:
        """Write, and flush, connecting again where the sink asks for it: what was under way on the connection before may
        meet what is sent now. Fails the card where that does not end."""
        for _ in range(CONNECTS_MAX):
            try:
                await self.write(sink, last)
                if flush:
                    await self.flush(sink)
                return
            except NotConnected as error:
                reason = str(error)
            await self.connect(sink)
        raise AssertionError(f"nothing broken, and NotConnected {CONNECTS_MAX} times: {reason}")

    async def flush(self, sink: Sink) -> None:
        """Flush all parts."""
        for part, _ in parts_of(sink):
            await _within(part.flush(), "flush")

    async def judge(self, last: int) -> None:
        """What arrived is positions 1 to `last` of each class: each once, in order."""
        require(not self.faults, "; ".join(self.faults[:3]))
        records = {each.event_id: each for name in CLASSES for each in make_records(name, 1, last)}
        ids = await self.destination.event_ids()
        strange = [each for each in ids if each not in records]
        require(not strange, f"there are records that were never written: {', '.join(strange[:3])}")
        doubled = [each for each, count in Counter(ids).items() if count > 1]
        require(not doubled, f"{len(doubled)} records are there more than once, first {_name(records, doubled)}")
        lost = [each for each in records if each not in set(ids)]
        require(not lost, f"{len(lost)} records are not there, first {_name(records, lost)}")
        newest: dict[tuple[str, str], int] = {}
        for each in ids:
            record = records[each]
            key = (record.partition, record.kind)
            require(newest.get(key, 0) < record.position, f"not in order: {_name(records, [each])}")
            newest[key] = record.position


def _name(records: dict[str, Record], ids: list[str]) -> str:
    if not ids:
        return "none"
    record = records[ids[0]]
    return f"{record.kind} at {record.journal_class} {record.position}"


def parts_of(sink: Sink) -> list[tuple[Sink, tuple[str, ...]]]:
    """What the core feeds: the sink with all classes, or, where it is one for each class (ClassSinks), those."""
    of_class = getattr(sink, "of_class", None)
    if of_class is None:
        return [(sink, CLASSES)]
    return [(of_class(name), (name,)) for name in CLASSES]


async def _within(call: Awaitable[T], what: str) -> T:
    try:
        async with asyncio.timeout(CALL_S):
            return await call
    except TimeoutError:
        raise AssertionError(f"{what} did not return within {CALL_S:g} s") from None


def _play(case: SinkCase, scene: Callable[[_Core], Awaitable[None]]) -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory(prefix="gw-card-") as folder:
            state_dir = Path(folder)
            async with case.open(state_dir) as destination:
                await scene(_Core(case, state_dir, destination))

    asyncio.run(main())


# --- K10 --------------------------------------------------------------------------------------------------------------


def check_life(case: SinkCase) -> None:
    """Connect, write, close, in any number, also twice in a row, also by a new sink; closing leaves nothing undone."""
    _play(case, _live)


async def _live(core: _Core) -> None:
    sink = core.make()
    await _within(sink.close(), "close before connect")
    last = 0
    for round_number in range(ROUNDS):
        await core.connect(sink)
        last += BATCH
        await core.deliver(sink, last, flush=False)
        for part, _ in parts_of(sink):
            await _within(part.write([]), "write of nothing")
        # Connected once more without having been closed: what the core does after NotConnected.
        await core.connect(sink)
        last += BATCH
        await core.deliver(sink, last, flush=True)
        require(
            all(position == last for position in core.cursors.values()),
            f"round {round_number + 1}: after flush progress is {core.cursors}, and {last} was written of each class",
        )
        await core.flush(sink)
        last += BATCH
        await core.deliver(sink, last, flush=round_number % 2 == 0)
        await _within(sink.close(), "close")
        await _within(sink.close(), "close of a closed sink")
        if round_number:
            sink = core.make()
    await core.connect(sink)
    await core.deliver(sink, last, flush=True)
    await _within(sink.close(), "close")
    await core.judge(last)


# --- K20 --------------------------------------------------------------------------------------------------------------


def check_cut(case: SinkCase) -> None:
    """Cut off in the middle: the sink says NotConnected, and going on from the cursors loses and doubles nothing."""
    _play(case, _cut_off)


async def _cut_off(core: _Core) -> None:
    sink = core.make()
    await core.connect(sink)
    await core.write(sink, BATCH)
    await core.flush(sink)
    await core.write(sink, 2 * BATCH)
    await core.destination.break_()
    last = 2 * BATCH
    said_so = False
    for _ in range(WRITES_MAX):
        last += BATCH
        try:
            await core.write(sink, last)
            await core.flush(sink)
        except NotConnected:
            said_so = True
            break
    require(said_so, f"cut off, and {WRITES_MAX} times write and flush raised nothing: it promises what it can't keep")
    require(
        all(position <= 2 * BATCH for position in core.cursors.values()),
        f"cut off, and progress is {core.cursors}: nothing after {2 * BATCH} can have arrived",
    )
    await core.destination.mend()
    core.written = dict(core.cursors)
    await core.connect(sink)
    await core.deliver(sink, last, flush=True)
    require(all(p == last for p in core.cursors.values()), f"after flush progress is {core.cursors}, not {last}")
    await _within(sink.close(), "close")
    await core.judge(last)


CARDS = (
    Card(id="SNK-K10", law="connect, write and close any number of times", check=check_life),
    Card(id="SNK-K20", law="NotConnected, then going on from the cursors, loses and doubles nothing", check=check_cut),
)
