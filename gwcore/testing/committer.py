"""VirtualCommitter: drives `Journal.commit` on virtual time, where the real one has a thread.

What is appended is durable a seeded while later, never at once: whoever acts on what is not synced yet is found out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gwcore.errors import StorageError
from gwcore.journal import Journal
from gwcore.settings import JournalSettings
from gwcore.testing.loop import SimLoop
from gwcore.testing.seeds import SeededRandom

#: How long a commit takes at most, beside the interval of the settings.
_SYNC_S = 0.01
#: How long after a failed one the next is tried.
_RETRY_S = 0.5
#: Commits that `drain` and `stop` try before they give up on a storage that fails.
_LAST_TRIES_MAX = 3


class VirtualCommitter:
    """See `gwcore.runtime.app.CommitterPort`. `commits` and `failures` count."""

    def __init__(self, journal: Journal, settings: JournalSettings, loop: SimLoop, rng: SeededRandom) -> None:
        self.commits = 0
        self.failures = 0
        self._journal = journal
        self._interval_s = settings.md_sync_ms / 1000
        self._loop = loop
        self._random = rng
        self._timer: asyncio.TimerHandle | None = None
        self._on_synced: Callable[[], None] = lambda: None
        self._on_failed: Callable[[str], None] = lambda cause: None
        self._is_failed = False

    def start(self, on_synced: Callable[[], None], on_failed: Callable[[str], None]) -> None:
        """Begin."""
        self._on_synced, self._on_failed = on_synced, on_failed
        self.wake()

    def wake(self) -> None:
        """Something was appended."""
        if self._timer is None:
            delay_s = self._interval_s * self._random.random() + _SYNC_S * self._random.random()
            self._timer = self._loop.call_later(_RETRY_S if self._is_failed else delay_s, self._commit)

    async def drain(self) -> None:
        """Return when all that was appended is synced, or can't be."""
        for _ in range(_LAST_TRIES_MAX):
            if self._journal.is_synced():
                return
            await asyncio.sleep(_SYNC_S * self._random.random())
            self._commit()

    async def stop(self) -> None:
        """End; a last commit was tried."""
        await self.drain()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _commit(self) -> None:
        self._timer = None
        try:
            self._journal.commit()
        except StorageError as error:
            self.failures += 1
            if not self._is_failed:
                self._is_failed = True
                self._on_failed(str(error))
            self.wake()
            return
        self._is_failed = False
        self.commits += 1
        self._on_synced()
