"""Where readers stand, durably: one small JSON file per reader below `cursors/`."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from gwcore.errors import StorageError
from gwcore.ports import Storage

#: Folder of the cursors below the state directory.
FOLDER: Final = "cursors"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_SUFFIX: Final = ".json"


class CursorStore:
    """Cursors by name; each says per journal class the last position that its reader has dealt with."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def load(self, name: str) -> dict[str, int]:
        """Positions per class; empty where there is no such cursor. Raises StorageError for a file that is not one."""
        file = _file(name)
        try:
            data = self._storage.read(file)
        except FileNotFoundError:
            return {}
        try:
            positions = msgspec.json.decode(data, type=dict[str, int])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise StorageError(
                f"{file} is not a cursor ({error}); restore it, or remove it to read again from the start"
            ) from error
        if any(position < 0 for position in positions.values()):
            raise StorageError(
                f"{file} holds a negative position; restore it, or remove it to read again from the start"
            )
        return positions

    def save(self, name: str, positions: dict[str, int]) -> None:
        """Keep positions, atomically and durably. Raises StorageError."""
        self._storage.replace(_file(name), msgspec.json.encode(positions) + b"\n", mode=0o600)

    def names(self) -> list[str]:
        """All cursors there are."""
        found = (file.rpartition("/")[2] for file in self._storage.list(FOLDER))
        return sorted(name[: -len(_SUFFIX)] for name in found if name.endswith(_SUFFIX))

    def positions(self, journal_class: str) -> set[int]:
        """The positions that readers have reached in a class."""
        return {cursor[journal_class] for cursor in map(self.load, self.names()) if journal_class in cursor}

    def bounds(self, journal_class: str) -> tuple[int, int] | None:
        """Lowest and highest position that a reader has reached in a class; None where no reader has a cursor for it."""
        positions = self.positions(journal_class)
        return (min(positions), max(positions)) if positions else None


def _file(name: str) -> str:
    if not _NAME.match(name):
        raise StorageError(f"{name!r} can't name a cursor: use letters, digits, '_', '.', '-'")
    return f"{FOLDER}/{name}{_SUFFIX}"
