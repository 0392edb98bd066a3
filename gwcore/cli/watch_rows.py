"""Rows of `gw watch`: one a symbol, from events alone. Knows no terminal and reads no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from gwcore.model import (
    Channel,
    Envelope,
    MarketByPriceUpdate,
    StreamState,
    StreamStatus,
    TopOfBook,
    TradeSummary,
    UpdateType,
)

#: What the rows are made of.
KINDS = ("market_by_price", "top_of_book", "trade_summary", "stream_status")
#: A rate is the mean over about this long.
_RATE_S = 2.0


@dataclass(slots=True)
class Row:
    """One symbol. Times are nanoseconds since the epoch; latencies are those of its last update."""

    symbol: str
    state: str = "UNKNOWN"
    reason: str = ""
    bid: str = ""
    ask: str = ""
    trade: str = ""
    updates: int = 0  # since the last `measure`
    rate: float = 0.0  # updates a second
    gateway_ns: int | None = None  # received to published
    client_ns: int | None = None  # published to read here
    updated_ns: int = 0

    @property
    def spread(self) -> str:
        """Ask less bid; empty where a side is missing."""
        return format(Decimal(self.ask) - Decimal(self.bid), "f") if self.bid and self.ask else ""

    @property
    def is_live(self) -> bool:
        """Whether its prices may be used."""
        return self.state == "LIVE"


class Rows:
    """All rows, by symbol. Bounded by the symbols of the gateway."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._measured_ns = 0

    def apply(self, envelopes: Iterable[Envelope], now_ns: int) -> None:
        """Take in events read at `now_ns`."""
        for envelope in envelopes:
            event = envelope.event
            if isinstance(event, StreamStatus):
                self._apply_status(event)
                continue
            if not isinstance(event, MarketByPriceUpdate | TopOfBook | TradeSummary):
                continue
            row = self._rows.get(event.symbol)
            if row is None:
                row = self._rows[event.symbol] = Row(event.symbol)
            if isinstance(event, TradeSummary):
                if event.trades:
                    row.trade = event.trades[-1].price
            elif isinstance(event, TopOfBook):
                _apply_top(row, event)
            else:
                _apply_state(row, event)
            header = envelope.header
            row.updates += 1
            row.updated_ns = now_ns
            row.client_ns = now_ns - header.published_ns
            if header.received_ns is not None:
                row.gateway_ns = header.published_ns - header.received_ns

    def _apply_status(self, event: StreamStatus) -> None:
        """How the gateway is getting a book back: RESYNC, QUARANTINED, ... until the book says that it is LIVE."""
        row = self._rows.get(event.symbol or "")
        if row is not None and event.channel == Channel.BOOK.value and event.state is not StreamState.LIVE:
            _lose(row, event.state.value, event.reason.value if event.reason else "")

    def measure(self, now_ns: int) -> None:
        """Close an interval of the rates."""
        seconds = (now_ns - self._measured_ns) / 1e9
        self._measured_ns = now_ns
        share = min(1.0, seconds / _RATE_S)
        for row in self._rows.values():
            row.rate += share * (row.updates / seconds - row.rate) if seconds > 0 else 0.0
            row.updates = 0

    def disconnected(self, cause: str) -> None:
        """No price may be used any more."""
        for row in self._rows.values():
            _lose(row, "STALE", cause)

    def sorted(self) -> list[Row]:
        """All rows by symbol."""
        return [self._rows[symbol] for symbol in sorted(self._rows)]


def _apply_top(row: Row, event: TopOfBook) -> None:
    if event.update_type is UpdateType.STALE:
        _lose(row, "STALE", event.reason.value if event.reason else "")
        return
    row.bid, row.ask = event.bid_price or "", event.ask_price or ""
    if row.state == "UNKNOWN":
        row.state = "LIVE"


def _apply_state(row: Row, event: MarketByPriceUpdate) -> None:
    if event.update_type is UpdateType.STALE:
        _lose(row, "STALE", event.reason.value if event.reason else "")
    elif event.update_type is UpdateType.SNAPSHOT:
        row.state, row.reason = "LIVE", ""
        row.bid = event.bids[0].price if event.bids else ""
        row.ask = event.asks[0].price if event.asks else ""


def _lose(row: Row, state: str, reason: str) -> None:
    # An old price on the screen is a price somebody reads.
    row.state, row.reason, row.bid, row.ask = state, reason, "", ""


def duration_text(nanoseconds: int | None) -> str:
    """A duration for people: `85us`, `1.2ms`, `3.4s`, `12m`; empty for None."""
    if nanoseconds is None:
        return ""
    microseconds = max(0, nanoseconds) / 1000
    if microseconds < 1000:
        return f"{microseconds:.0f}us"
    if microseconds < 1e6:
        return f"{microseconds / 1e3:.1f}ms"
    if microseconds < 120e6:
        return f"{microseconds / 1e6:.1f}s"
    return f"{microseconds / 60e6:.0f}m"
