"""An archive is read in the order in which its events were published."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from gwcore.archive.lines import read_chunks
from gwcore.archive.names import archive_files, parse_name
from gwcore.archive.reader import ArchiveReader
from gwcore.errors import StorageError
from gwcore.model import Record
from gwcore.testing.storage import MemoryStorage


def by_partition(records: Sequence[Record]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for record in records:
        found.setdefault(record.partition, []).append(record.payload)
    return found


def test_each_partition_is_as_it_was_journalled(runs) -> None:
    reader = ArchiveReader(runs.storage)
    assert reader.classes == ["md", "st"]
    for journal_class in reader.classes:
        found = list(reader.records(journal_class))
        assert by_partition(found) == by_partition(runs.journalled(journal_class))
        assert [record.position for record in found] == list(range(1, len(found) + 1))
    assert not reader.warnings


def test_lines_give_the_records_that_were_written(runs) -> None:
    known = {record.payload: record for record in runs.journalled("md")}
    for record in ArchiveReader(runs.storage).records("md"):
        assert record._replace(position=0) == known[record.payload]._replace(position=0)


def test_topics_are_chosen_and_other_files_not_opened(runs, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def watch(storage, name, on_read=None, size=None):
        opened.append(name)
        return read_chunks(storage, name, on_read, size)

    monkeypatch.setattr("gwcore.archive.lines.read_chunks", watch)

    def wants(kind: str, symbol: str | None) -> bool:
        return kind in ("trade_summary", "top_of_book") and symbol == "ETH/USD"

    found = list(ArchiveReader(runs.storage, wants=wants).records("md"))
    expected = [record for record in runs.journalled("md") if wants(record.kind, record.symbol)]
    assert by_partition(found) == by_partition(expected)
    assert expected
    assert {name.split("/")[0] for name in opened} == {"trade_summary", "top_of_book"}


def test_a_clock_that_went_back_does_not_change_the_order(make_archive: Callable[..., MemoryStorage], record) -> None:
    """Two kinds, times that fall by an hour in the middle, and many events of the same instant."""
    hour = 3600 * 10**9
    records = []
    for number in range(600):
        time_ns = record.start_ns + (number // 50) * 1000 - (hour if 200 < number < 420 else 0)
        kind = "trade" if number % 3 else "top"
        records.append(record(kind, partition=f"md.{number % 7 % 2}", time_ns=time_ns))
    found = list(ArchiveReader(make_archive(records)).records("md"))
    assert by_partition(found) == by_partition(records)


def test_of_two_sessions_the_first_comes_first_whatever_the_clock_says(make_archive, record) -> None:
    records = [record("trade" if n % 2 else "top", session_id="OLD", time_ns=record.start_ns + n) for n in range(40)]
    records += [
        record("trade" if n % 2 else "top", session_id="NEW", time_ns=record.start_ns - 99 + n) for n in range(40)
    ]
    found = list(ArchiveReader(make_archive(records[:40], records[40:])).records("md"))
    assert by_partition(found) == by_partition(records)


def test_from_takes_the_sessions_under_way_and_to_ends_with_the_day(runs) -> None:
    manifests = ArchiveReader(runs.storage)
    second = max(s.first_ns for f in manifests.files for s in manifests.manifest(f).sessions if s.first_sequence == 1)
    later = ArchiveReader(runs.storage, from_ns=second + 5 * 10**9)
    found = list(later.records("md"))
    under_way = [record for record in runs.journalled("md") if record.published_ns >= second]
    assert {record.payload for record in found} >= {record.payload for record in under_way}
    # Of the first run there is only what the sink caught up on in the second one's files.
    assert len(found) - len(under_way) < len(under_way) / 4
    first_day = ArchiveReader(runs.storage, to_ns=1_795_391_990 * 10**9)
    assert {file.date for file in first_day.files} == {"2026-11-22"}
    # The first run began before midnight: what was said then shapes the state after it.
    early = ArchiveReader(runs.storage, from_ns=1_795_392_005 * 10**9)
    assert min(record.published_ns for record in early.records("md")) < 1_795_392_000 * 10**9


def test_a_missing_manifest_is_a_warning(spoilt) -> None:
    [lost] = list(spoilt.archive.glob("ready/*-22/*.manifest.json"))
    lost.unlink()
    reader = ArchiveReader(spoilt.storage)
    assert by_partition(list(reader.records("st"))) == by_partition(spoilt.journalled("st"))
    [warning] = reader.warnings
    assert warning.startswith("ready/date=2026-11-22/")
    assert "its manifest is missing" in warning


def test_names() -> None:
    name = "trade_summary/date=2026-11-22/md-01S-000000000011-000000000858.jsonl.zst"
    file = parse_name(name)
    assert file is not None
    assert (file.kind, file.date, file.journal_class, file.session_id) == ("trade_summary", "2026-11-22", "md", "01S")
    assert (file.first, file.last, file.manifest) == (11, 858, name.replace(".jsonl.zst", ".manifest.json"))
    assert archive_files(["state/md.json", "open/md-1.part", name]) == [file]
    with pytest.raises(StorageError, match="move it out"):
        archive_files(["trade_summary/mine.jsonl.zst"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[: len(data) // 2], "cut short: it ends after"),
        (lambda data: b"", "cut short: it ends after 0 bytes"),
        (lambda data: data + b"x", "bytes behind its end"),
        (lambda data: b"plain text, and not zstd at all", "damaged within its first"),
    ],
)
def test_a_file_that_is_not_whole_is_named(spoilt, change, said: str) -> None:
    path = min(spoilt.archive.glob("statistics/*-23/*.zst"))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(StorageError, match=said) as caught:
        list(ArchiveReader(spoilt.storage).records("md"))
    assert str(caught.value).startswith(path.relative_to(spoilt.archive).as_posix())


def test_lines_that_are_no_events_are_named(make_archive, record) -> None:
    storage = make_archive([record("top"), record("top")._replace(payload=b'{"not": "ours"}')])
    with pytest.raises(StorageError, match=r"top_of_book/.*within lines 1 to 2: no event"):
        list(ArchiveReader(storage).records("md"))
