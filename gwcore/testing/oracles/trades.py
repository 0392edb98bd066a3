"""Oracles of public trades: each once, in order, as at the venue, and every missing one inside the bounds of a Gap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from gwcore.model import Gap, GapState, Record, Trade, TradeSummary, UpdateType
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
        self.missing: list[tuple[int, int]] = []
        self.gaps: list[tuple[int, int]] = []

    def take(self, trade: Trade) -> str:
        if trade.trade_id is None or not trade.trade_id.isdecimal():
            return f"a trade without a usable id: {trade.trade_id!r}"
        trade_id, last_id = int(trade.trade_id), self.last_id
        if last_id is not None and trade_id <= last_id:
            return f"trade {trade_id} after {last_id}"
        if last_id is not None and trade_id > last_id + 1:
            self.missing.append((last_id + 1, trade_id - 1))
        self.last_id = trade_id
        return ""

    def unmarked(self) -> list[tuple[int, int]]:
        return [
            (first, last)
            for first, last in self.missing
            if not any(low <= first and last <= high for low, high in self.gaps)
        ]


def check_trades(records: Iterable[Record]) -> list[str]:
    """All `md` records in order, of a venue whose trade ids rise by one per symbol: ids rise, and what is missing between
    the first and the last is inside a Gap of that symbol."""
    runs: dict[tuple[str, str], _Run] = {}
    found: list[str] = []
    for record in records:
        if record.symbol is None or record.kind not in ("trade_summary", "gap"):
            continue
        key = (record.session_id, record.symbol)
        event = decode_envelope(record.payload).event
        if isinstance(event, Gap):
            if event.state is GapState.OPEN and event.first_trade_id and event.last_trade_id:
                runs.setdefault(key, _Run()).gaps.append((int(event.first_trade_id), int(event.last_trade_id)))
            continue
        assert isinstance(event, TradeSummary)
        if event.update_type is UpdateType.SNAPSHOT and key in runs and runs[key].last_id is not None:
            found += _unmarked(runs.pop(key), record.symbol)
        run = runs.setdefault(key, _Run())
        found += [f"{record.event_id} {record.symbol}: {text}" for trade in event.trades if (text := run.take(trade))]
        if len(found) >= VIOLATIONS_MAX:
            return found
    for (_, symbol), run in runs.items():
        found += _unmarked(run, symbol)
    return found


def _unmarked(run: _Run, symbol: str) -> list[str]:
    return [f"{symbol}: trades {first} to {last} are missing and no Gap says so" for first, last in run.unmarked()]


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
