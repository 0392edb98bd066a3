"""Whole blocks in a segment that is not theirs: every CRC holds, yet no reader may give them as that segment's records."""

from __future__ import annotations

from typing import Any

import pytest

from gwcore.errors import StorageError
from gwcore.journal.files import index_name, segment_name
from gwcore.journal.format import SEGMENT_HEADER_BYTES
from gwcore.journal.scan import RecordFilter, scan
from gwcore.testing.storage import MemoryStorage


@pytest.fixture
def segments(kit: Any, storage: MemoryStorage) -> list[int]:
    """A journal of three segments; their first positions."""
    journal = kit.open(storage, segment_bytes=4096, compress_level=0, memory_records=1)
    kit.fill(journal, 60)
    journal.close()
    return sorted(int(name[-24:-4]) for name in storage.list("journal/md") if name.endswith(".gwj"))


def splice(storage: MemoryStorage, into: int, of: int) -> None:
    """Put the blocks of one segment into another one's file, behind its own header."""
    mine, theirs = storage.read(segment_name("md", into)), storage.read(segment_name("md", of))
    storage.replace(segment_name("md", into), mine[:SEGMENT_HEADER_BYTES] + theirs[SEGMENT_HEADER_BYTES:])


@pytest.mark.parametrize("with_index", [True, False])
def test_a_scan_refuses_them(kit: Any, storage: MemoryStorage, segments: list[int], with_index: bool) -> None:
    assert len(segments) >= 3
    splice(storage, segments[0], segments[1])
    if not with_index:
        storage.remove(index_name("md", segments[0]))
    with pytest.raises(StorageError, match="does not belong here"):
        list(scan(storage, RecordFilter()))


def test_a_reader_refuses_them(kit: Any, storage: MemoryStorage, segments: list[int]) -> None:
    splice(storage, segments[0], segments[1])
    with pytest.raises(StorageError, match="does not belong here"):
        kit.read_all(kit.open(storage, memory_records=1))


@pytest.mark.parametrize("data", [b'{"\xff":{}}', b'{"md":{"x":' + b"[" * 100_000])
def test_small_files_that_can_not_be_read_are_no_crash(kit: Any, storage: MemoryStorage, data: bytes) -> None:
    journal = kit.open(storage)
    kit.fill(journal, 6)
    journal.close()
    storage.replace("journal/limits.json", data)
    kit.open(storage).close()
