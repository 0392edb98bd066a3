"""OrderPacer: a venue's counters for one account as far as they can be known, never lower; and whose turn it is. Pure.

What users place and change ends below the maximum, so that cancels find room; users who want it at the same time share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from gwcore.engine.orders.counter import POINT, CounterPlan, OrderCounter, cost_of
from gwcore.model import RateLimit
from gwcore.venue import OrderLimits, RequestKind

#: Counters of symbols that are kept; those that stand at nothing are forgotten first.
COUNTERS_MAX: Final = 2000
#: Counters in one forecast, the fullest ones.
FORECAST_MAX: Final = 20


class OrderPacer:
    """Implements `OrderPace`. `wall_ns`: what a monotonic time is on the wall clock, for forecasts."""

    def __init__(self, wall_ns: Callable[[int], int]) -> None:
        self._wall_ns = wall_ns
        self._plans: tuple[CounterPlan, ...] = ()
        self._counters: dict[tuple[str, str], OrderCounter] = {}
        self._assumed_ns: int | None = None

    def configure(self, limits: OrderLimits) -> None:
        """The limits of the connection that came up. Where counters stand stays as it is."""
        self._plans = tuple(CounterPlan(rule, limits.answer_timeout_s) for rule in limits.counters)
        names = {plan.rule.name: plan for plan in self._plans}
        self._counters = {key: one for key, one in self._counters.items() if key[0] in names}
        for (name, _), counter in self._counters.items():
            counter.plan = names[name]

    def assume(self, until_ns: int) -> None:
        """Requests that were not counted here may have left until then: counters may stand where creates end."""
        self._assumed_ns = until_ns if self._assumed_ns is None else max(until_ns, self._assumed_ns)
        for counter in self._counters.values():
            counter.assume(counter.plan.budget, until_ns)

    def wait_ns(self, kind: RequestKind, symbol: str, age_s: float, orders: int, user: str, now_ns: int) -> int:
        """How long until so many requests of this kind may leave as one; 0: now."""
        found = self._of(symbol, now_ns)
        return max((counter.wait_ns(kind, age_s, orders, user, now_ns) for counter in found), default=0)

    def queue_ns(self, kind: RequestKind, symbol: str, queued: int, user: str, now_ns: int) -> int:
        """How long until a request leaves behind so many of the same user; about, since others may come."""
        found = self._of(symbol, now_ns)
        return max((counter.queue_ns(kind, queued, user, now_ns) for counter in found), default=0)

    def spent(self, kind: RequestKind, symbol: str, age_s: float, orders: int, user: str, now_ns: int) -> None:
        """It left. A cancel of all may have cost each symbol as much as there is."""
        for counter in self._of(symbol, now_ns):
            counter.add(orders * cost_of(counter.plan.rule, kind, age_s), user, now_ns)
        if kind is RequestKind.CANCEL_ALL and any(plan.rule.per_symbol for plan in self._plans):
            self.assume(now_ns)

    def refused(self, symbol: str, now_ns: int, retry_ns: int | None) -> None:
        """The venue said that a counter is over its maximum: the model was low."""
        for counter in self._of(symbol, now_ns):
            counter.refused(now_ns, retry_ns)

    def corrected(self, name: str, symbol: str | None, value: float, now_ns: int) -> bool:
        """The venue said where a counter stands. False: it is none of these."""
        found = [one for one in self._of(symbol or "", now_ns) if one.plan.rule.name == name]
        for counter in found:
            counter.corrected(round(value * POINT), now_ns)
        return bool(found)

    def forecast(self, now_ns: int) -> tuple[RateLimit, ...]:
        """The fullest counters: where they stand, and when creates go on where they don't now."""
        busy = [(key, one) for key, one in self._counters.items() if one.level(now_ns) or one.locked_ns > now_ns]
        busy.sort(key=lambda item: (-item[1].level(now_ns) / max(1, item[1].plan.maximum), item[0]))
        return tuple(self._told(key, one, now_ns) for key, one in busy[:FORECAST_MAX])

    def _told(self, key: tuple[str, str], counter: OrderCounter, now_ns: int) -> RateLimit:
        name, symbol = key
        wait_ns = counter.ends_ns(now_ns)
        return RateLimit(
            name=f"{name}.{symbol}" if symbol else name,
            value=f"{counter.level(now_ns) / POINT:.2f}",
            limit=f"{counter.plan.rule.maximum:g}",
            ends_ns=self._wall_ns(now_ns + wait_ns) if wait_ns else None,
        )

    def _of(self, symbol: str, now_ns: int) -> Iterator[OrderCounter]:
        """The counters that a request about a symbol raises; about none: those of the account."""
        for plan in self._plans:
            if plan.rule.per_symbol and not symbol:
                continue
            key = (plan.rule.name, symbol if plan.rule.per_symbol else "")
            counter = self._counters.get(key)
            if counter is None:
                counter = self._counters[key] = self._new(plan, now_ns)
            yield counter

    def _new(self, plan: CounterPlan, now_ns: int) -> OrderCounter:
        if len(self._counters) >= COUNTERS_MAX:
            idle = [key for key, one in self._counters.items() if one.is_idle(now_ns)]
            for key in idle or [next(iter(self._counters))]:
                del self._counters[key]
        if self._assumed_ns is None:
            return OrderCounter(plan, now_ns)
        counter = OrderCounter(plan, min(self._assumed_ns, now_ns))
        counter.assume(plan.budget, self._assumed_ns)
        return counter
