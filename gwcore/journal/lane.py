"""One class of the journal being written: `append` on the loop's thread, `commit` on any one other.

The two share no lock: records, definitions and segment starts pass through deques, whose append and popleft are atomic.
A definition is put in before the first record that needs it, with that record's position.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

from gwcore.errors import MissingSequences, StorageError
from gwcore.journal.batch import Batch
from gwcore.journal.format import ROW_BYTES, BlockMeta, Row, StreamDefinition, TopicDefinition
from gwcore.journal.gap import JournalGap
from gwcore.journal.index import SegmentIndex
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
        self._rows: deque[Row] = deque()
        self._definitions: deque[tuple[int, StreamDefinition | None, TopicDefinition]] = deque()
        self._starts: deque[int] = deque([self.last_position + 1])  # first positions of new segments
        # The appending thread's own; the other one reads `_appended_bytes` at most.
        self._appended_bytes = 0
        self._segment_start_bytes = 0
        self._check_step = max(1, min(_CHECK_BYTES, settings.segment_bytes // 4, settings.pending_bytes_max // 4))
        self._check_at = self._check_step
        self._topics: dict[tuple[str | None, ...], tuple[int, int]] = {}
        self._topic_count = 0
        self._streams: dict[tuple[str, str], int] = {}
        self._stream_count = 0
        self._sequences: dict[int, int] = {}  # stream -> last sequence
        self._previous = recovered.index.last_by_stream() if recovered.index else {}
        self._dropped: dict[tuple[str, str], tuple[int, int]] = {}  # first and last sequence not journalled
        # The committing thread's own.
        self._taken_position = self.last_position
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
        partition, session_id, sequence, kind, symbol, account, update_type, published_ns, payload, _ = record
        # `_value_` and not the member: hashing an Enum runs Python code.
        key = (partition, session_id, kind, symbol, account, None if update_type is None else update_type._value_)
        ids = self._topics.get(key)
        if ids is None:
            ids = self._define(record, key)
        topic, stream = ids
        self._rows.append((topic, stream, sequence, published_ns, payload))
        self.last_position = position = self.last_position + 1
        self._sequences[stream] = sequence
        size = len(payload)
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
            self._forget_topics()
            self._topic_count = self._stream_count = 0
        self._check_at = appended + self._check_step
        if self.tail.is_full():
            self.tail.trim(self.synced_position)
        return True

    def _define(self, record: Record, key: tuple[str | None, ...]) -> tuple[int, int]:
        stream_key = (record.partition, record.session_id)
        stream, definition = self._streams.get(stream_key), None
        if stream is None:
            stream = self._streams[stream_key] = self._stream_count
            self._stream_count += 1
            definition = StreamDefinition(*stream_key, record.sequence, self._previous.get(stream_key, 0))
        topic = TopicDefinition(stream, record.kind, record.symbol, record.account, key[5])
        self._definitions.append((self.last_position + 1, definition, topic))
        ids = self._topics[key] = (self._topic_count, stream)
        self._topic_count += 1
        return ids

    def _drop(self, record: Record) -> int:
        # The next record of each stream shall say with its definition what came last: that makes it a stated gap.
        self._forget_topics()
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

    def _forget_topics(self) -> None:
        for stream_key, stream in self._streams.items():
            self._previous[stream_key] = self._sequences[stream]
        self._streams.clear()
        self._sequences.clear()
        self._topics.clear()

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
        """Make batches of all records that are there now."""
        rows, waiting = self._rows, len(self._rows)
        block_bytes = self._settings.block_bytes
        while waiting:
            first = self._taken_position + 1
            batch = Batch(first, starts_segment=bool(self._starts) and self._starts[0] == first)
            if batch.starts_segment:
                self._starts.popleft()
            count = min(waiting, self._starts[0] - first) if self._starts else waiting
            size = 0
            while count and size < block_bytes:
                row = rows.popleft()
                batch.rows.append(row)
                size += len(row[4])
                count -= 1
            batch.payload_bytes = size
            waiting -= len(batch.rows)
            self._taken_position = batch.last_position
            self._take_definitions(batch)
            self._unwritten.append(batch)

    def _take_definitions(self, batch: Batch) -> None:
        definitions, last_position = self._definitions, batch.last_position
        while definitions and definitions[0][0] <= last_position:
            _, stream, topic = definitions.popleft()
            if stream is not None:
                batch.streams.append(stream)
            batch.topics.append(topic)

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
