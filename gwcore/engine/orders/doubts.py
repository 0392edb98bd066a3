"""OrderDoubts: orders with requests whose fate is not known, and when the venue is asked about each. Pure.

One question at a time: they cost the account's REST counter, of which downloads and cancels live too. The stream, or the
download after a new connection, mostly answers before.
"""

from __future__ import annotations

from typing import Final

from gwcore.engine.orders.order import OwnOrder

NANOSECONDS: Final = 1_000_000_000
#: The first question comes this soon, and the next ones after four times as long each, up to the largest.
FIRST_S: Final = 1.0
LARGEST_S: Final = 60.0
FACTOR: Final = 4.0


class OrderDoubts:
    """Of one account. Times are monotonic nanoseconds."""

    def __init__(self) -> None:
        self._next: dict[OwnOrder, tuple[int, float]] = {}  # when to ask, and what the wait was
        self.asked: OwnOrder | None = None  # the question under way is about this one
        self.questions = 0

    def __len__(self) -> int:
        return len(self._next)

    def add(self, order: OwnOrder, now_ns: int) -> None:
        """Something of it is in doubt."""
        if order not in self._next:
            self._next[order] = (now_ns + int(FIRST_S * NANOSECONDS), FIRST_S)

    def remove(self, order: OwnOrder) -> None:
        """Nothing of it is in doubt any more."""
        self._next.pop(order, None)

    def hurry(self, now_ns: int) -> None:
        """The account is ready again: ask soon about what the download did not tell."""
        for order in self._next:
            self._next[order] = (now_ns + int(FIRST_S * NANOSECONDS), FIRST_S)

    def take(self, now_ns: int) -> OwnOrder | None:
        """The order to ask about now."""
        if self.asked is not None or not self._next:
            return None
        order = min(self._next, key=lambda one: self._next[one][0])
        if self._next[order][0] > now_ns:
            return None
        self.asked = order
        self.questions += 1
        return order

    def answered(self, now_ns: int, final_in_ns: int | None) -> None:
        """The question was answered, or could not be. `final_in_ns`: in so long an answer settles what is in doubt."""
        order, self.asked = self.asked, None
        if order is None or order not in self._next:
            return
        wait_s = min(LARGEST_S, self._next[order][1] * FACTOR)
        wait_ns = int(wait_s * NANOSECONDS)
        if final_in_ns is not None and 0 < final_in_ns < wait_ns:
            wait_ns = final_in_ns
        self._next[order] = (now_ns + wait_ns, wait_s)

    def next_ns(self) -> int | None:
        """When to ask; None: nothing to ask, or an answer is due."""
        if self.asked is not None:
            return None
        return min((at_ns for at_ns, _ in self._next.values()), default=None)
