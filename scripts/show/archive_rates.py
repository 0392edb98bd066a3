"""The file archive: writing, checking, reading in order and judging a day, in MB/s and lines/s, and how much zstd saves."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
from workload import ensure_workload

from gwcore.archive.lines import _zstd
from gwcore.archive.names import list_archive
from gwcore.archive.quality import day_quality
from gwcore.archive.reader import ArchiveReader, day_of
from gwcore.archive.verify import verify_archive
from gwcore.engine.publisher import Publisher
from gwcore.model import TYPE_OF_KIND, Channel, Record
from gwcore.plugins import load_sink, load_venue
from gwcore.runtime.clock import SystemClock, SystemIds
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.sink import SinkContext
from gwcore.venue import Shard, Topic

ROOT = Path(__file__).parents[2]
#: Records a write of the sink takes, as the gateway gives them.
BATCH = 4096
#: Messages a second that the times of the records tell of.
RATE = 2_000
BEGIN_NS = 1_767_225_600 * 10**9


class _Clock:
    """The time of the message at hand."""

    time_ns = BEGIN_NS

    def now_ns(self) -> int:
        return self.time_ns

    def monotonic_ns(self) -> int:
        return self.time_ns


class _Journal:
    def __init__(self) -> None:
        self.records: list[Record] = []

    def append(self, record: Record) -> int:
        self.records.append(record._replace(position=len(self.records) + 1))
        return len(self.records)


def make_records(messages: int) -> list[Record]:
    """Frames of a made Kraken feed, decoded by the venue plugin and published as the gateway does it."""
    workload, venue = ensure_workload(ROOT / ".bench", messages), load_venue("kraken")
    streams = venue.streams(venue.settings(**venue.environments["sim"]))
    topics = tuple(
        Topic(channel, symbol, 10) for symbol in workload.endings for channel in (Channel.BOOK, Channel.TRADE)
    )
    codec = streams.market_data(Shard(index=0, group=next(iter(streams.limits.groups)), topics=topics, instruments={}))
    clock, journal = _Clock(), _Journal()
    publisher = Publisher(
        venue="kraken", source="rates", clock=clock, ids=SystemIds(), journal=journal, on_record=lambda *_: None
    )
    partition, kinds = publisher.partition("md.0"), frozenset(TYPE_OF_KIND.values())
    for number, frame in enumerate(workload.frames()):
        clock.time_ns = BEGIN_NS + number * (10**9 // RATE)
        for event in codec.decode(frame, clock.time_ns - 20_000):
            if type(event) in kinds:
                publisher.publish(partition, event, clock.time_ns - 20_000)  # type: ignore[arg-type]
    return journal.records


async def write(storage: DirectoryStorage, records: Sequence[Record]) -> None:
    spec = load_sink("file")
    context = SinkContext(
        venue="kraken",
        environment="sim",
        source="rates",
        state_dir=Path(),
        storage=storage,
        clock=SystemClock(),
        progress=lambda journal_class, position: None,
        status=lambda cause, detail: None,
    )
    sink = spec.create(spec.settings(), context)
    await sink.connect(dict.fromkeys(("md", "st", "ex"), 0))
    for start in range(0, len(records), BATCH):
        await sink.write(records[start : start + BATCH])
    await sink.close()


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall and CPU seconds, and what it gave."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return time.perf_counter() - wall, time.process_time() - cpu, found


def one_round(folder: Path, records: Sequence[Record]) -> dict[str, tuple[float, float]]:
    """Seconds of each part. Raises AssertionError where the archive is not what was given."""
    storage = DirectoryStorage(folder)
    text = b"\n".join(record.payload for record in records)
    found: dict[str, tuple[float, float]] = {}

    def bare() -> int:
        compressor: Any = _zstd.ZstdCompressor(level=3)
        size = sum(len(compressor.compress(text[at : at + 2**20])) for at in range(0, len(text), 2**20))
        return size + len(compressor.flush())

    def read() -> int:
        return sum(1 for _ in ArchiveReader(storage).records("md"))

    *found["zstd level 3 alone, in memory"], _ = timed(bare)  # type: ignore[assignment]
    *found["write: sink, durable, with manifests"], _ = timed(lambda: asyncio.run(write(storage, records)))  # type: ignore[assignment]
    *found["gw archive verify"], report = timed(lambda: verify_archive(storage))  # type: ignore[assignment]
    *found["read in order (gw replay's source)"], count = timed(read)  # type: ignore[assignment]
    *found["gw quality"], day = timed(lambda: day_quality(storage, day_of(BEGIN_NS)))  # type: ignore[assignment]
    assert report.ok, report.faults
    assert report.lines == count == len(records), (report.lines, count, len(records))
    assert day.symbols
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000, help="frames of the venue")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    records = make_records(options.messages)
    raw = sum(len(record.payload) + 1 for record in records)
    rounds = []
    try:
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory() as folder:
                rounds.append(one_round(Path(folder), records))
                storage = DirectoryStorage(Path(folder))
                files = list_archive(storage)
                packed = sum(storage.size(file.name) for file in files)
                beside = sum(storage.size(file.manifest) for file in files)
    except AssertionError as error:
        print(f"the archive is not what was written: {error}")
        print("DOES NOT HOLD")
        return 1
    print(f"Archive: {len(records)} events, {raw / 1e6:.1f} MB, {options.rounds} rounds, medians\n")
    print("| | MB/s of events | lines/s | CPU µs a line | lowest to highest MB/s |")
    print("|---|---|---|---|---|")
    for name in rounds[0]:
        walls = sorted(one[name][0] for one in rounds)
        wall, cpu = statistics.median(walls), statistics.median(one[name][1] for one in rounds)
        print(
            f"| {name} | {raw / wall / 1e6:.1f} | {len(records) / wall:,.0f} | {cpu / len(records) * 1e6:.2f} "
            f"| {raw / walls[-1] / 1e6:.1f} to {raw / walls[0] / 1e6:.1f} |"
        )
    print(
        f"\ncompression {raw / packed:.1f} : 1 ({packed / len(records):.1f} bytes a line of {raw / len(records):.0f})"
    )
    print(f"manifests: {beside} bytes beside {packed} of {len(files)} files")
    print("holds: every event is in the archive once, and verify agrees")
    return 0


if __name__ == "__main__":
    sys.exit(main())
