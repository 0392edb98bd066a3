"""Rolling 24-hour figures of one market, in minutes: what the ticker shows."""

from __future__ import annotations

from collections import deque

from gw_sim_kraken.market.frames import Day

MINUTE_NS = 60_000_000_000
DAY_NS = 24 * 60 * MINUTE_NS


class Bucket:
    """Trades of a span that leaves the window as one."""

    __slots__ = ("begin_ns", "count", "high", "low", "notional", "open", "volume")

    def __init__(self, begin_ns: int, price: int) -> None:
        self.begin_ns = begin_ns
        self.open = self.low = self.high = price
        self.volume = self.notional = self.count = 0

    def add(self, price: int, quantity: int, count: int = 1) -> None:
        """Count trades of `quantity` at `price`."""
        self.volume += quantity
        self.notional += price * quantity
        self.count += count
        self.low = min(self.low, price)
        self.high = max(self.high, price)


class DayFigures:
    """Prices and quantities are scaled integers."""

    __slots__ = ("buckets", "count", "high", "last", "low", "notional", "volume")

    def __init__(self) -> None:
        self.buckets: deque[Bucket] = deque()
        self.volume = self.notional = self.count = 0
        self.last = self.low = self.high = 0

    def add(self, time_ns: int, price: int, quantity: int, count: int = 1) -> None:
        """One trade, or `count` of them at one price. Times do not go back by more than a bucket."""
        self._forget(time_ns - DAY_NS)
        begin_ns = time_ns - time_ns % MINUTE_NS
        if not self.buckets or self.buckets[-1].begin_ns < begin_ns:
            self.buckets.append(Bucket(begin_ns, price))
        if len(self.buckets) == 1 and not self.buckets[0].count:
            self.low = self.high = price
        self.buckets[-1].add(price, quantity, count)
        self.volume += quantity
        self.notional += price * quantity
        self.count += count
        self.low = min(self.low, price)
        self.high = max(self.high, price)
        self.last = price

    def figures(self) -> Day:
        """As of the last trade: the window does not move without trades."""
        opening = self.buckets[0].open if self.buckets else self.last
        change = self.last - opening
        hundredths = abs(change) * 10_000 // opening if opening else 0
        vwap = self.notional // self.volume if self.volume else self.last
        signed = -hundredths if change < 0 else hundredths
        return Day(self.last, self.volume, vwap, self.low, self.high, change, signed, self.count)

    def since(self, begin_ns: int) -> tuple[int, int, int, int, int, int]:
        """Open, volume, notional, count, low, high of the minutes from `begin_ns` on (REST's `today`)."""
        rows = [bucket for bucket in self.buckets if bucket.begin_ns >= begin_ns]
        if not rows:
            return self.last, 0, 0, 0, self.last, self.last
        return (
            rows[0].open,
            sum(row.volume for row in rows),
            sum(row.notional for row in rows),
            sum(row.count for row in rows),
            min(row.low for row in rows),
            max(row.high for row in rows),
        )

    def rescale(self, price: tuple[int, int], quantity: tuple[int, int]) -> None:
        """Multiply and divide all figures after a change of precision."""
        rows: list[Bucket | DayFigures] = [self, *self.buckets]
        for row in rows:
            row.volume = row.volume * quantity[0] // quantity[1]
            row.notional = row.notional * price[0] * quantity[0] // (price[1] * quantity[1])
            row.low = row.low * price[0] // price[1]
            row.high = row.high * price[0] // price[1]
        for bucket in self.buckets:
            bucket.open = bucket.open * price[0] // price[1]
        self.last = self.last * price[0] // price[1]

    def _forget(self, before_ns: int) -> None:
        extremes_left = False
        while self.buckets and self.buckets[0].begin_ns < before_ns:
            bucket = self.buckets.popleft()
            self.volume -= bucket.volume
            self.notional -= bucket.notional
            self.count -= bucket.count
            extremes_left = extremes_left or bucket.low <= self.low or bucket.high >= self.high
        if extremes_left and self.buckets:
            self.low = min(bucket.low for bucket in self.buckets)
            self.high = max(bucket.high for bucket in self.buckets)
