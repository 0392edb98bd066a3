"""Segment files by name, and reading one whether it is compressed or not.

A segment is `<position>.gwj`, or, closed and compressed, `<position>.gwj.zst`. Compressing makes the second before it
removes the first, so whoever finds neither, in that order, knows that retention took the segment. Offsets are always
those of the segment as it was written.
"""

from __future__ import annotations

from typing import Final

from gwcore.errors import StorageError
from gwcore.journal.format import FormatError
from gwcore.journal.packed import FOOTER_BYTES, FrameTable, table_bytes
from gwcore.ports import Storage

#: Folder of the journal below the state directory.
FOLDER: Final = "journal"
SEGMENT_SUFFIX: Final = ".gwj"
PACKED_SUFFIX: Final = ".gwj.zst"
INDEX_SUFFIX: Final = ".idx"
_POSITION_DIGITS: Final = 20


class DamagedFile(StorageError):
    """A compressed file that can't be read. `offset` is in the file itself."""

    def __init__(self, file: str, offset: int, cause: str) -> None:
        self.file = file
        self.offset = offset
        self.cause = cause
        super().__init__(f"{file} is damaged at offset {offset}: {cause}")


def segment_name(journal_class: str, first_position: int) -> str:
    """Name of a segment below the state directory, as it is before it is compressed."""
    return f"{FOLDER}/{journal_class}/{first_position:020d}{SEGMENT_SUFFIX}"


def packed_name(name: str) -> str:
    """Name of the compressed file of the segment `name`."""
    return name[: -len(SEGMENT_SUFFIX)] + PACKED_SUFFIX


def index_name(journal_class: str, first_position: int) -> str:
    """Name of the index file of a closed segment."""
    return f"{FOLDER}/{journal_class}/{first_position:020d}{INDEX_SUFFIX}"


def segment_positions(storage: Storage, journal_class: str) -> list[int]:
    """First positions of the segments that are there, in order. Raises StorageError for a name that is none of ours."""
    positions = set()
    for name in storage.list(f"{FOLDER}/{journal_class}"):
        last = name.rpartition("/")[2]
        suffix = next((suffix for suffix in (PACKED_SUFFIX, SEGMENT_SUFFIX) if last.endswith(suffix)), None)
        if suffix is None:
            continue
        digits = last[: -len(suffix)]
        if not (digits.isascii() and digits.isdigit() and len(digits) == _POSITION_DIGITS):
            raise StorageError(f"{name} is not a journal segment; take it out of the journal's folder")
        positions.add(int(digits))
    return sorted(positions)


def stored_bytes(storage: Storage, name: str) -> int:
    """What the segment `name` takes on the volume. Raises FileNotFoundError."""
    try:
        return storage.size(name)
    except FileNotFoundError:
        return storage.size(packed_name(name))


def remove_segment(storage: Storage, journal_class: str, first_position: int) -> None:
    """Delete all files of a segment. Raises StorageError."""
    name = segment_name(journal_class, first_position)
    # The compressed one first: a reader that misses the plain one looks for it, and must not find it half gone.
    storage.remove(packed_name(name))
    storage.remove(name)
    storage.remove(index_name(journal_class, first_position))


class SegmentFile:
    """Reads one segment. It belongs to one thread; it may be compressed, or removed, under its hands."""

    __slots__ = ("_content", "_frame", "_storage", "_table", "name")

    def __init__(self, storage: Storage, name: str) -> None:
        self._storage = storage
        self.name = name
        self._table: FrameTable | None = None
        self._frame = -1  # the frame decompressed last, and what is in it: most reading goes straight on
        self._content = b""

    def read(self, offset: int, size: int = -1) -> bytes:
        """Bytes from `offset`, at most `size` (all for -1). Raises FileNotFoundError, DamagedFile."""
        if self._table is None:
            try:
                return self._storage.read(self.name, offset, size)
            except FileNotFoundError:
                self._table = self._read_table()
        table = self._table
        if size < 0:
            size = max(0, table.content_bytes - offset)
        parts = []
        for number in table.frames(offset, size):
            start = table.content_start(number)
            parts.append(self._decompressed(table, number)[max(0, offset - start) : offset + size - start])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def size(self) -> int:
        """Bytes of the segment as it was written. Raises FileNotFoundError, DamagedFile."""
        if self._table is None:
            try:
                return self._storage.size(self.name)
            except FileNotFoundError:
                self._table = self._read_table()
        return self._table.content_bytes

    def _read_table(self) -> FrameTable:
        name = packed_name(self.name)
        file_bytes = self._storage.size(name)
        try:
            start = file_bytes - table_bytes(
                self._storage.read(name, max(0, file_bytes - FOOTER_BYTES), FOOTER_BYTES), file_bytes
            )
            return FrameTable(self._storage.read(name, start), file_bytes)
        except FormatError as error:
            raise DamagedFile(name, error.offset, error.cause) from None

    def _decompressed(self, table: FrameTable, number: int) -> bytes:
        if number != self._frame:
            name = packed_name(self.name)
            frame = self._storage.read(name, *table.place(number))
            try:
                self._content = table.decompress(number, frame)
            except FormatError as error:
                raise DamagedFile(name, error.offset, error.cause) from None
            self._frame = number
        return self._content
