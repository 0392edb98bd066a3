"""One class of the journal being written: `append` on the loop's thread, `commit` on any one other.

The two share no lock: records, and the positions at which segments and definitions begin, pass through deques, whose append
and popleft are atomic. Such a position is put in before the record that has it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

from gwcore.errors import MissingSequences, StorageError
from gwcore.journal.batch import Batch
from gwcore.journal.format import ROW_BYTES, BlockMeta, Columns
from gwcore.journal.gap import JournalGap
from gwcore.journal.index import SegmentIndex
from gwcore.journal.numbering import Numbering
from gwcore.journal.recovery import ClassRecovery
from gwcore.journal.removed import RemovedSegments
from gwcore.journal.segment import Closed, SegmentWriter
from gwcore.journal.tail import Tail
from gwcore.model import Record
from gwcore.ports import Clock, Storage

#: Bytes that wait for a commit; above it new records are not journalled, counted, and told as a stated gap.
PENDING_BYTES_MAX: Final = 64 * 1024 * 1024
#: A block is closed, and another begun, at about this much payload.
BLOCK_BYTES: Final = 1024 * 1024
#: Limits are looked at each time this much was appended.
_CHECK_BYTES: Final = 64 * 1024
_PAYLOAD: Final = Record._fields.index("payload")


class LaneSettings(NamedTuple):
    """Limits of one class."""

    segment_bytes: int
    memory_records: int
    reserve_bytes: int = 0
    pending_bytes_max: int = PENDING_BYTES_MAX
    block_bytes: int = BLOCK_BYTES


class Lane:
    """One class: positions, what waits to be written, and the segment it goes to."""

    def __init__(self, storage: Storage, clock: Clock, recovered: ClassRecovery, settings: LaneSettings) -> None:
        self.journal_class = recovered.journal_class
        self.last_position = recovered.last_position
        self.synced_position = recovered.last_position
        self.segments: tuple[int, ...] = recovered.segments  # replaced, never changed in place
        self.tail = Tail(self.last_position + 1, settings.memory_records)
        self.dropped_records = 0  # not journalled, because too much waited
        self.synced_bytes = 0  # in this process
        self.rolled = False  # a segment was closed since this was last put to False
        self.failed = ""  # why the last commit failed
        self.free_bytes: int | None = None  # on the volume, as last seen by a commit
        self.abandoned_segments = 0  # after failed syncs, in this process
        self.removed = RemovedSegments(storage, self.journal_class)
        self._storage = storage
        self._clock = clock
        self._settings = settings
        self._before: Closed = recovered.before
        self._writer: SegmentWriter | None = None
        # From the appending thread to the committing one.
        self._waiting: deque[Record] = deque()
        self._starts: deque[int] = deque([self.last_position + 1])  # first positions of new segments
        self._resumes: deque[int] = deque()  # first positions behind records that were dropped
        # The appending thread's own; the other one reads `_appended_bytes` at most.
        self._appended_bytes = 0
        self._segment_start_bytes = 0
        self._resume_position = 0  # the last one put into `_resumes`
        self._check_step = max(1, min(_CHECK_BYTES, settings.segment_bytes // 4, settings.pending_bytes_max // 4))
        self._check_at = self._check_step
        self._dropped: dict[tuple[str, str], tuple[int, int]] = {}  # first and last sequence not journalled
        # The committing thread's own.
        self._taken_position = self.last_position
        self._numbering = Numbering(recovered.index.last_by_stream() if recovered.index else {})
        self._unwritten: list[Batch] = []
        self._committed_bytes = 0
        self._in_the_way: SegmentWriter | None = None
        self._carried: BlockMeta | None = None  # what the next segment has to define again

    @property
    def live_index(self) -> SegmentIndex | None:
        """Index of the segment being written, None before its first record."""
        writer = self._writer
        return None if writer is None else writer.index

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait to be written and synced."""
        return self._appended_bytes - self._committed_bytes

    def append(self, record: Record) -> int:
        """Take a record; its position, or 0 where too much waits for a commit and it was dropped."""
        if self._appended_bytes >= self._check_at and not self._check_limits():
            return self._drop(record)
        self._waiting.append(record)
        self.last_position = position = self.last_position + 1
        size = len(record.payload)
        self._appended_bytes += size + ROW_BYTES
        tail = self.tail
        tail.size += size
        tail.records.append(record)
        return position

    def _check_limits(self) -> bool:
        """Begin another segment where this one is full, trim the tail. False: too much waits, and nothing may be added."""
        settings, appended = self._settings, self._appended_bytes
        if self.pending_bytes > settings.pending_bytes_max:
            return False
        if appended - self._segment_start_bytes >= settings.segment_bytes:
            self._starts.append(self.last_position + 1)
            self._segment_start_bytes = appended
        self._check_at = appended + self._check_step
        if self.tail.is_full():
            self.tail.trim(self.synced_position)
        return True

    def _drop(self, record: Record) -> int:
        # The next record of each stream shall say with its definition what came last: that makes it a stated gap.
        if self._resume_position != self.last_position + 1:
            self._resume_position = self.last_position + 1
            self._resumes.append(self._resume_position)
        self.dropped_records += 1
        key = (record.partition, record.session_id)
        first, _ = self._dropped.get(key, (record.sequence, 0))
        self._dropped[key] = (first, record.sequence)
        return 0

    def take_dropped(self) -> list[MissingSequences]:
        """What was not journalled since the last call; empty while that may go on."""
        if not self._dropped or self.failed or self.pending_bytes > self._settings.pending_bytes_max:
            return []
        dropped, self._dropped = self._dropped, {}
        return [MissingSequences(*key, *bounds) for key, bounds in dropped.items()]

    def gap_behind(
        self, position: int, had: Mapping[str, tuple[str, int]], since: int | None = None
    ) -> JournalGap | None:
        """What retention took of the records behind a position.

        `had`: partition -> (session, last sequence) of what the reader read behind position `since`.
        """
        segments = self.segments
        first_kept = segments[0] if segments else self.tail.first_position
        if first_kept <= position + 1:
            return None
        sequences = self.removed.sequences(position + 1, first_kept - 1, had, since)
        return JournalGap(self.journal_class, position + 1, first_kept, sequences)

    def commit(self) -> None:
        """Write and sync all that was appended. Raises StorageError; what was not written is kept for the next commit."""
        self._take()
        if not self._unwritten:
            return
        try:
            self._check_reserve()
            self._write()
        except StorageError as error:
            self.failed = f"journal class {self.journal_class}: {error}"
            self._undo()
            raise StorageError(self.failed) from error
        self.failed = ""

    def _take(self) -> None:
        """Make batches of all records that are there now: one ends where it is full, and where something else begins."""
        records = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not records:
            return
        # By field from here on: a call for each field of each record would cost as much as the rest of a commit.
        fields = tuple(zip(*records, strict=True))
        bytes_before = list(accumulate(map(len, fields[_PAYLOAD]), initial=0))
        begin = 0
        while begin < len(records):
            first = self._taken_position + 1
            starts_segment = _reach(self._starts, first)
            if starts_segment:
                self._numbering.begin_segment()
            if _reach(self._resumes, first):
                self._numbering.forget()
            full = bisect_left(bytes_before, bytes_before[begin] + self._settings.block_bytes, begin + 1)
            ends = [begin + marks[0] - first for marks in (self._starts, self._resumes) if marks]
            end = min(len(records), full, *ends)
            size = bytes_before[end] - bytes_before[begin]
            self._unwritten.append(self._batch([field[begin:end] for field in fields], first, size, starts_segment))
            self._taken_position += end - begin
            begin = end

    def _batch(self, fields: Sequence[Any], first_position: int, size: int, starts_segment: bool) -> Batch:
        partitions, sessions, sequences, kinds, symbols, accounts, update_types, times, payloads, _ = fields
        topics = zip(partitions, sessions, kinds, symbols, accounts, update_types, strict=True)
        topic_ids, stream_ids = self._numbering.number(topics, sequences)
        new_streams, new_topics = self._numbering.take_new()
        return Batch(
            first_position,
            Columns(topic_ids, sequences, times, payloads),
            stream_ids,
            payload_bytes=size,
            starts_segment=starts_segment,
            streams=new_streams,
            topics=new_topics,
        )

    def _check_reserve(self) -> None:
        reserve_bytes = self._settings.reserve_bytes
        if not reserve_bytes:
            return
        self.free_bytes = free = self._storage.free_bytes()
        if free < reserve_bytes:
            raise StorageError(
                # No number that changes: the cause is told once.
                f"free space on the volume is below the reserve of {reserve_bytes} bytes; free some space"
            )

    def _write(self) -> None:
        if self._in_the_way is not None:
            self._in_the_way.undo()
            self._in_the_way = None
        written: list[Batch] = []
        for batch in self._unwritten:
            writer = self._writer
            if writer is None or batch.starts_segment:
                if writer is not None:
                    self._sync(written)
                    written = []
                    self._close_segment(writer)
                writer = self._writer = SegmentWriter(
                    self._storage, self.journal_class, batch.first_position, self._clock.now_ns(), self._before
                )
                if self._carried is not None and not batch.starts_segment:
                    # The records keep their topic numbers, so the segment begins with the definitions behind them.
                    writer.carry(self._carried)
            writer.write(batch)
            written.append(batch)
        self._sync(written)

    def _sync(self, written: list[Batch]) -> None:
        writer = self._writer
        assert writer is not None
        if not written:
            return
        try:
            writer.sync()
        except StorageError:
            # After a failed sync nobody knows what is on the disk, and a second one may say yes to lost pages. So the file
            # is left behind where it was last known to be whole, and all that followed is written again, elsewhere.
            self._abandon(writer)
            raise
        if self.segments[-1:] != (writer.first_position,):
            self.segments = (*self.segments, writer.first_position)
        self._carried = None
        size = sum(batch.size for batch in written)
        self._committed_bytes += size
        self.synced_bytes += size
        self.synced_position = written[-1].last_position
        self._unwritten = self._unwritten[len(written) :]

    def _close_segment(self, writer: SegmentWriter) -> None:
        writer.close()
        writer.store_index()
        self._before = writer.closed()
        self._writer = None
        self.rolled = True

    def _abandon(self, writer: SegmentWriter) -> None:
        """Never write to this file again: the next commit begins another one."""
        try:
            closed = writer.abandon()
        except StorageError:
            # A file without one synced byte that can't be removed is in the way of the next one, which has its name.
            self._writer, self._in_the_way = None, writer
            return
        self.abandoned_segments += 1
        self._writer = None
        if closed is not None:
            self._before = closed
            self._carried = writer.definitions()

    def _undo(self) -> None:
        """After a failed write the file ends where it was last synced."""
        writer = self._writer
        if writer is None:
            return
        try:
            if not writer.undo():
                self._writer = None
        except StorageError as error:
            self.failed += f"; and it could not be taken back: {error}"
            self._abandon(writer)

    def close(self) -> None:
        """Mark the class as closed in good order, where all was synced, and close the file. Never raises."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            if not self.failed and not self._unwritten:
                writer.end(self.last_position)
                writer.store_index()
        except StorageError as error:
            self.failed = f"journal class {self.journal_class}: {error}"
        writer.close()

    def drop_segments(self, count: int) -> None:
        """Forget the oldest segments, which retention removed."""
        self.segments = self.segments[count:]


def _reach(marks: deque[int], position: int) -> bool:
    """Take away the first mark where it is this position."""
    is_reached = bool(marks) and marks[0] == position
    if is_reached:
        marks.popleft()
    return is_reached
