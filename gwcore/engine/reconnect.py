"""When to try again: full-jitter back-off, and rolling budgets. Decides; never waits."""

from __future__ import annotations

from collections import deque

from gwcore.ports import Random

NANOSECONDS = 1_000_000_000


class Backoff:
    """Full-jitter exponential back-off: each delay is uniform in [0, bound), the bound doubles up to a limit.

    The bound falls back to the first one only after something *held* for `held_s`: a venue that accepts and closes at once
    is not a success (faults F7, pain 23).
    """

    def __init__(self, random: Random, *, first_s: float, max_s: float, held_s: float) -> None:
        self._random = random
        self._first_s = first_s
        self._max_s = max_s
        self._held_ns = int(held_s * NANOSECONDS)
        self._opened_ns: int | None = None
        self.failures = 0  # in a row, none of which held

    def on_open(self, now_ns: int) -> None:
        """It works, as far as one can see yet."""
        self._opened_ns = now_ns

    def on_failure(self, now_ns: int) -> float:
        """It failed or ended; returns the seconds to wait before the next try."""
        if self._opened_ns is not None and now_ns - self._opened_ns >= self._held_ns:
            self.failures = 0
        self._opened_ns = None
        self.failures += 1
        # 2**30 times the first bound is beyond any limit; the exponent is capped to keep the float finite.
        bound_s = min(self._max_s, self._first_s * 2.0 ** min(self.failures - 1, 30))
        return bound_s * self._random.random()


class RollingBudget:
    """At most `count_max` of something in any rolling window: connection attempts, or requests of a connection."""

    def __init__(self, count_max: int, window_s: float) -> None:
        assert count_max > 0
        self._count_max = count_max
        self._window_ns = int(window_s * NANOSECONDS)
        self._attempts: deque[int] = deque(maxlen=count_max)

    def ready_ns(self) -> int:
        """When the next one is allowed (monotonic ns); 0: it is now."""
        return self._attempts[0] + self._window_ns if len(self._attempts) == self._count_max else 0

    def wait_s(self, now_ns: int) -> float:
        """Seconds until the next one is allowed; 0 when it is now."""
        return max(0, self.ready_ns() - now_ns) / NANOSECONDS if self.ready_ns() else 0.0

    def spend(self, now_ns: int) -> None:
        """One is made now. What could not wait (a reply that keeps the connection) counts too, and those after it wait."""
        self._attempts.append(now_ns)

    def used(self, now_ns: int) -> int:
        """How many were made within the window that ends now."""
        return sum(1 for at in self._attempts if at > now_ns - self._window_ns)


class Pacer:
    """At most `per_s` requests in any second of one connection; half of that for a while after the venue complains."""

    PENALTY_NS = 30 * NANOSECONDS
    #: The venue counts by its own clock and by arrival: frames that left within a bit more than a second may arrive in one.
    SECOND_S = 1.05

    def __init__(self, per_s: float, budget: RollingBudget | None = None) -> None:
        assert per_s > 0
        whole = max(1, int(per_s))
        self._budgets = [RollingBudget(whole, max(1.0, whole / per_s) * self.SECOND_S)]
        if budget is not None:
            self._budgets.append(budget)
        self._interval_ns = int(NANOSECONDS / per_s)
        self._next_ns = 0
        self._penalty_until_ns = 0

    def ready_ns(self) -> int:
        """When the next request may leave (monotonic ns)."""
        return max(self._next_ns, *(budget.ready_ns() for budget in self._budgets))

    def spend(self, now_ns: int) -> None:
        """A request leaves now."""
        for budget in self._budgets:
            budget.spend(now_ns)
        interval_ns = self._interval_ns * 2 if now_ns < self._penalty_until_ns else self._interval_ns
        # Up to a fifth of a second's worth may be sent at once: start-up and repair are not slowed by single frames.
        burst_ns = NANOSECONDS // 5
        self._next_ns = max(self._next_ns, now_ns - burst_ns) + interval_ns

    def punish(self, now_ns: int) -> None:
        """The venue said that we send too much."""
        self._penalty_until_ns = now_ns + self.PENALTY_NS
        self._next_ns = max(self._next_ns, now_ns + NANOSECONDS)
