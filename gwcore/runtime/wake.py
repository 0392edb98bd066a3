"""Wake: one timer of the loop, for the next time that a machine names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gwcore.engine.reconnect import NANOSECONDS
from gwcore.ports import Clock


class Wake:
    """Calls `call` at the time that was named, or before a later one: a machine that is early finds nothing to do and names
    its time again, which is cheaper than a timer a frame. Times are monotonic ns."""

    __slots__ = ("_call", "_clock", "_due_ns", "_handle", "_loop")

    def __init__(self, clock: Clock, call: Callable[[], None]) -> None:
        self._clock = clock
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._due_ns = 0

    def at(self, due_ns: int | None) -> None:
        """Call at this time at the latest; None: there is nothing to wait for."""
        if due_ns is None:
            self.cancel()
            return
        if self._handle is not None:
            if self._due_ns <= due_ns:
                return
            self._handle.cancel()
        self._due_ns = due_ns
        delay_s = max(0, due_ns - self._clock.monotonic_ns()) / NANOSECONDS
        self._handle = self._loop.call_later(delay_s, self._fire)

    def cancel(self) -> None:
        """Nothing is called any more, until a time is named again."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        self._call()
