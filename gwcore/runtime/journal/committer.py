"""What drives `Journal.commit`: a thread of its own in a real gateway, timers of a virtual loop in a simulation.

Both gather: what is appended within `md_sync_ms` becomes durable in one commit, execution records and barriers at once.
One commit is under way at a time; while it is, all later requests wait for one next.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from gwcore.errors import StorageError
from gwcore.histogram import LatencyHistogram
from gwcore.journal.format import CLASSES
from gwcore.journal.log import Journal
from gwcore.runtime.beat import Beat
from gwcore.settings import JournalSettings

#: After a commit that failed the next is tried no sooner.
RETRY_S: Final = 1.0
#: Barriers that may wait at once; more means that the disk stands still, and the caller must not go on.
BARRIERS_MAX: Final = 100_000
#: A commit that takes longer than this is stuck, and so is the thread: disks that are merely slow answer sooner.
COMMIT_S: Final = 60.0


class CommitSchedule:
    """When to commit, and who waits for it. Runs on the loop; `commit` begins one and `on_committed` must follow."""

    def __init__(self, journal: Journal, settings: JournalSettings, commit: Callable[[], None]) -> None:
        self.journal = journal
        self.synced = asyncio.Event()  # pulsed: `await synced.wait()` returns after the next commit
        self.commits = 0
        self.failures = 0
        self.latency = LatencyHistogram()  # of commits that worked
        self._delay_s = settings.md_sync_ms / 1000
        self._commit = commit
        self._loop = asyncio.get_running_loop()
        self.beat = Beat(self._loop.time)
        self._timer: asyncio.TimerHandle | None = None
        self._committing = False
        self._again = False  # a request came while a commit was under way
        self._retry_at_s = 0.0
        self._barriers: deque[tuple[dict[str, int], Callable[[], None]]] = deque()
        self._drains: list[asyncio.Future[None]] = []
        self._on_synced: Callable[[], None] = _nothing
        self._on_failed: Callable[[str], None] = _ignore
        self._reported = ""

    def listen(self, on_synced: Callable[[], None], on_failed: Callable[[str], None]) -> None:
        """Call these after each commit, and when the cause of failure changes (empty: all is well again)."""
        self._on_synced, self._on_failed = on_synced, on_failed

    def wake(self) -> None:
        """Something was appended."""
        journal = self.journal
        if journal.synced_position("ex") != journal.last_position("ex"):
            self._request()
        elif self._timer is None and not self._committing and not journal.is_synced():
            self._timer = self._loop.call_later(self._delay_s, self._request)

    def barrier(self, callback: Callable[[], None]) -> None:
        """Call back once all appended so far is durable. Raises StorageError where too many wait already."""
        if len(self._barriers) >= BARRIERS_MAX:
            raise StorageError(
                f"{BARRIERS_MAX} barriers wait for the journal: {self.journal.failed or 'it is too slow'}"
            )
        self._wait(callback)

    def _wait(self, callback: Callable[[], None]) -> None:
        targets = {name: self.journal.last_position(name) for name in CLASSES}
        self._barriers.append((targets, callback))
        self._request()

    async def drain(self) -> None:
        """Return when all appended so far is durable, or one more attempt failed."""
        if self.journal.is_synced():
            return
        self._retry_at_s = 0.0
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._drains.append(waiter)
        self._wait(lambda: None if waiter.done() else waiter.set_result(None))
        await waiter

    def stop(self) -> None:
        """No more timers; barriers that wait are never called."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._barriers.clear()

    def _request(self) -> None:
        if self._committing:
            self._again = True
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wait_s = self._retry_at_s - self._loop.time()
        if wait_s > 0:
            self._timer = self._loop.call_later(wait_s, self._request)
            return
        self._committing = True
        self.beat.within(COMMIT_S)
        self._commit()

    def on_committed(self, error: str, took_ns: int) -> None:
        """A commit ended; `error` is empty where it worked."""
        self._committing = False
        self.beat.rest()
        if error:
            self.failures += 1
            self._retry_at_s = self._loop.time() + RETRY_S
            self._end_drains()
        else:
            self.commits += 1
            self.latency.observe(took_ns)
        if self._again or (error and not self.journal.is_synced()):
            self._again = False
            self._request()
        else:
            self.wake()
        if error != self._reported:
            self._reported = error
            self._call(self._on_failed, error)
        self._call_barriers()
        self._call(self._on_synced)
        self.synced.set()
        self.synced.clear()

    def _end_drains(self) -> None:
        for waiter in self._drains:
            if not waiter.done():
                waiter.set_result(None)
        self._drains.clear()

    def _call_barriers(self) -> None:
        synced = {name: self.journal.synced_position(name) for name in CLASSES}
        while self._barriers and all(synced[name] >= target for name, target in self._barriers[0][0].items()):
            self._call(self._barriers.popleft()[1])
        if not self._barriers:
            self._drains.clear()

    def _call(self, callback: Callable[..., None], *arguments: str) -> None:
        """One listener's error is its own: the others, and the next commit, go on."""
        try:
            callback(*arguments)
        except Exception as error:
            context = {"message": "a listener of the committer failed", "exception": error}
            self._loop.call_exception_handler(context)


class _Scheduled:
    """What both committers are asked and their schedule answers. `kick` begins a commit, whose end goes to the schedule."""

    def __init__(self, journal: Journal, settings: JournalSettings, kick: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._journal = journal
        self._schedule = CommitSchedule(journal, settings, kick)

    @property
    def synced(self) -> asyncio.Event:
        """Pulsed after each commit: `await synced.wait()` returns after the next."""
        return self._schedule.synced

    @property
    def commits(self) -> int:
        """Commits that worked."""
        return self._schedule.commits

    @property
    def failures(self) -> int:
        """Commits that failed."""
        return self._schedule.failures

    @property
    def latency(self) -> LatencyHistogram:
        """How long commits that worked took."""
        return self._schedule.latency

    @property
    def beat(self) -> Beat:
        """Late while a commit does not come back."""
        return self._schedule.beat

    def wake(self) -> None:
        """Something was appended: execution records are committed at once, others within `md_sync_ms`."""
        self._schedule.wake()

    def barrier(self, callback: Callable[[], None]) -> None:
        """Call back on the loop once all appended so far is durable; never if that can't be. Raises StorageError where
        too many wait already."""
        self._schedule.barrier(callback)

    async def drain(self) -> None:
        """Return when all appended so far is durable, or one more attempt failed."""
        await self._schedule.drain()


class Committer(_Scheduled):
    """Commits on a thread of its own. Made and used on the loop; one notification comes back per commit."""

    def __init__(self, journal: Journal, settings: JournalSettings) -> None:
        super().__init__(journal, settings, self._kick)
        self._work = threading.Semaphore(0)
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._ended: asyncio.Future[None] = self._loop.create_future()

    def start(self, on_synced: Callable[[], None], on_failed: Callable[[str], None]) -> None:
        """Begin. `on_synced` is called after each commit, `on_failed` with the cause when one failed and with an empty
        text when one worked again; both on the loop."""
        self._schedule.listen(on_synced, on_failed)
        self._thread = threading.Thread(target=self._run, name="journal-committer", daemon=True)
        self._thread.start()
        self._schedule.wake()

    async def stop(self) -> None:
        """End the thread after a last commit."""
        if self._thread is None:
            return
        await self._schedule.drain()
        self._schedule.stop()
        self._stopping = True
        self._work.release()
        await self._ended
        self._thread.join()
        self._thread = None

    def _kick(self) -> None:
        self._work.release()

    def _run(self) -> None:
        while True:
            self._work.acquire()
            if self._stopping:
                self._tell(self._end)
                return
            begin_ns = time.monotonic_ns()
            error = _commit(self._journal)
            if not self._tell(self._schedule.on_committed, error, time.monotonic_ns() - begin_ns):
                return

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _tell(self, callback: Callable[..., None], *arguments: str | int) -> bool:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:  # the loop was closed under us: nobody is left to tell
            return False
        return True


def _at_once() -> float:
    return 0.0


class InlineCommitter(_Scheduled):
    """The same without a thread: commits on the loop, at the times of the loop. For simulation on virtual time.

    `sync_s` says how long each commit takes: whoever acts on what is not synced yet is found out.
    """

    def __init__(self, journal: Journal, settings: JournalSettings, sync_s: Callable[[], float] = _at_once) -> None:
        super().__init__(journal, settings, self._kick)
        self._sync_s = sync_s
        self._took_s = 0.0
        self._handle: asyncio.Handle | None = None
        self._started = False

    def start(self, on_synced: Callable[[], None], on_failed: Callable[[str], None]) -> None:
        """Begin; see `Committer.start`."""
        self._schedule.listen(on_synced, on_failed)
        self._started = True
        self._schedule.wake()

    async def stop(self) -> None:
        """See `Committer.stop`."""
        if self._started:
            await self._schedule.drain()
            self._schedule.stop()
            self._started = False
            if self._handle is not None:
                self._handle.cancel()

    def _kick(self) -> None:
        self._took_s = self._sync_s()
        self._handle = self._loop.call_later(self._took_s, self._commit)

    def _commit(self) -> None:
        self._schedule.on_committed(_commit(self._journal), int(self._took_s * 1e9))


def _commit(journal: Journal) -> str:
    """Commit; the cause where it failed. An error of ours is one too: the thread that commits must not die silently."""
    try:
        journal.commit()
    except StorageError as error:
        return str(error)
    except Exception as error:
        return f"commit failed: {error!r}"
    return ""


def _nothing() -> None:
    pass


def _ignore(cause: str) -> None:
    pass
