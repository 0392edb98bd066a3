"""What the state of a market, and of the whole venue, lets through of orders. Pure tables."""

from __future__ import annotations

from gwcore.engine.orders.ports import Refusal
from gwcore.model import CreateOrder, ModifyOrder, OrderError, OrderType, OrderUpdate, TradingStatus

#: Order types that have a limit price.
_LIMITED = frozenset(
    {
        OrderType.LIMIT,
        OrderType.ICEBERG,
        OrderType.STOP_LOSS_LIMIT,
        OrderType.TAKE_PROFIT_LIMIT,
        OrderType.TRAILING_STOP_LIMIT,
    }
)
#: States in which no order is taken, whatever it is.
CLOSED = frozenset(
    {TradingStatus.CANCEL_ONLY, TradingStatus.MAINTENANCE, TradingStatus.DELISTED, TradingStatus.UNAVAILABLE}
)


def check_create(request: CreateOrder, status: TradingStatus, what: str) -> Refusal | None:
    """`what` is in this state: why it takes no such order; None: it does, or nobody knows."""
    return _check(status, what, request.order_type, is_post=request.post_only, is_reducing=request.reduce_only)


def check_modify(request: ModifyOrder, order: OrderUpdate, status: TradingStatus, what: str) -> Refusal | None:
    """The same of a change of `order`, which is judged as the order that it makes.

    Of an order whose type nobody told, only what stops all orders is judged.
    """
    if order.order_type is None and status not in CLOSED:
        return None
    is_post = bool(order.post_only or request.post_only)
    return _check(status, what, order.order_type, is_post=is_post, is_reducing=bool(order.reduce_only))


def _check(
    status: TradingStatus, what: str, order_type: OrderType | None, *, is_post: bool, is_reducing: bool
) -> Refusal | None:
    if status in CLOSED:
        return _closed(what, status, "only cancels pass until it is ONLINE")
    if status is TradingStatus.POST_ONLY and not (order_type is OrderType.LIMIT and is_post):
        return _closed(what, status, "it takes limit orders with post_only alone")
    if status is TradingStatus.LIMIT_ONLY and order_type not in _LIMITED:
        return _closed(what, status, "it takes orders with a limit price alone")
    if status is TradingStatus.REDUCE_ONLY and not is_reducing:
        return _closed(what, status, "it takes orders with reduce_only alone")
    return None


def _closed(what: str, status: TradingStatus, text: str) -> Refusal:
    return Refusal(OrderError.MARKET_CLOSED, f"{what} is {status.value}: {text}")
