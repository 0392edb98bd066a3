from __future__ import annotations

import asyncio
from pathlib import Path

import duckdb
import pandas
import polars
import pytest
from gw_sinks.file import SPEC, FileSettings, FileSink
from gw_sinks.zstd import decompress

from gwcore.archive.manifest import Origin, describe, load_manifest
from gwcore.archive.names import list_archive
from gwcore.archive.verify import verify_archive
from gwcore.errors import NotConnected
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.testing.clock import VirtualClock
from gwcore.testing.loop import SimLoop
from gwcore.testing.loop import run as run_virtual
from gwcore.testing.storage import Crash, MemoryStorage

DAY_NS = 86_400 * 10**9


def finished(storage) -> list[str]:
    return [name for name in storage.list() if name.endswith(".jsonl.zst")]


def archived(storage, kind: str = "top_of_book") -> list[bytes]:
    """All lines under final names, in order of the names."""
    names = [name for name in finished(storage) if name.startswith(f"{kind}/")]
    return [line for name in names for line in decompress(storage.read(name)).splitlines()]


def assert_described(storage) -> None:
    """No file without a manifest, and each manifest is that of its file."""
    origin = Origin(venue="toy", environment="sim", source="gw1")
    for file in list_archive(storage):
        assert load_manifest(storage, file) == describe(storage, file, origin)


def run_sink(around, settings: FileSettings, steps) -> None:
    async def main() -> None:
        sink = FileSink(settings, around.context())
        await steps(sink)

    asyncio.run(main())


class PowerCut(Exception):
    """The process ends here."""


def test_lines_are_the_payloads_and_files_are_read_as_they_are(surround, records, tmp_path: Path) -> None:
    around = surround(DirectoryStorage(tmp_path / "archive"), tmp_path)
    batch = records(1, 500)

    async def steps(sink: FileSink) -> None:
        assert await sink.connect(around.cursors) == {"md": 0, "st": 0, "ex": 0}
        await sink.write(batch[:200])
        await sink.write(batch[200:])
        await sink.write(records(1, 3, partition="st", kind="gateway_status"))
        await sink.flush()
        assert around.cursors == {"md": 500, "st": 3, "ex": 0}
        assert not finished(around.storage)
        await sink.close()

    run_sink(around, FileSettings(), steps)
    assert archived(around.storage) == [record.payload for record in batch]
    [name] = [name for name in finished(around.storage) if "md-" in name]
    assert name == "top_of_book/date=2026-11-22/md-01SESSION-000000000001-000000000500.jsonl.zst"
    path = tmp_path / "archive" / name
    query = f"select count(*), max(header.sequence), max(event.bid_price), any_value(date) from read_json('{path}')"
    assert duckdb.sql(query).fetchall() == [
        (500, 500, "99.10", duckdb.sql("select date '2026-11-22'").fetchall()[0][0])
    ]
    frame = polars.read_ndjson(path)
    assert frame.height == 500
    assert frame["event"].struct.field("ask_quantity").to_list() == ["0.50000000"] * 500
    table = pandas.read_json(path, lines=True, dtype=False)
    assert len(table) == 500
    assert table["event"][499]["bid_price"] == "500.10"


def test_each_file_is_one_frame_though_it_was_made_durable_in_pieces(surround, records) -> None:
    zstandard = pytest.importorskip("zstandard", reason="what pandas reads zstd with; it stops after the first frame")
    around = surround(MemoryStorage(), Path())

    async def steps(sink: FileSink) -> None:
        await sink.connect(around.cursors)
        for first in range(1, 100, 10):
            await sink.write(records(first, first + 9))
            await sink.flush()
        await sink.close()

    run_sink(around, FileSettings(), steps)
    [name] = finished(around.storage)
    read = zstandard.ZstdDecompressor().stream_reader(around.storage.read(name)).read()
    assert len(read.splitlines()) == 100


def test_a_new_day_a_new_file(surround, records) -> None:
    around = surround(MemoryStorage(), Path())
    day1, late, day2 = (
        records(1, 10),
        records(14, 14),
        [record._replace(published_ns=record.published_ns + DAY_NS) for record in records(11, 13)],
    )

    async def steps(sink: FileSink) -> None:
        await sink.connect(around.cursors)
        await sink.write(day1)
        await sink.flush()
        await sink.write([*day2, *late])
        await sink.flush()
        assert not finished(around.storage), "a late record of the old day keeps its file open"
        await sink.write([record._replace(position=15) for record in day2[:1]])
        await sink.flush()
        assert finished(around.storage) == [
            "top_of_book/date=2026-11-22/md-01SESSION-000000000001-000000000014.jsonl.zst"
        ]
        await sink.close()

    run_sink(around, FileSettings(), steps)
    assert archived(around.storage) == [record.payload for record in [*day1, *late, *day2, day2[0]]]
    assert {name.split("/")[1] for name in finished(around.storage)} == {"date=2026-11-22", "date=2026-11-23"}


def test_a_full_file_is_finished(surround, records) -> None:
    around = surround(MemoryStorage(), Path())

    async def steps(sink: FileSink) -> None:
        await sink.connect(around.cursors)
        for first in range(1, 1000, 100):
            await sink.write(records(first, first + 99))
        assert len(finished(around.storage)) >= 5
        await sink.close()

    run_sink(around, FileSettings(file_bytes_max=500, sync_interval_s=0.0), steps)
    assert archived(around.storage) == [record.payload for record in records(1, 1000)]


def test_a_quiet_sink_finishes_its_old_file(surround, records) -> None:
    around = surround(MemoryStorage(), Path())

    async def main(loop: SimLoop) -> None:
        around.clock = VirtualClock(loop)
        sink = FileSink(FileSettings(file_age_max_s=900.0), around.context())
        await sink.connect(around.cursors)
        await sink.write(records(1, 5))
        await sink.flush()
        await asyncio.sleep(899)
        assert not finished(around.storage)
        await asyncio.sleep(2)
        assert len(finished(around.storage)) == 1
        await sink.close()

    run_virtual(main, inline_executor=True)
    assert archived(around.storage) == [record.payload for record in records(1, 5)]


def test_progress_follows_within_the_interval(surround, records) -> None:
    around = surround(MemoryStorage(), Path())

    async def main(loop: SimLoop) -> None:
        around.clock = VirtualClock(loop)
        sink = FileSink(FileSettings(sync_interval_s=1.0), around.context())
        await sink.connect(around.cursors)
        for position in range(1, 31):
            await asyncio.sleep(0.1)
            await sink.write(records(position, position))
            assert position - around.cursors["md"] <= 11
        await sink.close()
        assert around.cursors["md"] == 30

    run_virtual(main, inline_executor=True)


@pytest.mark.parametrize("crash", list(Crash))
def test_no_line_is_lost_or_doubled_wherever_the_power_goes(surround, records, crash: Crash) -> None:
    """Cuts the power before each single operation on the disk, restarts, goes on, and counts."""
    batch = records(1, 30)
    batch += records(31, 60, published_ns=batch[0].published_ns + DAY_NS)
    settings = FileSettings(file_bytes_max=400, sync_interval_s=0.0)

    async def feed(around) -> None:
        sink = FileSink(settings, around.context())
        positions = await sink.connect(dict(around.cursors))
        for start in range(positions["md"], len(batch), 7):
            await sink.write(batch[start : start + 7])
        await sink.close()

    def run_until(around, cut_at: int) -> bool:
        count = 0

        def on_operation(operation: str, name: str) -> None:
            nonlocal count
            count += 1
            if count >= cut_at:
                raise PowerCut

        around.storage.on_operation = on_operation
        try:
            asyncio.run(feed(around))
        except PowerCut:
            return True
        return False

    cut_at, was_cut = 0, True
    while was_cut:
        cut_at += 1
        around = surround(MemoryStorage(), Path())
        was_cut = run_until(around, cut_at)
        # A second cut, during the recovery, and then a run to the end.
        around.storage = around.storage.crash(crash, seed=cut_at)
        assert_described(around.storage)
        run_until(around, 1 + cut_at % 7)
        around.storage = around.storage.crash(crash, seed=cut_at + 1)
        assert_described(around.storage)
        asyncio.run(feed(around))
        assert_described(around.storage)
        assert verify_archive(around.storage).ok
        assert archived(around.storage) == [record.payload for record in batch], f"cut before operation {cut_at}"
        assert not around.storage.list("open")
        assert not around.storage.list("damaged")
    assert cut_at > 40


def test_records_met_twice_are_written_once(surround, records) -> None:
    around = surround(MemoryStorage(), Path())

    async def steps(sink: FileSink) -> None:
        await sink.connect(around.cursors)
        await sink.write(records(1, 20))
        await sink.write(records(11, 30))
        await sink.write(records(5, 9))
        await sink.close()

    run_sink(around, FileSettings(), steps)
    assert archived(around.storage) == [record.payload for record in records(1, 30)]


def test_a_full_disk_is_named_and_healed(surround, records) -> None:
    around = surround(MemoryStorage(), Path())

    async def steps(sink: FileSink) -> None:
        await sink.connect(around.cursors)
        await sink.write(records(1, 50))
        await sink.flush()
        around.storage.capacity_bytes = 0
        await sink.write(records(51, 60))
        with pytest.raises(NotConnected, match="no space"):
            await sink.flush()
        with pytest.raises(NotConnected):
            await sink.write(records(61, 70))
        assert around.statuses[-1][0] == "storage"
        with pytest.raises(NotConnected, match="no space"):
            await sink.connect(around.cursors)
        around.storage.capacity_bytes = 1 << 20
        positions = await sink.connect(around.cursors)
        assert positions["md"] == around.cursors["md"] == 50
        assert around.statuses[-1] == ("", "")
        await sink.write(records(51, 70))
        await sink.close()

    run_sink(around, FileSettings(sync_interval_s=60), steps)
    assert archived(around.storage) == [record.payload for record in records(1, 70)]


def test_a_shortened_file_is_set_aside_and_reported(surround, records) -> None:
    around = surround(MemoryStorage(), Path())

    async def first(sink: FileSink) -> None:
        await sink.connect(around.cursors)
        await sink.write(records(1, 50))
        await sink.flush()

    async def second(sink: FileSink) -> None:
        assert (await sink.connect(around.cursors))["md"] == 50
        await sink.close()

    run_sink(around, FileSettings(), first)
    [name] = around.storage.list("open")
    around.storage.truncate(name, 10)
    run_sink(around, FileSettings(), second)
    assert around.statuses[-1][0] == "archive_damaged"
    assert len(around.storage.list("damaged")) == 1
    assert not finished(around.storage)


def test_a_state_file_of_somebody_else_stops_the_sink_with_a_sentence(surround) -> None:
    around = surround(MemoryStorage(), Path())
    around.storage.replace("state/md.json", b"{nonsense")

    async def steps(sink: FileSink) -> None:
        with pytest.raises(NotConnected, match=r"state/md\.json: it is not what this sink wrote"):
            await sink.connect(around.cursors)

    run_sink(around, FileSettings(), steps)


def test_executions_are_for_the_owner_only(surround, records) -> None:
    around = surround(MemoryStorage(), Path())

    async def steps(sink: FileSink) -> None:
        await sink.connect(around.cursors)
        await sink.write(records(1, 2, partition="ex.main", kind="trade_update"))
        await sink.write(records(1, 2))
        await sink.close()
        await sink.close()

    run_sink(around, FileSettings(), steps)
    modes = {name: around.storage.mode(name) for name in around.storage.list()}
    assert {mode for name, mode in modes.items() if "ex-" in name or "ex.json" in name} == {0o600}
    assert {mode for name, mode in modes.items() if "md-" in name} == {0o640}


def test_the_plugin_registers_it() -> None:
    from gw_sinks import file

    assert file.gw_register_sinks() == [SPEC]
    assert isinstance(SPEC.settings(), FileSettings)
