"""ArchiveReader: the records of an archive, or of a time within it, class by class in the order they were published.

Files are by kind, and lines carry no position in their class: the order is made again from the sequences within each
partition, and from `published_ns` between partitions, where no order was promised.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from gwcore.archive.lines import read_batches, record_of
from gwcore.archive.manifest import Manifest, load_manifest
from gwcore.archive.names import ArchiveFile, list_archive
from gwcore.errors import StorageError
from gwcore.model import Record
from gwcore.ports import Storage

NS_PER_DAY: Final = 86_400 * 1_000_000_000
_EPOCH: Final = date(1970, 1, 1)
#: Lines of a kind that are looked at before the next one is chosen. A wall clock that went back must not change the order
#: within a partition: it does not as long as no more than this many lines of one kind hide the earlier one.
LOOKAHEAD_LINES: Final = 1024

Wants = Callable[[str, "str | None"], bool]


def day_of(time_ns: int) -> str:
    """The day (UTC) of a time, as the archive's folders write it."""
    return (_EPOCH + timedelta(days=time_ns // NS_PER_DAY)).isoformat()


def day_start_ns(day: str) -> int:
    """When a day begins. Raises ValueError for what is no day."""
    return (date.fromisoformat(day) - _EPOCH).days * NS_PER_DAY


class ArchiveReader:
    """What is wanted of an archive. `from_ns` also takes in what the state at that time follows from: everything of the
    sessions that were under way. `wants(kind, symbol)` chooses topics."""

    def __init__(
        self, storage: Storage, *, from_ns: int | None = None, to_ns: int | None = None, wants: Wants | None = None
    ) -> None:
        self._storage = storage
        self._wants = wants
        self.warnings: list[str] = []
        self._manifests: dict[str, Manifest | None] = {}
        files = list_archive(storage)
        if to_ns is not None:
            files = [file for file in files if file.date <= day_of(to_ns)]
        if from_ns is not None:
            files = self._from(files, from_ns)
        self.files: Sequence[ArchiveFile] = files

    @property
    def classes(self) -> Sequence[str]:
        """Journal classes there is anything of."""
        return sorted({file.journal_class for file in self.files})

    def manifest(self, file: ArchiveFile) -> Manifest | None:
        """A file's manifest; None, with a warning, where there is none."""
        if file.name not in self._manifests:
            try:
                self._manifests[file.name] = load_manifest(self._storage, file)
            except StorageError as error:
                self._manifests[file.name] = None
                self.warnings.append(str(error))
        return self._manifests[file.name]

    def records(self, journal_class: str) -> Iterator[Record]:
        """Records of one class, in order, numbered from 1 as their position. Each call reads anew.

        Raises StorageError that names the file where one is not whole.
        """
        files = [file for file in self.files if file.journal_class == journal_class]
        lanes = [_Lane(self._read(lane)) for lane in _lanes(files)]
        records = lanes[0].records() if len(lanes) == 1 else _merge(lanes, self._ranks(files))
        new = tuple.__new__
        for position, record in enumerate(records, 1):
            yield new(Record, (*record[:9], position))

    def _read(self, files: Sequence[ArchiveFile]) -> Iterator[list[Record]]:
        wants = self._wants
        for file in files:
            if wants is not None and not self._may_hold(file, wants):
                continue
            number = 0
            for lines in read_batches(self._storage, file.name):
                try:
                    records = [record_of(line) for line in lines]
                except ValueError as error:
                    raise StorageError(
                        f"{file.name}: within lines {number + 1} to {number + len(lines)}: {error}"
                    ) from error
                number += len(lines)
                if wants is not None:
                    records = [record for record in records if wants(record.kind, record.symbol)]
                if records:
                    yield records

    def _may_hold(self, file: ArchiveFile, wants: Wants) -> bool:
        manifest = self.manifest(file)
        if manifest is None:
            return wants(file.kind, None)
        return any(wants(file.kind, symbol or None) for symbol in manifest.symbols)

    def _ranks(self, files: Sequence[ArchiveFile]) -> dict[str, int]:
        """Session -> its place in the order of sessions: of two sessions of a partition one came first, whatever the clock
        said. Files are in the order of positions."""
        ranks: dict[str, int] = {}
        for file in files:
            manifest = self.manifest(file)
            for session_id in [s.session_id for s in manifest.sessions] if manifest else [file.session_id]:
                ranks.setdefault(session_id, len(ranks))
        return ranks

    def _from(self, files: Sequence[ArchiveFile], from_ns: int) -> list[ArchiveFile]:
        """Files that reach to `from_ns`, and those of the sessions that were under way then."""
        day = day_of(from_ns)
        under_way: dict[str, str] = {}  # partition -> session
        begun: set[str] = set()
        earliest = day
        for earliest in sorted({file.date for file in files if file.date <= day}, reverse=True):
            newest: dict[str, tuple[int, str]] = {}
            for file in files:
                manifest = self.manifest(file) if file.date == earliest else None
                for one in manifest.sessions if manifest is not None else ():
                    if one.first_ns <= from_ns:
                        newest[one.partition] = max(newest.get(one.partition, (0, "")), (one.first_ns, one.session_id))
                    if one.first_sequence == 1:
                        begun.add(one.session_id)
            for partition, (_, session_id) in newest.items():
                under_way.setdefault(partition, session_id)
            if under_way and begun.issuperset(under_way.values()):
                break
        wanted = set(under_way.values())
        return [file for file in files if file.date >= earliest and self._reaches(file, from_ns, wanted)]

    def _reaches(self, file: ArchiveFile, from_ns: int, sessions: set[str]) -> bool:
        manifest = self.manifest(file)
        if manifest is None or manifest.last_ns >= from_ns:
            return True
        return any(one.session_id in sessions for one in manifest.sessions)


def _lanes(files: Sequence[ArchiveFile]) -> list[list[ArchiveFile]]:
    """Files of one class as few rows as possible, each of one kind with positions that rise. More rows than kinds come of a
    clock that went back over midnight, when files of two days were open at once."""
    lanes: dict[str, list[list[ArchiveFile]]] = {}
    for file in files:
        rows = lanes.setdefault(file.kind, [])
        row = next((row for row in rows if row[-1].last < file.first), None)
        if row is None:
            rows.append([file])
        else:
            row.append(file)
    return [row for rows in lanes.values() for row in rows]


class _Lane:
    """The records of one row, with some of them in sight."""

    __slots__ = ("_batches", "ready")

    def __init__(self, batches: Iterator[list[Record]]) -> None:
        self._batches = batches
        self.ready: deque[Record] = deque()

    def fill(self) -> list[Record]:
        """Look further where little is in sight; what came in sight."""
        found: list[Record] = []
        while len(self.ready) < LOOKAHEAD_LINES:
            batch = next(self._batches, None)
            if batch is None:
                break
            self.ready.extend(batch)
            found += batch
        return found

    def records(self) -> Iterator[Record]:
        """All of them, where there is no other lane."""
        for batch in self._batches:
            yield from batch


def _merge(lanes: Sequence[_Lane], ranks: dict[str, int]) -> Iterator[Record]:
    """The earliest record of all lanes next, unless an earlier one of its own partition is in sight."""
    in_sight: dict[str, list[tuple[int, int]]] = {}  # partition -> heap of (rank of the session, sequence)

    def fill(number: int) -> None:
        for record in lanes[number].fill():
            heap = in_sight.setdefault(record.partition, [])
            heapq.heappush(heap, (ranks.setdefault(record.session_id, len(ranks)), record.sequence))

    heads: list[tuple[int, int]] = []  # (published_ns, lane)
    for number, lane in enumerate(lanes):
        fill(number)
        if lane.ready:
            heads.append((lane.ready[0].published_ns, number))
    heapq.heapify(heads)
    while heads:
        waiting: list[tuple[int, int]] = []
        while True:
            number = heads[0][1]
            lane = lanes[number]
            record = lane.ready[0]
            heap = in_sight[record.partition]
            # The last one goes whatever it is: then an archive repeats or mixes what it should not, and verify says so.
            if heap[0] == (ranks[record.session_id], record.sequence) or len(heads) == 1:
                break
            waiting.append(heapq.heappop(heads))
        if heap[0] == (ranks[record.session_id], record.sequence):
            heapq.heappop(heap)
        else:
            heap.remove((ranks[record.session_id], record.sequence))
            heapq.heapify(heap)
        lane.ready.popleft()
        yield record
        if len(lane.ready) < LOOKAHEAD_LINES // 2:
            fill(number)
        if lane.ready:
            heapq.heapreplace(heads, (lane.ready[0].published_ns, number))
        else:
            heapq.heappop(heads)
        for entry in waiting:
            heapq.heappush(heads, entry)
