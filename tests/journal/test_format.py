"""The bytes on disk: what goes in comes out, and what was not written is noticed."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwcore.journal.blocks import TopicTable, block_meta
from gwcore.journal.format import (
    NO_CHAIN,
    SEGMENT_HEADER_BYTES,
    BlockMeta,
    Columns,
    FormatError,
    SegmentHeader,
    StreamDefinition,
    TopicDefinition,
    UnsupportedFormat,
    check_block_chain,
    decode_block_header,
    decode_meta,
    decode_segment_header,
    encode_block,
    encode_segment_header,
    segment_chain,
)
from gwcore.journal.index import SegmentIndex, Stretch, decode_index
from gwcore.model import Record, UpdateType

quick = settings(deadline=None, max_examples=60)


def columns_of(rows):
    return Columns(*zip(*rows, strict=True)) if rows else Columns()


texts = st.text(max_size=12)
u64 = st.integers(0, 2**64 - 1)
rows = st.lists(st.tuples(st.integers(0, 1), u64, st.integers(-(2**63), 2**63 - 1), st.binary(max_size=40)), max_size=8)


@quick
@given(st.sampled_from(["md", "ex", "st"]), u64, u64, u64, u64, st.binary(min_size=32, max_size=32))
def test_segment_header_round_trip(journal_class, created_ns, first, previous, size, chain):
    header = SegmentHeader(journal_class, created_ns, first, previous, size, chain)
    data = encode_segment_header(header)
    assert len(data) == SEGMENT_HEADER_BYTES
    assert decode_segment_header(data + b"more") == header


@quick
@given(
    rows,
    st.integers(1, 2**40),
    texts,
    texts,
    st.none() | texts,
    st.none() | texts,
    st.sampled_from([None, *UpdateType]),
)
def test_block_round_trip(rows, first_position, partition, session_id, symbol, account, update_type):
    meta = BlockMeta(
        (StreamDefinition(partition, session_id, 1, 0),),
        (
            TopicDefinition(0, "kind", symbol, account, None if update_type is None else update_type.value),
            TopicDefinition(0, "other", None, None, None),
        ),
        ((0, 7),),
        -5,
        5,
    )
    block, header = encode_block(NO_CHAIN, meta, columns_of(rows), first_position, 99)
    assert decode_block_header(block) == header
    assert header.size == len(block)
    check_block_chain(header, block, NO_CHAIN)
    view = memoryview(block)
    assert block_meta(header, view) == meta
    table = TopicTable()
    table.add(meta)
    routes = [("kind", symbol, account, update_type), ("other", None, None, None)]
    assert table.decode(header, view) == [
        Record(partition, session_id, sequence, *routes[topic], time_ns, payload, first_position + number)
        for number, (topic, sequence, time_ns, payload) in enumerate(rows)
    ]


@quick
@given(rows.filter(len), st.data())
def test_any_changed_bit_of_a_block_is_noticed(rows, data):
    meta = BlockMeta((StreamDefinition("md.0", "S", 1, 0),), (TopicDefinition(0, "a", None, None, None),) * 2)
    block, _ = encode_block(NO_CHAIN, meta, columns_of(rows), 1, 0)
    place = data.draw(st.integers(0, len(block) * 8 - 1))
    changed = bytearray(block)
    changed[place // 8] ^= 1 << place % 8
    with pytest.raises(FormatError):
        check_block_chain(decode_block_header(changed), changed, NO_CHAIN)
    # Without the hash, as a reader sees it: every record is covered by CRCs.
    with pytest.raises(FormatError):
        decode_whole(bytes(changed))


def decode_whole(block: bytes) -> list[Record]:
    header, table = decode_block_header(block), TopicTable()
    table.add(block_meta(header, memoryview(block)))
    return table.decode(header, memoryview(block))


def test_a_payload_in_the_place_of_another_is_noticed():
    meta = BlockMeta((StreamDefinition("md.0", "S", 1, 0),), (TopicDefinition(0, "a", None, None, None),))
    table = TopicTable()
    table.add(meta)
    block, header = encode_block(NO_CHAIN, meta, Columns((0, 0), (1, 2), (1, 2), (b"aaaa", b"bbbb")), 1, 0)
    swapped = block[: header.payload_offset] + b"bbbbaaaa"
    with pytest.raises(FormatError, match="record 1 has a wrong CRC"):
        table.decode(header, memoryview(swapped))
    with pytest.raises(FormatError, match="does not match its hash"):
        check_block_chain(header, swapped, NO_CHAIN)


def test_a_block_is_bound_to_the_one_before():
    block, header = encode_block(NO_CHAIN, BlockMeta(), Columns(), 1, 0)
    with pytest.raises(FormatError, match="does not match its hash"):
        check_block_chain(header, block, header.chain)


@quick
@given(st.binary(max_size=200))
def test_garbage_raises_only_format_errors(data):
    padded = data + bytes(200)
    for decode in (decode_block_header, decode_segment_header, decode_meta):
        with pytest.raises(FormatError):
            decode(padded)
    assert decode_index(data) is None


def test_a_newer_version_is_told_apart_from_garbage():
    data = bytearray(encode_segment_header(SegmentHeader("md", 1, 1, 0, 0, NO_CHAIN)))
    data[8] = 9
    data[-4:] = zlib.crc32(data[:-4]).to_bytes(4, "little")
    with pytest.raises(UnsupportedFormat, match="journal format 9"):
        decode_segment_header(bytes(data))


SEGMENT_V1 = bytes.fromhex(
    "f747574a5345470a01000000657800000500000000000000010000000000000000000000000000000000000000000000"
    "00000000000000000000000000000000000000000000000000000000000000005961d6aa"
)
BLOCK_V1 = bytes.fromhex(
    "f74757420000000020000000010000000200000028d94477010000000000000054000000000000003106d99311cbc906"
    "b63eb591ef42dea70781561f6ec948f04d56b7c3bd37512187eccbe2959194a465782e61a1530100919500a16ba142c0"
    "a55354414c4591920001030302000000028ebdba00000000010000000000000003000000000000007b7d"
)


def test_the_bytes_of_version_1_never_change():
    """A stored segment of one record, byte for byte: readers of version 1 must go on reading it."""
    segment = encode_segment_header(SegmentHeader("ex", 5, 1, 0, 0, NO_CHAIN))
    assert segment == SEGMENT_V1
    stream, topic = StreamDefinition("ex.a", "S", 1, 0), TopicDefinition(0, "k", "B", None, "STALE")
    meta = BlockMeta((stream,), (topic,), ((0, 1),), 3, 3)
    block, _ = encode_block(segment_chain(segment), meta, Columns((0,), (1,), (3,), (b"{}",)), 1, 84)
    assert block == BLOCK_V1
    header = decode_block_header(BLOCK_V1)
    check_block_chain(header, BLOCK_V1, segment_chain(SEGMENT_V1))
    table = TopicTable()
    table.add(block_meta(header, memoryview(BLOCK_V1)))
    assert table.decode(header, memoryview(BLOCK_V1)) == [
        Record("ex.a", "S", 1, "k", "B", None, UpdateType.STALE, 3, b"{}", 1)
    ]


def test_index_round_trip():
    index = SegmentIndex(
        5,
        9,
        [StreamDefinition("md.0", "S", 1, 0)],
        [TopicDefinition(0, "k", None, "a", None)],
        [Stretch(84, 5, 300, 1, 2, {0: 5}, {0})],
    )
    assert decode_index(index.encode()) == index
    assert decode_index(index.encode()[:-1]) is None
