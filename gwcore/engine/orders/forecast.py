"""OrderForecast: tells clients where the venue's counters stand, at a bounded rate. Pure."""

from __future__ import annotations

from typing import Final

from gwcore.engine.orders.outbox import DeskOutbox
from gwcore.engine.orders.sender import OrderSender
from gwcore.model import RateLimitsUpdate

#: At most one forecast in this time, and only after requests left.
FORECAST_NS: Final = 5_000_000_000


class OrderForecast:
    """Of one account. A new forecast is worth telling when requests left."""

    def __init__(self, account: str, outbox: DeskOutbox, sender: OrderSender) -> None:
        self._account = account
        self._outbox = outbox
        self._sender = sender
        self._told = 0
        self._told_ns: int | None = None

    def next_ns(self) -> int | None:
        """When there is something to tell."""
        if self._sender.spends == self._told:
            return None
        return 0 if self._told_ns is None else self._told_ns + FORECAST_NS

    def on_timer(self, now_ns: int) -> None:
        """Tell it if it is time. One event for each counter, so that the newest of each is what the gateway holds."""
        due_ns = self.next_ns()
        if due_ns is None or now_ns < due_ns:
            return
        self._told, self._told_ns = self._sender.spends, now_ns
        for limit in self._sender.pace.forecast(now_ns):
            self._outbox.publish(RateLimitsUpdate(account=self._account, limits=(limit,)))
