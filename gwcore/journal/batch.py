"""Records on their way to one block of a segment: filled on the loop's thread, written on another."""

from __future__ import annotations

from gwcore.journal.format import FLAG_END, BlockMeta, StreamDefinition, TopicDefinition, encode_block


class Batch:
    """What becomes one block. Appending and taking it away are serialised by the lane's lock; it does no I/O."""

    __slots__ = ("chunks", "first_position", "last", "size", "starts_segment", "streams", "times", "topics")

    def __init__(self, first_position: int, *, starts_segment: bool) -> None:
        self.first_position = first_position
        self.starts_segment = starts_segment
        self.chunks: list[bytes] = []  # two for each record: head and payload, CRC
        self.times: list[int] = []  # published_ns of each record
        self.streams: list[StreamDefinition] = []
        self.topics: list[TopicDefinition] = []
        self.last: dict[int, int] = {}  # stream -> last sequence
        self.size = 0

    @property
    def last_position(self) -> int:
        """Position of the last record; one less than the first where there is none."""
        return self.first_position + len(self.times) - 1

    def meta(self) -> BlockMeta:
        """What the block says about itself."""
        return BlockMeta(
            tuple(self.streams),
            tuple(self.topics),
            tuple(self.last.items()),
            min(self.times),
            max(self.times),
        )

    def encode(self, previous_chain: bytes, synced_bytes: int) -> tuple[bytes, bytes, BlockMeta]:
        """The block's bytes, its chain hash, and its meta."""
        meta = self.meta()
        block, chain = encode_block(
            previous_chain, meta, b"".join(self.chunks), len(self.times), self.first_position, synced_bytes
        )
        return block, chain, meta


def encode_end(previous_chain: bytes, first_position: int, synced_bytes: int) -> tuple[bytes, bytes]:
    """The empty block that ends a class in good order."""
    return encode_block(previous_chain, BlockMeta(), b"", 0, first_position, synced_bytes, FLAG_END)
