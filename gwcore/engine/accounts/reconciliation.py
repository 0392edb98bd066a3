"""AccountReconciliation: puts together what the stream and REST say of one account, and tells what differs.

The stream leads. REST fills in what an outage took: orders that ended meanwhile, fills, holds, positions. It never makes an
order younger or a fill out of a number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gwcore.engine.accounts.check import AccountCheck
from gwcore.engine.accounts.funds import Holdings
from gwcore.engine.accounts.orders import OrderTable
from gwcore.engine.accounts.outbox import AccountOutbox
from gwcore.engine.reconnect import NANOSECONDS
from gwcore.model import Discrepancy, FundsUpdate, OrderUpdate, Origin
from gwcore.settings import AccountSettings
from gwcore.venue import AccountSnapshot, Known

#: Fills are asked for again from this long before the last one known, in times of how long REST may lag: after a crash it is
#: not known whether the comparisons that follow a download had taken place.
OVERLAP_LAGS: Final = 5
_LAG_S: Final = 60.0


class AccountReconciliation:
    """Of one account."""

    def __init__(
        self, account: str, settings: AccountSettings, outbox: AccountOutbox, table: OrderTable, holdings: Holdings
    ) -> None:
        self._account = account
        self._outbox = outbox
        self._table = table
        self._holdings = holdings
        self._hold_ns = int(settings.hold_s * NANOSECONDS)
        self.check = AccountCheck(account, _LAG_S)
        self._touched: dict[str, None] = {}  # orders whose fills are to be looked at
        self._told_all = False  # in this process's life: clients know all that is open
        self.reconciled_ns = 0  # wall clock, when the last answer was asked for that is in the state now
        self._asked_ns = 0
        self.recovered = 0
        self.discrepancies = 0
        self._is_in_doubt = False  # the stream was found to be wrong: only a new snapshot mends that

    def known(self, orders: tuple[str, ...], unproven_ns: int | None) -> Known:
        """What to ask for. `unproven_ns`: when REST was asked last without its lag having passed since."""
        self._asked_ns = self._outbox.wall_ns()
        memory = self._table.memory
        floor_ns = since_ns = memory.floor_ns or 0
        if memory.last_ns is not None:
            overlap_ns = OVERLAP_LAGS * self.check.lag_ns
            waiting = [update.venue_time_ns or 0 for order in self._table.held for update in order.pending]
            since_ns = min([memory.last_ns, *waiting]) - overlap_ns
            if unproven_ns is not None:
                since_ns = min(since_ns, unproven_ns - self.check.lag_ns)
        return Known(since_ns=max(floor_ns, since_ns), trade_id=memory.last_id, orders=orders)

    def touch(self, key: str | None) -> None:
        """An order, or its fills, changed."""
        if key is not None:
            self._touched[key] = None

    def settle(self, received_ns: int | None, now_ns: int) -> bool:
        """Tell the fills that may be told of what was touched; whether some are missing."""
        if not self._touched:
            return False
        touched, self._touched = self._touched, {}
        for update in self._table.release(touched, now_ns):
            if update.origin is not Origin.VENUE:
                self.recovered += 1
            self._outbox.publish(update, received_ns)
        return any(order.update.venue_order_id in touched for order in self._table.held)

    # --- the download -------------------------------------------------------------------------------------------------

    def downloaded(self, stream: AccountSnapshot, rest: AccountSnapshot, now_ns: int) -> None:
        """After a (re)connect: the stream's snapshot of orders and fills, and all that REST says."""
        for order in stream.orders or ():
            self._publish_order(self._table.on_order(order, Origin.RECONCILIATION, now_ns), order.venue_order_id)
        self._take(rest, now_ns)
        # The stream's own rows first: REST has the fees of each fill as one number, the stream by asset.
        for trade in (*stream.trades, *rest.trades):
            self.touch(self._table.on_trade(trade, Origin.RECONCILIATION))
        self._told_all = True
        self.reconciled_ns = self._asked_ns

    def _publish_order(self, update: OrderUpdate | None, key: str | None) -> None:
        """Differences, and everything once in a process's life: clients know nothing of those before it."""
        if update is None and not self._told_all and key is not None:
            order = self._table.orders.get(key)
            update = order.update if order is not None and not order.is_done else None
        if update is not None:
            self._outbox.publish(update)
        self.touch(key)

    def _take(self, rest: AccountSnapshot, now_ns: int) -> None:
        """What REST says, as far as the stream did not say it."""
        floor_ns = self._table.memory.floor_ns or 0
        for order in rest.orders or ():
            if order.venue_order_id in self._table.orders:
                self._publish_changed(order, now_ns)
        for order in rest.closed:
            if order.venue_order_id in self._table.orders or (order.venue_time_ns or 0) >= floor_ns:
                self._publish_changed(order, now_ns)
        if rest.funds is not None:
            self.on_funds(rest.funds, now_ns)
        for position in self._holdings.on_positions(rest.positions or ()):
            self._outbox.publish(position)
        balance = self._holdings.on_balance(rest.balance)
        if balance is not None:
            self._outbox.publish(balance)

    def _publish_changed(self, order: OrderUpdate, now_ns: int) -> None:
        update = self._table.on_order(order, Origin.RECONCILIATION, now_ns, from_rest=True)
        if update is not None:
            self._outbox.publish(update)
        self.touch(order.venue_order_id)

    def on_funds(self, rows: Iterable[FundsUpdate], now_ns: int) -> None:
        """Funds by REST: holds, and totals to compare."""
        news, mismatches = self._holdings.on_rest(rows)
        for funds in news:
            self._outbox.publish(funds)
        for difference in self.check.news(self.check.funds(mismatches, now_ns)):
            self._is_in_doubt = True
            self._tell(difference)

    def found(self, listed: AccountSnapshot, now_ns: int) -> None:
        """What the venue lists of one order, asked for because something of it is in doubt."""
        for order in (*(listed.orders or ()), *listed.closed):
            self._publish_changed(order, now_ns)
        for trade in listed.trades:
            self.touch(self._table.on_trade(trade, Origin.RECONCILIATION))

    # --- the comparison -----------------------------------------------------------------------------------------------

    def compared(self, rest: AccountSnapshot, asked_ns: int, now_ns: int) -> None:
        """On a timer: what REST says, asked for at `asked_ns`, beside what the stream told."""
        found = self.check.orders(self._table, rest, asked_ns)
        unknown = self.check.unknown_orders(self._table, rest, self._outbox.wall_ns())
        subjects = {difference.subject for difference in unknown}
        for order in rest.orders or ():
            if f"status of order {order.venue_order_id}" in subjects:
                self._publish_changed(order, now_ns)
        self._take(rest, now_ns)
        for trade in rest.trades:
            self.touch(self._table.on_trade(trade, Origin.RECONCILIATION))
        for held in self._table.held:
            self.touch(held.update.venue_order_id)
        self.reconciled_ns = self._asked_ns
        for difference in self.check.news([*found, *unknown]):
            self._is_in_doubt = True
            self._tell(difference)

    def take_doubt(self) -> bool:
        """Whether the stream was found to be wrong since the last call. A difference counts once, so this ends by itself."""
        doubt, self._is_in_doubt = self._is_in_doubt, False
        return doubt

    def give_up_waiting(self, now_ns: int) -> None:
        """Fills that waited as long as they may are told, and that one is missing is told with them."""
        for order in self._table.held:
            if order.held_ns is None or now_ns - order.held_ns < self._hold_ns:
                continue
            key, update, missing = order.update.venue_order_id or "", order.update, format(order.missing, "f")
            for fill in self._table.release([key], now_ns, anyway=True):
                self._outbox.publish(fill)
            self._tell(
                Discrepancy(
                    account=self._account,
                    symbol=update.symbol,
                    subject=f"fills of order {key}",
                    expected=update.traded_quantity,
                    found=f"fills of {missing} did not come",
                )
            )

    def _tell(self, event: Discrepancy) -> None:
        self.discrepancies += 1
        self._outbox.publish(event)
