"""Cursors, and what retention makes of them."""

from __future__ import annotations

import pytest

from gwcore.errors import StorageError
from gwcore.journal import CursorStore
from gwcore.journal.retention import ClosedSegment, RetentionLimits, expired_segments
from gwcore.testing.storage import MemoryStorage


def test_round_trip(storage):
    store = CursorStore(storage)
    assert store.load("file") == {}
    store.save("file", {"md": 5, "ex": 2})
    store.save("jetstream", {"md": 9})
    assert CursorStore(storage.crash()).load("file") == {"md": 5, "ex": 2}
    assert store.names() == ["file", "jetstream"]
    assert store.bounds("md") == (5, 9)
    assert store.bounds("ex") == (2, 2)
    assert store.bounds("st") is None
    assert storage.mode("cursors/file.json") == 0o600


def test_a_save_that_fails_leaves_the_old():
    storage = MemoryStorage(capacity_bytes=40)
    store = CursorStore(storage)
    store.save("file", {"md": 5})
    with pytest.raises(StorageError):
        store.save("file", {"md": 6, "ex": 10**30})
    assert store.load("file") == {"md": 5}


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"md": "5"}', b'{"md": 1.5}', b'{"md": -1}', b"\xff"])
def test_a_bad_file_is_named_with_the_cure(storage, data):
    storage.replace("cursors/file.json", data)
    with pytest.raises(StorageError, match=r"cursors/file\.json .* remove it to read again from the start"):
        CursorStore(storage).load("file")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65, "a\n"])
def test_bad_names(storage, name):
    with pytest.raises(StorageError, match="can't name a cursor"):
        CursorStore(storage).save(name, {})


SEGMENTS = [ClosedSegment(1, 10, 100), ClosedSegment(11, 20, 100), ClosedSegment(21, 30, 100)]
DAY_NS = 86_400 * 10**9


@pytest.mark.parametrize(
    ("bytes_max", "age_max_s", "floor", "count"),
    [
        (None, None, None, 0),
        (300, None, None, 0),
        (299, None, None, 1),
        (100, None, None, 2),
        (0, None, None, 3),
        (0, None, 30, 3),
        (0, None, 29, 2),
        (0, None, 10, 1),
        (0, None, 9, 0),
        (None, 3 * 86_400, None, 0),
        (None, 2 * 86_400, None, 1),
        (None, 0.5 * 86_400, None, 3),
        (None, 0.5 * 86_400, 20, 2),
    ],
)
def test_what_may_go(bytes_max, age_max_s, floor, count):
    newest = {1: 1, 11: 2, 21: 3}  # days
    limits = RetentionLimits(bytes_max, age_max_s)
    found = expired_segments(SEGMENTS, limits, lambda s: newest[s.first_position] * DAY_NS, 4 * DAY_NS, floor)
    assert found == count
