"""Oracle of the file sink: its lines are the journal's payloads, byte for byte, each once and in order.

It reads what any reader would: `<kind>/date=YYYY-MM-DD/<class>-<session>-<first>-<last>.jsonl.zst`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

from gwcore.archive.manifest import Origin, describe, load_manifest
from gwcore.archive.names import list_archive
from gwcore.errors import StorageError
from gwcore.model import Record
from gwcore.ports import Storage
from gwcore.testing.oracles.sequences import VIOLATIONS_MAX

if sys.version_info >= (3, 14):
    from compression import zstd as _zstd
else:
    from backports import zstd as _zstd

_decompress: Any = _zstd.decompress


class ArchiveFile(NamedTuple):
    """One finished file: where it stands, what its name promises, and its lines."""

    name: str
    journal_class: str
    kind: str
    first: int  # positions of its first and last line
    last: int
    lines: list[bytes]


def read_archive(storage: Storage) -> list[ArchiveFile]:
    """All finished files."""
    files = []
    for name in storage.list():
        if name.endswith(".jsonl.zst"):
            kind, _, base = name.split("/")
            journal_class, _, first, last = base.removesuffix(".jsonl.zst").rsplit("-", 3)
            lines = _decompress(storage.read(name)).splitlines()
            files.append(ArchiveFile(name, journal_class, kind, int(first), int(last), lines))
    return files


def check_archive(storage: Storage, records: Iterable[Record]) -> list[str]:
    """After the sink was closed: the archive's lines are exactly the journal's payloads, each once, in order within a
    file, and each file's name says which it holds. Files of two days may interleave, where the wall clock went back."""
    known = {record.payload: record for record in records}
    seen: set[bytes] = set()
    found: list[str] = []
    for file in read_archive(storage):
        if len(found) >= VIOLATIONS_MAX:
            break
        held = [known.get(line) for line in file.lines]
        if None in held:
            found.append(f"archive {file.name}: line {held.index(None) + 1} is not what the journal holds")
            continue
        positions = [record.position for record in held if record is not None]
        if any(one >= other for one, other in pairwise(positions)):
            found.append(f"archive {file.name}: not in the order of the journal")
        if (positions[0], positions[-1]) != (file.first, file.last):
            found.append(f"archive {file.name}: it holds {positions[0]} to {positions[-1]}")
        strangers = [
            one for one in held if one is not None and (one.journal_class, one.kind) != (file.journal_class, file.kind)
        ]
        if strangers:
            found.append(f"archive {file.name}: a record of {strangers[0].journal_class}/{strangers[0].kind}")
        if not seen.isdisjoint(file.lines):
            found.append(f"archive {file.name}: it repeats what another file holds")
        seen.update(file.lines)
    found += check_manifests(storage)
    missing = [record for payload, record in known.items() if payload not in seen]
    if missing:
        first = missing[0]
        found.append(
            f"archive: {len(missing)} records are missing, first {first.kind} at {first.journal_class} {first.position}"
        )
    return found[:VIOLATIONS_MAX]


def check_manifests(storage: Storage) -> list[str]:
    """Each file has the manifest that its own lines give."""
    found = []
    for file in list_archive(storage):
        try:
            told = load_manifest(storage, file)
        except StorageError as error:
            found.append(f"archive {error}")
            continue
        origin = Origin(venue=told.venue, environment=told.environment, source=told.source)
        if told != describe(storage, file, origin):
            found.append(f"archive {file.name}: its manifest tells something else")
    return found
