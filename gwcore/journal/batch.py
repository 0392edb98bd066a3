"""Records on their way to one block of a segment."""

from __future__ import annotations

from collections.abc import Sequence

from gwcore.journal.format import (
    FLAG_END,
    ROW_BYTES,
    BlockHeader,
    BlockMeta,
    Columns,
    StreamDefinition,
    TopicDefinition,
    encode_block,
)


class Batch:
    """What becomes one block. It does no I/O."""

    __slots__ = ("columns", "first_position", "payload_bytes", "starts_segment", "stream_ids", "streams", "topics")

    def __init__(
        self,
        first_position: int,
        columns: Columns,
        stream_ids: Sequence[int],
        *,
        payload_bytes: int,
        starts_segment: bool,
        streams: Sequence[StreamDefinition],
        topics: Sequence[TopicDefinition],
    ) -> None:
        self.first_position = first_position
        self.columns = columns
        self.stream_ids = stream_ids  # of each record
        self.payload_bytes = payload_bytes
        self.starts_segment = starts_segment
        self.streams = streams  # named for the first time in the segment
        self.topics = topics

    def __len__(self) -> int:
        return len(self.stream_ids)

    @property
    def last_position(self) -> int:
        """Position of the last record; one less than the first where there is none."""
        return self.first_position + len(self) - 1

    @property
    def size(self) -> int:
        """Bytes of the records: columns and payloads."""
        return self.payload_bytes + ROW_BYTES * len(self)

    def topic_ids(self) -> set[int]:
        """Topics of its records."""
        return set(self.columns.topics)

    def encode(
        self, previous_chain: bytes, synced_bytes: int, carried: BlockMeta
    ) -> tuple[bytes, BlockHeader, BlockMeta]:
        """The block's bytes, its header, and its meta, which begins with the definitions of `carried`.

        Raises struct.error for a number out of range.
        """
        columns = self.columns
        last = dict(zip(self.stream_ids, columns.sequences, strict=True))  # the last of each stream stays
        streams, topics = (*carried.streams, *self.streams), (*carried.topics, *self.topics)
        meta = BlockMeta(streams, topics, tuple(last.items()), min(columns.times), max(columns.times))
        block, header = encode_block(previous_chain, meta, columns, self.first_position, synced_bytes)
        return block, header, meta


def encode_end(previous_chain: bytes, first_position: int, synced_bytes: int) -> tuple[bytes, BlockHeader]:
    """The empty block that ends a class in good order."""
    return encode_block(previous_chain, BlockMeta(), Columns(), first_position, synced_bytes, FLAG_END)
