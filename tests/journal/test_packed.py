"""Closed segments compressed: read as they were, swapped without a gap, damage named, nothing half done."""

from __future__ import annotations

import io
import subprocess

import pytest
import zstandard

from gwcore.errors import StorageError
from gwcore.journal.compress import SegmentCompressor
from gwcore.journal.files import SegmentFile, packed_name, segment_name, segment_positions
from gwcore.journal.format import FormatError
from gwcore.journal.packed import FRAME_BYTES, FrameTable, compress_frame, encode_table
from gwcore.journal.scan import RecordFilter, scan_class
from gwcore.journal.verify import verify
from gwcore.testing.storage import Crash, MemoryStorage


def names(storage, suffix: str, journal_class: str = "md") -> list[str]:
    return [name for name in storage.list(f"journal/{journal_class}") if name.endswith(suffix)]


def filled(kit, storage, count: int = 30, **settings):
    journal = kit.open(storage, segment_bytes=2000, memory_records=0, **settings)
    kit.fill(journal, count)
    return journal


def test_records_are_the_same_afterwards(kit, storage):
    journal = filled(kit, storage)
    plain = {name: storage.read(name) for name in names(storage, ".gwj")}
    last = names(storage, ".gwj")[-1]
    assert journal.compressor.run() == len(plain) - 1 > 2
    assert names(storage, ".gwj") == [last]
    assert names(storage, ".gwj.zst") == [packed_name(name) for name in plain if name != last]
    for name, data in plain.items():
        assert SegmentFile(storage, name).read(0) == data
        assert SegmentFile(storage, name).size() == len(data)
        if name != last:  # any other tool sees the segment, too
            with zstandard.ZstdDecompressor().stream_reader(
                io.BytesIO(storage.read(packed_name(name))), read_across_frames=True
            ) as reader:
                assert reader.read() == data
    assert kit.read_all(journal) == kit.expected()
    assert [journal.position_of("Smd0", number) for number in (1, 15, 30)] == [1, 15, 30]
    assert verify(storage).ok
    assert list(scan_class(storage, "md", RecordFilter())) == kit.expected()
    journal.close()
    reopened = kit.open(storage, memory_records=0)
    assert kit.read_all(reopened) == kit.expected()
    assert reopened.compressor.run() == 0
    kit.fill(reopened, 3)  # the segment that was the last one is closed now
    assert reopened.compressor.run() == 1
    assert kit.read_all(reopened) == kit.expected()
    assert reopened.stored_bytes("md") == sum(map(storage.size, names(storage, ".gwj") + names(storage, ".zst")))


def test_a_reader_goes_on_over_the_swap(kit, storage):
    journal = filled(kit, storage)
    reader = journal.reader("md", 0)
    found = reader.read(2)
    journal.compressor.run()
    while batch := reader.read(5):
        found += batch
    assert found == kit.expected()


def test_level_nought_leaves_them_as_they_are(kit, storage):
    journal = filled(kit, storage, compress_level=0)
    assert journal.compressor.run() == 0
    assert names(storage, ".zst") == []


def test_a_file_of_several_frames_is_read_at_any_place(storage):
    data = b"".join(number.to_bytes(4, "big") for number in range(FRAME_BYTES * 5 // 8))
    name = segment_name("md", 1)
    frames = [compress_frame(data[start : start + FRAME_BYTES], 1) for start in range(0, len(data), FRAME_BYTES)]
    sizes = [(len(frame), min(FRAME_BYTES, len(data) - FRAME_BYTES * number)) for number, frame in enumerate(frames)]
    storage.replace(packed_name(name), b"".join(frames) + encode_table(sizes))
    file = SegmentFile(storage, name)
    assert file.size() == len(data)
    for offset in (0, 5, FRAME_BYTES - 1, FRAME_BYTES, 2 * FRAME_BYTES - 3, len(data) - 1, len(data), len(data) + 9):
        for size in (0, 1, 7, FRAME_BYTES, 2 * FRAME_BYTES, -1):
            assert file.read(offset, size) == (data[offset:] if size < 0 else data[offset : offset + size])


@pytest.mark.parametrize("crash", list(Crash))
def test_a_crash_at_every_step_of_the_swap(kit, crash):
    class Stop(Exception):
        pass

    operations, stopped = 0, True
    while stopped:
        fresh, storage = type(kit)(), MemoryStorage()
        journal, stopped, count = filled(fresh, storage), False, 0

        def on_operation(operation: str, name: str) -> None:
            nonlocal count
            count += 1
            if count > operations:  # noqa: B023
                raise Stop

        storage.on_operation = on_operation
        try:
            journal.compressor.run()
        except Stop:
            stopped = True
        storage.on_operation = None
        left = storage.crash(crash, operations)
        assert verify(left).ok
        reopened = fresh.open(left, memory_records=0)
        assert not [name for name in left.list() if name.endswith(".new")]
        assert fresh.read_all(reopened) == fresh.expected()
        reopened.compressor.run()
        assert fresh.read_all(reopened) == fresh.expected()
        assert verify(left).ok
        operations += 1
    assert operations > 15


def test_every_bit_flip_is_named_or_harmless(kit, storage):
    """Harmless: the content came out the same, by hash, as where a bit of a frame says how much memory it wants."""
    journal = filled(kit, storage, 15)
    assert journal.compressor.run() > 0
    journal.close()
    name = names(storage, ".zst")[0]
    data, harmless = storage.read(name), 0
    for bit in range(0, len(data) * 8, 5):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        storage.replace(name, bytes(flipped))
        faults = verify(storage).faults
        if not faults:
            assert SegmentFile(storage, segment_name("md", 1)).read(0)
            assert [record.payload for record in scan_class(storage, "md", RecordFilter())] == [
                record.payload for record in kit.expected()
            ]
            harmless += 1
            continue
        assert faults[0].file[:-8] >= name[:-8]  # in the file, or where the next one says what this one should be
        assert 0 <= faults[0].offset <= len(data)
    assert harmless < 40


def test_a_compressed_file_cut_short_is_damage(kit, storage):
    journal = filled(kit, storage)
    journal.compressor.run()
    name = names(storage, ".zst")[0]
    data = storage.read(name)
    journal = kit.open(storage, memory_records=0)
    storage.replace(name, data[:-1])
    assert verify(storage).faults[0].file == name
    with pytest.raises(StorageError, match=f"{name} is damaged at offset"):
        kit.open(storage)
    with pytest.raises(StorageError, match="damaged at offset"):
        journal.reader("md", 0).read(1)


def test_retention_takes_compressed_ones_too(kit, storage):
    journal = filled(kit, storage, md_bytes_max=6000)
    for _ in range(20):
        journal.compressor.run()
        kit.fill(journal, 9)
    assert len(names(storage, ".zst")) > 1
    first = journal.first_position("md")
    assert first > 1
    assert segment_positions(storage, "md")[0] == first
    assert journal.stored_bytes("md") < 6000 + 2 * 2600
    assert kit.read_all(journal, after=first - 1) == kit.expected()[first - 1 :]
    assert verify(storage).ok


def test_retention_between_writing_and_swapping_wins(kit, storage):
    journal = filled(kit, storage)
    lane = journal._lanes["md"]
    gone: list[int] = []

    def retain(operation: str, name: str) -> None:
        if operation == "sync" and name.endswith(".new") and not gone:
            gone.append(lane.segments[0])
            lane.drop_segments(1)
            for kept in names(storage, ".gwj")[:1]:
                storage.remove(kept)

    storage.on_operation = retain
    journal.compressor.run()
    assert gone
    assert segment_positions(storage, "md") == list(lane.segments)
    assert verify(storage).ok


def test_no_room_no_compression(kit):
    storage = MemoryStorage(capacity_bytes=100_000)
    journal = filled(kit, storage)
    compressor = SegmentCompressor(
        storage, {"md": lambda: journal._lanes["md"].segments}, journal._files_lock, level=3, reserve_bytes=60_000
    )
    with pytest.raises(StorageError, match="too little free space"):
        compressor.run()
    assert names(storage, ".zst") == []


def test_stopping_ends_a_run_and_leaves_the_segment(kit, storage):
    journal = filled(kit, storage)
    before = storage.list()
    journal.compressor.stop()
    assert journal.compressor.run() == 0
    assert storage.list() == before


def test_modes_stay(kit, storage):
    journal = kit.open(storage, segment_bytes=2000)
    for number in range(40):
        journal.append(kit.record("ex.main"))
        if number % 3 == 2:
            journal.commit()
    journal.commit()
    assert journal.compressor.run() > 0
    assert {storage.mode(name) for name in names(storage, ".zst", "ex")} == {0o600}


def test_tables_that_lie_are_refused():
    frame = compress_frame(b"x" * 100, 3)
    for sizes in (
        [(len(frame), 0)],
        [(len(frame) + 1, 100)],
        [(len(frame), FRAME_BYTES + 1)],
        [(1, 5), (len(frame), 100)],
    ):
        table = encode_table(sizes)
        with pytest.raises(FormatError):
            FrameTable(table, len(frame) + len(table))
    table = encode_table([(len(frame), 99)])
    with pytest.raises(FormatError, match="more or less"):
        FrameTable(table, len(frame) + len(table)).decompress(0, frame)


def test_the_zstd_program_gives_the_segment_back(kit, tmp_path):
    from gwcore.runtime.journal.storage import DirectoryStorage

    storage = DirectoryStorage(tmp_path)
    journal = filled(kit, storage)
    name = names(storage, ".gwj")[0]
    data = storage.read(name)
    journal.compressor.run()
    try:
        done = subprocess.run(["zstd", "-dc", tmp_path / packed_name(name)], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no zstd program here")
    assert done.stdout == data
