"""One class of the journal being written: `append` on the loop's thread, `commit` on any one other.

The two share no lock: records, definitions and segment starts pass through deques, whose append and popleft are atomic.
A definition is put in before the first record that needs it, with that record's position.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Final, NamedTuple

from gwcore.errors import StorageError
from gwcore.journal.batch import Batch
from gwcore.journal.format import MODES, ROW_BYTES, Row, StreamDefinition, TopicDefinition
from gwcore.journal.index import SegmentIndex
from gwcore.journal.recovery import ClassRecovery
from gwcore.journal.segment import Closed, SegmentWriter, index_name
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
        self._broken = False  # a sync failed: nothing is known of the file any more, so it is left alone
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
        self._previous = _last_sequences(recovered.index)
        # The committing thread's own.
        self._taken_position = self.last_position
        self._unwritten: list[Batch] = []
        self._committed_bytes = 0

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
            return self._drop()
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

    def _drop(self) -> int:
        # The next record of each stream shall say with its definition what came last: that makes it a stated gap.
        self._forget_topics()
        self.dropped_records += 1
        return 0

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
        if self._broken:
            raise StorageError(self.failed)
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
        if reserve_bytes and (free := self._storage.free_bytes()) < reserve_bytes:
            raise StorageError(
                f"{free} bytes are free on the volume, below the reserve of {reserve_bytes}; free some space"
            )

    def _write(self) -> None:
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
            self._broken = True
            raise
        if self.segments[-1:] != (writer.first_position,):
            self.segments = (*self.segments, writer.first_position)
        size = sum(batch.size for batch in written)
        self._committed_bytes += size
        self.synced_bytes += size
        self.synced_position = written[-1].last_position
        self._unwritten = self._unwritten[len(written) :]

    def _close_segment(self, writer: SegmentWriter) -> None:
        writer.close()
        self._before = Closed(writer.first_position, writer.size, writer.chain)
        self._writer = None
        self.rolled = True
        with suppress(StorageError):  # the index is a help only: without it a reader makes its own
            self._storage.replace(
                index_name(self.journal_class, writer.first_position),
                writer.index.encode(),
                mode=MODES[self.journal_class],
            )

    def _undo(self) -> None:
        """After a failed write the file ends where it was last synced; where even that fails, leave it alone for good."""
        writer = self._writer
        if writer is None or self._broken:
            return
        try:
            if not writer.undo():
                self._writer = None
        except StorageError as error:
            self._broken = True
            self.failed += f"; and it could not be taken back: {error}"

    def close(self) -> None:
        """Mark the class as closed in good order, where all was synced, and close the file. Never raises."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            if not self.failed and not self._unwritten:
                writer.end(self.last_position)
        except StorageError as error:
            self.failed = f"journal class {self.journal_class}: {error}"
        writer.close()

    def drop_segments(self, count: int) -> None:
        """Forget the oldest segments, which retention removed."""
        self.segments = self.segments[count:]


def _last_sequences(index: SegmentIndex | None) -> dict[tuple[str, str], int]:
    last: dict[int, int] = {}
    if index is None:
        return {}
    for stretch in index.stretches:
        last.update(stretch.last_sequences)
    streams = index.streams
    return {(streams[stream].partition, streams[stream].session_id): sequence for stream, sequence in last.items()}
