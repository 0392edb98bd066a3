"""A guard that lets everything through and a pace without limits: for tests, and until an operator sets any."""

from __future__ import annotations

from gwcore.engine.orders.ports import OrderView, Refusal, Requester
from gwcore.model import CreateOrder, ModifyOrder, OrderRequest, OrderUpdate, RateLimit
from gwcore.venue import OrderLimits, RequestKind


class OpenGuard:
    """Implements `OrderGuard`: nothing is held back."""

    def check_request(self, account: str, request: OrderRequest, requester: Requester, now_ns: int) -> Refusal | None:
        """It may leave."""

    def check_create(self, request: CreateOrder, requester: Requester, view: OrderView) -> Refusal | None:
        """It may leave."""

    def check_modify(
        self, request: ModifyOrder, order: OrderUpdate, requester: Requester, view: OrderView
    ) -> Refusal | None:
        """It may leave."""

    def check_turn(self, user: str, account: str, symbol: str) -> Refusal | None:
        """It may leave."""


class NoPace:
    """Implements `OrderPace`: at once, always."""

    def configure(self, limits: OrderLimits) -> None:
        """Nothing to keep to."""

    def wait_ns(self, kind: RequestKind, symbol: str, age_s: float, orders: int, user: str, now_ns: int) -> int:
        """Now."""
        return 0

    def queue_ns(self, kind: RequestKind, symbol: str, queued: int, user: str, now_ns: int) -> int:
        """At once."""
        return 0

    def spent(self, kind: RequestKind, symbol: str, age_s: float, orders: int, user: str, now_ns: int) -> None:
        """Nothing is counted."""

    def assume(self, until_ns: int) -> None:
        """Nothing is counted."""

    def refused(self, symbol: str, now_ns: int, retry_ns: int | None) -> None:
        """Nothing is counted."""

    def corrected(self, name: str, symbol: str | None, value: float, now_ns: int) -> bool:
        """Nothing is counted."""
        return False

    def forecast(self, now_ns: int) -> tuple[RateLimit, ...]:
        """Nothing is counted."""
        return ()
