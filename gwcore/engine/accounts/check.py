"""AccountCheck: what REST answers compared with what the stream told. Finds; the machine publishes.

REST lags the stream (API sheet §2.7: by up to a minute), so only what stood still for longer than that is compared.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from gwcore.engine.accounts.funds import Mismatch
from gwcore.engine.accounts.orders import OrderTable
from gwcore.model import Discrepancy, OrderStatus
from gwcore.venue import AccountSnapshot

NANOSECONDS = 1_000_000_000
#: Differences remembered, so that each is told once.
TOLD_MAX = 10_000


class Difference(NamedTuple):
    """One thing on which stream and REST disagree."""

    subject: str
    expected: str
    found: str
    symbol: str | None = None


class AccountCheck:
    """The timed comparison of one account."""

    def __init__(self, account: str, lag_s: float) -> None:
        self._account = account
        self.lag_ns = int(lag_s * NANOSECONDS)
        self._told: dict[Difference, None] = {}
        self._funds_since: dict[Mismatch, int] = {}

    def orders(self, table: OrderTable, snapshot: AccountSnapshot, asked_ns: int) -> list[Difference]:
        """Orders that are open on one side only, or traded differently. `asked_ns`: monotonic, when REST was asked."""
        found = []
        by_rest = {order.venue_order_id: order for order in snapshot.orders or ()}
        ended = {order.venue_order_id: order for order in snapshot.closed}
        for key, order in table.orders.items():
            if asked_ns - order.changed_ns < self.lag_ns or order.update.order_status is OrderStatus.UNKNOWN:
                continue  # too new for REST, or known by a fill alone
            ours, theirs = order.update, by_rest.get(key)
            if not order.is_done and key in ended:
                status = ended[key].order_status.value
                found.append(Difference(f"status of order {key}", ours.order_status.value, status, ours.symbol))
            elif theirs is not None and order.is_done:
                status = theirs.order_status.value
                found.append(Difference(f"status of order {key}", ours.order_status.value, status, ours.symbol))
            elif theirs is not None and Decimal(theirs.traded_quantity or 0) != Decimal(ours.traded_quantity or 0):
                found.append(
                    Difference(
                        f"traded quantity of order {key}",
                        ours.traded_quantity or "0",
                        theirs.traded_quantity or "0",
                        ours.symbol,
                    )
                )
            elif theirs is None and key not in ended and not order.is_done:
                found.append(Difference(f"status of order {key}", ours.order_status.value, "not found", ours.symbol))
        return found

    def unknown_orders(self, table: OrderTable, snapshot: AccountSnapshot, wall_ns: int) -> list[Difference]:
        """Open orders of REST that the stream never told, and would have by now."""
        return [
            Difference(f"status of order {order.venue_order_id}", "not told", order.order_status.value, order.symbol)
            for order in snapshot.orders or ()
            if order.venue_order_id not in table.orders
            and order.opened_ns is not None
            and wall_ns - order.opened_ns >= self.lag_ns
        ]

    def funds(self, mismatches: list[Mismatch], now_ns: int) -> list[Difference]:
        """Totals that differ, and differ in the same way, for longer than REST lags."""
        self._funds_since = {each: self._funds_since.get(each, now_ns) for each in mismatches}
        return [
            Difference(f"total of {asset}", expected, found)
            for (asset, expected, found), since_ns in self._funds_since.items()
            if now_ns - since_ns >= self.lag_ns
        ]

    def news(self, differences: list[Difference]) -> list[Discrepancy]:
        """Those not told before, as events."""
        news = []
        for difference in differences:
            if difference in self._told:
                continue
            self._told[difference] = None
            if len(self._told) > TOLD_MAX:
                del self._told[next(iter(self._told))]
            news.append(
                Discrepancy(
                    account=self._account,
                    symbol=difference.symbol,
                    subject=difference.subject,
                    expected=difference.expected,
                    found=difference.found,
                )
            )
        return news
