"""Records on their way to one block of a segment."""

from __future__ import annotations

from gwcore.journal.format import (
    FLAG_END,
    ROW_BYTES,
    BlockHeader,
    BlockMeta,
    Row,
    StreamDefinition,
    TopicDefinition,
    encode_block,
)


class Batch:
    """What becomes one block. It does no I/O."""

    __slots__ = ("first_position", "payload_bytes", "rows", "starts_segment", "streams", "topics")

    def __init__(self, first_position: int, *, starts_segment: bool) -> None:
        self.first_position = first_position
        self.starts_segment = starts_segment
        self.rows: list[Row] = []
        self.payload_bytes = 0
        self.streams: list[StreamDefinition] = []  # named for the first time in the segment
        self.topics: list[TopicDefinition] = []

    @property
    def last_position(self) -> int:
        """Position of the last record; one less than the first where there is none."""
        return self.first_position + len(self.rows) - 1

    @property
    def size(self) -> int:
        """Bytes of the records: columns and payloads."""
        return self.payload_bytes + ROW_BYTES * len(self.rows)

    def topic_ids(self) -> set[int]:
        """Topics of its records."""
        return {row[0] for row in self.rows}

    def encode(
        self, previous_chain: bytes, synced_bytes: int, carried: BlockMeta
    ) -> tuple[bytes, BlockHeader, BlockMeta]:
        """The block's bytes, its header, and its meta, which begins with the definitions of `carried`.

        Raises struct.error for a number out of range.
        """
        _, streams, sequences, times, _ = zip(*self.rows, strict=True)
        last = dict(zip(streams, sequences, strict=True))  # the last of each stream stays
        streams, topics = (*carried.streams, *self.streams), (*carried.topics, *self.topics)
        meta = BlockMeta(streams, topics, tuple(last.items()), min(times), max(times))
        block, header = encode_block(previous_chain, meta, self.rows, self.first_position, synced_bytes)
        return block, header, meta


def encode_end(previous_chain: bytes, first_position: int, synced_bytes: int) -> tuple[bytes, BlockHeader]:
    """The empty block that ends a class in good order."""
    return encode_block(previous_chain, BlockMeta(), (), first_position, synced_bytes, FLAG_END)
