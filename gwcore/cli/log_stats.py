"""What `gw log stats` counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gwcore.errors import ProtocolError
from gwcore.journal.files import segment_name, segment_positions, stored_bytes
from gwcore.journal.format import CLASSES
from gwcore.journal.hold import Hold, measure_hold, read_limits
from gwcore.journal.retention import RetentionLimits
from gwcore.journal.scan import RecordFilter, scan_class
from gwcore.model import Record, UpdateType
from gwcore.ports import Storage
from gwcore.wire import decode_envelope


@dataclass(slots=True, kw_only=True)
class ClassStats:
    """One journal class. Segments and file bytes are of all of it, the rest of what was wanted."""

    segments: int = 0
    file_bytes: int = 0
    records: int = 0
    payload_bytes: int = 0
    first_position: int = 0
    last_position: int = 0
    hold: Hold | None = None  # how long the limits keep it at the present rate; None: too little to say


@dataclass(slots=True, kw_only=True)
class SessionStats:
    """One session of a partition."""

    session_id: str
    first_sequence: int
    last_sequence: int
    records: int
    first_ns: int
    last_ns: int


@dataclass(slots=True, kw_only=True)
class JournalStats:
    """All that is counted. Times are `published_ns`, 0 where there is no record."""

    records: int = 0
    first_ns: int = 0
    last_ns: int = 0
    classes: dict[str, ClassStats] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    update_types: dict[str, int] = field(default_factory=dict)
    stale_reasons: dict[str, int] = field(default_factory=dict)
    partitions: dict[str, list[SessionStats]] = field(default_factory=dict)


def collect_stats(storage: Storage, wanted: RecordFilter) -> JournalStats:
    """Count the wanted records of all classes. Raises StorageError at a damaged place."""
    counting = _Counting()
    limits = read_limits(storage)
    for journal_class in CLASSES:
        counting.add_class(storage, journal_class, wanted, limits.get(journal_class, RetentionLimits()))
    return counting.result()


class _Counting:
    def __init__(self) -> None:
        self.stats = JournalStats()
        self._topics: Counter[tuple[str, UpdateType | None]] = Counter()
        self._reasons: Counter[str] = Counter()
        self._sessions: dict[tuple[str, str], SessionStats] = {}

    def add_class(self, storage: Storage, journal_class: str, wanted: RecordFilter, limits: RetentionLimits) -> None:
        entry = self.stats.classes[journal_class] = ClassStats()
        for first_position in segment_positions(storage, journal_class):
            try:
                entry.file_bytes += stored_bytes(storage, segment_name(journal_class, first_position))
            except FileNotFoundError:  # retention took it since
                continue
            entry.segments += 1
        entry.hold = measure_hold(storage, journal_class, limits)
        for record in scan_class(storage, journal_class, wanted):
            if not entry.records:
                entry.first_position = record.position
            entry.records += 1
            entry.last_position = record.position
            entry.payload_bytes += len(record.payload)
            self._topics[record.kind, record.update_type] += 1
            if record.update_type is UpdateType.STALE:
                self._reasons[_stale_reason(record)] += 1
            self._add_session(record)

    def _add_session(self, record: Record) -> None:
        key = (record.partition, record.session_id)
        session = self._sessions.get(key)
        if session is None:
            self._sessions[key] = SessionStats(
                session_id=record.session_id,
                first_sequence=record.sequence,
                last_sequence=record.sequence,
                records=1,
                first_ns=record.published_ns,
                last_ns=record.published_ns,
            )
            return
        session.last_sequence = record.sequence
        session.records += 1
        session.first_ns = min(session.first_ns, record.published_ns)
        session.last_ns = max(session.last_ns, record.published_ns)

    def result(self) -> JournalStats:
        stats = self.stats
        kinds: Counter[str] = Counter()
        update_types: Counter[str] = Counter()
        for (kind, update_type), count in self._topics.items():
            kinds[kind] += count
            if update_type is not None:
                update_types[update_type.value] += count
        stats.records = sum(kinds.values())
        stats.kinds, stats.update_types = _ordered(kinds), _ordered(update_types)
        stats.stale_reasons = _ordered(self._reasons)
        for (partition, _), session in sorted(self._sessions.items(), key=_by_partition_and_time):
            stats.partitions.setdefault(partition, []).append(session)
        stats.first_ns = min((session.first_ns for session in self._sessions.values()), default=0)
        stats.last_ns = max((session.last_ns for session in self._sessions.values()), default=0)
        return stats


def _stale_reason(record: Record) -> str:
    try:
        event: Any = decode_envelope(record.payload).event
    except ProtocolError:
        return "unreadable"
    reason = getattr(event, "reason", None)
    return "none" if reason is None else str(reason.value)


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _by_partition_and_time(item: tuple[tuple[str, str], SessionStats]) -> tuple[str, int, str]:
    (partition, session_id), session = item
    return partition, session.first_ns, session_id
