"""Parts of orders as clients write them, for `rest_parsing` (texts, sheet 2.7) and `ws_parsing` (numbers, sheet 4.14)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from gw_sim_kraken.market.matching import BUY, SELL
from gw_sim_kraken.orders.request import OrderRefused, PriceSpec
from gw_sim_kraken.orders.types import TRAILING
from gw_sim_kraken.texts import parse_time

_SIDES = {"buy": BUY, "sell": SELL}
_IN_FORCE = frozenset({"GTC", "GTD", "IOC", "FOK"})
_USERREF_MAX = 2**31
#: Numbers with more digits before or behind the point are no prices or quantities of anything.
_DIGITS_MAX = 15


def invalid(name: str) -> OrderRefused:
    """The refusal of a field."""
    return OrderRefused(f"EGeneral:Invalid arguments:{name}")


def side(value: Any) -> int:
    """buy or sell."""
    if not isinstance(value, str) or value not in _SIDES:
        raise invalid("side")
    return _SIDES[value]


def number(value: Any, name: str) -> Decimal:
    """A number without a sign."""
    if str(value)[:1] in "+-#":
        raise invalid(name)
    return signed_number(value, name)


def signed_number(value: Any, name: str) -> Decimal:
    """A finite number of a sensible size."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise invalid(name) from None
    if not found.is_finite() or abs(found.adjusted()) > _DIGITS_MAX:
        raise invalid(name)
    return found


def relative_price(text: str, name: str, order_type: str, *, falls: bool) -> PriceSpec:
    """A REST price: plain, or `+x`, `-x`, `#x` away from a reference, with % or without.

    `falls`: the sign that `#` stands for. The offset of a trailing stop has to be `+x` or `+x%`.
    """
    sign, digits = text[:1], text[1:]
    if sign not in ("+", "-", "#"):
        if order_type in TRAILING:
            raise invalid(name)
        return PriceSpec(number(text, name))
    kind = "pct" if digits.endswith("%") else "quote"
    value = number(digits.removesuffix("%"), name)
    if order_type in TRAILING and (sign != "+" or not value):
        raise invalid(name)
    return PriceSpec(-value if sign == "-" or (sign == "#" and falls) else value, kind)


def in_force(value: Any, name: str) -> str:
    """One of the times in force, in capitals."""
    if not isinstance(value, str) or value not in _IN_FORCE:
        raise invalid(name)
    return str(value)


def time(value: Any, name: str) -> int:
    """An RFC 3339 text as ns since the epoch; 0 where there is none."""
    if value is None:
        return 0
    try:
        return parse_time(value)
    except (TypeError, ValueError, OverflowError):
        raise invalid(name) from None


def userref(value: Any) -> int:
    """A signed integer of 32 bits."""
    text = str(value)
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and -_USERREF_MAX <= int(text) < _USERREF_MAX):
        raise invalid("userref")
    return int(text)
