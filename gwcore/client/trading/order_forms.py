"""Order forms: what a program says about an order becomes a request of the model, or a clear error. Pure.

Numbers are Decimal, int or decimal text. A float is refused with TypeError: it is not the number that was written.
"""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias, TypeVar

import msgspec

from gwcore.model import (
    ConditionalClose,
    CreateOrder,
    FeeAsset,
    ModifyOrder,
    OrderType,
    PriceType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TriggerReference,
)
from gwcore.numbers import NumberError, decimal_text

E = TypeVar("E", bound=Enum)
#: What a number may be given as.
Number: TypeAlias = Decimal | int | str

_NUMBERS = ("quantity", "price", "stop_price", "display_quantity", "cash_quantity")
_WORDS: dict[str, type[Enum]] = {
    "side": Side,
    "order_type": OrderType,
    "time_in_force": TimeInForce,
    "price_type": PriceType,
    "stop_price_type": PriceType,
    "trigger": TriggerReference,
    "self_trade_prevention": SelfTradePrevention,
    "fee_asset": FeeAsset,
}
_DIGITS = string.digits + string.ascii_lowercase


def number_text(name: str, value: object) -> str | None:
    """A number as the decimal text that travels. Raises TypeError for a float, ValueError for what is no plain number."""
    if value is None:
        return None
    if isinstance(value, float):
        raise TypeError(f"{name} is the float {value!r}: give Decimal({str(value)!r}), or text")
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise TypeError(f"{name} is a {type(value).__name__}: give a Decimal, an int, or text")
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    try:
        if decimal_text(text) == text:
            return text
    except NumberError:
        pass
    raise ValueError(f"{name} {text!r:.80} is no decimal number: write it like 0.25")


def word(name: str, kind: type[E], value: object) -> E:
    """A member of an enumeration, or its text in either case. Raises ValueError that lists what there is."""
    if isinstance(value, kind):
        return value
    try:
        return kind(str(value).upper())
    except ValueError:
        choices = ", ".join(member.value for member in kind)
        raise ValueError(f"{name} {value!r:.80} is none of {choices}") from None


def create_form(account: str, symbol: str, side: Side | str, order_id: str, **fields: Any) -> CreateOrder:
    """An order to place. `fields` are those of CreateOrder; None leaves one out.

    Without `order_type` it is LIMIT where there is a price, else MARKET. Raises TypeError, ValueError.
    """
    known = _known(CreateOrder, fields)
    known.setdefault("order_type", OrderType.LIMIT if "price" in known else OrderType.MARKET)
    chosen = word("side", Side, side)
    return CreateOrder(account=account, order_id=order_id, symbol=symbol, side=chosen, **known)


def modify_form(account: str, order_id: str, **fields: Any) -> ModifyOrder:
    """A change of an order. `fields` are those of ModifyOrder; None leaves one as it is. Raises TypeError, ValueError."""
    return ModifyOrder(account=account, order_id=order_id, **_known(ModifyOrder, fields))


def close_form(order_type: OrderType | str, **fields: Any) -> ConditionalClose:
    """An order that the venue places for each fill of another one. Raises TypeError, ValueError."""
    return ConditionalClose(**_known(ConditionalClose, {"order_type": order_type, **fields}))


def _known(kind: type[msgspec.Struct], fields: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in kind.__struct_fields__:
            raise TypeError(f"a {kind.__name__} has no {name}: it has {', '.join(kind.__struct_fields__)}")
        if value is None:
            continue
        if name in _NUMBERS:
            value = number_text(name, value)
        elif name in _WORDS:
            value = word(name, _WORDS[name], value)
        elif name.endswith("_ns") and (isinstance(value, bool) or not isinstance(value, int)):
            raise TypeError(f"{name} is a {type(value).__name__}: give an int, nanoseconds since the epoch")
        found[name] = value
    return found


class OrderNumbers:
    """Ids for orders and numbers for requests, which no other process and no later run of the same user makes.

    The start's time and 40 random bits stand in each id; request numbers are microseconds, or one more than the last.
    """

    def __init__(
        self, now_ns: Callable[[], int] = time.time_ns, random_bits: Callable[[int], int] = secrets.randbits
    ) -> None:
        self._now_ns = now_ns
        self._prefix = f"{_short(now_ns() // 1_000_000)}-{_short(random_bits(40))}"
        self._count = 0
        self._request_id = 0

    def order_id(self) -> str:
        """An id that no order of the user has."""
        self._count += 1
        return f"{self._prefix}-{_short(self._count)}"

    def request_id(self) -> int:
        """A number that no other request of the user has; below 2^53, which every JSON reader takes."""
        self._request_id = max(self._request_id + 1, self._now_ns() // 1000)
        return self._request_id


def _short(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
    return text or "0"
