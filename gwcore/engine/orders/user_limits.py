"""UserLimits: what the operator allows one user, judged before anything leaves. Exact: Decimal throughout. Pure.

An order is judged by the worst it can do: all of it trades, and everything of its side that is open trades with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from gwcore.engine.orders.ports import OpenOrder, OrderView, Refusal
from gwcore.model import OrderError, Side
from gwcore.settings import UserSettings

_ZERO: Final = Decimal(0)


class Wanted(NamedTuple):
    """An order as it would stand: `price` is the worst it can trade at, None where nothing says so."""

    symbol: str
    side: Side
    quantity: Decimal | None
    price: Decimal | None
    cash: Decimal | None = None  # in the quote asset, instead of a quantity
    instead_of: str | None = None  # the order_id of the order that it changes
    filled: Decimal = _ZERO  # of it, so far
    waits: bool = False  # for a trigger: the band is about where the market is now


class UserLimits:
    """Of one user, over all accounts of the gateway together. A symbol is under every limit whose glob matches it."""

    def __init__(self, settings: UserSettings) -> None:
        self._quantity = _pairs(settings.order_quantity_max)
        self._notional = _pairs(settings.order_notional_max)
        self._position = _pairs(settings.position_max)
        self._open_max = settings.open_orders_max
        self.band_percent = None if settings.price_band_percent is None else Decimal(settings.price_band_percent)
        self.needs_live_book = settings.require_live_book

    def needs_price(self, symbol: str) -> bool:
        """Whether an order's worst price has to be known."""
        return _least(self._notional, symbol) is not None

    def check(self, user: str, wanted: Wanted, view: OrderView) -> Refusal | None:
        """Why an order is too much; None: it is not."""
        return (
            self._check_quantity(wanted)
            or self._check_notional(wanted)
            or self._check_open(user, wanted, view)
            or self._check_position(user, wanted, view)
        )

    def _check_quantity(self, wanted: Wanted) -> Refusal | None:
        limit = _least(self._quantity, wanted.symbol)
        if limit is None:
            return None
        quantity = _quantity(wanted)
        if quantity is None:
            return _unjudged("order_quantity_max")
        if quantity <= limit:
            return None
        return _refuse(f"{quantity:f} is more than the {limit:f} of {wanted.symbol} that one order of yours may have")

    def _check_notional(self, wanted: Wanted) -> Refusal | None:
        limit = _least(self._notional, wanted.symbol)
        if limit is None:
            return None
        notional = wanted.cash
        if notional is None and wanted.price is not None and wanted.quantity is not None:
            notional = wanted.price * wanted.quantity
        if notional is None:
            return _unjudged("order_notional_max")
        if notional <= limit:
            return None
        return _refuse(
            f"{notional:f} is worth more than the {limit:f} that one order of yours in {wanted.symbol} may be"
        )

    def _check_open(self, user: str, wanted: Wanted, view: OrderView) -> Refusal | None:
        if self._open_max is None or wanted.instead_of is not None:
            return None
        count = sum(1 for order in view.open_orders() if order.user == user)
        if count < self._open_max:
            return None
        return _refuse(f"{count} orders of yours are open, and {self._open_max} may be: cancel one first")

    def _check_position(self, user: str, wanted: Wanted, view: OrderView) -> Refusal | None:
        limit = _least(self._position, wanted.symbol)
        if limit is None:
            return None
        quantity = _quantity(wanted)
        if quantity is None:
            return _unjudged("position_max")
        sign = 1 if wanted.side is Side.BUY else -1
        held = sign * view.traded(user, wanted.symbol)
        others = _ZERO
        for order in _same(user, wanted, view.open_orders()):
            if order.remaining is None:
                text = f"an order of yours for cash is open in {wanted.symbol}: wait until it is known what it came to"
                return _refuse(f"{text}, since position_max is your limit")
            others += order.remaining
        worst = held + others + quantity - wanted.filled
        if worst <= limit or worst <= 0:
            return None
        text = f"with what is open you could be {worst:f} {'long' if sign > 0 else 'short'} in {wanted.symbol}"
        return _refuse(f"{text}, and {limit:f} is your limit: cancel orders, or trade the other side")


def _same(user: str, wanted: Wanted, orders: Iterable[OpenOrder]) -> Iterable[OpenOrder]:
    return (
        order
        for order in orders
        if order.user == user
        and order.symbol == wanted.symbol
        and order.side is wanted.side
        and (wanted.instead_of is None or order.order_id != wanted.instead_of)
    )


def _quantity(wanted: Wanted) -> Decimal | None:
    if wanted.quantity is not None:
        return wanted.quantity
    # A cash order buys the more the lower the price; without a price there is no knowing.
    return wanted.cash / wanted.price if wanted.cash is not None and wanted.price else None


def _pairs(texts: Iterable[str]) -> tuple[tuple[str, Decimal], ...]:
    return tuple((glob, Decimal(amount)) for glob, amount in map(str.split, texts))


def _least(limits: Iterable[tuple[str, Decimal]], symbol: str) -> Decimal | None:
    return min((limit for glob, limit in limits if fnmatchcase(symbol, glob)), default=None)


def _refuse(text: str) -> Refusal:
    return Refusal(OrderError.USER_LIMIT, text)


def _unjudged(setting: str) -> Refusal:
    return Refusal(
        OrderError.USER_LIMIT,
        f"no price is known that this order could be judged by ({setting}): give it a limit price",
    )
