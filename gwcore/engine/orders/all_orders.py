"""AllOrders: the orders of all accounts of one gateway, as a guard sees them: limits are a user's, not an account's. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from gwcore.engine.orders.ports import OpenOrder, OrderView


class AllOrders:
    """Implements `OrderView`. One for each gateway; every account adds its own view."""

    def __init__(self) -> None:
        self._views: list[OrderView] = []

    def add(self, view: OrderView) -> None:
        """One more account."""
        self._views.append(view)

    def open_orders(self) -> Iterable[OpenOrder]:
        """See `OrderView`."""
        for view in self._views:
            yield from view.open_orders()

    def traded(self, user: str, symbol: str) -> Decimal:
        """See `OrderView`. What was bought on one account and sold on another comes to nothing."""
        return sum((view.traded(user, symbol) for view in self._views), Decimal(0))
