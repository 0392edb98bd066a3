"""What drives commits: the thread, and the same on the loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gwcore.errors import StorageError
from gwcore.runtime.journal import committer as module
from gwcore.runtime.journal.committer import Committer, InlineCommitter
from gwcore.settings import JournalSettings
from gwcore.testing import loop as sim

both = pytest.mark.parametrize("kind", [Committer, InlineCommitter])

#: Longer than any test: a commit within it was not the timer's.
NEVER_MS = 3_600_000.0


class Listener:
    def __init__(self) -> None:
        self.synced = 0
        self.failed: list[str] = []
        self.changed = asyncio.Event()

    def on_synced(self) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.synced += 1
        self.changed.set()

    def on_failed(self, cause: str) -> None:
        self.failed.append(cause)
        self.changed.set()


def make(kit, storage, kind, md_sync_ms: float = NEVER_MS):
    journal = kit.open(storage)
    listener = Listener()
    committer = kind(journal, JournalSettings(md_sync_ms=md_sync_ms))
    committer.start(listener.on_synced, listener.on_failed)
    return journal, committer, listener


@both
def test_market_data_waits_for_the_timer_and_shares_it(kit, storage, kind):
    async def main() -> None:
        journal, committer, listener = make(kit, storage, kind, md_sync_ms=1.0)
        for _ in range(50):
            journal.append(kit.record())
            committer.wake()
        assert journal.synced_position("md") == 0
        await committer.synced.wait()
        assert journal.synced_position("md") == 50
        assert listener.synced == committer.commits == 1
        await committer.stop()

    asyncio.run(main())


@both
def test_execution_records_do_not_wait(kit, storage, kind):
    async def main() -> None:
        journal, committer, _ = make(kit, storage, kind)
        journal.append(kit.record("md.0"))
        committer.wake()
        journal.append(kit.record("ex.main"))
        committer.wake()
        await committer.synced.wait()
        assert journal.is_synced()
        await committer.stop()

    asyncio.run(main())


@both
def test_barriers_are_called_in_order_once_all_before_them_is_synced(kit, storage, kind):
    async def main() -> None:
        journal, committer, _ = make(kit, storage, kind)
        seen, done = [], asyncio.Event()
        for number in range(1, 6):
            journal.append(kit.record(("md.0", "ex.main")[number % 2]))
            targets = journal.last_position("md"), journal.last_position("ex")

            def call(number: int = number, targets: tuple[int, int] = targets) -> None:
                assert (journal.synced_position("md"), journal.synced_position("ex")) >= targets
                seen.append(number)
                if number == 5:
                    done.set()

            committer.barrier(call)
        await done.wait()
        assert seen == [1, 2, 3, 4, 5]
        committer.barrier(done.clear)  # nothing is waiting to be synced: it still comes
        while done.is_set():
            await committer.synced.wait()
        await committer.stop()

    asyncio.run(main())


@both
def test_a_listener_that_fails_is_alone(kit, storage, kind):
    async def main() -> None:
        journal, committer, _ = make(kit, storage, kind)
        problems, done = [], asyncio.Event()
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context["exception"]))

        def bad() -> None:
            raise ValueError("mine")

        journal.append(kit.record("ex.main"))
        committer.barrier(bad)
        committer.barrier(done.set)
        await done.wait()
        assert [str(problem) for problem in problems] == ["mine"]
        await committer.stop()

    asyncio.run(main())


@both
def test_drain_and_stop_leave_nothing(kit, storage, kind):
    async def main() -> None:
        journal, committer, _ = make(kit, storage, kind)
        journal.append(kit.record())
        await committer.drain()
        assert journal.is_synced()
        journal.append(kit.record())
        await committer.stop()
        await committer.stop()
        assert journal.is_synced()
        assert not [thread for thread in threading.enumerate() if thread.name == "journal-committer"]

    asyncio.run(main())


@both
def test_failure_is_told_once_and_its_end_too(kit, storage, kind, monkeypatch):
    monkeypatch.setattr(module, "RETRY_S", 0.002)

    async def main() -> None:
        journal, committer, listener = make(kit, storage, kind)
        storage.capacity_bytes = 0
        journal.append(kit.record("ex.main"))
        called = asyncio.Event()
        committer.barrier(called.set)
        while committer.failures < 3:
            await committer.synced.wait()
        assert len(listener.failed) == 1
        assert "no space left" in listener.failed[0]
        assert not called.is_set()
        await committer.drain()  # gives up after one attempt
        assert not journal.is_synced()
        storage.capacity_bytes = 1 << 30
        await called.wait()
        assert listener.failed[1:] == [""]
        assert journal.is_synced()
        await committer.stop()

    asyncio.run(main())


def test_a_failing_disk_is_not_hammered(kit, storage):
    async def main(loop: sim.SimLoop) -> None:
        journal, committer, listener = make(kit, storage, InlineCommitter, md_sync_ms=10.0)
        storage.capacity_bytes = 0
        while loop.time() < 10.0:
            journal.append(kit.record("ex.main"))
            committer.wake()
            await asyncio.sleep(0.01)
        assert 9 <= committer.failures <= 11
        assert len(listener.failed) == 1
        storage.capacity_bytes = 1 << 30
        await committer.stop()
        assert journal.is_synced()

    sim.run(main)


@both
def test_too_many_barriers_are_refused(kit, storage, kind, monkeypatch):
    monkeypatch.setattr(module, "BARRIERS_MAX", 3)

    async def main() -> None:
        journal, committer, _ = make(kit, storage, kind)
        storage.capacity_bytes = 0
        journal.append(kit.record("ex.main"))
        for _ in range(3):
            committer.barrier(lambda: None)
        with pytest.raises(StorageError, match="3 barriers wait for the journal"):
            committer.barrier(lambda: None)
        storage.capacity_bytes = 1 << 30
        await committer.stop()

    asyncio.run(main())


def test_virtual_time(kit, storage):
    async def main(loop: sim.SimLoop) -> None:
        journal, committer, _ = make(kit, storage, InlineCommitter, md_sync_ms=50.0)
        journal.append(kit.record())
        committer.wake()
        await committer.synced.wait()
        assert loop.time() == pytest.approx(0.05)
        journal.append(kit.record("ex.main"))
        committer.wake()
        await committer.synced.wait()
        assert loop.time() == pytest.approx(0.05)
        await committer.stop()

    sim.run(main)
