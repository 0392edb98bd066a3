"""What of our model Kraken has only together with something else (API sheet §2.7, §3.6, §4.14). Pure functions.

Both ways to send say the same: what one of them can't express is refused on both, so that the fallback to REST never changes
what an order means.
"""

from __future__ import annotations

from collections.abc import Sequence

from gwcore.errors import Unsupported
from gwcore.model import ConditionalClose, CreateOrder, ModifyOrder, OrderType, PriceType, Side, TimeInForce

TRAILING = frozenset({OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT})
#: Types that wait for a price to be reached, and those of them (and others) that have a limit then.
TRIGGERED = TRAILING | {
    OrderType.STOP_LOSS,
    OrderType.STOP_LOSS_LIMIT,
    OrderType.TAKE_PROFIT,
    OrderType.TAKE_PROFIT_LIMIT,
}
LIMITED = frozenset(
    {
        OrderType.LIMIT,
        OrderType.ICEBERG,
        OrderType.STOP_LOSS_LIMIT,
        OrderType.TAKE_PROFIT_LIMIT,
        OrderType.TRAILING_STOP_LIMIT,
    }
)
_POST_ONLY = frozenset({OrderType.LIMIT, OrderType.ICEBERG})
_NOT_CLOSING = frozenset({OrderType.MARKET, OrderType.ICEBERG, OrderType.SETTLE_POSITION})


def check_create(request: CreateOrder) -> None:
    """Raises Unsupported, with the cure, for what Kraken does not have."""
    kind = request.order_type
    _check_prices(kind, request.price, request.price_type, request.stop_price, request.stop_price_type)
    if request.cash_quantity is not None and (kind, request.side, request.margin) != (
        OrderType.MARKET,
        Side.BUY,
        False,
    ):
        raise Unsupported("Kraken takes cash_quantity only for market orders that buy without margin: use quantity")
    if request.quantity is None and request.cash_quantity is None and kind is not OrderType.SETTLE_POSITION:
        raise Unsupported("Kraken wants a quantity")
    if request.quantity is not None and request.cash_quantity is not None:
        raise Unsupported("Kraken takes quantity or cash_quantity, not both")
    if request.time_in_force is TimeInForce.FOK and kind is not OrderType.LIMIT:
        raise Unsupported("Kraken takes FOK only for LIMIT orders: use IOC or LIMIT")
    if (request.time_in_force is TimeInForce.GTD) != (request.expire_time_ns is not None):
        raise Unsupported("GTD and expire_time_ns go together: give both or neither")
    if (request.display_quantity is not None) != (kind is OrderType.ICEBERG):
        raise Unsupported("ICEBERG orders have a display_quantity, and no other type has one at Kraken")
    if request.post_only and kind not in _POST_ONLY:
        raise Unsupported(f"Kraken takes post_only only for limit orders, not for {kind.value}: leave it out")
    if request.trigger is not None and kind not in TRIGGERED:
        raise Unsupported(f"an order of type {kind.value} waits for no price: leave trigger out")
    if request.conditional_close is not None:
        check_close(request.conditional_close)


def check_close(close: ConditionalClose) -> None:
    """Raises Unsupported for a conditional close that Kraken does not have."""
    if close.order_type in _NOT_CLOSING:
        raise Unsupported(f"Kraken takes no conditional close of type {close.order_type.value}: use a limit or a stop")
    _check_prices(close.order_type, close.price, close.price_type, close.stop_price, close.stop_price_type)


def check_modify(request: ModifyOrder) -> None:
    """Raises Unsupported for a change that Kraken does not have, or none at all."""
    fields = (request.quantity, request.price, request.stop_price, request.display_quantity, request.post_only)
    if all(field is None for field in fields):
        raise Unsupported("nothing to change: give quantity, price, stop_price, display_quantity or post_only")


def check_batch(requests: Sequence[CreateOrder]) -> None:
    """Raises Unsupported for orders that can't be in one batch: it has one market and one `validate` (§4.14)."""
    for request in requests:
        check_create(request)
        if request.symbol != requests[0].symbol:
            raise Unsupported("a batch at Kraken is of one symbol: send one batch for each")
        if request.validate_only != requests[0].validate_only:
            raise Unsupported("a batch at Kraken is validated or placed as a whole: give validate_only to all or none")


def _check_prices(
    kind: OrderType, price: str | None, price_type: PriceType, stop_price: str | None, stop_price_type: PriceType
) -> None:
    if (price is not None) != (kind in LIMITED):
        raise Unsupported(f"orders of type {kind.value} {'need a' if kind in LIMITED else 'have no'} price at Kraken")
    if (stop_price is not None) != (kind in TRIGGERED):
        has = "need a" if kind in TRIGGERED else "have no"
        raise Unsupported(f"orders of type {kind.value} {has} stop_price at Kraken")
    if kind in TRAILING:
        _check_offset(stop_price, stop_price_type, "stop_price")
        if price is not None and price_type is PriceType.STATIC:
            raise Unsupported("the price of TRAILING_STOP_LIMIT is an offset: give price_type QUOTE or PERCENT")
    elif price_type is not PriceType.STATIC or stop_price_type is not PriceType.STATIC:
        # Nobody says which side of the reference a distance without a sign is on, and the two ways write it differently.
        raise Unsupported(f"only trailing stops are given by distances here: give prices for {kind.value}")


def _check_offset(value: str | None, price_type: PriceType, name: str) -> None:
    if price_type is PriceType.STATIC:
        raise Unsupported(f"a trailing stop follows at a distance: give {name}_type QUOTE or PERCENT")
    if value is not None and value.startswith("-"):
        raise Unsupported(f"the distance of a trailing stop has no sign: {name} is {value}")
