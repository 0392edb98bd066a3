"""Renewal: when a whole connection is to be replaced because many of its books go bad together (law 3: one stays one)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sized

from gwcore.engine.reconnect import NANOSECONDS
from gwcore.settings import HealingSettings

#: Faults within this time count as one event.
WINDOW_NS = 2 * NANOSECONDS
#: Faults that are remembered; far above the books of a connection that make it suspect.
FAULTS_MAX = 4096


class Renewal:
    """Counts books that prove bad, and those that are accepted and never fed. `close` ends the connection."""

    def __init__(self, healing: HealingSettings, books: Sized, close: Callable[[str], None]) -> None:
        self._healing = healing
        self._books = books
        self._close = close
        self._faults: deque[int] = deque(maxlen=FAULTS_MAX)

    def forget(self) -> None:
        """A new connection: what went bad before says nothing of it."""
        self._faults.clear()

    def note(self, now_ns: int) -> None:
        """One book went bad."""
        self._faults.append(now_ns)
        while self._faults[0] < now_ns - WINDOW_NS:
            self._faults.popleft()
        enough = max(self._healing.renew_shard_min, self._healing.renew_shard_share * len(self._books))
        if len(self._faults) >= enough:
            self._faults.clear()
            self._close("renew: many books of this connection went bad at once")
