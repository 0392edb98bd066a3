"""VirtualClock: `ports.Clock` on a simulation loop's time."""

from __future__ import annotations

from gwcore.testing.loop import SimLoop

#: 2026-01-01T00:00:00Z: where wall clocks of simulations start.
EPOCH_NS = 1_767_225_600_000_000_000


class VirtualClock:
    """Wall clock = `epoch_ns` + virtual time + `skew_ns`, which may be set at any time. The monotonic clock has no skew."""

    __slots__ = ("_loop", "epoch_ns", "skew_ns")

    def __init__(self, loop: SimLoop, *, epoch_ns: int = EPOCH_NS, skew_ns: int = 0) -> None:
        self._loop = loop
        self.epoch_ns = epoch_ns
        self.skew_ns = skew_ns

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, by this clock."""
        return self.epoch_ns + self.skew_ns + self._loop.now_ns()

    def monotonic_ns(self) -> int:
        """Virtual nanoseconds since the start."""
        return self._loop.now_ns()
