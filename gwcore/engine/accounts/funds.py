"""Holdings: what one account has of each asset in each wallet, and its margin positions. Decides what is news."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

import msgspec

from gwcore.model import FundsUpdate, Origin, PositionUpdate, TradeBalance, UpdateType

#: (asset, wallet)
Place = tuple[str, str]


class Mismatch(NamedTuple):
    """The stream's total of an asset and the one that REST answers."""

    asset: str
    expected: str
    found: str


class Holdings:
    """The funds and positions of one account."""

    def __init__(self) -> None:
        self.funds: dict[Place, FundsUpdate] = {}
        self._on_stream: set[Place] = set()  # whose totals the stream tells: REST may lag and never overrules them
        self.positions: dict[str, PositionUpdate] = {}
        self.balance: TradeBalance | None = None
        self.awaits_holds = False  # a total changed, or an order did: hold and available are to be asked for

    def on_stream_snapshot(self, rows: Iterable[FundsUpdate]) -> list[FundsUpdate]:
        """All the stream knows. What is not in it any more is nothing."""
        rows = list(rows)
        self._on_stream = {_place(row) for row in rows}
        news = [each for row in rows if (each := self._total(row, Origin.VENUE)) is not None]
        for place, known in list(self.funds.items()):
            if place not in self._on_stream and not place[1].startswith("other/") and Decimal(known.total or 0):
                gone = msgspec.structs.replace(known, total="0", hold=None, available=None, origin=Origin.VENUE)
                self.funds[place] = gone
                news.append(gone)
        return news

    def on_stream(self, row: FundsUpdate) -> FundsUpdate | None:
        """One total changed."""
        self._on_stream.add(_place(row))
        return self._total(row, row.origin)

    def _total(self, row: FundsUpdate, origin: Origin) -> FundsUpdate | None:
        place = _place(row)
        known = self.funds.get(place)
        if known is not None and known.total == row.total:
            return None
        # Hold and available were of another total: they are unknown until the venue is asked.
        self.awaits_holds = True
        self.funds[place] = update = msgspec.structs.replace(row, origin=origin)
        return update

    def on_rest(self, rows: Iterable[FundsUpdate]) -> tuple[list[FundsUpdate], list[Mismatch]]:
        """What BalanceEx and the like answer: news, and the totals in which it differs from the stream."""
        news, mismatches = [], []
        self.awaits_holds = False
        for row in rows:
            place = _place(row)
            known = self.funds.get(place)
            if known is not None and place in self._on_stream and Decimal(known.total or 0) != Decimal(row.total or 0):
                mismatches.append(Mismatch(row.asset, known.total or "", row.total or ""))
                self.awaits_holds = True
                continue
            # The stream's digits of an equal total stay.
            total = row.total if known is None or Decimal(known.total or 0) != Decimal(row.total or 0) else known.total
            whole = msgspec.structs.replace(row, total=total, update_type=UpdateType.SNAPSHOT, origin=Origin.VENUE)
            if known is None or (known.total, known.hold, known.available) != (
                whole.total,
                whole.hold,
                whole.available,
            ):
                self.funds[place] = whole
                news.append(whole)
        return news, mismatches

    def on_positions(self, rows: Iterable[PositionUpdate]) -> list[PositionUpdate]:
        """All positions; one that is gone is told once more, with nothing in it."""
        now = {row.symbol: row for row in rows}
        news = [row for symbol, row in now.items() if self.positions.get(symbol) != row]
        for symbol, known in self.positions.items():
            if symbol not in now:
                zero = {"long_quantity": "0", "short_quantity": "0", "cost": None, "profit_loss": None}
                news.append(msgspec.structs.replace(known, **zero))
        self.positions = now
        return news

    def on_balance(self, balance: TradeBalance | None) -> TradeBalance | None:
        """The margin facts; None where they are as they were."""
        if balance is None or balance == self.balance:
            return None
        self.balance = balance
        return balance


def _place(row: FundsUpdate) -> Place:
    return (row.asset, row.wallet or "")
