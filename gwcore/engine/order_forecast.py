"""OrderForecast: tells clients where the venue's counters stand, at a bounded rate. Pure."""

from __future__ import annotations

from typing import Final

from gwcore.engine.order_outbox import DeskOutbox
from gwcore.engine.order_ports import OrderPace
from gwcore.model import RateLimitsUpdate

#: At most one forecast in this time, and only after requests left.
FORECAST_NS: Final = 5_000_000_000


class OrderForecast:
    """Of one account. `spends`: how many requests left so far, which is what makes a new forecast worth telling."""

    def __init__(self, account: str, outbox: DeskOutbox, pace: OrderPace) -> None:
        self._account = account
        self._outbox = outbox
        self._pace = pace
        self._told = 0
        self._told_ns: int | None = None

    def next_ns(self, spends: int) -> int | None:
        """When there is something to tell."""
        if spends == self._told:
            return None
        return 0 if self._told_ns is None else self._told_ns + FORECAST_NS

    def on_timer(self, spends: int, now_ns: int) -> None:
        """Tell it if it is time. One event for each counter, so that the newest of each is what the gateway holds."""
        due_ns = self.next_ns(spends)
        if due_ns is None or now_ns < due_ns:
            return
        self._told, self._told_ns = spends, now_ns
        for limit in self._pace.forecast(now_ns):
            self._outbox.publish(RateLimitsUpdate(account=self._account, limits=(limit,)))
