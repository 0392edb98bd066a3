"""The journal: one durable, ordered log per class (`md`, `ex`, `st`) of everything the gateway says.

It takes the storage of the state directory; its files are below `journal/`. `append` and readers belong to the loop's
thread, `commit` may run on another. It must not decide what an event means.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final

import msgspec

from gwcore.errors import MissingSequences, StorageError
from gwcore.journal.blocks import load_index, read_records
from gwcore.journal.compress import SegmentCompressor, remove_unfinished
from gwcore.journal.cursors import CursorStore
from gwcore.journal.files import remove_segment, segment_name, stored_bytes
from gwcore.journal.format import CLASSES
from gwcore.journal.gap import JournalGap
from gwcore.journal.hold import LIMITS_FILE
from gwcore.journal.index import SegmentIndex
from gwcore.journal.lane import Lane, LaneSettings
from gwcore.journal.reader import JournalReader
from gwcore.journal.recovery import ClassRecovery, recover
from gwcore.journal.removed import Mark, RemovedSegment, StreamRange
from gwcore.journal.retention import ClosedSegment, RetentionLimits, expired_segments
from gwcore.model import Record, partition_class
from gwcore.ports import Clock, Storage
from gwcore.settings import JournalSettings

#: Indexes of closed segments kept in memory.
_INDEXES_MAX: Final = 64


class Journal:
    """Opens, and where a stop was not in good order repairs, all classes.

    Raises StorageError, naming file and offset, where promised records are damaged or missing.
    """

    def __init__(self, storage: Storage, clock: Clock, settings: JournalSettings) -> None:
        self.settings = settings
        self._storage = storage
        self._clock = clock
        self._cursors = CursorStore(storage)
        self._lanes: dict[str, Lane] = {}
        self._lane_of: dict[str, Lane] = {}  # by partition
        self._indexes: dict[tuple[str, int], SegmentIndex] = {}
        self.free_bytes: int | None = None  # on the volume, as the last commit saw it; None: it did not look
        self._commit_lock = threading.Lock()
        self._files_lock = threading.Lock()  # held while files of segments appear or go
        self._limits: Mapping[str, RetentionLimits] = {
            "md": RetentionLimits(settings.md_bytes_max, settings.md_age_max_s),
            "st": RetentionLimits(settings.st_bytes_max, settings.st_age_max_s),
            "ex": RetentionLimits(settings.ex_bytes_max, settings.ex_age_max_s),
        }
        recovery: dict[str, ClassRecovery] = {}
        for journal_class in CLASSES:
            bounds = self._cursors.bounds(journal_class)
            remove_unfinished(storage, journal_class)
            recovered = recovery[journal_class] = recover(storage, journal_class, bounds[1] if bounds else 0)
            # The reserve is kept for execution records.
            reserve_bytes = 0 if journal_class == "ex" else settings.reserve_bytes
            lane_settings = LaneSettings(
                settings.segment_bytes, settings.memory_records, reserve_bytes, settings.pending_bytes_max
            )
            self._lanes[journal_class] = Lane(storage, clock, recovered, lane_settings)
        self.recovery: Mapping[str, ClassRecovery] = recovery
        self.compressor = SegmentCompressor(
            storage,
            {name: _segments_of(lane) for name, lane in self._lanes.items()},
            self._files_lock,
            level=settings.compress_level,
            reserve_bytes=settings.reserve_bytes,
        )
        self._state_limits()

    @property
    def failed(self) -> str:
        """Why records are not being made durable at present; empty: all is well."""
        return "; ".join(lane.failed for lane in self._lanes.values() if lane.failed)

    def failed_of(self, journal_class: str) -> str:
        """Why records of one class are not being made durable at present; empty: all is well."""
        return self._lanes[journal_class].failed

    @property
    def dropped_records(self) -> int:
        """Records not journalled since start, because too much waited for a disk that failed or was too slow."""
        return sum(lane.dropped_records for lane in self._lanes.values())

    @property
    def abandoned_segments(self) -> int:
        """Segments left behind since start, because a sync of them failed."""
        return sum(lane.abandoned_segments for lane in self._lanes.values())

    def append(self, record: Record) -> int:
        """Take a record of any class; its position, at least 1. 0: it was dropped (see `dropped_records`)."""
        lane = self._lane_of.get(record.partition)
        if lane is None:
            lane = self._find_lane(record.partition)
        return lane.append(record)

    def last_position(self, journal_class: str) -> int:
        """Position of the newest record of a class; 0 where there is none."""
        return self._lanes[journal_class].last_position

    def synced_position(self, journal_class: str) -> int:
        """Position up to which a class is durable."""
        return self._lanes[journal_class].synced_position

    def first_position(self, journal_class: str) -> int:
        """Position of the oldest record kept."""
        lane = self._lanes[journal_class]
        return lane.segments[0] if lane.segments else lane.tail.first_position

    def appended_records(self, journal_class: str) -> int:
        """Records of a class taken since start."""
        return self._lanes[journal_class].last_position - self.recovery[journal_class].last_position

    def pending_bytes(self, journal_class: str) -> int:
        """Bytes of a class that wait for a commit."""
        return self._lanes[journal_class].pending_bytes

    def synced_bytes(self, journal_class: str) -> int:
        """Bytes of records of a class made durable since start."""
        return self._lanes[journal_class].synced_bytes

    def dropped_of(self, journal_class: str) -> int:
        """Records of a class not journalled since start."""
        return self._lanes[journal_class].dropped_records

    def stored_bytes(self, journal_class: str) -> int:
        """What the segments of a class take on the volume. It asks the file system once a segment."""
        total = 0
        for first in self._lanes[journal_class].segments:
            try:
                total += stored_bytes(self._storage, segment_name(journal_class, first))
            except FileNotFoundError:
                continue
        return total

    def take_dropped(self) -> list[MissingSequences]:
        """Which records were not journalled, each told once; empty while the cause of it lasts."""
        return [dropped for lane in self._lanes.values() for dropped in lane.take_dropped()]

    def gap_behind(self, journal_class: str, position: int) -> JournalGap | None:
        """What retention took of the records behind a reader's position; None: nothing."""
        return self._lanes[journal_class].gap_behind(position, {})

    def is_synced(self) -> bool:
        """Whether all that was appended is durable."""
        return all(lane.synced_position == lane.last_position for lane in self._lanes.values())

    def commit(self) -> None:
        """Make all that was appended durable; may run on another thread than `append`.

        Every class is tried. Raises StorageError for the first that failed: its records are kept in memory (bounded) for
        the next commit, and `failed` says why.
        """
        error: StorageError | None = None
        with self._commit_lock:
            for lane in self._lanes.values():
                try:
                    lane.commit()
                    if lane.rolled:
                        lane.rolled = False
                        self._retain(lane)
                except StorageError as found:
                    error = error or found
                if lane.free_bytes is not None:
                    self.free_bytes, lane.free_bytes = lane.free_bytes, None
        if error is not None:
            raise error

    def reader(self, journal_class: str, after: int) -> JournalReader:
        """A reader of one class that goes on behind position `after` (0: from the oldest record kept)."""
        lane = self._lanes[journal_class]
        if after > lane.last_position:
            raise StorageError(
                f"journal class {journal_class} ends at position {lane.last_position}, before {after}: a cursor of another "
                f"journal?"
            )
        if after == 0:
            after = self.first_position(journal_class) - 1
        return JournalReader(self._storage, lane, after, lambda first: self._index(lane, first))

    def position_of(self, session_id: str, sequence: int) -> int | None:
        """Where the record with this id stands, None where the journal does not hold it. Raises StorageError for damage."""
        for lane in self._lanes.values():
            position = self._find_in_tail(lane, session_id, sequence) or self._find_on_disk(lane, session_id, sequence)
            if position:
                return position
        return None

    def position_at(self, journal_class: str, time_ns: int) -> int:
        """First position of a class published at `time_ns` or later; one behind the last synced where there is none."""
        lane = self._lanes[journal_class]
        for first in lane.segments:
            index = self._index(lane, first)
            for stretch in index.stretches:
                if stretch.highest_ns < time_ns:
                    continue
                for records in read_records(self._storage, journal_class, index, stretch.offset, stretch.end):
                    for record in records:
                        if record.published_ns >= time_ns:
                            return record.position
        return lane.synced_position + 1

    def close(self) -> None:
        """Commit, mark each class as closed in good order, close the files. Raises StorageError of the commit."""
        self.compressor.stop()
        try:
            self.commit()
        finally:
            for lane in self._lanes.values():
                lane.close()

    def _find_lane(self, partition: str) -> Lane:
        lane = self._lanes.get(partition_class(partition))
        if lane is None:
            raise StorageError(f"partition {partition!r} belongs to no journal class")
        self._lane_of[partition] = lane
        return lane

    def _index(self, lane: Lane, first_position: int) -> SegmentIndex:
        live = lane.live_index
        if live is not None and live.first_position == first_position:
            return live
        key = (lane.journal_class, first_position)
        index = self._indexes.get(key)
        if index is None:
            index = self._load_index(lane, first_position)
            while len(self._indexes) >= _INDEXES_MAX:
                del self._indexes[next(iter(self._indexes))]
            self._indexes[key] = index
        return index

    def _find_in_tail(self, lane: Lane, session_id: str, sequence: int) -> int | None:
        tail = lane.tail
        for number, record in enumerate(tail.records):
            if record.sequence == sequence and record.session_id == session_id:
                return tail.first_position + number
        return None

    def _find_on_disk(self, lane: Lane, session_id: str, sequence: int) -> int | None:
        for first in reversed(lane.segments):
            index = self._index(lane, first)
            for stream in index.streams_of(session_id):
                if sequence < index.streams[stream].first_sequence:
                    continue
                for stretch in index.stretches:
                    if stretch.last_sequences.get(stream, 0) < sequence:
                        continue
                    for records in read_records(self._storage, lane.journal_class, index, stretch.offset, stretch.end):
                        for record in records:
                            if record.sequence == sequence and record.session_id == session_id:
                                return record.position
                    break
        return None

    def _load_index(self, lane: Lane, first_position: int) -> SegmentIndex:
        following = next((first for first in lane.segments if first > first_position), None)
        return load_index(self._storage, lane.journal_class, first_position, following)

    def _state_limits(self) -> None:
        """Write down what retention is told, for who looks at the folder later."""
        limits = {name: limit._asdict() for name, limit in self._limits.items()}
        data = msgspec.json.encode(limits) + b"\n"
        try:
            if not self._storage.exists(LIMITS_FILE) or self._storage.read(LIMITS_FILE) != data:
                self._storage.replace(LIMITS_FILE, data)
        except StorageError:
            return  # a full disk is told by the first commit

    def _retain(self, lane: Lane) -> None:
        """Remove what the limits allow. The segment being written is synced by now and stays."""
        name = lane.journal_class
        limits = self._limits[name]
        if limits == RetentionLimits():
            return
        closed = self._closed_segments(lane)
        bounds = self._cursors.bounds(name) if name == "ex" else None
        count = expired_segments(
            closed,
            limits,
            lambda segment: self._newest_ns(lane, segment.first_position),
            self._clock.now_ns(),
            bounds[0] if bounds else None,
        )
        if not count:
            return
        cursors = self._cursors.positions(name)
        lane.removed.add([self._describe(lane, segment, cursors) for segment in closed[:count]])
        # Readers are told first: from now on they find the gap, and not a missing file.
        lane.drop_segments(count)
        with self._files_lock:
            for segment in closed[:count]:
                remove_segment(self._storage, name, segment.first_position)

    def _closed_segments(self, lane: Lane) -> list[ClosedSegment]:
        name = lane.journal_class
        return [
            ClosedSegment(first, following - 1, stored_bytes(self._storage, segment_name(name, first)))
            for first, following in pairwise(lane.segments)
        ]

    def _newest_ns(self, lane: Lane, first_position: int) -> int:
        index = self._load_index(lane, first_position)
        return max((stretch.highest_ns for stretch in index.stretches), default=0)

    def _describe(self, lane: Lane, segment: ClosedSegment, cursors: set[int]) -> RemovedSegment:
        """What is worth knowing of a segment that goes; more exactly where a sink's cursor lies in it."""
        index = self._load_index(lane, segment.first_position)
        first: dict[tuple[str, str], int] = {}
        for stream in index.streams:
            first.setdefault((stream.partition, stream.session_id), stream.first_sequence)
        inside = [cursor for cursor in cursors if segment.first_position <= cursor < segment.last_position]
        return RemovedSegment(
            first_position=segment.first_position,
            last_position=segment.last_position,
            streams=tuple(StreamRange(*key, first[key], last) for key, last in index.last_by_stream().items()),
            marks=tuple(Mark(cursor, self._sequences_at(lane, index, cursor)) for cursor in inside),
        )

    def _sequences_at(self, lane: Lane, index: SegmentIndex, position: int) -> tuple[tuple[str, str, int], ...]:
        """The last sequence of each stream of a segment, up to a position in it."""
        last: dict[tuple[str, str], int] = {}
        for stretch in index.stretches:
            if stretch.first_position > position:
                break
            for records in read_records(self._storage, lane.journal_class, index, stretch.offset, stretch.end):
                for record in records:
                    if record.position <= position:
                        last[record.partition, record.session_id] = record.sequence
        return tuple((*key, sequence) for key, sequence in last.items())


def _segments_of(lane: Lane) -> Callable[[], tuple[int, ...]]:
    return lambda: lane.segments
