"""BusiestWindow: the most events that ever fell into one rolling window, counted as they come."""

from __future__ import annotations

from collections import deque

#: Times kept for one window; what comes on top is counted as if the oldest had left.
TIMES_MAX = 100_000


class BusiestWindow:
    """Times must not go back."""

    __slots__ = ("_times", "_window_ns", "most")

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._times: deque[int] = deque(maxlen=TIMES_MAX)
        self.most = 0

    def add(self, now_ns: int) -> None:
        """One more event."""
        times = self._times
        times.append(now_ns)
        while times[0] <= now_ns - self._window_ns:
            times.popleft()
        self.most = max(self.most, len(times))
