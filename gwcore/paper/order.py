"""PaperOrder: one order in the paper exchange, and what triggers it."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from gwcore.model import CreateOrder, OrderStatus, OrderType, OrderUpdate, PriceType, Side, UpdateType

#: Orders that wait for a price, and what they then are.
TRIGGERED: dict[OrderType, OrderType] = {
    OrderType.STOP_LOSS: OrderType.MARKET,
    OrderType.TAKE_PROFIT: OrderType.MARKET,
    OrderType.TRAILING_STOP: OrderType.MARKET,
    OrderType.STOP_LOSS_LIMIT: OrderType.LIMIT,
    OrderType.TAKE_PROFIT_LIMIT: OrderType.LIMIT,
}
_TAKE_PROFITS = frozenset({OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})
ENDED = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED})
_ZERO = Decimal(0)


class PaperOrder(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One order. `request` is what was asked; the numbers beside it are what modifications made of it."""

    number: int  # of all orders of the account, in the order they came
    venue_order_id: str
    client_id: str
    request: CreateOrder
    quantity: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    filled: Decimal = _ZERO
    cost: Decimal = _ZERO
    ahead: Decimal = _ZERO  # what stands before it at its price, as far as the book shows it
    hold: Decimal = _ZERO  # of the asset it pays with
    status: OrderStatus = OrderStatus.WORKING
    reason: str | None = None
    opened_ns: int = 0
    changed_ns: int = 0
    is_triggered: bool = False
    best: Decimal | None = None  # of a trailing stop: the best price it has followed

    @property
    def symbol(self) -> str:
        """What is traded."""
        return self.request.symbol

    @property
    def side(self) -> Side:
        """The order's side."""
        return self.request.side

    @property
    def remaining(self) -> Decimal:
        """What is left to trade."""
        return self.quantity - self.filled

    @property
    def is_open(self) -> bool:
        """Whether anything can still happen to it."""
        return self.status not in ENDED

    @property
    def waits(self) -> bool:
        """Whether it waits for its trigger."""
        return self.request.order_type in TRIGGERED and not self.is_triggered

    def accepts(self, price: Decimal) -> bool:
        """Whether it may trade at this price."""
        if self.price is None:
            return True
        return price <= self.price if self.side is Side.BUY else price >= self.price

    def sees_trade(self, last: Decimal) -> bool:
        """The market traded at `last`: whether that triggers it."""
        if self.request.order_type is OrderType.TRAILING_STOP:
            return self._follows(last)
        assert self.stop_price is not None
        # A take-profit waits for the favourable side, a stop for the other one.
        above = (self.side is Side.BUY) != (self.request.order_type in _TAKE_PROFITS)
        return last >= self.stop_price if above else last <= self.stop_price

    def _follows(self, last: Decimal) -> bool:
        assert self.stop_price is not None
        best = self.best if self.best is not None else last
        self.best = best = min(best, last) if self.side is Side.BUY else max(best, last)
        offset = self.stop_price
        if self.request.stop_price_type is PriceType.PERCENT:
            offset = best * offset / 100
        return last >= best + offset if self.side is Side.BUY else last <= best - offset

    def update(self) -> OrderUpdate:
        """The order as an event."""
        request = self.request
        return OrderUpdate(
            account=request.account,
            venue_order_id=self.venue_order_id,
            venue_client_id=self.client_id,
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            order_status=self.status,
            update_type=UpdateType.INCREMENTAL,
            quantity=_text(self.quantity),
            price=None if self.price is None else _text(self.price),
            stop_price=None if self.stop_price is None else _text(self.stop_price),
            stop_price_type=request.stop_price_type if request.order_type is OrderType.TRAILING_STOP else None,
            traded_quantity=_text(self.filled),
            remaining_quantity=_text(self.remaining),
            average_price=_text((self.cost / self.filled).quantize(Decimal("1e-10")).normalize())
            if self.filled
            else None,
            cost=_text(self.cost),
            time_in_force=request.time_in_force,
            post_only=request.post_only or None,
            expire_time_ns=request.expire_time_ns,
            reason=self.reason,
            opened_ns=self.opened_ns,
            venue_time_ns=self.changed_ns,
        )


def _text(value: Decimal) -> str:
    return format(value, "f")
