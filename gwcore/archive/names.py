"""Names of the archive's files, and what each of them promises.

    <kind>/date=YYYY-MM-DD/<class>-<session>-<first>-<last>.jsonl.zst       events, one a line; never touched again
    <kind>/date=YYYY-MM-DD/<class>-<session>-<first>-<last>.manifest.json   what is in it

`first` and `last` are positions in the journal class; the session is that of the first line; the date is that of
`published_ns`, in UTC. Whatever else lies in the folder (`open/`, `state/`, `damaged/`) is the writer's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from gwcore.errors import StorageError
from gwcore.ports import Storage

DATA_SUFFIX = ".jsonl.zst"
MANIFEST_SUFFIX = ".manifest.json"

_NAME = re.compile(
    r"(?P<kind>[a-z0-9_]+)/date=(?P<date>\d{4}-\d\d-\d\d)/"
    r"(?P<journal_class>[a-z]+)-(?P<session_id>[^/]+)-(?P<first>\d{12,})-(?P<last>\d{12,})\.jsonl\.zst\Z"
)


class ArchiveFile(NamedTuple):
    """One finished file, by its name alone."""

    name: str
    kind: str
    date: str
    journal_class: str
    session_id: str
    first: int
    last: int

    @property
    def manifest(self) -> str:
        """Name of its manifest."""
        return manifest_name(self.name)


def data_name(kind: str, date: str, journal_class: str, session_id: str, first: int, last: int) -> str:
    """The name of a finished file: sorts by class, session and position, and is never used twice."""
    return f"{kind}/date={date}/{journal_class}-{session_id}-{first:012d}-{last:012d}{DATA_SUFFIX}"


def manifest_name(name: str) -> str:
    """The name of a data file's manifest."""
    return name.removesuffix(DATA_SUFFIX) + MANIFEST_SUFFIX


def parse_name(name: str) -> ArchiveFile | None:
    """What a name says; None for what is no data file of an archive."""
    found = _NAME.match(name)
    if found is None:
        return None
    return ArchiveFile(
        name,
        found["kind"],
        found["date"],
        found["journal_class"],
        found["session_id"],
        int(found["first"]),
        int(found["last"]),
    )


def archive_files(names: Iterable[str]) -> list[ArchiveFile]:
    """All data files among these names, by class and position. Raises StorageError for one whose name says nothing."""
    files = []
    for name in names:
        file = parse_name(name)
        if file is not None:
            files.append(file)
        elif name.endswith(DATA_SUFFIX):
            raise StorageError(f"{name}: no name of an archive's file; move it out of the archive")
    return sorted(files, key=lambda file: (file.journal_class, file.first, file.last, file.name))


def list_archive(storage: Storage) -> list[ArchiveFile]:
    """All data files of an archive, by class and position. Raises StorageError."""
    return archive_files(storage.list())
