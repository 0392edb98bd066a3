"""Oracle of the file sink: its lines are the journal's payloads, byte for byte, each once and in order.

It reads what any reader would: `<kind>/date=YYYY-MM-DD/<class>-<session>-<first>-<last>.jsonl.zst`.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from gwcore.model import Record
from gwcore.ports import Storage
from gwcore.testing.oracles.sequences import VIOLATIONS_MAX

if sys.version_info >= (3, 14):
    from compression import zstd as _zstd
else:
    from backports import zstd as _zstd

_decompress: Any = _zstd.decompress


def read_archive(storage: Storage) -> dict[tuple[str, str], list[bytes]]:
    """Lines of all finished files by (journal class, kind), in the order of the journal."""
    files: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for name in storage.list():
        if name.endswith(".jsonl.zst"):
            kind, _, base = name.split("/")
            journal_class, _, first, _ = base.removesuffix(".jsonl.zst").rsplit("-", 3)
            files[journal_class, kind].append((int(first), name))
    return {
        key: [line for _, name in sorted(names) for line in _decompress(storage.read(name)).splitlines()]
        for key, names in files.items()
    }


def check_archive(storage: Storage, records: Iterable[Record]) -> list[str]:
    """After the sink was closed: per class and kind the archive's lines are exactly the journal's payloads."""
    expected: dict[tuple[str, str], list[bytes]] = defaultdict(list)
    for record in records:
        expected[record.journal_class, record.kind].append(record.payload)
    archive = read_archive(storage)
    found = []
    for key in sorted(expected.keys() | archive.keys()):
        mine, lines = expected.get(key, []), archive.get(key, [])
        if mine == lines:
            continue
        at = next((i for i, (one, other) in enumerate(zip(mine, lines, strict=False)) if one != other), None)
        place = f"line {at + 1} differs" if at is not None else "one ends early"
        found.append(f"archive of {'/'.join(key)}: {len(lines)} lines for {len(mine)} records; {place}")
    return found[:VIOLATIONS_MAX]
