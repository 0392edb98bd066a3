"""OrderLanes: requests whose turn has come within their order and that wait for the venue's counters. Pure.

Cancels before changes, changes before new orders; within each, first come first served, but for those that the counter of
their symbol holds back.
"""

from __future__ import annotations

from typing import Final

from gwcore.engine.orders.order import Ask
from gwcore.engine.orders.ports import OrderPace
from gwcore.venue import RequestKind

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
        self.batches_cancels = False  # whether the venue takes several cancels in one request
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
        # Symbol and user: one answer is enough, but of cancels each counts. A change that is held back holds what comes after
        # it, which costs less and would take its room for ever.
        held: set[tuple[str, str]] = set()
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
            if number == 0 and lane and self.batches_cancels and (several := self._together(lane, now_ns)):
                return several
        return None

    def _together(self, lane: dict[Ask, None], now_ns: int) -> Ask | None:
        """Cancels that can't leave one by one may leave as one request, where the venue always takes such."""
        first = next(iter(lane))
        mates = [ask for ask in lane if ask.order is not None]
        waits = [
            self._pace.wait_ns(RequestKind.CANCEL_BATCH, symbol, 0.0, 1, first.user, now_ns)
            for symbol in {_symbol(ask) for ask in mates}
        ]
        if len(mates) < 2 or max(waits) > 0:
            return None
        batch = object()
        for ask in mates:
            ask.batch = batch
        del lane[mates[0]]
        return mates[0]

    def queued(self, symbol: str, user: str) -> int:
        """New orders of a user in a symbol that wait."""
        return sum(1 for ask in self._lanes[-1] if ask.user == user and _symbol(ask) == symbol)

    def take_mates(self, ask: Ask, count_max: int, *, one_symbol: bool) -> list[Ask]:
        """Others of the batch of a request that was taken, at most so many; they are taken too."""
        lane = self._lanes[_LANE[ask.kind]]
        mates = [
            one
            for one in lane
            if one.batch is ask.batch
            and (not one_symbol or _symbol(one) == _symbol(ask))
            and one.is_check == ask.is_check  # an order that is only to be checked must never leave among others
        ]
        for one in mates[:count_max]:
            del lane[one]
        return mates[:count_max]


def _symbol(ask: Ask) -> str:
    return ask.order.symbol if ask.order is not None else ""


def age_s(ask: Ask, now_ns: int) -> float:
    """How long ago the order of a request was placed or changed, at least, which is what the venue's counters go by."""
    return 0.0 if ask.order is None or not ask.order.taken_ns else (now_ns - ask.order.taken_ns) / NANOSECONDS
