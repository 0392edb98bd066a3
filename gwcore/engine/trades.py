"""TradeTail: the end of one symbol's public trades, to drop what was seen and to see what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gwcore.model import Trade


class TradeNews(NamedTuple):
    """What is new in some trades. `missing` are the inclusive bounds of ids that never came."""

    trades: tuple[Trade, ...]
    duplicates: int
    missing: tuple[int, int] | None


class TradeTail:
    """Remembers the last trade id. Only for venues whose ids are integers that rise by one per symbol."""

    __slots__ = ("last_id",)

    def __init__(self) -> None:
        self.last_id: int | None = None

    def news(self, trades: Sequence[Trade]) -> TradeNews:
        """Sort out what was seen before; trades without a usable id pass."""
        fresh: list[Trade] = []
        duplicates = 0
        missing: tuple[int, int] | None = None
        last_id = self.last_id
        for trade in trades:
            trade_id = trade.trade_id
            if trade_id is None or not trade_id.isdecimal():
                fresh.append(trade)
                continue
            number = int(trade_id)
            if last_id is not None:
                if number <= last_id:
                    duplicates += 1
                    continue
                if number > last_id + 1:
                    # Two jumps in one message are reported as one gap over both: bounds are never too narrow.
                    missing = (missing[0] if missing else last_id + 1, number - 1)
            last_id = number
            fresh.append(trade)
        self.last_id = last_id
        return TradeNews(tuple(fresh) if duplicates else tuple(trades), duplicates, missing)
