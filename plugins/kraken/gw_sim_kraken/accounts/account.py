"""One account: balances, ledger, orders, fills, positions, its matching-engine counters. Keeps, decides nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from decimal import Decimal

from gw_sim_kraken.accounts.amounts import ZERO
from gw_sim_kraken.accounts.ledger import LedgerEntry
from gw_sim_kraken.accounts.position import Position
from gw_sim_kraken.accounts.tiers import Tier
from gw_sim_kraken.counters import DecayingCounter
from gw_sim_kraken.orders.own_order import OwnFill, OwnOrder

_HOUR_NS = 3_600 * 1_000_000_000
_MONTH_HOURS = 30 * 24


class Account:
    """Amounts are exact decimals, assets have their v2 names. Of each kind of row the last `rows_max` are kept."""

    def __init__(self, name: str, tier: Tier, rows_max: int) -> None:
        self.name = name
        self.tier = tier
        self.post_id = ""  # what TradesHistory shows as postxid of trades without a position
        self.balances: dict[str, Decimal] = {}
        self.ledger: deque[LedgerEntry] = deque(maxlen=rows_max)
        self.fills: deque[OwnFill] = deque(maxlen=rows_max)
        self.orders_made = 0  # also those that made room for others
        self.fills_made = 0
        self.orders: dict[str, OwnOrder] = {}
        self.open_orders: dict[str, OwnOrder] = {}
        self.positions: dict[str, Position] = {}  # open ones, by id
        self.closed_positions: deque[Position] = deque(maxlen=rows_max)
        self._rows_max = rows_max
        self._counters: dict[str, DecayingCounter] = {}
        self._volume: deque[tuple[int, Decimal]] = deque()  # by hour, so never more than a month has

    # -- what is kept ------------------------------------------------------------------------------------------

    def add_order(self, order: OwnOrder) -> None:
        """A new one; the oldest closed one makes room at the limit."""
        self.orders_made += 1
        if len(self.orders) >= self._rows_max:
            oldest = next((one for one in self.orders.values() if not one.is_open), None)
            if oldest is not None:
                del self.orders[oldest.order_id]
        self.orders[order.order_id] = self.open_orders[order.order_id] = order

    def add_fill(self, fill: OwnFill) -> None:
        """A new one; the oldest makes room at the limit."""
        self.fills_made += 1
        self.fills.append(fill)

    def find_order(self, text: str) -> OwnOrder | None:
        """The order with this id; else the open one with this cl_ord_id."""
        order = self.orders.get(text)
        if order is not None:
            return order
        return next((one for one in self.open_orders.values() if one.cl_ord_id == text and text), None)

    def with_userref(self, userref: int) -> list[OwnOrder]:
        """Open orders with a reference that is not unique."""
        return [order for order in self.open_orders.values() if order.userref == userref]

    def find_orders(self, text: str) -> list[OwnOrder]:
        """By id or cl_ord_id; else all open ones with this text as their userref (0: none)."""
        order = self.find_order(text)
        if order is not None:
            return [order]
        digits = text.removeprefix("-")
        is_number = digits.isascii() and digits.isdigit() and len(digits) <= len("2147483648")
        return self.with_userref(int(text)) if is_number and int(text) else []

    def add_entry(self, entry: LedgerEntry) -> None:
        """A ledger line, and the balance it leads to."""
        self.ledger.append(entry)
        self.balances[entry.asset] = entry.balance

    def engine_counter(self, symbol: str) -> DecayingCounter:
        """The matching engine's counter of this account and pair."""
        counter = self._counters.get(symbol)
        if counter is None:
            counter = self._counters[symbol] = DecayingCounter(self.tier.engine_max, self.tier.engine_decay_milli)
        return counter

    # -- volume ------------------------------------------------------------------------------------------------

    def add_volume(self, time_ns: int, usd: Decimal) -> None:
        """Count a trade for the fee schedule."""
        hour = time_ns // _HOUR_NS
        if self._volume and self._volume[-1][0] == hour:
            usd += self._volume.pop()[1]
        self._volume.append((hour, usd))

    def volume(self, now_ns: int) -> Decimal:
        """Traded in the last 30 days (counted in hours), in USD."""
        while self._volume and self._volume[0][0] <= now_ns // _HOUR_NS - _MONTH_HOURS:
            self._volume.popleft()
        return sum((usd for _, usd in self._volume), ZERO)

    # -- balances -----------------------------------------------------------------------------------------------

    def balance(self, asset: str) -> Decimal:
        """Of an asset, 0 where there never was any."""
        return self.balances.get(asset, ZERO)

    def entries_of(self, asset: str) -> Iterator[LedgerEntry]:
        """Ledger lines of an asset, newest first."""
        return (entry for entry in reversed(self.ledger) if entry.asset == asset)
