"""Append, commit, read, seek, close."""

from __future__ import annotations

import threading

import pytest

from gwcore.errors import StorageError
from gwcore.journal import CursorStore, JournalGap
from gwcore.journal.verify import verify
from gwcore.testing.storage import MemoryStorage


def test_positions_rise_by_one_per_class(kit, storage):
    journal = kit.open(storage)
    assert [journal.append(kit.record(p)) for p in ("md.0", "st", "md.1", "ex.a", "md.0")] == [1, 1, 2, 1, 3]
    assert journal.last_position("md") == 3
    assert journal.synced_position("md") == 0
    journal.commit()
    assert [journal.synced_position(name) for name in ("md", "st", "ex")] == [3, 1, 1]


def test_reader_gives_what_is_synced_and_the_rest_on_request(kit, storage):
    journal = kit.open(storage)
    kit.fill(journal, 4)
    journal.append(kit.record())
    reader = journal.reader("md", 0)
    assert reader.read(10) == kit.expected()[:4]
    assert reader.read(10) == []
    assert reader.read(10, synced_only=False) == kit.expected()[4:]
    assert reader.position == 5


@pytest.mark.parametrize("memory_records", [0, 5, 10_000])
@pytest.mark.parametrize("count", [1, 7, 1000])
def test_memory_and_disk_give_the_same(kit, storage, memory_records, count):
    journal = kit.open(storage, memory_records=memory_records, segment_bytes=3000)
    kit.fill(journal, 600, partitions=("md.0", "md.1"))
    assert len(storage.list("journal/md")) > 4
    assert kit.read_all(journal, count=count) == kit.expected()
    assert (journal._lanes["md"].tail.first_position > 1) == (memory_records < 600)


def test_read_fills_its_batch_over_blocks_and_segments(kit, storage):
    journal = kit.open(storage, memory_records=0, segment_bytes=3000)
    kit.fill(journal, 600)
    assert [record.position for record in journal.reader("md", 17).read(200)] == list(range(18, 218))


def test_memory_keeps_what_is_not_synced_whatever_its_limit(kit, storage):
    journal = kit.open(storage, memory_records=5)
    for _ in range(3000):
        journal.append(kit.record())
    assert journal.reader("md", 0).read(5000, synced_only=False) == kit.expected()
    journal.commit()
    for _ in range(3000):
        journal.append(kit.record())
    assert len(journal._lanes["md"].tail.records) < 4000
    assert journal.reader("md", 3000).read(5000, synced_only=False) == kit.expected()[3000:]


def test_positions_and_records_survive_restarts(kit, storage):
    for _ in range(3):
        journal = kit.open(storage)
        kit.fill(journal, 5, partitions=("md.0", "st", "ex.main"))
        journal.close()
    journal = kit.open(storage)
    assert journal.recovery["md"].clean
    assert journal.last_position("md") == 6
    for name in ("md", "st", "ex"):
        assert kit.read_all(journal, name) == kit.expected(name)
    report = verify(storage)
    assert report.ok
    assert not any(entry.gaps for entry in report.classes)


def test_one_commit_over_several_segments_and_blocks(kit, storage):
    journal = kit.open(storage, segment_bytes=2000, memory_records=0)
    for _ in range(200):
        journal.append(kit.record())
    journal.commit()
    assert journal.synced_position("md") == 200
    assert kit.read_all(journal) == kit.expected()
    journal.close()
    report = verify(storage)
    assert report.ok
    assert report.classes[2].segments > 3


def test_big_records_are_cut_into_blocks(kit, storage):
    journal = kit.open(storage, memory_records=0, segment_bytes=1 << 30)
    for _ in range(12):
        journal.append(kit.record(pad=300_000))
    journal.commit()
    assert kit.read_all(journal) == kit.expected()
    assert verify(storage).classes[2].blocks >= 3


def test_position_of_finds_each_record(kit, storage):
    journal = kit.open(storage, memory_records=0, segment_bytes=4000)
    kit.fill(journal, 400, partitions=("md.0", "md.1", "ex.main"))
    for journal_class in ("md", "ex"):
        for record in kit.expected(journal_class)[::17]:
            assert journal.position_of(record.session_id, record.sequence) == record.position
    assert journal.position_of("Smd0", 10_000) is None
    assert journal.position_of("nobody", 1) is None
    journal.append(kit.record(session_id="fresh"))
    assert journal.position_of("fresh", 1) == journal.last_position("md")


def test_position_of_works_without_index_files(kit, storage):
    journal = kit.open(storage, memory_records=0, segment_bytes=4000)
    kit.fill(journal, 400)
    for name in storage.list("journal"):
        if name.endswith(".idx"):
            storage.remove(name)
    assert [journal.position_of("Smd0", n) for n in (1, 77, 400)] == [1, 77, 400]


def test_a_damaged_index_is_made_again(kit, storage):
    journal = kit.open(storage, memory_records=0, segment_bytes=4000)
    kit.fill(journal, 400)
    for name in storage.list("journal"):
        if name.endswith(".idx"):
            data = bytearray(storage.read(name))
            data[-1] ^= 1
            storage.replace(name, bytes(data))
    assert kit.read_all(journal) == kit.expected()


def test_position_at_time(kit, storage):
    journal = kit.open(storage, memory_records=0, segment_bytes=4000)
    kit.fill(journal, 300)
    for number in (1, 50, 299):
        record = kit.expected()[number]
        assert journal.position_at("md", record.published_ns) == record.position
        assert journal.position_at("md", record.published_ns - 1) == record.position
    assert journal.position_at("md", 0) == 1
    assert journal.position_at("md", kit.made[-1].published_ns + 1) == 301


def test_a_reader_beyond_the_end_is_refused(kit, storage):
    journal = kit.open(storage)
    with pytest.raises(StorageError, match="ends at position 0, before 5"):
        journal.reader("md", 5)


def test_an_unknown_partition_is_refused(kit, storage):
    with pytest.raises(StorageError, match=r"'xx\.1' belongs to no journal class"):
        kit.open(storage).append(kit.record("xx.1"))


def test_retention_by_bytes_tells_readers_the_bounds(kit, storage):
    journal = kit.open(storage, memory_records=0, segment_bytes=4000, md_bytes_max=10_000)
    reader = journal.reader("md", 0)
    assert reader.read(1) == []
    kit.fill(journal, 400)
    first_kept = journal.first_position("md")
    assert 1 < first_kept < 400
    with pytest.raises(JournalGap) as caught:
        reader.read(10)
    gap = caught.value
    assert (gap.first_missing, gap.last_missing, gap.first_kept) == (1, first_kept - 1, first_kept)
    assert reader.read(1) == [kit.expected()[first_kept - 1]]
    assert kit.read_all(journal)[0].position == first_kept
    assert verify(storage).ok
    reopened = kit.open(storage.crash(), memory_records=0)
    assert kit.read_all(reopened)[0].position == first_kept


def test_a_reader_in_the_middle_of_a_removed_segment_gets_the_gap(kit, storage):
    journal = kit.open(storage, memory_records=0, segment_bytes=4000, md_bytes_max=100_000)
    kit.fill(journal, 300)
    reader = journal.reader("md", 0)
    found = reader.read(4)
    kit.fill(journal, 1000)
    gap = None
    while gap is None:
        try:
            found += reader.read(4)
        except JournalGap as error:
            gap = error
    assert found == kit.expected()[: len(found)]
    assert gap.first_missing == len(found) + 1
    assert reader.read(1) == [kit.expected()[gap.first_kept - 1]]


def test_retention_by_age(kit, storage):
    journal = kit.open(storage, memory_records=0, segment_bytes=4000, md_age_max_s=3600.0)
    kit.fill(journal, 100)
    assert journal.first_position("md") == 1
    kit.clock.time_ns += 3 * 3600 * 10**9
    kit.fill(journal, 40)
    assert journal.first_position("md") > 50


def test_ex_is_kept_whatever_the_limits_of_others(kit, storage):
    journal = kit.open(storage, memory_records=0, segment_bytes=2000, md_bytes_max=1, st_bytes_max=1)
    CursorStore(storage).save("file", {"ex": 3})
    kit.fill(journal, 300, partitions=("ex.main",))
    assert journal.first_position("ex") == 1
    assert kit.read_all(journal, "ex") == kit.expected("ex")


def test_file_modes(kit, storage):
    journal = kit.open(storage, segment_bytes=2000)
    kit.fill(journal, 100, partitions=("ex.main", "md.0"))
    modes = {name: storage.mode(name) for name in storage.list("journal")}
    assert {mode for name, mode in modes.items() if name.startswith("journal/ex/")} == {0o600}
    assert {mode for name, mode in modes.items() if name.startswith("journal/md/")} == {0o640}


def test_append_and_commit_from_two_threads(kit, storage):
    journal = kit.open(storage, segment_bytes=20_000, memory_records=50)
    stop, errors = threading.Event(), []

    def commit() -> None:
        while not stop.is_set():
            try:
                journal.commit()
            except BaseException as error:
                errors.append(error)
                return

    thread = threading.Thread(target=commit)
    thread.start()
    reader, found = journal.reader("md", 0), []
    try:
        for number in range(6000):
            journal.append(kit.record(f"md.{number % 3}", symbol=f"S{number % 17 + number // 1000}/USD"))
            if number % 100 == 0:
                found += reader.read(200)
    finally:
        stop.set()
        thread.join()
    journal.commit()
    while batch := reader.read(500):
        found += batch
    assert not errors
    assert found == kit.expected()
    assert verify(storage).ok
    reopened = kit.open(storage.crash(), memory_records=0)
    assert kit.read_all(reopened, count=500) == kit.expected()


def test_disk_full_keeps_records_and_goes_on(kit, storage):
    journal = kit.open(storage)
    kit.fill(journal, 5)
    storage.capacity_bytes = 10_000 + sum(storage.size(name) for name in storage.list())
    for _ in range(100):
        journal.append(kit.record())
    with pytest.raises(StorageError, match="no space left"):
        journal.commit()
    assert "journal class md" in journal.failed
    assert journal.synced_position("md") == 5
    assert verify(storage).ok
    assert kit.read_all(kit.open(storage.crash())) == kit.expected()[:5]
    storage.capacity_bytes = 1 << 30
    journal.commit()
    assert journal.failed == ""
    journal.close()
    assert verify(storage).ok
    assert kit.read_all(kit.open(storage)) == kit.expected()


def test_disk_full_in_the_middle_of_a_commit_of_several_segments(kit, storage):
    journal = kit.open(storage, segment_bytes=2000, memory_records=0)
    storage.capacity_bytes = 9_000
    for _ in range(100):
        journal.append(kit.record())
    with pytest.raises(StorageError):
        journal.commit()
    synced = journal.synced_position("md")
    assert 0 < synced < 100
    assert kit.read_all(journal) == kit.expected()[:synced]
    assert journal.reader("md", synced).read(1000, synced_only=False) == kit.expected()[synced:]
    storage.capacity_bytes = 1 << 30
    journal.commit()
    assert kit.read_all(journal) == kit.expected()
    assert verify(storage).ok


def test_the_reserve_is_for_execution_records(kit):
    storage = MemoryStorage(capacity_bytes=50_000)
    journal = kit.open(storage, reserve_bytes=49_700)
    journal.append(kit.record("md.0"))
    journal.commit()
    journal.append(kit.record("md.0"))
    journal.append(kit.record("ex.main"))
    with pytest.raises(StorageError, match="below the reserve of 49700"):
        journal.commit()
    assert journal.synced_position("ex") == 1
    assert journal.synced_position("md") == 1


def test_too_much_waiting_is_dropped_counted_and_stated(kit, storage):
    journal = kit.open(storage)
    kit.fill(journal, 3)
    lane = journal._lanes["md"]
    lane._settings = lane._settings._replace(pending_bytes_max=20_000)
    lane._check_step = 1000
    lane._check_at = 0
    storage.capacity_bytes = 0
    positions = [journal.append(kit.record()) for _ in range(200)]
    kept = positions.index(0)
    assert positions == list(range(4, 4 + kept)) + [0] * (200 - kept)
    assert journal.dropped_records == 200 - kept
    assert journal.pending_bytes("md") < 25_000
    storage.capacity_bytes = 1 << 30
    journal.commit()
    assert journal.append(kit.record()) == 4 + kept
    journal.commit()
    report = verify(storage)
    assert report.ok
    (gap,) = report.classes[2].gaps
    assert (gap.first_sequence, gap.last_sequence) == (4 + kept, 203)
    assert [record.sequence for record in kit.read_all(journal)] == [*range(1, 4 + kept), 204]
