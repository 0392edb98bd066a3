"""TradeTail: the end of one symbol's public trades, to drop what was seen and to see what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gwcore.engine.reconnect import NANOSECONDS
from gwcore.model import Trade

#: A trade with an old id is a duplicate; one that is newer than the last by this much says that ids began anew.
RESTART_NS = 10 * NANOSECONDS


class TradeNews(NamedTuple):
    """What is new in some trades, up to the first place where something is wrong, and the `rest` from there on.

    `missing` are the inclusive bounds of ids that did not come; `restarted` says that the venue counts anew.
    """

    trades: tuple[Trade, ...]
    duplicates: int
    rest: tuple[Trade, ...] = ()
    missing: tuple[int, int] | None = None
    restarted: bool = False


class TradeTail:
    """Remembers the last trade. Only for venues whose ids are integers that rise by one per symbol."""

    __slots__ = ("last_id", "time_ns")

    def __init__(self) -> None:
        self.last_id: int | None = None
        self.time_ns: int | None = None  # the venue's, of the last trade

    def skip_to(self, trade_id: int) -> None:
        """Go on as if all up to this id had come."""
        self.last_id = trade_id

    def news(self, trades: Sequence[Trade]) -> TradeNews:
        """Sort out what was seen before; trades without a usable id pass. Of the rest nothing is remembered."""
        fresh: list[Trade] = []
        duplicates = 0
        for index, trade in enumerate(trades):
            trade_id, time_ns = trade.trade_id, trade.venue_time_ns
            if trade_id is None or not trade_id.isdecimal():
                fresh.append(trade)
                continue
            number, last_id = int(trade_id), self.last_id
            if last_id is not None and number != last_id + 1:
                if number > last_id:
                    return TradeNews(tuple(fresh), duplicates, tuple(trades[index:]), (last_id + 1, number - 1))
                if time_ns is not None and self.time_ns is not None and time_ns > self.time_ns + RESTART_NS:
                    return TradeNews(tuple(fresh), duplicates, tuple(trades[index:]), restarted=True)
                duplicates += 1
                continue
            self.last_id = number
            if time_ns is not None:
                self.time_ns = time_ns
            fresh.append(trade)
        return TradeNews(tuple(fresh), duplicates)
