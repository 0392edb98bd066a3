"""Oracles of public trades: each once, in order, as at the venue; gaps filled in place, or LOST with their bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from gwcore.model import Gap, GapState, Origin, Record, Trade, TradeSummary, UpdateType
from gwcore.testing.oracles.sequences import VIOLATIONS_MAX
from gwcore.wire import decode_envelope


class TrueTrade(NamedTuple):
    """A trade as the venue has it."""

    price: str
    quantity: str
    side: str  # of the taker, BUY or SELL


class _Run:
    """One symbol's trades of one session, from one SNAPSHOT to the next."""

    def __init__(self) -> None:
        self.last_id: int | None = None
        self.open: tuple[int, int] | None = None
        self.lost: list[tuple[int, int]] = []

    def take(self, trade: Trade, *, is_backfill: bool) -> str:
        if trade.trade_id is None or not trade.trade_id.isdecimal():
            return f"a trade without a usable id: {trade.trade_id!r}"
        trade_id, last_id = int(trade.trade_id), self.last_id
        self.last_id = trade_id if last_id is None else max(trade_id, last_id)
        if last_id is not None and trade_id <= last_id:
            return f"trade {trade_id} after {last_id}"
        if self.open is not None and not (is_backfill and self.open[0] <= trade_id <= self.open[1]):
            return f"trade {trade_id} while the gap {self.open[0]} to {self.open[1]} is open"
        if self.open is None and is_backfill:
            return f"trade {trade_id} was filled in, and no gap is open"
        if last_id is not None and trade_id > last_id + 1 and not self.is_lost(last_id + 1, trade_id - 1):
            return f"trades {last_id + 1} to {trade_id - 1} are missing and no Gap says that they are lost"
        return ""

    def is_lost(self, first: int, last: int) -> bool:
        return any(low <= first and last <= high for low, high in self.lost)

    def gap(self, gap: Gap) -> str:
        if gap.first_trade_id is None or gap.last_trade_id is None:
            return ""
        bounds = (int(gap.first_trade_id), int(gap.last_trade_id))
        if gap.state is GapState.OPEN:
            text = f"the gap {bounds} opens while {self.open} is open" if self.open is not None else ""
            self.open = bounds
            return text
        if self.open is None or not self.open[0] <= bounds[0] <= bounds[1] <= self.open[1]:
            return f"the gap {bounds} ends as {gap.state.value}, and {self.open} is open"
        if gap.state is GapState.LOST:
            self.lost.append(bounds)
        elif self.last_id is None or self.last_id < bounds[1]:
            return f"the gap {bounds} is closed, and the last trade is {self.last_id}"
        if bounds[1] == self.open[1]:
            self.open = None
        return ""


def check_trades(records: Iterable[Record]) -> list[str]:
    """All `md` records in order, of a venue whose trade ids rise by one per symbol: ids rise by one, a gap is filled before
    anything comes after it, and what is missing is inside a Gap with state LOST. No gap stays open."""
    runs: dict[tuple[str, str], _Run] = {}
    found: list[str] = []
    for record in records:
        if record.symbol is None or record.kind not in ("trade_summary", "gap"):
            continue
        key = (record.session_id, record.symbol)
        event = decode_envelope(record.payload).event
        run = runs.setdefault(key, _Run())
        if isinstance(event, Gap):
            texts = [run.gap(event)] if event.channel == "trade" else []
        else:
            assert isinstance(event, TradeSummary)
            if event.update_type is UpdateType.SNAPSHOT:
                run = runs[key] = _Run()
            is_backfill = event.origin is Origin.BACKFILL
            texts = [run.take(trade, is_backfill=is_backfill) for trade in event.trades]
        found += [f"{record.event_id} {record.symbol}: {text}" for text in texts if text]
        if len(found) >= VIOLATIONS_MAX:
            return found
    for (_, symbol), run in runs.items():
        if run.open is not None:
            found.append(f"{symbol}: the gap {run.open[0]} to {run.open[1]} stayed open")
    return found


def check_trades_true(records: Iterable[Record], truth: Mapping[str, Mapping[int, TrueTrade]]) -> list[str]:
    """Every trade in the journal is one of the venue's, with its price, quantity and side."""
    found: list[str] = []
    for record in records:
        if record.kind != "trade_summary" or record.symbol not in truth:
            continue
        event = decode_envelope(record.payload).event
        assert isinstance(event, TradeSummary)
        known = truth[event.symbol]
        for trade in event.trades:
            true = known.get(int(trade.trade_id or -1))
            if true is None:
                found.append(f"{record.event_id} {event.symbol}: the venue has no trade {trade.trade_id}")
            elif (Decimal(trade.price), Decimal(trade.quantity), trade.side.value) != (
                Decimal(true.price),
                Decimal(true.quantity),
                true.side,
            ):
                found.append(f"{record.event_id} {event.symbol}: {trade}, at the venue {true}")
        if len(found) >= VIOLATIONS_MAX:
            break
    return found
