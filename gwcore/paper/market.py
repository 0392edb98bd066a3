"""PaperMarket: one symbol's paper orders beside the market's own book. What trades with what is decided here, money is not.

The market does not see our orders, so three things are assumed. What an order takes from a level is gone until the market
changes that level. Who rests stands behind what the book showed at that price, and moves up as the market trades there, or
shows less. A trade beyond a resting order's price would have met it first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from sortedcontainers import SortedDict

from gwcore.model import MarketByPriceUpdate, PriceLevel, Side, Trade, UpdateType
from gwcore.paper.order import PaperOrder

_ZERO = Decimal(0)


class Match(NamedTuple):
    """So much of an order trades at this price."""

    order: PaperOrder
    price: Decimal
    quantity: Decimal
    is_maker: bool


class Sides(NamedTuple):
    """The market's own book as it stands, best level first; none of it where the book is not LIVE."""

    bids: Sequence[PriceLevel] = ()
    asks: Sequence[PriceLevel] = ()
    is_live: bool = False

    def against(self, side: Side) -> Sequence[PriceLevel]:
        """What an order of this side trades with."""
        return self.asks if side is Side.BUY else self.bids

    def along(self, side: Side) -> Sequence[PriceLevel]:
        """What stands on this side."""
        return self.bids if side is Side.BUY else self.asks


class PaperMarket:
    """The orders of one symbol."""

    def __init__(self) -> None:
        self.last: Decimal | None = None  # the market's last trade
        # side -> (price, number) with the best first -> order
        self._resting: dict[Side, SortedDict[tuple[Decimal, int], PaperOrder]] = {
            Side.BUY: SortedDict(),
            Side.SELL: SortedDict(),
        }
        self._waiting: dict[int, PaperOrder] = {}
        self._taken: dict[tuple[Side, Decimal], Decimal] = {}  # of levels of this side, by us

    @property
    def is_empty(self) -> bool:
        """Whether no order of ours is here."""
        return not (self._waiting or self._resting[Side.BUY] or self._resting[Side.SELL])

    def orders(self) -> Iterator[PaperOrder]:
        """All orders here."""
        yield from self._waiting.values()
        for side in self._resting.values():
            yield from side.values()

    def rest(self, order: PaperOrder, book: Sides) -> None:
        """An order stands at its price, behind what the book shows there."""
        assert order.price is not None
        order.ahead = next(
            (Decimal(level.quantity) for level in book.along(order.side) if Decimal(level.price) == order.price), _ZERO
        )
        self._resting[order.side][_place(order)] = order

    def restore(self, order: PaperOrder) -> None:
        """An order that stood here before a restart."""
        if order.waits:
            self._waiting[order.number] = order
        else:
            self._resting[order.side][_place(order)] = order

    def wait(self, order: PaperOrder) -> None:
        """An order waits for its trigger."""
        self._waiting[order.number] = order

    def remove(self, order: PaperOrder) -> None:
        """An order is gone, or about to be changed."""
        self._waiting.pop(order.number, None)
        if order.price is not None:
            self._resting[order.side].pop(_place(order), None)

    # --- taking -------------------------------------------------------------------------------------------------------

    def available(self, order: PaperOrder, book: Sides) -> Iterator[tuple[Decimal, Decimal]]:
        """(price, quantity) that an order could take now, best first."""
        for level in book.against(order.side):
            price = Decimal(level.price)
            if not order.accepts(price):
                return
            left = Decimal(level.quantity) - self._taken.get((_other(order.side), price), _ZERO)
            if left > 0:
                yield price, left

    def take(self, order: PaperOrder, book: Sides) -> list[Match]:
        """What an order takes now; the levels have that much less until the market changes them."""
        found, wanted = [], order.remaining
        for price, left in self.available(order, book):
            quantity = min(left, wanted)
            self._note_taken(_other(order.side), price, quantity)
            found.append(Match(order, price, quantity, is_maker=False))
            wanted -= quantity
            if wanted <= 0:
                break
        return found

    def _note_taken(self, side: Side, price: Decimal, quantity: Decimal) -> None:
        self._taken[side, price] = self._taken.get((side, price), _ZERO) + quantity

    # --- the market ---------------------------------------------------------------------------------------------------

    def on_book(self, update: MarketByPriceUpdate, book: Sides) -> list[Match]:
        """The market's book changed, and now is `book`."""
        if update.update_type is not UpdateType.INCREMENTAL:
            self._taken.clear()
        for side, levels in ((Side.BUY, update.bids), (Side.SELL, update.asks)):
            for level in levels:
                self._taken.pop((side, Decimal(level.price)), None)
        found = []
        if book.is_live:
            for side, orders in self._resting.items():
                self._move_up(side, orders.values(), book.along(side))
                for order in list(orders.values()):
                    crossed = self._crossed(order, book)
                    if not crossed:
                        break  # those behind it have worse prices
                    found += crossed
        return found

    @staticmethod
    def _move_up(side: Side, orders: Iterable[PaperOrder], levels: Sequence[PriceLevel]) -> None:
        if not levels:
            return
        shown = {Decimal(level.price): Decimal(level.quantity) for level in levels}
        worst = Decimal(levels[-1].price)
        for order in orders:
            assert order.price is not None
            # Beyond the last level nothing is known, and so nothing has changed.
            is_seen = order.price >= worst if side is Side.BUY else order.price <= worst
            if is_seen:
                order.ahead = min(order.ahead, shown.get(order.price, _ZERO))

    def _crossed(self, order: PaperOrder, book: Sides) -> list[Match]:
        # The market has come through it: at its own price, as the maker that it is.
        assert order.price is not None
        return [Match(order, order.price, match.quantity, is_maker=True) for match in self.take(order, book)]

    def on_trade(self, trade: Trade) -> list[Match]:
        """The market traded: what that means for orders that rest."""
        price, left = Decimal(trade.price), Decimal(trade.quantity)
        self.last = price
        found = []
        for order in list(self._resting[_other(trade.side)].values()):
            assert order.price is not None
            if left <= 0 or not order.accepts(price):
                break
            if order.price == price:
                gone = min(order.ahead, left)
                order.ahead -= gone
                left -= gone
            quantity = min(order.remaining, left)
            if quantity > 0:
                left -= quantity
                found.append(Match(order, order.price, quantity, is_maker=True))
        return found

    def triggered(self) -> list[PaperOrder]:
        """Orders that the last trade triggers, in the order they came; they wait no more."""
        if self.last is None:
            return []
        found = [order for order in self._waiting.values() if order.sees_trade(self.last)]
        for order in found:
            order.is_triggered = True
            del self._waiting[order.number]
        return found


def _other(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY


def _place(order: PaperOrder) -> tuple[Decimal, int]:
    assert order.price is not None
    return (-order.price if order.side is Side.BUY else order.price, order.number)
