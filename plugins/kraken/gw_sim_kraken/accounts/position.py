"""A margin position (sheet 2.6): opened by one fill, closed in whole or in parts by fills of the other side."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from gw_sim_kraken.accounts.amounts import ZERO, rounded
from gw_sim_kraken.market.market import PairMarket


@dataclass(slots=True, eq=False)
class Position:
    """`cost`, `fee` and `margin` are those of the opening fill, at the pair's cost decimals."""

    position_id: str  # the exec_id of the fill that opened it
    order_id: str
    market: PairMarket = field(repr=False)
    side: int  # BUY: long, SELL: short
    order_type: str
    leverage: int
    quantity: Decimal
    price: Decimal
    cost: Decimal
    fee: Decimal
    margin: Decimal
    opened_ns: int
    closed_quantity: Decimal = ZERO
    closed_cost: Decimal = ZERO  # what the closing fills cost
    closed_fee: Decimal = ZERO
    profit: Decimal = ZERO  # realised, before fees

    @property
    def symbol(self) -> str:
        """The market's name as it is now."""
        return self.market.pair.symbol

    @property
    def open_quantity(self) -> Decimal:
        """What is not closed yet."""
        return self.quantity - self.closed_quantity

    @property
    def open_share(self) -> Decimal:
        """The open part of the whole."""
        return self.open_quantity / self.quantity

    def opening_cost(self, taken: Decimal, decimals: int) -> Decimal:
        """What the next `taken` of it cost when it was opened; the parts add up to the whole."""
        before = rounded(self.cost * self.closed_quantity / self.quantity, decimals)
        return rounded(self.cost * (self.closed_quantity + taken) / self.quantity, decimals) - before
