"""Reading a class in order while it is being written: from memory near the end, from disk further back."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import NoReturn

from gwcore.errors import StorageError
from gwcore.journal.blocks import read_records
from gwcore.journal.index import SegmentIndex
from gwcore.journal.lane import Lane
from gwcore.model import Record
from gwcore.ports import Storage


class JournalReader:
    """A position in one class. It belongs to the loop's thread, like `append`."""

    def __init__(self, storage: Storage, lane: Lane, after: int, index_of: Callable[[int], SegmentIndex]) -> None:
        self.position = after  # of the last record handed out
        self._storage = storage
        self._lane = lane
        self._index_of = index_of
        self._blocks: Iterator[list[Record]] | None = None  # of the segment being read from disk
        self._ready: list[Record] = []  # decoded, not handed out yet
        self._ready_from = 0
        self._since = after
        self._had: dict[str, Record] = {}  # partition -> its last record handed out: says what a gap begins behind

    def read(self, count_max: int, *, synced_only: bool = True) -> list[Record]:
        """The next records, at most `count_max`, positions set; empty where there are none yet.

        Raises JournalGap where retention took the next ones (the reader goes on behind the gap), StorageError for damage.
        A read from disk takes a few milliseconds at most; `synced_only=False` adds what no commit has written yet.
        """
        lane, after = self._lane, self.position
        limit = lane.synced_position if synced_only else lane.last_position
        count = min(count_max, limit - after)
        if count <= 0:
            return []
        if after + 1 >= lane.tail.first_position:
            self._leave_disk()
            records = lane.tail.read(after + 1, count)
        else:
            records = self._read_disk(min(count, lane.synced_position - after))
        if records:
            self.position = records[-1].position
            self._had.update(zip(map(_partition, records), records, strict=True))
        return records

    def close(self) -> None:
        """Let go of everything."""
        self._leave_disk()

    def _leave_disk(self) -> None:
        self._blocks = None
        self._ready, self._ready_from = [], 0

    def _read_disk(self, count: int) -> list[Record]:
        """Exactly `count` records: a shorter batch would tell the caller that there are no more."""
        records: list[Record] = []
        while len(records) < count:
            if self._ready_from >= len(self._ready):
                wanted = self.position + 1 + len(records)
                try:
                    self._ready, self._ready_from = self._next_block(wanted), 0
                except FileNotFoundError:
                    self._leave_disk()
                    if records:
                        break
                    self._raise_gap()
            start = self._ready_from
            self._ready_from = min(len(self._ready), start + count - len(records))
            records += self._ready[start : self._ready_from]
        return records

    def _next_block(self, wanted: int) -> list[Record]:
        """The decoded block with a position, without the records before it."""
        if self._blocks is None:
            self._blocks = self._open(wanted)
        for records in self._blocks:
            if records and records[-1].position >= wanted:
                return records[wanted - records[0].position :] if records[0].position < wanted else records
        self._blocks = self._open(wanted)
        for records in self._blocks:
            if records and records[-1].position >= wanted:
                return records[wanted - records[0].position :]
        raise StorageError(f"journal class {self._lane.journal_class}: position {wanted} can't be read")

    def _open(self, wanted: int) -> Iterator[list[Record]]:
        segments = self._lane.segments
        place = bisect_right(segments, wanted) - 1
        if place < 0:
            raise FileNotFoundError(f"no segment holds position {wanted}")
        index = self._index_of(segments[place])
        stretch = index.stretch_of(wanted)
        if stretch is None:
            raise StorageError(f"journal class {self._lane.journal_class}: position {wanted} is in no block")
        return read_records(self._storage, self._lane.journal_class, index, stretch.offset)

    def _raise_gap(self) -> NoReturn:
        had = {partition: (record.session_id, record.sequence) for partition, record in self._had.items()}
        gap = self._lane.gap_behind(self.position, had, self._since)
        if gap is None:
            name = self._lane.journal_class
            raise StorageError(f"journal class {name}: the file with position {self.position + 1} is missing")
        self.position = self._since = gap.last_missing
        self._had.clear()
        raise gap


_partition = itemgetter(0)  # of a Record
