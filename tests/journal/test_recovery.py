"""What a stop of any kind leaves, and what opening makes of it."""

from __future__ import annotations

import zlib

import pytest

from gwcore.errors import StorageError
from gwcore.journal import CursorStore, Journal
from gwcore.journal.blocks import BlockReader, block_meta
from gwcore.journal.format import (
    BLOCK_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    Columns,
    decode_columns,
    encode_block,
    segment_chain,
)
from gwcore.journal.verify import verify
from gwcore.testing.storage import Crash, MemoryStorage


class Stop(Exception):
    """The power goes here."""


def only_segment(storage: MemoryStorage) -> str:
    (name,) = (name for name in storage.list("journal/md") if name.endswith(".gwj"))
    return name


def test_every_truncation_recovers_to_a_prefix(kit, storage):
    kit.is_tiny = True
    journal = kit.open(storage)
    kit.fill(journal, 9, commit_every=2)
    name = only_segment(storage)
    data = storage.read(name)
    lengths = set()
    for size in range(len(data)):
        cut = MemoryStorage()
        cut.replace(name, data[:size])
        assert verify(cut).ok
        reopened = kit.open(cut)
        found = kit.read_all(reopened)
        assert found == kit.expected()[: len(found)]
        lengths.add(len(found))
        assert reopened.recovery["md"].cut_bytes == size - (cut.size(name) if cut.exists(name) else 0)
        again = kit.open(cut)
        assert again.recovery["md"].cut_bytes == 0
        assert again.append(kit.made[len(found)]) == len(found) + 1
        again.commit()
        assert kit.read_all(again) == kit.expected()[: len(found) + 1]
        assert verify(cut).ok
    assert lengths == {0, 2, 4, 6, 8}


def test_the_report_says_what_was_cut(kit, storage):
    journal = kit.open(storage)
    kit.fill(journal, 6, commit_every=3)
    name = only_segment(storage)
    size = storage.size(name)
    storage.truncate(name, size - 5)
    recovery = kit.open(storage).recovery["md"]
    assert recovery.last_position == 3
    assert (recovery.cut_name, recovery.cut_records, recovery.clean) == (name, 3, False)
    assert recovery.cut_offset + recovery.cut_bytes == size - 5


def flip(storage: MemoryStorage, name: str, bit: int) -> MemoryStorage:
    data = bytearray(storage.read(name))
    data[bit // 8] ^= 1 << bit % 8
    flipped = MemoryStorage()
    for other in storage.list():
        flipped.replace(other, bytes(data) if other == name else storage.read(other))
    return flipped


def test_every_bit_flip_is_named_by_verify(kit, storage):
    kit.is_tiny = True
    journal = kit.open(storage, segment_bytes=110)
    kit.fill(journal, 5, commit_every=2)
    journal.close()
    names = [name for name in storage.list("journal") if name.endswith(".gwj")]
    assert len(names) == 2
    assert verify(storage).ok
    for name in names:
        for bit in range(storage.size(name) * 8):
            faults = verify(flip(storage, name, bit)).faults
            assert len(faults) == 1, f"bit {bit} of {name}"
            fault = faults[0]
            assert fault.file in names
            # The fault is named in the file itself, or where the next segment says what this one should be.
            assert fault.file >= name
            if fault.file == name:
                assert fault.offset <= bit // 8


def test_a_flip_before_the_last_commit_is_refused_by_opening(kit, storage):
    journal = kit.open(storage)
    kit.fill(journal, 6, commit_every=2)
    journal.close()
    name = only_segment(storage)
    end = storage.size(name) - BLOCK_HEADER_BYTES - 6  # the end mark: header, empty meta
    for byte in range(SEGMENT_HEADER_BYTES, end):
        damaged = flip(storage, name, byte * 8)
        with pytest.raises(StorageError, match=rf"{name} is damaged at offset \d+") as caught:
            kit.open(damaged)
        offset = int(str(caught.value).split("offset ")[1].split(":")[0])
        assert offset <= byte
        assert damaged.size(name) == storage.size(name)


def test_a_damaged_segment_header_is_refused(kit, storage):
    journal = kit.open(storage)
    kit.fill(journal, 6, commit_every=2)
    name = only_segment(storage)
    for byte in range(SEGMENT_HEADER_BYTES):
        with pytest.raises(StorageError, match="damaged at offset 0"):
            kit.open(flip(storage, name, byte * 8 + 3))


def test_a_missing_segment_is_noticed(kit, storage):
    journal = kit.open(storage, segment_bytes=700)
    kit.fill(journal, 30)
    journal.close()
    names = [name for name in storage.list("journal/md") if name.endswith(".gwj")]
    assert len(names) > 3
    without = storage.crash()
    without.remove(names[-2])
    with pytest.raises(StorageError, match=f"{names[-2]} is missing"):
        kit.open(without)
    (fault,) = verify(without).faults
    assert names[-2] in fault.cause
    shortened = storage.crash()
    shortened.truncate(names[-2], shortened.size(names[-2]) - 1)
    with pytest.raises(StorageError, match=f"{names[-2]} is damaged"):
        kit.open(shortened)


def test_a_swapped_or_repeated_block_is_noticed(kit, storage):
    journal = kit.open(storage)
    kit.fill(journal, 3)
    name = only_segment(storage)
    one = storage.size(name)
    kit.fill(journal, 3)
    data = storage.read(name)
    repeated = MemoryStorage()
    repeated.replace(name, data + data[one:])
    (fault,) = verify(repeated).faults
    assert fault.offset == len(data)


def test_records_that_a_sink_has_taken_may_not_be_missing(kit, storage):
    journal = kit.open(storage)
    kit.fill(journal, 6)
    CursorStore(storage).save("jetstream", {"md": 6})
    storage.truncate(only_segment(storage), SEGMENT_HEADER_BYTES + 10)
    with pytest.raises(StorageError, match="ends at position 0, but a sink has taken up to 6"):
        kit.open(storage)


def test_another_format_version_is_refused_and_left_alone(kit, storage):
    journal = kit.open(storage)
    kit.fill(journal, 3)
    name = only_segment(storage)
    head = bytearray(storage.read(name)[: SEGMENT_HEADER_BYTES - 4])
    head[8] = 2
    data = bytes(head) + zlib.crc32(head).to_bytes(4, "little") + storage.read(name)[SEGMENT_HEADER_BYTES:]
    storage.replace(name, data)
    with pytest.raises(StorageError, match="journal format 2; this gateway reads format 1"):
        kit.open(storage)
    assert storage.read(name) == data
    assert "journal format 2" in verify(storage).faults[0].cause


def test_a_strange_file_in_the_folder_is_refused(kit, storage):
    storage.replace("journal/md/backup.gwj", b"")
    with pytest.raises(StorageError, match=r"backup\.gwj is not a journal segment"):
        kit.open(storage)


def write_until(kit, storage: MemoryStorage, operations: int) -> tuple[dict[str, int], bool]:
    """Run a fixed program until so many changes were made; what was reported synced, and whether it was stopped."""
    count = 0

    def on_operation(operation: str, name: str) -> None:
        nonlocal count
        count += 1
        if count > operations:
            raise Stop

    synced = dict.fromkeys(("md", "st", "ex"), 0)
    records = [kit.record(("md.0", "md.1", "ex.a", "st")[number % 4]) for number in range(36)]
    try:
        storage.on_operation = on_operation
        for start in (0, 18):  # two lives of the process
            journal: Journal = kit.open(storage, segment_bytes=1000, md_bytes_max=2500)
            for number, record in enumerate(records[start : start + 18]):
                journal.append(record)
                if number % 3 == 2:
                    journal.commit()
                    synced = {name: journal.synced_position(name) for name in synced}
            journal.close()
            synced = {name: journal.synced_position(name) for name in synced}
    except Stop:
        return synced, True
    finally:
        storage.on_operation = None
    return synced, False


@pytest.mark.parametrize("crash", list(Crash))
def test_a_crash_at_every_write_boundary(kit, crash):
    operations, stopped = 0, True
    while stopped:
        fresh, storage = type(kit)(), MemoryStorage()
        synced, stopped = write_until(fresh, storage, operations)
        for seed in range(1 if crash is Crash.VANISH else 4):
            left = storage.crash(crash, seed)
            reopened = fresh.open(left)
            for name, position in synced.items():
                assert reopened.last_position(name) >= position
                found = fresh.read_all(reopened, name)
                first = reopened.first_position(name)
                assert found == fresh.expected(name)[first - 1 : reopened.last_position(name)]
            reopened.close()
            assert verify(left).ok
        operations += 1
    assert operations > 50


def stop_at_sync(operation: str, name: str) -> None:
    if operation == "sync":
        raise Stop


def test_a_commit_of_several_blocks_may_be_torn_in_the_middle(kit):
    """A whole block behind a broken one is no proof of damage where both were of the commit that the power cut ended."""
    outcomes = set()
    for seed in range(40):
        fresh, storage = type(kit)(), MemoryStorage()
        journal = fresh.open(storage)
        lane = journal._lanes["md"]
        lane._settings = lane._settings._replace(block_bytes=400)
        fresh.fill(journal, 3)
        storage.on_operation = stop_at_sync
        for _ in range(12):
            journal.append(fresh.record())
        with pytest.raises(Stop):
            journal.commit()
        storage.on_operation = None
        left = storage.crash(Crash.REORDERED, seed)
        reopened = fresh.open(left)
        last = reopened.last_position("md")
        assert fresh.read_all(reopened) == fresh.expected()[:last]
        assert last >= 3
        outcomes.add((last, reopened.recovery["md"].cut_records))
        assert verify(left).ok
    assert len(outcomes) > 4


def rewrite(storage: MemoryStorage, name: str, number: int) -> None:
    """Change a payload in block `number` of a segment, and all CRCs and the block's own hash with it."""
    reader, blocks = BlockReader(storage, name), []
    chain = segment_chain(storage.read(name, 0, SEGMENT_HEADER_BYTES))
    while block := reader.next():
        header, data = block
        if len(blocks) == number:
            payloads = bytes(data[header.payload_offset :]).replace(b'"toy"', b'"TOY"')
            rows, offset = [], 0
            for length, _, topic, sequence, time_ns in decode_columns(header, data):
                rows.append((topic, sequence, time_ns, payloads[offset : offset + length]))
                offset += length
            meta = block_meta(header, data)
            blocks.append(
                encode_block(
                    chain, meta, Columns(*zip(*rows, strict=True)), header.first_position, header.synced_bytes
                )[0]
            )
            assert len(blocks[-1]) == len(data)
            assert blocks[-1] != bytes(data)
        else:
            blocks.append(bytes(data))
        chain = header.chain
    storage.replace(name, storage.read(name, 0, SEGMENT_HEADER_BYTES) + b"".join(blocks))


def test_a_forged_record_breaks_the_chain_behind_it(kit, storage):
    journal = kit.open(storage)
    kit.fill(journal, 9)
    name = only_segment(storage)
    reader = BlockReader(storage, name)
    reader.next()
    second = reader.offset
    rewrite(storage, name, 0)
    (fault,) = verify(storage).faults
    assert (fault.file, fault.offset, fault.cause) == (name, second, "the block does not match its hash")


def test_a_forged_end_of_a_segment_breaks_the_chain_to_the_next(kit, storage):
    journal = kit.open(storage, segment_bytes=2000)
    kit.fill(journal, 30)
    names = [name for name in storage.list("journal/md") if name.endswith(".gwj")]
    blocks, reader = 0, BlockReader(storage, names[0])
    while reader.next():
        blocks += 1
    rewrite(storage, names[0], blocks - 1)
    (fault,) = verify(storage).faults
    assert (fault.file, fault.cause) == (names[1], "is not chained to the segment before")
