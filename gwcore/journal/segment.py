"""One segment file: its name, and writing it block by block."""

from __future__ import annotations

import struct
from typing import Final

from gwcore.errors import StorageError
from gwcore.journal.batch import Batch, encode_end
from gwcore.journal.format import (
    MODES,
    BlockHeader,
    BlockMeta,
    SegmentHeader,
    encode_segment_header,
    segment_chain,
)
from gwcore.journal.index import SegmentIndex, empty_index
from gwcore.ports import Storage

#: Folder of the journal below the state directory.
FOLDER: Final = "journal"
SEGMENT_SUFFIX: Final = ".gwj"
INDEX_SUFFIX: Final = ".idx"


def segment_name(journal_class: str, first_position: int) -> str:
    """Name of a segment below the state directory."""
    return f"{FOLDER}/{journal_class}/{first_position:020d}{SEGMENT_SUFFIX}"


def index_name(journal_class: str, first_position: int) -> str:
    """Name of the index file of a closed segment."""
    return f"{FOLDER}/{journal_class}/{first_position:020d}{INDEX_SUFFIX}"


def segment_positions(storage: Storage, journal_class: str) -> list[int]:
    """First positions of the segments that are there, in order. Raises StorageError for a name that is none of ours."""
    positions = []
    for name in storage.list(f"{FOLDER}/{journal_class}"):
        if not name.endswith(SEGMENT_SUFFIX):
            continue
        digits = name.rpartition("/")[2][: -len(SEGMENT_SUFFIX)]
        if not (digits.isascii() and digits.isdigit() and len(digits) == 20):
            raise StorageError(f"{name} is not a journal segment; take it out of the journal's folder")
        positions.append(int(digits))
    return sorted(positions)


class SegmentWriter:
    """Appends blocks to a new segment. Used by one thread at a time; every method may raise StorageError."""

    def __init__(
        self, storage: Storage, journal_class: str, first_position: int, created_ns: int, before: Closed
    ) -> None:
        self._storage = storage
        self.journal_class = journal_class
        self.first_position = first_position
        self.name = segment_name(journal_class, first_position)
        header = encode_segment_header(
            SegmentHeader(journal_class, created_ns, first_position, before.first_position, before.size, before.chain)
        )
        self.index: SegmentIndex = empty_index(first_position)
        self.size = 0
        self.chain = segment_chain(header)
        self.synced_size = 0
        self._synced_chain = self.chain
        self._header: bytes = header
        self._unsynced: list[tuple[int, BlockHeader, BlockMeta]] = []
        self._file = storage.append(self.name, mode=MODES[journal_class])

    def write(self, batch: Batch) -> None:
        """Write a batch as one block, with the segment's header before the first."""
        try:
            block, header, meta = batch.encode(self.chain, self.synced_size)
        except (struct.error, TypeError) as error:
            raise StorageError(
                f"a record from position {batch.first_position} on does not fit the format: {error}"
            ) from error
        offset = self.size
        if offset == 0:
            self._file.write(self._header + block)
            offset = len(self._header)
        else:
            self._file.write(block)
        self._unsynced.append((offset, header, meta))
        self.size = offset + len(block)
        self.chain = header.chain

    def sync(self) -> None:
        """Make all that was written durable."""
        self._file.sync()
        self.synced_size, self._synced_chain = self.size, self.chain
        for offset, header, meta in self._unsynced:
            self.index.add(offset, header, meta)
        self._unsynced.clear()

    def undo(self) -> bool:
        """Take back what was written since the last sync. False: nothing was synced, and the file is gone."""
        self._unsynced.clear()
        self.size, self.chain = self.synced_size, self._synced_chain
        if self.synced_size == 0:
            self._file.close()
            self._storage.remove(self.name)
            return False
        self._storage.truncate(self.name, self.synced_size)
        return True

    def end(self, last_position: int) -> None:
        """Mark the class as closed in good order."""
        block, header = encode_end(self.chain, last_position + 1, self.synced_size)
        self._file.write(block)
        self.size += len(block)
        self.chain = header.chain
        self.sync()

    def close(self) -> None:
        """Close the file; nothing is synced."""
        self._file.close()


class Closed:
    """What a new segment must know of the one before it."""

    __slots__ = ("chain", "first_position", "size")

    def __init__(self, first_position: int, size: int, chain: bytes) -> None:
        self.first_position = first_position
        self.size = size
        self.chain = chain
