"""A seeded market: books deeper than what is subscribed, random level events on them, and the frames a subscriber is sent.

Prices and quantities are integers (ticks, lots) inside and the draws come from one seeded generator, so the same seed
gives the same bytes. The rules are Kraken's: a changed or inserted level inside the window is sent; a deleted one is sent
with quantity 0, followed by the level that thereby enters; one pushed out is not sent, the client cuts. Each book message
carries the CRC32 over the best ten asks and bids.
"""

from __future__ import annotations

import random
import zlib
from bisect import insort
from collections.abc import Sequence
from typing import Any, NamedTuple


class Pair(NamedTuple):
    """One market to make. `size` is a typical quantity."""

    symbol: str
    price_decimals: int
    quantity_decimals: int
    price: float
    size: float


#: Decimals and prices as Kraken's pairs have them: from one decimal (BTC) to nine (PEPE).
PAIRS = (
    Pair("BTC/USD", 1, 8, 64650.0, 0.25),
    Pair("ETH/USD", 2, 8, 3140.55, 3.0),
    Pair("SOL/USD", 2, 8, 171.23, 25.0),
    Pair("XRP/USD", 5, 8, 0.61234, 4000.0),
    Pair("DOGE/USD", 7, 8, 0.1523456, 20000.0),
    Pair("ADA/USD", 6, 8, 0.452345, 5000.0),
    Pair("BTC/EUR", 1, 8, 59810.2, 0.2),
    Pair("USDT/USD", 5, 8, 1.00012, 20000.0),
    Pair("LTC/USD", 2, 8, 82.15, 30.0),
    Pair("DOT/USD", 4, 8, 6.8123, 300.0),
    Pair("LINK/USD", 5, 8, 14.23456, 150.0),
    Pair("TRX/USD", 6, 8, 0.119872, 10000.0),
    Pair("UNI/USD", 3, 8, 7.512, 200.0),
    Pair("PEPE/USD", 9, 5, 0.000008123, 90000000.0),
    Pair("SHIB/USD", 8, 5, 0.00002391, 30000000.0),
    Pair("WIF/USD", 4, 5, 2.8123, 400.0),
    Pair("ETH/BTC", 5, 8, 0.04858, 3.0),
    Pair("SOL/BTC", 7, 8, 0.0026481, 25.0),
)
#: Level events in one book message, and how often.
EVENTS = (1, 2, 3, 4, 5)
EVENT_SHARES = (0.58, 0.24, 0.10, 0.05, 0.03)
CHECKSUM_LEVELS = 10


def fixed(value: int, decimals: int) -> str:
    """Integer ticks or lots as the fixed-precision text of the wire."""
    text = str(value).rjust(decimals + 1, "0")
    return f"{text[:-decimals]}.{text[-decimals:]}"


class Stamps:
    """Strictly rising microsecond time stamps of November 2026, unique for each frame."""

    def __init__(self, rng: random.Random, rate: float) -> None:
        self.us = 0
        self._rng = rng
        self._mean_us = 1e6 / rate

    def next(self) -> str:
        """The next one, as Kraken writes it."""
        self.us += 1 + int(self._rng.expovariate(1.0) * self._mean_us)
        seconds, us = divmod(self.us, 1_000_000)
        minutes, s = divmod(seconds, 60)
        hours, m = divmod(minutes, 60)
        return f"2026-11-01T{hours:02d}:{m:02d}:{s:02d}.{us:06d}Z"


class _Side:
    """One side of the whole book; keys rise from the best: the price of an ask, minus the price of a bid."""

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[int] = []
        self.quantity: dict[int, int] = {}

    def top(self, count: int) -> list[tuple[int, int]]:
        return [(abs(key), self.quantity[key]) for key in self.keys[:count]]


class Market:
    """One pair. `book`, `trades` and `ticker` give frames; `step` changes the book."""

    def __init__(self, rng: random.Random, pair: Pair, depth: int) -> None:
        self.pair = pair
        self.depth = depth
        self._rng = rng
        self._levels = depth + max(40, depth // 4)
        self._lot = 10**pair.quantity_decimals
        mid = round(pair.price * 10**pair.price_decimals)
        # Ticks between levels, so that there are free prices in between whatever the pair costs.
        self._gap = max(2, int(mid * 0.00004))
        self.bids, self.asks = _Side(-1), _Side(1)
        for side in (self.bids, self.asks):
            price = mid + side.sign * self._gap
            for _ in range(self._levels):
                if price <= 1:
                    break
                self._put(side, side.sign * price)
                price += side.sign * rng.randint(1, 2 * self._gap - 1)
        self._trade_id = rng.randint(1_000_000, 9_000_000)
        self._open = self._low = self._high = self._last = mid
        self._volume = rng.randint(1000, 9000) * self._lot

    def _quantity(self) -> int:
        rng = self._rng
        quantity = max(1, int(rng.lognormvariate(0.0, 1.3) * self.pair.size * self._lot))
        if rng.random() < 0.35:  # round sizes, as people type them
            digits = len(str(quantity)) - rng.randint(1, 2)
            if digits > 0:
                quantity = max(1, quantity // 10**digits) * 10**digits
        return quantity

    def _put(self, side: _Side, key: int) -> int:
        quantity = self._quantity()
        if key not in side.quantity:
            insort(side.keys, key)
        side.quantity[key] = quantity
        return quantity

    def _rank(self, count: int) -> int:
        rng = self._rng
        mean = 2.5 if rng.random() < 0.65 else max(4.0, self.depth / 6)
        return min(int(rng.expovariate(1.0) * mean), count - 1)

    def step(self, sent: dict[int, list[tuple[int, int]]]) -> None:
        """One level event inside the window; adds what a subscriber is sent, by the side's sign."""
        rng = self._rng
        side = self.bids if rng.random() < 0.5 else self.asks
        rank = self._rank(min(self.depth, len(side.keys)))
        # Shares of a real capture: a quarter changes, the rest adds and removes; the pull keeps the book's size.
        pick = rng.random()
        if pick > 0.25 and abs(len(side.keys) - self._levels) > 20:
            pick = 0.99 if len(side.keys) > self._levels else 0.60
        if pick < 0.25:
            key = side.keys[rank]
        elif pick < 0.625:
            key = self._free_key(side, rank)
        else:
            self._remove(side, rank, sent[side.sign])
            return
        sent[side.sign].append((abs(key), self._put(side, key)))

    def _free_key(self, side: _Side, rank: int) -> int:
        """A price before the level at `rank`; that level itself where there is none between (a change, then)."""
        rng, high = self._rng, side.keys[rank]
        # Before the best: inside the spread, where one tick at least stays between the sides.
        low = side.keys[rank - 1] if rank else -(self.asks if side is self.bids else self.bids).keys[0]
        if high - low < 2:
            return high
        if rank:
            return low + rng.randint(1, high - low - 1)
        return max(low + 1, high - rng.randint(1, min(high - low - 1, 2 * self._gap)))

    def _remove(self, side: _Side, rank: int, sent: list[tuple[int, int]]) -> None:
        key = side.keys.pop(rank)
        del side.quantity[key]
        sent.append((abs(key), 0))
        if len(side.keys) >= self.depth:
            entering = side.keys[self.depth - 1]
            sent.append((abs(entering), side.quantity[entering]))
            if len(side.keys) < self._levels:  # the deep end grows, out of sight
                deep = side.keys[-1] + self._rng.randint(1, 2 * self._gap - 1)
                if side.sign > 0 or deep < 0:
                    self._put(side, deep)

    def checksum(self) -> int:
        """Kraken's CRC32 of the book as it stands."""
        best = self.asks.top(CHECKSUM_LEVELS) + self.bids.top(CHECKSUM_LEVELS)
        return zlib.crc32("".join([f"{price}{quantity}" for price, quantity in best]).encode())

    # --- frames ---------------------------------------------------------------------------------------------------

    def snapshot(self, stamp: str) -> str:
        """A book frame with all subscribed levels."""
        return self._book("snapshot", self.bids.top(self.depth), self.asks.top(self.depth), stamp)

    def update(self, stamp: str) -> str:
        """Some level events, and the book frame that tells of them."""
        sent: dict[int, list[tuple[int, int]]] = {-1: [], 1: []}
        for _ in range(self._rng.choices(EVENTS, EVENT_SHARES)[0]):
            self.step(sent)
        return self._book("update", sent[-1], sent[1], stamp)

    def _book(self, kind: str, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]], stamp: str) -> str:
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{self.pair.symbol}",'
            f'"bids":[{self._level_texts(bids)}],"asks":[{self._level_texts(asks)}],'
            f'"checksum":{self.checksum()},"timestamp":"{stamp}"}}]}}'
        )

    def _level_texts(self, levels: Sequence[tuple[int, int]]) -> str:
        return ",".join([f'{{"price":{self._price(p)},"qty":{self._amount(q)}}}' for p, q in levels])

    def _price(self, ticks: int) -> str:
        return fixed(ticks, self.pair.price_decimals)

    def _amount(self, lots: int) -> str:
        return fixed(lots, self.pair.quantity_decimals)

    def trades(self, kind: str, count: int, stamp: str) -> str:
        """A trade frame with `count` trades, ids without a gap."""
        rng, rows = self._rng, []
        for _ in range(count):
            is_buy = rng.random() < 0.5
            self._last = abs((self.asks if is_buy else self.bids).keys[0])
            self._low, self._high = min(self._low, self._last), max(self._high, self._last)
            quantity = max(1, self._quantity() // 4)
            self._volume += quantity
            self._trade_id += 1
            rows.append(
                f'{{"symbol":"{self.pair.symbol}","side":"{"buy" if is_buy else "sell"}",'
                f'"price":{self._price(self._last)},"qty":{self._amount(quantity)},'
                f'"ord_type":"{"limit" if rng.random() < 0.7 else "market"}",'
                f'"trade_id":{self._trade_id},"timestamp":"{stamp}"}}'
            )
        return f'{{"channel":"trade","type":"{kind}","data":[{",".join(rows)}]}}'

    def ticker(self, kind: str, stamp: str) -> str:
        """A ticker frame."""
        bid, ask = self.bids.keys[0], self.asks.keys[0]
        change = self._last - self._open
        sign = "-" if change < 0 else ""
        percent = round(abs(change) / self._open * 10000)
        return (
            f'{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{self.pair.symbol}",'
            f'"bid":{self._price(-bid)},"bid_qty":{self._amount(self.bids.quantity[bid])},'
            f'"ask":{self._price(ask)},"ask_qty":{self._amount(self.asks.quantity[ask])},'
            f'"last":{self._price(self._last)},"volume":{self._amount(self._volume)},'
            f'"vwap":{self._price((self._low + self._high) // 2)},"low":{self._price(self._low)},'
            f'"high":{self._price(self._high)},"change":{sign}{self._price(abs(change))},'
            f'"change_pct":{sign}{fixed(percent, 2)},"timestamp":"{stamp}"}}]}}'
        )

    def asset_pair(self) -> tuple[str, dict[str, Any]]:
        """The pair's row of REST AssetPairs, with its key."""
        old = {"BTC": "XBT", "DOGE": "XDG"}
        base, quote = (old.get(name, name) for name in self.pair.symbol.split("/"))
        return base + quote, {
            "altname": base + quote,
            "wsname": f"{base}/{quote}",
            "aclass_base": "currency",
            "base": base,
            "aclass_quote": "currency",
            "quote": quote,
            "lot": "unit",
            "cost_decimals": 5,
            "pair_decimals": self.pair.price_decimals,
            "lot_decimals": self.pair.quantity_decimals,
            "lot_multiplier": 1,
            "leverage_buy": [2, 3],
            "leverage_sell": [2, 3],
            "fees": [[0, 0.4], [10000, 0.35]],
            "fees_maker": [[0, 0.25], [10000, 0.2]],
            "fee_volume_currency": "ZUSD",
            "margin_call": 80,
            "margin_stop": 40,
            "ordermin": self._amount(max(1, self._lot // 1000)),
            "costmin": "0.5",
            "tick_size": self._price(1),
            "status": "online",
        }
