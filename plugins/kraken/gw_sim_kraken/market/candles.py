"""Candles of one market, built from its trades; one series for each interval somebody asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from gw_sim_kraken.market.frames import Candle
from gw_sim_kraken.texts import SECOND_NS

INTERVALS = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
#: Rows kept of a series: 720 closed ones and the forming one.
ROWS_MAX = 721


class Series:
    """Candles of one interval that had trades, oldest first."""

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.interval_ns = interval * 60 * SECOND_NS
        self.rows: deque[Candle] = deque(maxlen=ROWS_MAX)
        self._notional = 0

    def add(self, time_ns: int, price: int, quantity: int) -> Candle:
        """Count one trade; returns the forming candle."""
        begin_ns = time_ns - time_ns % self.interval_ns
        last = self.rows[-1] if self.rows else None
        if last is None or last.begin_ns < begin_ns:
            self._notional = price * quantity
            row = Candle(begin_ns, price, price, price, price, quantity, price, 1)
            self.rows.append(row)
            return row
        self._notional += price * quantity
        volume = last.volume + quantity
        row = Candle(
            last.begin_ns,
            last.open,
            max(last.high, price),
            min(last.low, price),
            price,
            volume,
            self._notional // volume,
            last.trades + 1,
        )
        self.rows[-1] = row
        return row


class Candles:
    """The series of one market."""

    def __init__(self) -> None:
        self._series: dict[int, Series] = {}

    def series(self, interval: int, trades: Iterable[tuple[int, int, int]]) -> Series:
        """The series of `interval`; made from `trades` (time, price, quantity) when it is first asked for."""
        series = self._series.get(interval)
        if series is None:
            series = self._series[interval] = Series(interval)
            for time_ns, price, quantity in trades:
                series.add(time_ns, price, quantity)
        return series

    def add(self, time_ns: int, price: int, quantity: int) -> None:
        """Count one trade in every series."""
        for series in self._series.values():
            series.add(time_ns, price, quantity)

    def forget(self) -> None:
        """Drop all series; they are made again from trades (after a change of precision)."""
        self._series.clear()
