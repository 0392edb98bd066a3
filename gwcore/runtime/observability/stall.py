"""StallWatch: names who holds up the event loop, while it is held up: a thread of its own looks at what the loop is doing.

It costs a wake-up of the thread now and then. It must not stop anything: what follows of it is explained, no more.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

#: The loop is held up when it has not run for this long.
LIMIT_S = 1.0
#: Calls that are named, innermost first.
CALLS_MAX = 4


#: A stall is told in the status for this long.
RECENT_S = 300.0


class StallWatch:
    """Watches the thread it is made in. `on_stall(seconds, where)` is called from the watching thread, once a stall."""

    def __init__(self, on_stall: Callable[[float, str], None], *, limit_s: float = LIMIT_S) -> None:
        self._on_stall = on_stall
        self._limit_s = limit_s
        self._thread_id = threading.get_ident()
        self._beat_s = time.monotonic()
        self._is_told = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stall watch", daemon=True)
        self.stalls = 0  # since the start
        self.last = ""  # where the last one was
        self.last_s = 0.0  # and when, by the monotonic clock

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def recent(self, within_s: float = RECENT_S) -> str:
        """Where the last one was, if that is not long ago; else empty."""
        return self.last if self.stalls and time.monotonic() - self.last_s < within_s else ""

    def beat(self) -> None:
        """The loop runs. To be called several times within the limit."""
        self._beat_s = time.monotonic()
        self._is_told = False

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._limit_s / 2):
            late_s = time.monotonic() - self._beat_s
            if late_s > self._limit_s and not self._is_told:
                self._is_told = True
                self.stalls += 1
                self.last_s = time.monotonic()
                self.last = where(sys._current_frames().get(self._thread_id))
                self._on_stall(late_s, self.last)


def where(frame: FrameType | None) -> str:
    """The innermost calls of a thread: `module.function:line < module.function:line`."""
    calls: list[str] = []
    while frame is not None and len(calls) < CALLS_MAX:
        module = frame.f_globals.get("__name__", "?")
        calls.append(f"{module}.{frame.f_code.co_name}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(calls)
