"""What everybody is told of the journal: DEGRADED and back, the alarm before it, gaps with bounds."""

from __future__ import annotations

import asyncio

from gwcore.engine.clients.state import CurrentState
from gwcore.engine.gateway import GatewayMachine
from gwcore.engine.publisher import Publisher
from gwcore.errors import MissingSequences, StorageError
from gwcore.journal import JournalGap
from gwcore.model import Gap, GatewayState, GatewayStatus, Record
from gwcore.runtime.journal.journal_watch import JournalWatch
from gwcore.settings import GatewaySettings, JournalSettings
from gwcore.testing.loop import run
from gwcore.testing.seeds import SeededIds, SeededRandom
from gwcore.venue import VenueLimits


class Machine:
    """Takes down what is published."""

    def __init__(self) -> None:
        self.causes: list[str] = []
        self.alarms: list[str | None] = []
        self.events: list[object] = []

    def on_journal(self, cause: str) -> None:
        self.causes.append(cause)

    def on_journal_alarm(self, cause: str | None, detail: str | None) -> None:
        self.alarms.append(cause)

    def publish_status(self, event: object) -> None:
        self.events.append(event)


class StillClock:
    def now_ns(self) -> int:
        return 1

    def monotonic_ns(self) -> int:
        return 1


class Positions:
    def append(self, record: Record) -> int:
        return 1


class Compressor:
    def __init__(self) -> None:
        self.runs = 0

    def run(self) -> int:
        self.runs += 1
        raise StorageError("too little free space")


class Books:
    """The part of a journal that is watched."""

    settings = JournalSettings(reserve_bytes=100)

    def __init__(self) -> None:
        self.free_bytes: int | None = None
        self.failed = ""
        self.dropped: list[MissingSequences] = []
        self.compressor = Compressor()

    def take_dropped(self) -> list[MissingSequences]:
        dropped, self.dropped = self.dropped, []
        return dropped


def made() -> tuple[Books, Machine, JournalWatch]:
    journal, machine = Books(), Machine()
    return journal, machine, JournalWatch(journal, machine)  # type: ignore[arg-type]


def test_the_alarm_comes_once_before_the_reserve_and_is_taken_back():
    journal, machine, watch = made()
    for free in (None, 1000, 199, 150, 201, 219, 221, 500, 199):
        journal.free_bytes = free
        watch.on_committed()
    assert machine.alarms == ["low_space", None, "low_space"]


def test_no_alarm_beside_a_failure():
    journal, machine, watch = made()
    journal.free_bytes, journal.failed = 10, "full"
    watch.on_committed()
    assert machine.alarms == []


def test_what_was_dropped_is_a_gap_with_bounds():
    journal, machine, watch = made()
    journal.dropped = [MissingSequences("md.0", "S", 5, 9)]
    watch.on_committed()
    watch.on_committed()
    (gap,) = machine.events
    assert isinstance(gap, Gap)
    assert (gap.partition, gap.session_id, gap.first_sequence, gap.last_sequence, gap.dropped) == ("md.0", "S", 5, 9, 5)


def test_what_a_sink_missed_is_a_gap_with_bounds_where_they_are_known():
    _, machine, watch = made()
    missing = (MissingSequences("md.0", "S", 5, 9), MissingSequences("md.1", "T", None, 7))
    watch.on_sink_gap("jetstream", JournalGap("md", 10, 20, missing))
    watch.on_sink_gap("jetstream", JournalGap("md", 10, 20))
    first, second, bare = machine.events
    assert isinstance(first, Gap)
    assert isinstance(second, Gap)
    assert isinstance(bare, Gap)
    assert "sink jetstream" in first.cause
    assert (second.first_sequence, second.last_sequence, second.dropped) == (None, 7, None)
    assert "positions 10 to 19" in bare.cause


def test_a_compression_that_fails_is_tried_again():
    async def main() -> None:
        journal, _, watch = made()
        loop = asyncio.get_running_loop()
        sleeps = 0

        async def offload(work: object) -> int:
            nonlocal sleeps
            sleeps += 1
            if sleeps == 3:
                task.cancel()
            return int(work())  # type: ignore[operator]

        task = loop.create_task(watch.compress(offload))
        await asyncio.wait([task])
        assert journal.compressor.runs == 3

    run(lambda loop: main(), seed=1)


def test_degraded_and_back():
    events: list[object] = []
    publisher = Publisher(
        venue="toy",
        source="t",
        clock=StillClock(),
        ids=SeededIds(StillClock(), SeededRandom(1)),
        journal=Positions(),
        on_record=lambda record, event, partition: events.append(event),
    )
    limits = VenueLimits(groups={})
    machine = GatewayMachine(
        GatewaySettings(),
        limits,
        publisher,
        CurrentState(),
        version="1",
        start_shard=lambda shard: None,  # type: ignore[arg-type,return-value]
    )
    machine.on_journal("disk full")
    assert machine.gateway_state is GatewayState.STARTING  # it was not up yet; the component says what is wrong
    machine.on_journal("")
    machine.set_state(GatewayState.READY)
    machine.on_journal("disk full")
    assert machine.gateway_state is GatewayState.DEGRADED
    machine.on_journal("")
    assert machine.gateway_state is GatewayState.READY
    machine.on_journal("disk full")
    machine.set_state(GatewayState.STOPPING)
    machine.on_journal("")
    assert machine.gateway_state is GatewayState.STOPPING
    told = [event for event in events if isinstance(event, GatewayStatus) and event.component == "journal"]
    assert [event.cause for event in told] == ["disk full", None] * 3
