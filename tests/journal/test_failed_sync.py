"""A failed sync: nobody knows what is on the disk, so the segment is left behind and the rest is written again elsewhere."""

from __future__ import annotations

import pytest

from gwcore.errors import StorageError
from gwcore.journal.files import segment_positions
from gwcore.journal.scan import RecordFilter, scan_class
from gwcore.journal.verify import verify
from gwcore.testing.storage import Crash, MemoryStorage


class Faulty:
    """Fails the operations it is told to, by number among those of its name."""

    def __init__(self, storage: MemoryStorage) -> None:
        self.failing: set[tuple[str, int]] = set()
        self.counts: dict[str, int] = {}
        storage.on_operation = self

    def __call__(self, operation: str, name: str) -> None:
        if not name.startswith("journal/md/") or not name.endswith(".gwj"):
            return
        self.counts[operation] = self.counts.get(operation, 0) + 1
        if (operation, self.counts[operation]) in self.failing:
            raise StorageError(f"{name}: input/output error")

    def fail_next(self, *operations: str) -> None:
        for operation in operations:
            self.failing.add((operation, self.counts.get(operation, 0) + 1))


@pytest.fixture
def faulty(storage) -> Faulty:
    return Faulty(storage)


def commit_fails(journal) -> None:
    with pytest.raises(StorageError, match="input/output error"):
        journal.commit()


def test_the_segment_is_left_behind_and_a_new_one_begun(kit, storage, faulty):
    journal = kit.open(storage)
    kit.fill(journal, 3)
    name = storage.list("journal/md")[0]
    whole = storage.read(name)
    journal.append(kit.record(symbol="BTC/USD"))  # a topic that the first segment defines
    faulty.fail_next("sync")
    commit_fails(journal)
    assert "input/output error" in journal.failed
    assert journal.synced_position("md") == 3
    assert storage.read(name) == whole
    journal.commit()
    assert journal.failed == ""
    assert journal.abandoned_segments == 1
    assert segment_positions(storage, "md") == [1, 4]
    assert storage.read(name) == whole  # never touched again
    journal.append(kit.record(symbol="NEW/USD"))
    journal.append(kit.record("md.1", symbol="ETH/USD"))
    journal.commit()
    assert verify(storage).ok
    assert not verify(storage).classes[2].gaps
    assert kit.read_all(journal) == kit.expected()
    assert kit.read_all(kit.open(storage.crash(), memory_records=0)) == kit.expected()
    assert list(scan_class(storage, "md", RecordFilter())) == kit.expected()
    assert [journal.position_of("Smd0", number) for number in (3, 4, 5)] == [3, 4, 5]


def test_what_can_not_be_cut_counts_for_nothing(kit, storage, faulty):
    journal = kit.open(storage, memory_records=0)
    kit.fill(journal, 3)
    journal.append(kit.record())
    faulty.fail_next("sync", "truncate")
    commit_fails(journal)
    journal.commit()
    kit.fill(journal, 3)
    report = verify(storage)
    assert report.ok
    assert report.classes[2].abandoned_bytes > 0
    assert kit.read_all(journal) == kit.expected()
    for name in storage.list("journal/md"):
        if name.endswith(".idx"):
            storage.remove(name)  # a reader that makes its own index sees the end all the same
    assert list(scan_class(storage, "md", RecordFilter())) == kit.expected()
    journal.close()
    reopened = kit.open(storage, memory_records=0)
    assert verify(storage).classes[2].abandoned_bytes == 0
    assert kit.read_all(reopened) == kit.expected()


def test_again_and_again(kit, storage, faulty):
    journal = kit.open(storage, segment_bytes=3000)
    kit.fill(journal, 3)
    for number in range(1, 25):
        for symbol in ("BTC/USD", f"S{number}/USD"):
            journal.append(kit.record(f"md.{number % 2}", symbol=symbol))
        faulty.fail_next("sync")
        if number % 3 == 0:
            faulty.fail_next("truncate", "remove")
        for _ in range(1 + number % 2):
            commit_fails(journal)
            faulty.fail_next("sync")
        faulty.failing.clear()
        journal.commit()
        assert journal.synced_position("md") == journal.last_position("md")
    assert verify(storage).ok
    assert kit.read_all(journal) == kit.expected()
    assert kit.read_all(kit.open(storage.crash(), memory_records=0)) == kit.expected()


@pytest.mark.parametrize("crash", list(Crash))
def test_a_crash_around_a_failed_sync(kit, crash):
    """Whatever is left of the file left behind, opening finds what was promised, and each record once."""
    for stop_after in range(14):
        for cut_fails in (False, True):
            fresh, storage = type(kit)(), MemoryStorage()
            journal = fresh.open(storage)
            fresh.fill(journal, 3)
            faulty = Faulty(storage)
            journal.append(fresh.record())
            faulty.fail_next("sync", *(("truncate",) if cut_fails else ()))
            synced = 3
            try:
                commit_fails(journal)
                done = sum(faulty.counts.values())
                inner = faulty

                def stop(operation: str, name: str, inner: Faulty = inner, limit: int = done + stop_after) -> None:
                    inner(operation, name)
                    if sum(inner.counts.values()) > limit:
                        raise KeyboardInterrupt

                storage.on_operation = stop
                for _ in range(4):
                    journal.commit()
                    synced = journal.synced_position("md")
                    journal.append(fresh.record())
            except KeyboardInterrupt:
                pass
            storage.on_operation = None
            for seed in range(4):
                left = storage.crash(crash, seed)
                if crash is not Crash.REORDERED:  # holes in the last file look like damage until opening knows better
                    assert verify(left).ok
                reopened = fresh.open(left)
                found = fresh.read_all(reopened)
                assert len(found) >= synced
                assert found == fresh.expected()[: len(found)]
                reopened.close()
                assert verify(left).ok


def test_other_classes_go_on(kit, storage, faulty):
    journal = kit.open(storage)
    kit.fill(journal, 3)
    journal.append(kit.record())
    journal.append(kit.record("st"))
    faulty.fail_next("sync")
    commit_fails(journal)
    assert journal.synced_position("st") == 1


def test_a_first_sync_that_fails_leaves_no_file(kit, storage, faulty):
    journal = kit.open(storage)
    journal.append(kit.record())
    faulty.failing |= {("sync", 1), ("remove", 1), ("remove", 2)}
    commit_fails(journal)
    assert storage.list("journal/md")  # in the way, since it could not be removed
    commit_fails_or_works = []
    for _ in range(2):
        try:
            journal.commit()
            commit_fails_or_works.append("works")
        except StorageError:
            commit_fails_or_works.append("fails")
    assert commit_fails_or_works == ["fails", "works"]
    assert verify(storage).ok
    assert kit.read_all(journal) == kit.expected()
