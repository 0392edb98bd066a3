"""Counters that decay with time: Kraken's limits of REST calls (sheet 2.4) and of the matching engine (sheet 3.7)."""

from __future__ import annotations

#: One point. Levels are integers so that fractions of a point decay exactly.
POINT = 1_000_000_000


class DecayingCounter:
    """Starts at 0. `maximum` is in points, `decay_milli` in thousandths of a point a second."""

    __slots__ = ("_at_ns", "_decay_milli", "_level", "maximum")

    def __init__(self, maximum: int, decay_milli: int) -> None:
        self.maximum = maximum
        self._decay_milli = decay_milli
        self._level = 0
        self._at_ns = 0

    def level(self, now_ns: int) -> int:
        """The level in parts of `POINT`."""
        if now_ns > self._at_ns:
            self._level = max(0, self._level - (now_ns - self._at_ns) * self._decay_milli // 1000)
            self._at_ns = now_ns
        return self._level

    def add(self, cost: int, now_ns: int) -> None:
        """Count `cost` (parts of `POINT`), whatever the level is then."""
        self._level = self.level(now_ns) + cost

    def takes(self, cost: int, now_ns: int) -> bool:
        """Count `cost` if the maximum is not passed by it; else count nothing and say so."""
        if self.level(now_ns) + cost > self.maximum * POINT:
            return False
        self._level += cost
        return True
