"""The matching engine of one market: resting orders in price-time queues, limit and market aggressors.

Prices and quantities are scaled integers. Every change of a level is told to `on_level` the moment it happens, so
that depth windows see the same states as the exchange went through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple, Protocol

from sortedcontainers import SortedDict

BUY, SELL = 0, 1


class Owner(Protocol):
    """An account's order behind a resting one. The engine keeps `number` up to date."""

    account: str
    number: int

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        ...


class Order:
    """One resting order; without an owner it belongs to the crowd. An iceberg shows `quantity`, at most `display` of it."""

    __slots__ = ("display", "hidden", "number", "owner", "price", "quantity", "side")

    def __init__(
        self, number: int, side: int, price: int, quantity: int, owner: Owner | None = None, display: int = 0
    ) -> None:
        self.number = number
        self.side = side
        self.price = price
        self.quantity = min(quantity, display) if display else quantity
        self.hidden = quantity - self.quantity
        self.display = display
        self.owner = owner

    @property
    def total(self) -> int:
        """What is left of it, seen or not."""
        return self.quantity + self.hidden


class Level:
    """All orders at one price, oldest first. `text` is what enters a checksum, kept because most levels stay."""

    __slots__ = ("orders", "price", "quantity", "text")

    def __init__(self, price: int) -> None:
        self.price = price
        self.quantity = 0
        self.text = ""
        self.orders: dict[int, Order] = {}


class Fill(NamedTuple):
    """One trade: the price is the resting order's, and so is `maker` where an account owns it.

    `refill`: what an iceberg showed next, where this trade used up what it had shown.
    """

    price: int
    quantity: int
    maker: Owner | None = None
    refill: int = 0


class Side:
    """Levels of one side, best first: keyed by price for asks, by its negative for bids."""

    __slots__ = ("index", "levels", "sign")

    def __init__(self, index: int) -> None:
        self.index = index
        self.sign = -1 if index == BUY else 1
        self.levels: SortedDict[int, Level] = SortedDict()

    def best(self) -> Level | None:
        """The level to be matched first."""
        return self.levels.peekitem(0)[1] if self.levels else None

    def at(self, rank: int) -> Level:
        """The level at `rank` (0: best)."""
        level: Level = self.levels.peekitem(rank)[1]
        return level

    def top(self) -> Iterator[tuple[int, int]]:
        """(price, quantity), best first."""
        levels = self.levels
        for key in levels:
            level = levels[key]
            yield level.price, level.quantity

    def texts(self, count: int) -> list[str]:
        """The checksum texts of the best `count` levels."""
        levels = self.levels
        return [levels[key].text for key in islice(levels, count)]


#: side, price, quantity before, quantity after
LevelListener = Callable[[Side, int, int, int], None]


class MatchingEngine:
    """Price-time priority. Orders are numbered from 1."""

    def __init__(self, on_level: LevelListener) -> None:
        self.bids = Side(BUY)
        self.asks = Side(SELL)
        self.sides = (self.bids, self.asks)
        self.orders: dict[int, Order] = {}
        self._on_level = on_level
        self._number = 0

    def limit(self, side: int, price: int, quantity: int) -> list[Fill]:
        """Match what crosses, rest the remainder at the back of its level."""
        fills, rest = self._match(side, quantity, price)
        if rest:
            self.rest(side, price, rest)
        return fills

    def market(self, side: int, quantity: int) -> list[Fill]:
        """Match; what finds no counterpart is cancelled."""
        return self._match(side, quantity, None)[0]

    def match(self, side: int, quantity: int, limit: int | None, account: str) -> list[Fill]:
        """Match for an account and rest nothing. It stops before the account's own resting order (sheet 3.6, STP)."""
        return self._match(side, quantity, limit, account)[0]

    def would_meet(self, side: int, limit: int | None) -> Order | None:
        """The resting order that would be matched first; None where the limit does not cross."""
        opposite = self.sides[1 - side]
        level = opposite.best()
        if level is None or (limit is not None and level.price * opposite.sign > limit * opposite.sign):
            return None
        return next(iter(level.orders.values()))

    def offered(self, side: int, quantity: int, limit: int | None) -> tuple[int, int]:
        """(quantity, price x quantity) of what matching now would trade, at most `quantity`; icebergs with all they have."""
        total = notional = 0
        for level in self._crossing(side, limit):
            if total >= quantity:
                break
            taken = min(sum(order.total for order in level.orders.values()), quantity - total)
            total, notional = total + taken, notional + taken * level.price
        return total, notional

    def fillable(self, side: int, limit: int | None, account: str, *, skips_own: bool) -> int:
        """What an account's order could trade at once. Its own resting orders end that, or (`skips_own`) are left out."""
        total = 0
        for level in self._crossing(side, limit):
            seen = 0
            for order in level.orders.values():
                if order.owner is not None and order.owner.account == account:
                    if not skips_own:
                        # Icebergs ahead of it show the rest only behind it.
                        return total + seen
                    continue
                seen += order.quantity
            hidden = sum(
                order.hidden for order in level.orders.values() if order.owner is None or order.owner.account != account
            )
            total += seen + hidden
        return total

    def affordable(self, side: int, notional: int) -> tuple[int, bool]:
        """(quantity, whether the book has no more) of what so much (price x quantity) takes, best price first."""
        quantity = 0
        for level in self._crossing(side, None):
            offered = sum(order.total for order in level.orders.values())
            taken = min(offered, notional // level.price)
            quantity, notional = quantity + taken, notional - taken * level.price
            if taken < offered:
                return quantity, False
        return quantity, notional > 0

    def rest(self, side: int, price: int, quantity: int, owner: Owner | None = None, display: int = 0) -> int:
        """Place without matching (also how a crossed book is made); returns the order's number. `display`: what is seen."""
        level = self._level(side, price)
        self._number += 1
        order = Order(self._number, side, price, quantity, owner, display)
        if owner is not None:
            owner.number = order.number
        self._show(order, level)
        return order.number

    def cancel(self, number: int) -> Order | None:
        """Take an order out; None where it is gone already."""
        order = self.orders.get(number)
        if order is not None:
            order.hidden = 0
            self._shrink(order, order.quantity)
        return order

    def reduce(self, number: int, quantity: int) -> None:
        """Lower an order to `quantity`; it keeps its place. What an iceberg hides goes first."""
        order = self.orders[number]
        assert 0 < quantity < order.total
        by = order.total - quantity
        unseen = min(by, order.hidden)
        order.hidden -= unseen
        if by > unseen:
            self._shrink(order, by - unseen)

    def set_display(self, number: int, display: int) -> None:
        """Show less of an iceberg from now on, or more from its next slice; it keeps its place."""
        order = self.orders[number]
        order.display = display
        surplus = order.quantity - display
        if surplus > 0:
            self._shrink(order, surplus)
            order.hidden += surplus

    def _crossing(self, side: int, limit: int | None) -> Iterator[Level]:
        """Levels that an order of this side and limit meets, best first."""
        opposite = self.sides[1 - side]
        for key, level in opposite.levels.items():
            if limit is not None and key > limit * opposite.sign:
                return
            yield level

    def _level(self, side: int, price: int) -> Level:
        book = self.sides[side]
        level = book.levels.get(price * book.sign)
        if level is None:
            level = book.levels[price * book.sign] = Level(price)
        return level

    def _show(self, order: Order, level: Level) -> None:
        """Put an order at the back of its level."""
        self.orders[order.number] = level.orders[order.number] = order
        before = level.quantity
        level.quantity += order.quantity
        level.text = f"{level.price}{level.quantity}"
        self._on_level(self.sides[order.side], level.price, before, level.quantity)

    def _match(self, side: int, quantity: int, limit: int | None, account: str = "") -> tuple[list[Fill], int]:
        opposite = self.sides[1 - side]
        fills: list[Fill] = []
        while quantity and opposite.levels:
            key, level = opposite.levels.peekitem(0)
            if limit is not None and key > limit * opposite.sign:
                break
            order = next(iter(level.orders.values()))
            if account and order.owner is not None and order.owner.account == account:
                break
            traded = min(quantity, order.quantity)
            quantity -= traded
            self._shrink(order, traded)
            refill = 0
            if order.hidden and not order.quantity:
                refill = order.quantity = min(order.hidden, order.display)
                order.hidden -= refill
                self._show(order, self._level(order.side, order.price))
            fills.append(Fill(level.price, traded, order.owner, refill))
        return fills, quantity

    def _shrink(self, order: Order, by: int) -> None:
        book = self.sides[order.side]
        level = book.levels[order.price * book.sign]
        before = level.quantity
        level.quantity -= by
        level.text = f"{level.price}{level.quantity}"
        order.quantity -= by
        if not order.quantity:
            del self.orders[order.number], level.orders[order.number]
            if not level.orders:
                del book.levels[order.price * book.sign]
        self._on_level(book, order.price, before, level.quantity)
