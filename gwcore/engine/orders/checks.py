"""What a request about orders must be before it can leave: whole, within the venue's abilities, in the instrument's digits.

Pure. Users' limits, halts and the market's state are the guard's.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Final

from gwcore.engine.orders.ports import Refusal
from gwcore.model import (
    ConditionalClose,
    CreateOrder,
    Instrument,
    ModifyOrder,
    OrderError,
    OrderType,
    OrderUpdate,
    PriceType,
    TimeInForce,
    TriggerReference,
)
from gwcore.numbers import NumberError, decimal_text
from gwcore.venue import OrderAbilities, OrderFeature

#: Longest order id and strategy name of a client.
NAME_MAX: Final = 64
#: Digits of a number, those behind the point too. No market needs as many, and what a venue reads of more nobody knows.
DIGITS_MAX: Final = 30
NANOSECONDS: Final = 1_000_000_000
#: The latest time that can be named: what 64 bits hold, in the year 2262. No venue's calendar is asked about a later one.
TIME_MAX_NS: Final = 2**63 - 1
_PRICED: Final = frozenset(
    {
        OrderType.LIMIT,
        OrderType.ICEBERG,
        OrderType.STOP_LOSS_LIMIT,
        OrderType.TAKE_PROFIT_LIMIT,
        OrderType.TRAILING_STOP_LIMIT,
    }
)
_TRIGGERED: Final = frozenset(
    {
        OrderType.STOP_LOSS,
        OrderType.STOP_LOSS_LIMIT,
        OrderType.TAKE_PROFIT,
        OrderType.TAKE_PROFIT_LIMIT,
        OrderType.TRAILING_STOP,
        OrderType.TRAILING_STOP_LIMIT,
    }
)
#: Enough digits for the longest numbers, so that no remainder is refused for its length.
_EXACT: Final = Context(prec=200)
_NUMBERS: Final = ("quantity", "price", "stop_price", "display_quantity", "cash_quantity")


def check_names(order_id: str, strategy: str | None) -> Refusal | None:
    """The names a client gave."""
    for what, name in (("order_id", order_id), ("strategy", strategy)):
        if name is None:
            continue
        if not name or len(name) > NAME_MAX or not name.isprintable() or name != name.strip():
            text = f"{what} has to be 1 to {NAME_MAX} printable characters, with no space at its ends"
            return Refusal(OrderError.BAD_REQUEST, text)
    return None


def check_create(
    request: CreateOrder, instruments: Mapping[str, Instrument], abilities: OrderAbilities, now_ns: int
) -> Refusal | None:
    """An order to be placed, `now_ns` by the wall clock."""
    instrument = instruments.get(request.symbol)
    if instrument is None:
        return Refusal(OrderError.UNKNOWN_SYMBOL, unknown_symbol(request.symbol, instruments))
    return (
        _unreadable(request)
        or _incomplete(request)
        or _unsupported(request, abilities)
        or check_deadline(request.deadline_ns, abilities, now_ns)
        or _digits(request, request.order_type, instrument)
        or _minimum(request, instrument)
    )


def unknown_symbol(symbol: str, instruments: Mapping[str, Instrument]) -> str:
    """What to say of a symbol that is not there."""
    near = next((name for name in instruments if name.lower() == symbol.lower()), None)
    hint = f"did you mean {near}?" if near is not None else "see `gw symbols`"
    return f"{symbol!r:.80} is not subscribed by this gateway: {hint}"


def check_modify(
    request: ModifyOrder,
    order: OrderUpdate,
    instruments: Mapping[str, Instrument],
    abilities: OrderAbilities,
    now_ns: int,
) -> Refusal | None:
    """A change of `order`."""
    if not abilities.can_modify:
        return Refusal(OrderError.UNSUPPORTED, "this venue changes no orders: cancel it and place another")
    asked = (request.quantity, request.price, request.stop_price, request.display_quantity)
    if all(value is None for value in asked):
        return Refusal(
            OrderError.BAD_REQUEST, "nothing is to change: give quantity, price, stop_price or display_quantity"
        )
    instrument = instruments.get(order.symbol or "")
    refusal = (
        _unreadable(request)
        or check_deadline(request.deadline_ns, abilities, now_ns)
        or _other_kind("price", request.price, request.price_type, order.price_type)
        or _other_kind("stop_price", request.stop_price, request.stop_price_type, order.stop_price_type)
    )
    if refusal is None and instrument is not None:
        refusal = _digits(request, order.order_type or OrderType.LIMIT, instrument)
    return refusal


def _other_kind(name: str, value: str | None, asked: PriceType, known: PriceType | None) -> Refusal | None:
    """A price for a distance, or a distance for a price: the venue would read the number as the kind that it has."""
    known = known or PriceType.STATIC
    if value is None or (asked is PriceType.STATIC) == (known is PriceType.STATIC):
        return None
    text = f"the {name} of this order is {known.value}, and {value} is given as {asked.value}: give {name}_type"
    return Refusal(OrderError.BAD_REQUEST, f"{text} {known.value}")


def check_deadline(deadline_ns: int | None, abilities: OrderAbilities, now_ns: int) -> Refusal | None:
    """A deadline within what the venue takes."""
    if deadline_ns is None:
        return None
    if abilities.deadline_s is None:
        return Refusal(OrderError.UNSUPPORTED, "this venue knows no deadlines: leave deadline_ns out")
    refusal = _no_time("deadline_ns", deadline_ns)
    if refusal is not None:
        return refusal
    least_s, greatest_s = abilities.deadline_s
    distance_s = (deadline_ns - now_ns) / NANOSECONDS
    if not least_s <= distance_s <= greatest_s:
        where = f"is {distance_s:.3f} s away" if distance_s >= 0 else f"passed {-distance_s:.3f} s ago"
        text = f"the deadline {where}: it has to be {least_s:g} to {greatest_s:g} s from now (ns since the epoch)"
        return Refusal(OrderError.DEADLINE, text)
    return None


def _unreadable(request: CreateOrder | ModifyOrder) -> Refusal | None:
    close: ConditionalClose | None = getattr(request, "conditional_close", None)
    return (
        _unreadable_of(request, "")
        or (None if close is None else _unreadable_of(close, " of the close"))
        or _no_time("effective_time_ns", getattr(request, "effective_time_ns", None))
        or _no_time("expire_time_ns", getattr(request, "expire_time_ns", None))
    )


def _unreadable_of(request: CreateOrder | ModifyOrder | ConditionalClose, of_what: str) -> Refusal | None:
    for name in _NUMBERS:
        value = getattr(request, name, None)
        if value is None:
            continue
        try:
            is_plain = decimal_text(value) == value
        except NumberError:
            is_plain = False
        # The limit behind a trailing stop lies a distance above the trigger, or below it, or on it.
        if is_plain and name == "price" and request.price_type is not PriceType.STATIC:
            continue
        what = f"{name}{of_what} {value!r:.80}"
        if not is_plain or Decimal(value) <= 0:
            return Refusal(OrderError.BAD_REQUEST, f"{what} is no decimal number above zero, like 0.25")
        if sum(letter.isdigit() for letter in value) > DIGITS_MAX:
            return Refusal(OrderError.BAD_REQUEST, f"{what} has more digits than {DIGITS_MAX}")
    return None


def _no_time(name: str, at_ns: int | None) -> Refusal | None:
    if at_ns is None or 0 < at_ns <= TIME_MAX_NS:
        return None
    return Refusal(OrderError.BAD_REQUEST, f"{name} is no time in nanoseconds since 1970: {at_ns!s:.40}")


def _incomplete(request: CreateOrder) -> Refusal | None:
    kind = request.order_type.value
    faults = [
        (request.order_type in _PRICED and request.price is None, f"a {kind} order needs a price"),
        (request.order_type not in _PRICED and request.price is not None, f"a {kind} order has no price: leave it out"),
        (request.order_type in _TRIGGERED and request.stop_price is None, f"a {kind} order needs a stop_price"),
        (
            request.order_type not in _TRIGGERED and request.stop_price is not None,
            f"a {kind} order has no stop_price: leave it out, or give a type that has one, like STOP_LOSS",
        ),
        (
            (request.quantity is None) == (request.cash_quantity is None),
            "give either quantity or cash_quantity",
        ),
        (
            (request.time_in_force is TimeInForce.GTD) != (request.expire_time_ns is not None),
            "expire_time_ns and time_in_force GTD go together",
        ),
        (
            (request.order_type is OrderType.ICEBERG) != (request.display_quantity is not None),
            "display_quantity and order_type ICEBERG go together",
        ),
    ]
    if request.order_type is OrderType.SETTLE_POSITION:
        faults = faults[:4]  # it may be about the whole position
    for is_fault, text in faults:
        if is_fault:
            return Refusal(OrderError.BAD_REQUEST, text)
    return None


def _unsupported(request: CreateOrder, abilities: OrderAbilities) -> Refusal | None:
    if request.order_type not in abilities.order_types:
        return Refusal(OrderError.UNSUPPORTED, f"this venue has no {request.order_type.value} orders")
    if request.time_in_force not in abilities.times_in_force:
        return Refusal(OrderError.UNSUPPORTED, f"this venue has no time in force {request.time_in_force.value}")
    relative = request.price_type is not PriceType.STATIC or request.stop_price_type is not PriceType.STATIC
    wanted = {
        OrderFeature.POST_ONLY: request.post_only,
        OrderFeature.REDUCE_ONLY: request.reduce_only,
        OrderFeature.MARGIN: request.margin,
        OrderFeature.DISPLAY_QUANTITY: request.display_quantity is not None,
        OrderFeature.CASH_QUANTITY: request.cash_quantity is not None,
        OrderFeature.RELATIVE_PRICE: relative,
        OrderFeature.INDEX_TRIGGER: request.trigger is TriggerReference.INDEX,
        OrderFeature.CONDITIONAL_CLOSE: request.conditional_close is not None,
        OrderFeature.SELF_TRADE_PREVENTION: request.self_trade_prevention is not None,
        OrderFeature.FEE_ASSET: request.fee_asset is not None,
        OrderFeature.SCHEDULED_START: request.effective_time_ns is not None,
        OrderFeature.VALIDATE_ONLY: request.validate_only,
    }
    for feature, is_wanted in wanted.items():
        if is_wanted and feature not in abilities.features:
            return Refusal(OrderError.UNSUPPORTED, f"this venue has no {feature.value.lower()}: leave it out")
    return None


def _digits(request: CreateOrder | ModifyOrder, order_type: OrderType, instrument: Instrument) -> Refusal | None:
    tick, lot = Decimal(instrument.tick_size), Decimal(instrument.lot_size)
    trailing = order_type in (OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT)
    rules = [
        ("price", request.price, tick, request.price_type is PriceType.STATIC and not trailing, OrderError.TICK_SIZE),
        (
            "stop_price",
            request.stop_price,
            tick,
            request.stop_price_type is PriceType.STATIC and not trailing,
            OrderError.TICK_SIZE,
        ),
        ("quantity", request.quantity, lot, True, OrderError.LOT_SIZE),
        ("display_quantity", request.display_quantity, lot, True, OrderError.LOT_SIZE),
    ]
    close: ConditionalClose | None = getattr(request, "conditional_close", None)
    if close is not None:
        rules.append(
            ("price of the close", close.price, tick, close.price_type is PriceType.STATIC, OrderError.TICK_SIZE)
        )
        is_static = close.stop_price_type is PriceType.STATIC
        rules.append(("stop_price of the close", close.stop_price, tick, is_static, OrderError.TICK_SIZE))
    for name, value, step, applies, error in rules:
        if value is not None and applies and step > 0 and _EXACT.remainder(Decimal(value), step):
            return Refusal(error, f"{name} {value} of {instrument.symbol} is no multiple of {step:f}")
    return None


def _minimum(request: CreateOrder, instrument: Instrument) -> Refusal | None:
    if request.quantity is None:
        return None
    quantity = Decimal(request.quantity)
    if instrument.min_quantity is not None and quantity < Decimal(instrument.min_quantity):
        text = f"quantity {request.quantity} of {instrument.symbol} is below the least, {instrument.min_quantity}"
        return Refusal(OrderError.QUANTITY_MINIMUM, text)
    is_priced = request.price is not None and request.price_type is PriceType.STATIC
    if (
        instrument.min_cost is not None
        and is_priced
        and quantity * Decimal(request.price or 0) < Decimal(instrument.min_cost)
    ):
        text = f"{request.quantity} at {request.price} of {instrument.symbol} costs less than {instrument.min_cost}"
        return Refusal(OrderError.COST_MINIMUM, text)
    return None
