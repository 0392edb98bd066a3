"""Seeded order flow of one market: who places, cancels and takes what, near the touch mostly.

It keeps the book around its usual number of levels and its price within a factor of ten of the start.
"""

from __future__ import annotations

import math
from random import Random

from gw_sim_kraken.market.matching import BUY, SELL, Fill, MatchingEngine, Side

#: Cumulative shares of the kinds of event in an open market.
_ADD, _CANCEL, _REDUCE, _REPLACE, _MARKET = 0.44, 0.76, 0.83, 0.91, 0.97
#: Levels that a taker leaves on a side, so that a market does not run empty by itself.
_LEVELS_LEFT = 3


class OrderFlow:
    """Makes one event a call. Modes as in sheet 3.8: post_only does not take, cancel_only only cancels."""

    def __init__(self, rng: Random, engine: MatchingEngine, price: int, quantity: int, levels: int) -> None:
        self._rng = rng
        self._engine = engine
        self._start = price
        self._quantity = max(quantity, 2)
        self._levels = max(levels, 2 * _LEVELS_LEFT)
        self._gap = max(1, price // 50_000)

    def fill_book(self) -> None:
        """Rest orders on both sides of the start price."""
        rng, spacing = self._rng, 1 / self._gap
        levels = max(2 * _LEVELS_LEFT, int(self._levels * rng.uniform(0.8, 1.2)))
        for side, sign in ((BUY, -1), (SELL, 1)):
            price = self._start + sign * rng.randint(1, 1 + self._gap)
            for _ in range(levels):
                if price < 1:
                    break
                for _ in range(rng.choice((1, 1, 1, 2, 3))):
                    self._engine.rest(side, price, self._size())
                price += sign * (1 + int(rng.expovariate(spacing)))

    def step(self, mode: str = "online") -> tuple[str, str, list[Fill]] | None:
        """One event. Returns taker side, order type and fills where it traded."""
        rng, engine = self._rng, self._engine
        dice = rng.random()
        side = rng.randrange(2)
        book = engine.sides[side]
        if mode == "cancel_only":
            self._cancel(book)
            return None
        if len(book.levels) < self._levels * 0.8 and _ADD <= dice < _CANCEL and rng.random() < 0.5:
            dice = 0.0
        elif len(book.levels) > self._levels * 1.25 and dice < _ADD:
            dice = _ADD
        if dice < _ADD:
            self._add(book)
        elif dice < _CANCEL:
            self._cancel(book)
        elif dice < _REDUCE:
            self._reduce(book)
        elif dice < _REPLACE or mode == "post_only":
            self._cancel(book)
            self._add(book)
        elif dice < _MARKET:
            return self._take(side, limit=False)
        else:
            return self._take(side, limit=True)
        return None

    def _size(self) -> int:
        if self._rng.random() < 0.3:
            return self._quantity
        return max(1, int(self._quantity * math.exp(self._rng.gauss(-0.5, 1.0))))

    def _rank(self, book: Side) -> int:
        """A level near the touch, now and then any."""
        count = len(book.levels)
        if self._rng.random() < 0.05:
            return self._rng.randrange(count)
        return min(count - 1, int(self._rng.expovariate(0.3)))

    def _add(self, book: Side) -> None:
        rng = self._rng
        best = book.best()
        other = self._engine.sides[1 - book.index].best()
        spread = abs(other.price - best.price) if best is not None and other is not None else 0
        if best is None:
            price = (other.price if other else self._start) + book.sign * (1 + self._gap)
        elif spread > 1 and rng.random() < (0.2 if spread <= 4 * self._gap else 0.6):
            price = best.price - book.sign * rng.randint(1, min(max(1 + self._gap, spread // 2), spread - 1))
        elif rng.random() < 0.5:
            price = book.at(self._rank(book)).price
        else:
            anchor = book.at(self._rank(book)).price
            price = anchor + book.sign * (1 + int(rng.expovariate(1 / self._gap)))
        crosses = other is not None and (other.price - price) * -book.sign <= 0
        if price >= 1 and not crosses:
            self._engine.rest(book.index, price, self._size())

    def _cancel(self, book: Side) -> None:
        if len(book.levels) <= _LEVELS_LEFT:
            return
        # Accounts' orders are theirs to cancel.
        orders = [order.number for order in book.at(self._rank(book)).orders.values() if order.owner is None]
        if orders:
            self._engine.cancel(orders[self._rng.randrange(len(orders))])

    def _reduce(self, book: Side) -> None:
        if not book.levels:
            return
        order = next(iter(book.at(self._rank(book)).orders.values()))
        if order.quantity > 1 and order.owner is None:
            self._engine.reduce(order.number, self._rng.randint(1, order.quantity - 1))

    def _take(self, side: int, *, limit: bool) -> tuple[str, str, list[Fill]] | None:
        rng, engine = self._rng, self._engine
        best = engine.asks.best()
        if best is not None and not self._start // 10 < best.price < self._start * 10:
            side = BUY if best.price <= self._start // 10 else SELL
        opposite = engine.sides[1 - side]
        depth_max = len(opposite.levels) - _LEVELS_LEFT
        if depth_max < 1:
            return None
        depth = min(depth_max, 1 if rng.random() < 0.7 else 1 + int(rng.expovariate(0.4)))
        offered = sum(opposite.at(rank).quantity for rank in range(depth))
        name = "buy" if side == BUY else "sell"
        if not limit:
            quantity = max(1, int(offered * rng.random()))
            return name, "market", engine.market(side, quantity)
        price = opposite.at(depth - 1).price
        return name, "limit", engine.limit(side, price, offered + rng.choice((0, self._size())))
