"""Writing one segment file, block by block."""

from __future__ import annotations

import struct
from contextlib import suppress

from gwcore.errors import StorageError
from gwcore.journal.batch import Batch, encode_end
from gwcore.journal.files import index_name, segment_name
from gwcore.journal.format import (
    MODES,
    BlockHeader,
    BlockMeta,
    SegmentHeader,
    StreamDefinition,
    encode_segment_header,
    segment_chain,
)
from gwcore.journal.index import SegmentIndex, empty_index
from gwcore.ports import Storage


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
        self._carried = BlockMeta()  # what the first block defines again for the segment before
        self._unsynced: list[tuple[int, BlockHeader, BlockMeta, set[int]]] = []
        self._file = storage.append(self.name, mode=MODES[journal_class])

    def carry(self, definitions: BlockMeta) -> None:
        """Let the first block begin with the streams and topics of the segment that this one goes on for."""
        self._carried = definitions

    def definitions(self) -> BlockMeta:
        """All streams and topics of the synced part, as a segment that goes on behind it has to define them."""
        last = self.index.last_by_stream()
        streams = []
        for stream in self.index.streams:
            sequence = last.get((stream.partition, stream.session_id), stream.previous_sequence)
            streams.append(StreamDefinition(stream.partition, stream.session_id, sequence + 1, sequence))
        return BlockMeta(tuple(streams), tuple(self.index.topics))

    def write(self, batch: Batch) -> None:
        """Write a batch as one block, with the segment's header before the first."""
        try:
            carried = BlockMeta() if self.size else self._carried
            block, header, meta = batch.encode(self.chain, self.synced_size, carried)
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
        self._unsynced.append((offset, header, meta, batch.topic_ids()))
        self.size = offset + len(block)
        self.chain = header.chain

    def sync(self) -> None:
        """Make all that was written durable."""
        self._file.sync()
        self.synced_size, self._synced_chain = self.size, self.chain
        for offset, header, meta, topics in self._unsynced:
            self.index.add(offset, header, meta, topics)
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

    def abandon(self) -> Closed | None:
        """Give up the file after a failed sync: what the next segment follows; None: nothing was synced, the file is gone.

        Raises StorageError where not even that worked, and a new segment would meet the old one.
        """
        self._file.close()
        if self.synced_size == 0:
            self._storage.remove(self.name)
            return None
        # Cut where that works. Else the rest stays, and counts for nothing: the next segment says where this one ended.
        with suppress(StorageError):
            self._storage.truncate(self.name, self.synced_size)
        self.size, self.chain = self.synced_size, self._synced_chain
        self.store_index()
        return self.closed()

    def closed(self) -> Closed:
        """What the next segment must know of this one."""
        return Closed(self.first_position, self.size, self.chain)

    def store_index(self) -> None:
        """Keep the index beside the file. It is a help only: where that fails readers make their own."""
        name = index_name(self.journal_class, self.first_position)
        with suppress(StorageError):
            self._storage.replace(name, self.index.encode(), mode=MODES[self.journal_class])

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
