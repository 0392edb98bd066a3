"""Checking an archive: every SHA-256, every count, every session's sequence over all files. It changes nothing.

It may run beside a gateway that writes: files that are not finished are read as far as they are durable.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from gwcore.archive.lines import read_batches, record_of
from gwcore.archive.manifest import (
    Manifest,
    ManifestBuilder,
    Origin,
    describe,
    encode_manifest,
    load_manifest,
)
from gwcore.archive.names import MANIFEST_SUFFIX, ArchiveFile, list_archive
from gwcore.archive.sequences import SequenceSet, without
from gwcore.archive.state import Unfinished, list_whole, load_states
from gwcore.errors import ProtocolError, StorageError
from gwcore.ports import Storage

#: Faults that are told; one is enough to know, more help to find the cause.
FAULTS_MAX: Final = 50
#: Highest sequence there can be: the end of a Gap that has no upper bound.
_NO_END: Final = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFault:
    """Something that is not as it was written. `file` is its name within the archive."""

    file: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSession:
    """What the archive holds of one session; inclusive bounds."""

    partition: str
    session_id: str
    first_sequence: int
    last_sequence: int
    lines: int


@dataclass(slots=True, kw_only=True)
class ArchiveReport:
    """What was found. `faults` are in the order of class and position: the first is the first bad file."""

    files: int = 0  # finished; lines and bytes are theirs
    files_open: int = 0  # not finished: what is durable of them counts for the sequences
    lines: int = 0
    bytes_raw: int = 0
    bytes_compressed: int = 0
    sessions: list[ArchiveSession] = field(default_factory=list)
    stated_missing: int = 0  # sequences that are missing, as the events themselves say
    faults: list[ArchiveFault] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all is as it was written."""
        return not self.faults


def verify_archive(
    storage: Storage, *, day: str | None = None, on_read: Callable[[int], None] | None = None
) -> ArchiveReport:
    """Check all files, or those of one day. `on_read` is told how many compressed bytes were read."""
    return _Check(storage, day, on_read or (lambda count: None)).run()


def write_missing_manifests(storage: Storage, origin: Origin) -> list[str]:
    """Describe each file that has no manifest from what it holds now. Returns their names; raises StorageError."""
    made = []
    names = set(storage.list())
    for file in list_archive(storage):
        if file.manifest not in names:
            mode = 0o600 if file.journal_class == "ex" else 0o640
            storage.replace(file.manifest, encode_manifest(describe(storage, file, origin)), mode=mode)
            made.append(file.name)
    return made


class _Check:
    def __init__(self, storage: Storage, day: str | None, on_read: Callable[[int], None]) -> None:
        self._storage = storage
        self._day = day
        self._on_read = on_read
        self._report = ArchiveReport()
        self._sets: dict[tuple[str, str], SequenceSet] = {}
        self._stated: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self._ranges: dict[tuple[str, str], list[tuple[int, int, ArchiveFile]]] = {}

    def run(self) -> ArchiveReport:
        report = self._report
        try:
            finished, unfinished = list_whole(self._storage)
        except StorageError as error:
            self._fault(str(error).partition(":")[0], str(error))
            return report
        files = [file for file in finished if self._day in (None, file.date)]
        still_open = [one for one in unfinished if self._day in (None, one.entry.date)]
        for file in files:
            self._check_file(file)
        for one in still_open:
            self._check_open(one)
        self._check_orphans([*files, *(one.final for one in still_open)])
        for key, seen in self._sets.items():
            report.sessions.append(
                ArchiveSession(
                    partition=key[0],
                    session_id=key[1],
                    first_sequence=seen.first,
                    last_sequence=seen.last,
                    lines=seen.count,
                )
            )
            self._check_sequences(key, seen)
        if self._day is None and report.ok and not report.stated_missing:
            self._check_positions([*files, *(one.final for one in still_open)])
        return report

    def _fault(self, file: str, cause: str) -> None:
        if len(self._report.faults) < FAULTS_MAX:
            # Errors of the reader begin with the file's name, which stands beside the cause already.
            self._report.faults.append(ArchiveFault(file=file, cause=cause.removeprefix(f"{file}: ")))

    def _check_file(self, file: ArchiveFile) -> None:
        report, manifest = self._report, None
        try:
            manifest = load_manifest(self._storage, file)
        except StorageError as error:
            self._fault(file.name, str(error))
        try:
            found = self._read(file, manifest)
        except FileNotFoundError:
            self._fault(file.name, "it went away while the archive was read")
            return
        except StorageError as error:
            self._fault(file.name, str(error))
            return
        report.files += 1
        report.lines += found.lines
        report.bytes_raw += found.bytes_raw
        report.bytes_compressed += found.bytes_compressed
        if manifest is not None:
            self._compare(file, manifest, found)
        if found.lines > file.last - file.first + 1 or found.sessions[0].session_id != file.session_id:
            self._fault(file.name, f"its name does not agree with its {found.lines} lines")

    def _check_open(self, one: Unfinished) -> None:
        entry = one.entry
        try:
            try:
                found = self._read(one.final, None, name=entry.name, size=entry.size)
            except FileNotFoundError:  # finished since it was listed, perhaps longer than it was
                name = next((file.name for file in list_archive(self._storage) if _continues(file, one)), "")
                if not name:
                    self._fault(entry.name, f"it is missing: {entry.lines} lines of {entry.kind} were durable in it")
                    return
                found = self._read(one.final, None, name=name, size=entry.size)
        except StorageError as error:
            self._fault(entry.name, str(error))
            return
        self._report.files_open += 1
        if found.lines != entry.lines:
            self._fault(entry.name, f"it holds {found.lines} lines; its writer says {entry.lines}")

    def _read(
        self, file: ArchiveFile, manifest: Manifest | None, *, name: str = "", size: int | None = None
    ) -> Manifest:
        """What the file holds; its sequences are noted on the way. `name` and `size`: of one that is not finished."""
        builder, number = ManifestBuilder(), 0

        def on_read(data: bytes) -> None:
            builder.compressed(data)
            self._on_read(len(data))

        for lines in read_batches(self._storage, name or file.name, on_read, size):
            try:
                records = [record_of(line) for line in lines]
                builder.add(records)
            except (ValueError, ProtocolError) as error:
                raise StorageError(f"within lines {number + 1} to {number + len(lines)}: {error}") from error
            number += len(lines)
            for record in records:
                key = (record.partition, record.session_id)
                seen = self._sets.get(key)
                if seen is None:
                    seen = self._sets[key] = SequenceSet()
                seen.add(record.sequence)
                if seen.repeated == record.sequence:
                    raise StorageError(
                        f"sequence {record.sequence} of {record.partition}, session {record.session_id}, is there twice"
                    )
        if not builder.lines:
            raise StorageError("holds no line")
        origin = manifest or Origin(venue="", environment="", source="")
        found = builder.build(file, Origin(venue=origin.venue, environment=origin.environment, source=origin.source))
        for one in found.sessions:
            key = (one.partition, one.session_id)
            self._ranges.setdefault(key, []).append((one.first_sequence, one.last_sequence, file))
        for gap in found.gaps:
            if gap.partition and gap.session_id and gap.first_sequence is not None:
                end = _NO_END if gap.last_sequence is None else gap.last_sequence
                self._stated.setdefault((gap.partition, gap.session_id), []).append((gap.first_sequence, end))
        return found

    def _compare(self, file: ArchiveFile, manifest: Manifest, found: Manifest) -> None:
        if manifest.sha256 != found.sha256:
            self._fault(
                file.name,
                f"changed: its SHA-256 is {found.sha256[:16]}..., the manifest says {manifest.sha256[:16]}...",
            )
            return
        told, is_so = msgspec.structs.asdict(manifest), msgspec.structs.asdict(found)
        differ = [name for name in told if name != "manifest_version" and told[name] != is_so[name]]
        if differ:
            self._fault(file.name, f"its manifest does not agree with it in {', '.join(differ)}")

    def _check_orphans(self, files: Sequence[ArchiveFile]) -> None:
        manifests = {file.manifest for file in files}
        for name in self._storage.list():
            day = name.partition("/date=")[2].partition("/")[0]
            if not name.endswith(MANIFEST_SUFFIX) or name in manifests or self._day not in (None, day):
                continue
            data = name.removesuffix(MANIFEST_SUFFIX) + ".jsonl.zst"
            # A gateway that runs writes the manifest first, of a file that its state names; the file follows at once.
            is_there = self._storage.exists(data) or name in self._announced() or self._storage.exists(data)
            if not is_there:
                self._fault(data, "there is a manifest, and the file is missing")

    def _announced(self) -> set[str]:
        """Manifests of files that are being renamed now."""
        states = load_states(self._storage)
        return {entry.final(name).manifest for name, state in states.items() for entry in state.finished}

    def _check_sequences(self, key: tuple[str, str], seen: SequenceSet) -> None:
        missing = seen.missing()
        left = without(missing, self._stated.get(key, []))
        self._report.stated_missing += sum(last - first + 1 for first, last in missing)
        if not left:
            return
        self._report.stated_missing -= sum(last - first + 1 for first, last in left)
        first, last = left[0]
        span = f"sequence {first} is" if first == last else f"sequences {first} to {last} are"
        more = f", and {len(left) - 1} spans more" if len(left) > 1 else ""
        file = self._holder(key, first - 1)
        self._fault(file, f"of {key[0]}, session {key[1]}, {span} in no file{more}; the one before is in this file")

    def _holder(self, key: tuple[str, str], sequence: int) -> str:
        """The file that holds a sequence. It is read again: this is the way of an archive that is not whole."""
        for first, last, file in self._ranges[key]:
            if first <= sequence <= last and self._holds(file.name, key, sequence):
                return file.name
        return self._ranges[key][0][2].name

    def _holds(self, name: str, key: tuple[str, str], sequence: int) -> bool:
        if not self._storage.exists(name):
            return False  # it was not finished when it was read
        lines = itertools.chain.from_iterable(read_batches(self._storage, name))
        return any((one.partition, one.session_id, one.sequence) == (*key, sequence) for one in map(record_of, lines))

    def _check_positions(self, files: Sequence[ArchiveFile]) -> None:
        """Each position of a class is in one file. Finds what sequences can't: a session of which nothing is left."""
        for journal_class in sorted({file.journal_class for file in files}):
            mine = [file for file in files if file.journal_class == journal_class]
            lines = sum(one.lines for one in self._report.sessions if one.partition.split(".")[0] == journal_class)
            oldest = min(mine, key=lambda file: file.first)
            first, last = oldest.first, max(file.last for file in mine)
            if lines != last - first + 1:
                self._fault(
                    oldest.name,
                    f"from this file on class {journal_class} has positions {first} to {last}, and {lines} lines in all",
                )


def _continues(file: ArchiveFile, one: Unfinished) -> bool:
    """Whether a finished file is what an unfinished one became."""
    final = one.final
    return (file.kind, file.date, file.journal_class, file.session_id, file.first) == (
        final.kind,
        final.date,
        final.journal_class,
        final.session_id,
        final.first,
    )
