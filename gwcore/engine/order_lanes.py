"""OrderLanes: requests whose turn has come within their order and that wait for the venue's counters. Pure.

Cancels before changes, changes before new orders; within each, first come first served, but for those that the counter of
their symbol holds back.
"""

from __future__ import annotations

from typing import Final

from gwcore.engine.order_ports import OrderPace
from gwcore.engine.orders import Ask
from gwcore.venue import RequestKind

#: Requests of one account that wait; more are refused.
LANES_MAX: Final = 1000
NANOSECONDS: Final = 1_000_000_000
_LANE: Final = {
    RequestKind.CANCEL: 0,
    RequestKind.CANCEL_ALL: 0,
    RequestKind.CANCEL_BATCH: 0,
    RequestKind.MODIFY: 1,
    RequestKind.CREATE: 2,
    RequestKind.CREATE_BATCH: 2,
}


class OrderLanes:
    """Of one account."""

    def __init__(self, pace: OrderPace) -> None:
        self._pace = pace
        self._lanes: tuple[dict[Ask, None], ...] = ({}, {}, {})
        self.wake_ns: int | None = None  # when the first of those that are held back may leave

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes)

    def add(self, ask: Ask) -> None:
        """It may leave as far as its order is concerned."""
        self._lanes[_LANE[ask.kind]][ask] = None

    def remove(self, ask: Ask) -> None:
        """It waits no more."""
        self._lanes[_LANE[ask.kind]].pop(ask, None)

    def take(self, now_ns: int) -> Ask | None:
        """The next one that may leave now."""
        self.wake_ns = None
        held: set[tuple[str, str]] = set()  # symbol and user: one answer is enough, but of cancels each counts
        for number, lane in enumerate(self._lanes):
            for ask in lane:
                symbol = _symbol(ask)
                if (symbol, ask.user) in held:
                    continue
                wait_ns = self._pace.wait_ns(ask.kind, symbol, age_s(ask, now_ns), 1, ask.user, now_ns)
                if wait_ns <= 0:
                    del lane[ask]
                    return ask
                if number:
                    held.add((symbol, ask.user))
                self.wake_ns = min(self.wake_ns or now_ns + wait_ns, now_ns + wait_ns)
            held.clear()
        return None

    def take_mates(self, ask: Ask, count_max: int, *, one_symbol: bool) -> list[Ask]:
        """Others of the batch of a request that was taken, at most so many; they are taken too."""
        lane = self._lanes[_LANE[ask.kind]]
        mates = [one for one in lane if one.batch is ask.batch and (not one_symbol or _symbol(one) == _symbol(ask))]
        for one in mates[:count_max]:
            del lane[one]
        return mates[:count_max]


def _symbol(ask: Ask) -> str:
    return ask.order.symbol if ask.order is not None else ""


def age_s(ask: Ask, now_ns: int) -> float:
    """How long ago the order of a request was placed or changed, which is what the venue's counters go by."""
    return 0.0 if ask.order is None else (now_ns - ask.order.taken_ns) / NANOSECONDS
