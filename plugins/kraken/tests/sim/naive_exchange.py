"""A referee for the simulated Kraken: matching, fees and balances in the plainest way, after the sheet (3.6, 3.9) alone.

It imports nothing of the simulator: a list of orders that is searched from the front, and decimals.
"""

from __future__ import annotations

from collections import deque
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

TAKER = ((0, "0.40"), (10_000, "0.35"), (50_000, "0.24"), (100_000, "0.22"), (250_000, "0.20"), (500_000, "0.18"))
MAKER = ((0, "0.25"), (10_000, "0.20"), (50_000, "0.14"), (100_000, "0.12"), (250_000, "0.08"), (500_000, "0.06"))


def half_up(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def percent(table: Any, volume: Decimal) -> Decimal:
    return Decimal([fee for start, fee in table if volume >= start][-1])


class NaiveOrder:
    def __init__(self, account: str, side: str, quantity: Decimal, price: Decimal | None, **options: Any) -> None:
        self.account, self.side, self.quantity, self.price = account, side, quantity, price
        self.display: Decimal | None = options.get("display")
        self.kind: str = options.get("kind", "limit")  # limit, iceberg, market, ioc, fok, post
        self.stp: str = options.get("stp", "cancel_newest")
        self.in_base: bool = options.get("in_base", False)
        self.trigger: Decimal | None = options.get("trigger")
        self.offset: str = options.get("offset", "")  # of a trailing stop: 1, or 1% of the peak
        self.limit_offset: Decimal | None = options.get("limit_offset")
        self.shown = Decimal(0)
        self.filled = self.cost = self.fee = Decimal(0)
        self.status = "new"

    @property
    def left(self) -> Decimal:
        return self.quantity - self.filled

    def seen(self) -> Decimal:
        return self.shown if self.display is not None else self.left


class NaiveExchange:
    """BTC/USD with no crowd: `book` is in order of arrival, a refilled iceberg arrives again."""

    def __init__(self, balances: dict[str, dict[str, Decimal]], digits: dict[str, int]) -> None:
        self.balances, self.digits = balances, digits
        self.book: list[NaiveOrder] = []
        self.trades: list[tuple[Decimal, Decimal]] = []
        self.volume = dict.fromkeys(balances, Decimal(0))
        self.fees = {"BTC": Decimal(0), "USD": Decimal(0)}
        self.last = Decimal(0)
        self.waiting: list[NaiveOrder] = []
        #: What triggers have to look at yet: the prices of one event, or an order that has just come.
        self.news: deque[list[Decimal] | NaiveOrder] = deque()

    # -- what clients ask --------------------------------------------------------------------------------------

    def add(self, order: NaiveOrder) -> None:
        if order.trigger is not None or order.offset:
            if order.offset:
                self.follow(order, self.last)
            self.waiting.append(order)
            self.news.append(order)
        elif (order.kind == "post" and self.best(order) is not None) or (
            order.kind == "fok" and not self.can_fill(order)
        ):
            order.status = "canceled"
        else:
            self.match(order)

    def amend(self, order: NaiveOrder, quantity: Decimal, price: Decimal, display: Decimal | None) -> None:
        resting = order in self.book
        grows = quantity - order.filled > order.left
        moves = price != order.price or grows
        shrinks = order.left - (quantity - order.filled)
        order.quantity, order.price = quantity, price
        if display is not None or order.display is not None:
            order.display = min(display or order.display or quantity, quantity - order.filled)
        assert resting, "only resting orders are amended here"
        if quantity <= order.filled:
            self.book.remove(order)
            order.status = "canceled"
        elif moves:
            self.book.remove(order)
            self.match(order)
        elif order.display is not None:
            # What is hidden goes first, and no more than the new slice is seen.
            assert shrinks >= 0
            order.shown = min(order.shown, order.left, order.display)

    def cancel(self, order: NaiveOrder) -> None:
        (self.book if order in self.book else self.waiting).remove(order)
        order.status = "canceled"

    # -- triggers ----------------------------------------------------------------------------------------------

    def settle_news(self) -> None:
        """Whatever triggers set off sets off the next."""
        while self.news:
            news = self.news.popleft()
            if isinstance(news, NaiveOrder):
                self.look(news, self.last)
                continue
            for price in news:
                for order in list(self.waiting):
                    self.look(order, price)

    def look(self, order: NaiveOrder, price: Decimal) -> None:
        if order not in self.waiting:
            return
        is_up = (order.side == "buy") != ("take-profit" in order.kind)
        if order.offset:
            self.follow(order, price)
        assert order.trigger is not None
        if price >= order.trigger if is_up else price <= order.trigger:
            self.waiting.remove(order)
            order.kind = "market" if order.price is None else "limit"
            self.match(order)

    def follow(self, order: NaiveOrder, price: Decimal) -> None:
        """A trailing stop is beside the best price it has seen."""
        away = price * Decimal(order.offset[:-1]) / 100 if order.offset.endswith("%") else Decimal(order.offset)
        trigger = half_up(price - away if order.side == "sell" else price + away, 1)
        if order.trigger is None or (trigger > order.trigger if order.side == "sell" else trigger < order.trigger):
            order.trigger = trigger
            if order.limit_offset is not None:
                order.price = trigger + order.limit_offset

    # -- matching ----------------------------------------------------------------------------------------------

    def crosses(self, taker: NaiveOrder, maker: NaiveOrder) -> bool:
        if maker.side == taker.side or maker.price is None:
            return False
        if taker.price is None:
            return True
        return maker.price <= taker.price if taker.side == "buy" else maker.price >= taker.price

    def best(self, taker: NaiveOrder) -> NaiveOrder | None:
        found = [order for order in self.book if self.crosses(taker, order)]
        if not found:
            return None
        prices = [order.price for order in found if order.price is not None]
        wanted = min(prices) if taker.side == "buy" else max(prices)
        return next(order for order in found if order.price == wanted)

    def can_fill(self, taker: NaiveOrder) -> bool:
        """Play it through on a copy, one look at a time."""
        queue = [[order, order.seen(), order.left - order.seen()] for order in self.book if self.crosses(taker, order)]
        left = taker.left
        while left > 0 and queue:
            prices = [row[0].price for row in queue]
            wanted = min(prices) if taker.side == "buy" else max(prices)
            row = next(row for row in queue if row[0].price == wanted)
            if row[0].account == taker.account:
                if taker.stp != "cancel_oldest":
                    return False
                queue.remove(row)
                continue
            left -= min(left, row[1])
            queue.remove(row)
            if row[2]:
                slice_ = min(row[2], row[0].display)
                queue.append([row[0], slice_, row[2] - slice_])
        return not left

    def match(self, order: NaiveOrder) -> None:
        before = len(self.trades)
        self.play(order)
        prices = [price for price, _ in self.trades[before:]]
        if prices:
            self.last = prices[-1]
            self.news.append(prices)

    def play(self, order: NaiveOrder) -> None:
        while order.left:
            maker = self.best(order)
            if maker is None:
                break
            if maker.account == order.account:
                if order.stp != "cancel_newest":
                    self.book.remove(maker)
                    maker.status = "expired"
                if order.stp != "cancel_oldest":
                    order.status = "expired"
                    return
                continue
            self.trade(order, maker)
        if not order.left:
            order.status = "filled"
        elif order.kind in ("market", "ioc", "fok"):
            order.status = "canceled"
        else:
            order.shown = min(order.display, order.left) if order.display is not None else order.left
            order.status = "partially_filled" if order.filled else "new"
            self.book.append(order)

    def trade(self, taker: NaiveOrder, maker: NaiveOrder) -> None:
        assert maker.price is not None
        quantity, price = min(taker.left, maker.seen()), maker.price
        self.trades.append((price, quantity))
        for order, table in ((taker, TAKER), (maker, MAKER)):
            self.settle(order, quantity, price, percent(table, self.volume[order.account]))
        if not maker.left:
            self.book.remove(maker)
            maker.status = "filled"
            return
        maker.status = "partially_filled"
        if maker.display is not None:
            maker.shown -= quantity
            if not maker.shown:
                maker.shown = min(maker.display, maker.left)
                self.book.remove(maker)
                self.book.append(maker)

    def settle(self, order: NaiveOrder, quantity: Decimal, price: Decimal, fee_percent: Decimal) -> None:
        cost = half_up(quantity * price, 5)
        if order.in_base:
            asset, fee = "BTC", half_up(quantity * fee_percent / 100, self.digits["BTC"])
        else:
            asset, fee = "USD", half_up(cost * fee_percent / 100, 5)
        order.filled, order.cost, order.fee = order.filled + quantity, order.cost + cost, order.fee + fee
        self.volume[order.account] += cost
        sign = 1 if order.side == "buy" else -1
        owned = self.balances[order.account]
        owned["BTC"] += sign * half_up(quantity, self.digits["BTC"])
        owned["USD"] -= sign * half_up(cost, self.digits["USD"])
        booked = half_up(fee, self.digits[asset])
        owned[asset] -= booked
        self.fees[asset] += booked

    def levels(self, side: str) -> list[tuple[Decimal, Decimal]]:
        """Price and seen quantity, best first."""
        found: dict[Decimal, Decimal] = {}
        for order in self.book:
            if order.side == side and order.price is not None:
                found[order.price] = found.get(order.price, Decimal(0)) + order.seen()
        return sorted(found.items(), reverse=side == "buy")
