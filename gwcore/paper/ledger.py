"""PaperLedger: what a paper account holds, and what its orders hold back. Fees are taken in the quote asset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal

from gwcore.model import FundsUpdate, Instrument, Side, UpdateType
from gwcore.paper.order import PaperOrder

_ZERO = Decimal(0)
#: Digits of money where the instrument does not say.
_DECIMALS = 8


class PaperLedger:
    """Totals by asset."""

    def __init__(self, account: str, totals: Mapping[str, Decimal]) -> None:
        self._account = account
        self.totals = dict(totals)
        self._holds: dict[str, Decimal] = {}

    def available(self, asset: str) -> Decimal:
        """What is not held back."""
        return self.totals.get(asset, _ZERO) - self._holds.get(asset, _ZERO)

    def hold(self, order: PaperOrder, instrument: Instrument, amount: Decimal) -> None:
        """An order holds `amount` of what it pays with, instead of what it held before."""
        asset = paid_with(order.side, instrument)
        self._holds[asset] = self._holds.get(asset, _ZERO) - order.hold + amount
        order.hold = amount

    def settle(self, side: Side, instrument: Instrument, quantity: Decimal, cost: Decimal, fee: Decimal) -> None:
        """A fill."""
        sign = 1 if side is Side.BUY else -1
        self._add(instrument.base, sign * quantity)
        self._add(instrument.quote, -sign * cost - fee)

    def _add(self, asset: str, amount: Decimal) -> None:
        self.totals[asset] = self.totals.get(asset, _ZERO) + amount

    def funds(self, assets: Iterator[str] | tuple[str, ...] | None = None, now_ns: int = 0) -> tuple[FundsUpdate, ...]:
        """These assets (None: all) as events."""
        return tuple(
            FundsUpdate(
                account=self._account,
                asset=asset,
                update_type=UpdateType.SNAPSHOT,
                total=format(self.totals.get(asset, _ZERO), "f"),
                hold=format(self._holds.get(asset, _ZERO), "f"),
                available=format(self.available(asset), "f"),
                wallet="spot",
                venue_time_ns=now_ns or None,
            )
            for asset in (sorted(self.totals) if assets is None else assets)
        )


def paid_with(side: Side, instrument: Instrument) -> str:
    """The asset an order pays with."""
    return instrument.quote if side is Side.BUY else instrument.base


def money(amount: Decimal, instrument: Instrument) -> Decimal:
    """An amount of the quote asset with its digits."""
    decimals = instrument.cost_decimals if instrument.cost_decimals is not None else _DECIMALS
    return amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
