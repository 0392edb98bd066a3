"""Things to be done at a time, in order of time, then of being planned."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Schedule:
    """A heap of calls. Calls are given the time for which they were planned, then their arguments."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def at(self, when_ns: int, call: Callable[..., None], *arguments: Any) -> None:
        """Plan a call."""
        self._count += 1
        heappush(self._heap, (when_ns, self._count, call, arguments))

    def next_ns(self) -> int | None:
        """When the first one is due."""
        return self._heap[0][0] if self._heap else None

    def run_next(self) -> None:
        """Take and do the first one."""
        when_ns, _, call, arguments = heappop(self._heap)
        call(when_ns, *arguments)
