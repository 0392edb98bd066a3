"""One journal class in files: gathers lines, commits them durably, gives finished files their final name. It works on the
Storage it is given and nothing else: no asyncio, no clock, no core.

Below the sink's directory:

    open/<class>-<number>.part     files being written; only their durable part may be read
    <kind>/date=YYYY-MM-DD/<class>-<session>-<first>-<last>.jsonl.zst     whole files, never touched again
    <kind>/date=YYYY-MM-DD/<class>-<session>-<first>-<last>.manifest.json     what is in it (gwcore.archive)
    state/<class>.json             what is durable: position, length of each open file, files about to be renamed

Rule 1: the state file is replaced only after all it claims is synced.
Rule 2: a file is renamed only after the state file says that it will be, and its manifest stands beside its final name.
Rule 3: whoever opens the directory trusts the state file alone: an open file is cut to the length that stands there,
closed, described from its own lines and renamed; one that the state file does not name is deleted.
So after a crash at any instant the archive holds each line up to `position` once and nothing else, and no reader finds a
file without its manifest.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import NamedTuple, TypeAlias

import msgspec

from gw_sinks.zstd import LAST_BLOCK, FrameWriter
from gwcore.archive.manifest import ManifestBuilder, Origin, describe, encode_manifest
from gwcore.archive.names import DATA_SUFFIX, ArchiveFile
from gwcore.archive.state import ClassState, FileEntry, load_state, state_name
from gwcore.errors import StorageError
from gwcore.model import Record
from gwcore.ports import AppendFile, Storage

NS_PER_DAY = 86_400 * 1_000_000_000
#: Day 0 of the epoch as `date.toordinal` counts.
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
#: Files one class may hold open; above it all are finished. A class has about twenty kinds.
OPEN_FILES_MAX = 64
#: Mode of files by class: executions are nobody else's business.
_MODES = {"ex": 0o600}
_MODE = 0o640

_Key: TypeAlias = tuple[str, int]  # kind, day since the epoch


class Opened(NamedTuple):
    """What `ClassWriter.open` found."""

    position: int | None  # everything up to here is in the archive; None: this class was never written
    damaged: tuple[str, ...]  # a sentence for each file that was shorter than the state file says


class _OpenFile:
    __slots__ = ("day", "entry", "file", "frame", "manifest", "opened_ns")

    def __init__(self, file: AppendFile, frame: FrameWriter, entry: FileEntry, day: int, opened_ns: int) -> None:
        self.file = file
        self.frame = frame
        self.entry = entry
        self.manifest = ManifestBuilder()
        self.day = day
        self.opened_ns = opened_ns

    def write(self, data: bytes) -> None:
        """Compressed bytes."""
        self.file.write(data)
        self.manifest.compressed(data)


class ClassWriter:
    """Writes one journal class. `add` is cheap and touches no disk; `open`, `commit` and `close` do, and may run on a
    thread, one call at a time. After StorageError only a new ClassWriter on the same directory helps."""

    def __init__(
        self, journal_class: str, storage: Storage, *, origin: Origin, level: int, file_bytes_max: int
    ) -> None:
        self.journal_class = journal_class
        self.position = 0  # of the newest record added
        self.committed = 0  # everything up to here is durable
        self.bytes_buffered = 0
        self._storage = storage
        self._origin = origin
        self._level = level
        self._file_bytes_max = file_bytes_max
        self._state_name = state_name(journal_class)
        self._mode = _MODES.get(journal_class, _MODE)
        self._number = 1
        self._buffered: dict[_Key, list[Record]] = {}
        self._files: dict[_Key, _OpenFile] = {}

    def open(self, position: int) -> Opened:
        """Finish what an earlier process left (rule 3) and get ready to write what follows `position`, or follows what
        the archive holds. Raises StorageError."""
        state = load_state(self._storage, self.journal_class)
        recovered = state or ClassState(position=position)
        leftovers = {name for name in self._storage.list("open") if name.startswith(f"open/{self.journal_class}-")}
        damaged = tuple(self._finish_leftovers(recovered, leftovers))
        named = {entry.name for entry in (*recovered.open, *recovered.finished)}
        for name in leftovers - named:
            self._storage.remove(name)
        self._number = recovered.number
        self.position = self.committed = recovered.position
        if state is not None:
            self._replace_state(())
        return Opened(None if state is None else recovered.position, damaged)

    def add(self, batch: Sequence[Record]) -> None:
        """Take records in journal order; those met before are left out."""
        if batch[0].position <= self.position:
            batch = [record for record in batch if record.position > self.position]
            if not batch:
                return
        buffered, size = self._buffered, 0
        for record in batch:
            key = (record.kind, record.published_ns // NS_PER_DAY)
            records = buffered.get(key)
            if records is None:
                records = buffered[key] = []
            records.append(record)
            size += len(record.payload) + 1
        self.bytes_buffered += size
        self.position = batch[-1].position

    def commit(self, now_ns: int, file_age_max_ns: int, *, finish_all: bool = False) -> None:
        """Make all that was added durable; finish files that are full, too old, of a past day, or all of them. `now_ns`
        is monotonic. Raises StorageError."""
        touched = {key: self._write(key, records, now_ns) for key, records in self._buffered.items()}
        finish_all = finish_all or len(self._files) > OPEN_FILES_MAX
        due = {
            key: file
            for key, file in self._files.items()
            if finish_all or self._is_due(key, file, touched, now_ns - file_age_max_ns)
        }
        if not touched and not due:
            return
        finished = [(self._end(file), file.manifest) for file in due.values()]
        for key, file in {**touched, **due}.items():
            file.file.sync()
            if key in due:
                file.file.close()
                del self._files[key]
        self._buffered = {}
        self.bytes_buffered = 0
        self._replace_state([entry for entry, _ in finished])
        for entry, manifest in finished:
            final = entry.final(self.journal_class)
            self._publish(entry, final, encode_manifest(manifest.build(final, self._origin)))
        self.committed = self.position

    def next_due_ns(self, file_age_max_ns: int) -> int | None:
        """When the oldest open file gets too old (monotonic); None without open files."""
        return (
            min((file.opened_ns for file in self._files.values()), default=0) + file_age_max_ns if self._files else None
        )

    def close(self) -> None:
        """Close the files as they are. What was not committed is gone; the next `open` finishes the rest."""
        for file in self._files.values():
            file.file.close()
        self._files = {}
        self._buffered = {}
        self.bytes_buffered = 0

    def _replace_state(self, finished: Sequence[FileEntry]) -> None:
        entries = tuple(file.entry for file in self._files.values())
        state = ClassState(position=self.position, number=self._number, open=entries, finished=tuple(finished))
        self._storage.replace(self._state_name, msgspec.json.encode(state), mode=self._mode)

    def _finish_leftovers(self, state: ClassState, leftovers: Collection[str]) -> list[str]:
        damaged = []
        for entry in (*state.open, *state.finished):
            final = entry.final(self.journal_class)
            if entry.name not in leftovers:
                if not self._storage.exists(final.name):
                    damaged.append(f"{entry.name} with {entry.lines} lines is missing")
                continue
            size = self._storage.size(entry.name)
            if size < entry.size:
                damaged.append(f"{entry.name} has {size} bytes of {entry.size}; moved to damaged/")
                self._storage.rename(entry.name, _shelf(final))
                continue
            if entry in state.open:
                self._complete(entry)
            try:
                manifest = describe(self._storage, final, self._origin, read_from=entry.name)
            except StorageError as error:
                damaged.append(f"{error}; moved to damaged/")
                self._storage.rename(entry.name, _shelf(final))
                continue
            self._publish(entry, final, encode_manifest(manifest))
        return damaged

    def _publish(self, entry: FileEntry, final: ArchiveFile, manifest: bytes) -> None:
        # The manifest first: who finds a file finds its manifest too.
        self._storage.replace(final.manifest, manifest, mode=self._mode)
        self._storage.rename(entry.name, final.name)

    def _complete(self, entry: FileEntry) -> None:
        self._storage.truncate(entry.name, entry.size)
        file = self._storage.append(entry.name, mode=self._mode)
        try:
            file.write(LAST_BLOCK)
            file.sync()
        finally:
            file.close()

    def _write(self, key: _Key, records: Sequence[Record], now_ns: int) -> _OpenFile:
        file = self._files.get(key)
        if file is None:
            file = self._files[key] = self._open_file(key, records[0], now_ns)
        lines = [record.payload for record in records]
        lines.append(b"")
        file.write(file.frame.block(b"\n".join(lines)))
        file.manifest.add(records)
        file.entry = msgspec.structs.replace(
            file.entry,
            last=records[-1].position,
            lines=file.entry.lines + len(records),
            size=file.file.size(),
        )
        return file

    def _open_file(self, key: _Key, record: Record, now_ns: int) -> _OpenFile:
        kind, day = key
        entry = FileEntry(
            name=f"open/{self.journal_class}-{self._number}.part",
            kind=kind,
            date=date.fromordinal(_EPOCH_ORDINAL + day).isoformat(),
            session_id=record.session_id,
            first=record.position,
            last=record.position,
            lines=0,
            size=0,
        )
        self._number += 1
        file = self._storage.append(entry.name, mode=self._mode)
        return _OpenFile(file, FrameWriter(self._level), entry, day, now_ns)

    def _is_due(self, key: _Key, file: _OpenFile, touched: Collection[_Key], opened_before_ns: int) -> bool:
        if file.entry.size >= self._file_bytes_max or file.opened_ns <= opened_before_ns:
            return True
        # A record of the past day may still come late; while they come its file stays.
        return key not in touched and any(kind == key[0] and day > file.day for kind, day in self._files)

    def _end(self, file: _OpenFile) -> FileEntry:
        file.write(file.frame.end())
        file.entry = msgspec.structs.replace(file.entry, size=file.file.size())
        return file.entry


def _shelf(final: ArchiveFile) -> str:
    return "damaged/" + final.name.removesuffix(DATA_SUFFIX).replace("/", "_") + ".part"
