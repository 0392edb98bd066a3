"""Manifests say what is in their files, and are the same whoever makes them."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from gwcore.archive import manifest as module
from gwcore.archive.manifest import (
    Manifest,
    ManifestBuilder,
    Origin,
    SessionRange,
    StaleInterval,
    describe,
    load_manifest,
)
from gwcore.archive.names import ArchiveFile, list_archive
from gwcore.model import UpdateType

ORIGIN = Origin(venue="kraken", environment="sim", source="kraken")


def test_every_file_has_one_that_says_what_is_in_it(runs) -> None:
    """Files of both runs, those too that were finished after a kill: by the writer's count, and by their own lines."""
    storage, files = runs.storage, list_archive(runs.storage)
    assert len(files) > 40
    for file in files:
        told = load_manifest(storage, file)
        assert told == describe(storage, file, ORIGIN)
        data = storage.read(file.name)
        assert told.sha256 == hashlib.sha256(data).hexdigest()
        assert (told.bytes_compressed, told.kind, told.date) == (len(data), file.kind, file.date)
        assert told.lines == sum(told.update_types.values()) == sum(told.symbols.values())
        assert told.schema_versions == (1,)
    assert not storage.list("open")
    assert not storage.list("damaged")


def test_it_counts_sessions_symbols_types_and_stale_times(make_archive, record) -> None:
    batch = [
        record("snapshot", partition="md.0", time_ns=record.start_ns),
        record("change", partition="md.0", time_ns=record.start_ns + 1),
        record("snapshot", partition="md.1", symbol="ETH/USD", time_ns=record.start_ns + 2),
        record("stale", partition="md.0", time_ns=record.start_ns + 3),
        record("stale", partition="md.0", time_ns=record.start_ns + 4),
        record("snapshot", partition="md.0", time_ns=record.start_ns + 7),
        record("stale", partition="md.1", symbol="ETH/USD", time_ns=record.start_ns + 8),
    ]
    storage = make_archive(batch)
    [file] = list_archive(storage)
    told = load_manifest(storage, file)
    start = record.start_ns
    assert told.sessions == (
        SessionRange(
            partition="md.0",
            session_id="S",
            first_sequence=1,
            last_sequence=5,
            lines=5,
            first_ns=start,
            last_ns=start + 7,
        ),
        SessionRange(
            partition="md.1",
            session_id="S",
            first_sequence=1,
            last_sequence=2,
            lines=2,
            first_ns=start + 2,
            last_ns=start + 8,
        ),
    )
    assert told.update_types == {"SNAPSHOT": 3, "INCREMENTAL": 1, "STALE": 3}
    assert told.symbols == {"BTC/USD": 5, "ETH/USD": 2}
    assert told.stale == {
        "BTC/USD": (StaleInterval(from_ns=start + 3, to_ns=start + 7, reason="CHECKSUM"),),
        "ETH/USD": (StaleInterval(from_ns=start + 8, reason="CHECKSUM"),),
    }
    assert (told.first_ns, told.last_ns, told.lines) == (start, start + 8, 7)
    assert (told.first_position, told.last_position) == (1, 7)
    assert told.bytes_raw == sum(len(one.payload) + 1 for one in batch)
    assert (told.venue, told.environment, told.source) == ("toy", "sim", "gw1")


def test_it_is_the_same_in_whatever_pieces_the_records_come(record) -> None:
    """The wall clock steps back in it, within a piece and between two, and two partitions alternate."""
    offsets_ns = (5, 9, 2, 7, 1, 8, 3)
    records = [
        record("change", partition=f"md.{number % 3 // 2}", time_ns=record.start_ns + offset_ns)
        for number, offset_ns in enumerate(offsets_ns)
    ]
    file = ArchiveFile("a.jsonl.zst", "market_by_price", "2026-01-01", "md", "S", 1, len(records))
    told = []
    for size in (1, 2, 3, len(records)):
        builder = ManifestBuilder()
        for begin in range(0, len(records), size):
            builder.add(records[begin : begin + size])
        told.append(builder.build(file, ORIGIN))
    assert all(one == told[0] for one in told)
    assert (told[0].first_ns, told[0].last_ns) == (record.start_ns + 1, record.start_ns + 9)
    assert [(one.partition, one.lines, one.first_ns, one.last_ns) for one in told[0].sessions] == [
        ("md.0", 5, record.start_ns + 1, record.start_ns + 9),
        ("md.1", 2, record.start_ns + 2, record.start_ns + 8),
    ]


def test_gaps_are_listed(make_archive, record) -> None:
    storage = make_archive([record("gap", time_ns=record.start_ns + n) for n in range(3)])
    [file] = list_archive(storage)
    told = load_manifest(storage, file)
    assert [(gap.at_ns, gap.cause, gap.first_sequence) for gap in told.gaps] == [
        (record.start_ns + n, "lost", 5) for n in range(3)
    ]


def test_its_lists_have_an_end(make_archive, record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GAPS_MAX", 2)
    monkeypatch.setattr(module, "STALE_INTERVALS_MAX", 2)
    batch = [record("stale" if n % 2 else "snapshot") for n in range(12)]
    storage = make_archive(batch, [record("gap") for _ in range(5)])
    gaps, books = sorted((load_manifest(storage, file) for file in list_archive(storage)), key=lambda one: one.kind)
    assert (len(gaps.gaps), gaps.gaps_left_out) == (2, 3)
    assert (len(books.stale["BTC/USD"]), books.stale_left_out) == (3, 3)  # the one that is open is always there


def test_lines_of_an_older_version_are_told(make_archive, record) -> None:
    old = record("top")
    payload = old.payload.replace(b'"v":1,', b'"v":0,')
    storage = make_archive([old._replace(payload=payload), record("top")])
    [file] = list_archive(storage)
    assert load_manifest(storage, file).schema_versions == (0, 1)


def test_update_types_left_out_on_the_wire_are_filled_in(runs) -> None:
    counts = {}
    for file in list_archive(runs.storage):
        told = load_manifest(runs.storage, file)
        counts.setdefault(file.kind, set()).update(told.update_types)
    assert counts["trade_summary"] == {UpdateType.SNAPSHOT.value, UpdateType.INCREMENTAL.value}
    assert counts["statistics"] == {UpdateType.SNAPSHOT.value} | (counts["statistics"] & {"STALE"})
    assert counts["ready"] == {""}


def test_it_is_small(runs) -> None:
    storage = runs.storage
    for file in list_archive(storage):
        assert storage.size(file.manifest) < 4096


def test_fields_may_be_appended() -> None:
    """A reader of today takes the manifest of tomorrow."""
    required = [field for field in msgspec.structs.fields(Manifest) if field.required]
    assert {field.name for field in required} >= {"sha256", "lines", "sessions"}
    assert not Manifest.__struct_config__.forbid_unknown_fields
