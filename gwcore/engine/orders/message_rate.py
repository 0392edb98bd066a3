"""MessageRate: how often one user may ask, and for how long he may not after he asked too often. Pure."""

from __future__ import annotations

from typing import Final

_NANOSECONDS: Final = 1_000_000_000


class MessageRate:
    """A bucket of requests. Each one that is too many is a breach; so many of those ban the user for a while."""

    def __init__(self, per_s: float, *, burst: int, ban_after: int, ban_s: float) -> None:
        self._per_s = per_s
        self._burst = 1.0 * max(1, burst)
        self._ban_after = ban_after
        self._ban_ns = int(ban_s * _NANOSECONDS)
        self._left = self._burst
        self._at_ns: int | None = None
        self._breaches = 0
        self.banned_until_ns = 0

    def configure(self, per_s: float, *, burst: int, ban_after: int, ban_s: float) -> None:
        """Another rate from now on: what was counted, and a ban that runs, stay."""
        self._per_s, self._ban_after = per_s, ban_after
        self._burst = 1.0 * max(1, burst)
        self._left = min(self._left, self._burst)
        self._ban_ns = int(ban_s * _NANOSECONDS)

    def take(self, now_ns: int) -> bool:
        """Count one request; whether it is within the rate and he is not banned."""
        if self._at_ns is not None:
            elapsed_s = max(0, now_ns - self._at_ns) / _NANOSECONDS
            self._left = min(self._burst, self._left + elapsed_s * self._per_s)
            if self._left >= self._burst:
                self._breaches = 0  # he was quiet for long enough
        self._at_ns = now_ns
        if now_ns < self.banned_until_ns:
            return False
        if self._left >= 1.0:
            self._left -= 1.0
            return True
        self._breaches += 1
        if self._breaches >= self._ban_after:
            self._breaches = 0
            self.banned_until_ns = now_ns + self._ban_ns
        return False
