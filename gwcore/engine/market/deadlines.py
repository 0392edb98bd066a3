"""Deadlines: until when each subscription may stay as it is. A new one replaces the one before; the earliest is at hand."""

from __future__ import annotations

import heapq

from gwcore.engine.market.subscription import Subscription


class Deadlines:
    """Of one connection. The one that counts stands in the subscription; others in the heap are dropped when met."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Subscription]] = []
        self._count = 0

    def set(self, subscription: Subscription, deadline_ns: int) -> None:
        """It may stay as it is until then (monotonic ns)."""
        subscription.deadline_ns = deadline_ns
        self._count += 1
        heapq.heappush(self._heap, (deadline_ns, self._count, subscription))

    def clear(self) -> None:
        """Nothing is waited for."""
        self._heap.clear()

    def take(self, now_ns: int) -> Subscription | None:
        """One whose time is up, or None; it has no deadline after this."""
        while self._heap and self._heap[0][0] <= now_ns:
            deadline_ns, _, subscription = heapq.heappop(self._heap)
            if subscription.deadline_ns == deadline_ns:
                subscription.deadline_ns = None
                return subscription
        return None

    def next_ns(self) -> int | None:
        """The earliest one; None: there is none."""
        while self._heap and self._heap[0][2].deadline_ns != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None
