"""Decimal text <-> scaled integers. No binary float ever holds money (law 4).

Our wire text is `-?digits[.digits]`: no exponent, the venue's trailing zeros kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

# Possessive, without groups: no place is remembered to go back to, which halves the time.
_PLAIN = re.compile(r"-?[0-9]++(?:\.[0-9]++)?+\Z")
#: Several of them, parted by commas; longer ones are looked at one by one.
_PLAIN_ROW = re.compile(r"-?[0-9]{1,30}+(?:\.[0-9]{1,30}+)?+(?:,-?[0-9]{1,30}+(?:\.[0-9]{1,30}+)?+)*+\Z")
#: What JSON calls a number. Decimal would take more: blanks, underscores, other scripts' digits.
_JSON_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
#: Longest number text accepted, and the largest exponent: a guard against `1e999999999`.
NUMBER_LENGTH_MAX = 64
EXPONENT_MAX = 40


class NumberError(ValueError):
    """Text or value that is no decimal number of our wire."""


class PrecisionError(NumberError):
    """A number with more decimals than its instrument has."""


def decimal_text(value: object) -> str:
    """What arrived (int, text, `1e-8`, Decimal) as wire text; the digits are kept as they are.

    Raises NumberError for anything else, binary floats included.
    """
    if isinstance(value, str):
        return value if len(value) <= NUMBER_LENGTH_MAX and _PLAIN.match(value) else _slow_text(value)
    if type(value) is int:
        return str(value)
    if isinstance(value, Decimal):
        return _from_decimal(value)
    raise NumberError(f"not a decimal number: {value!r:.80}")


def optional_text(value: object) -> str | None:
    """`decimal_text`, with None for None."""
    return None if value is None else decimal_text(value)


def optional_texts(values: Sequence[object]) -> Sequence[str | None]:
    """`optional_text` of each, for little more than the cost of one where all are plain. Raises NumberError."""
    try:
        row = ",".join(values)  # type: ignore[arg-type]
    except TypeError:  # not all are text
        row = ""
    if _PLAIN_ROW.match(row) and row.count(",") == len(values) - 1:
        return values  # type: ignore[return-value]
    return [optional_text(value) for value in values]


def _slow_text(text: str) -> str:
    if len(text) > NUMBER_LENGTH_MAX or not _JSON_NUMBER.match(text):
        raise NumberError(f"not a decimal number: {text!r:.80}")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise NumberError(f"not a decimal number: {text!r:.80}") from None
    return _from_decimal(value)


def _from_decimal(value: Decimal) -> str:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > EXPONENT_MAX:
        raise NumberError(f"not a decimal number: {str(value)!r:.80}")
    return format(value, "f")


def scaled(text: str, decimals: int) -> int:
    """Wire text as an integer number of 10^-decimals units. Excess zeros are allowed.

    Raises PrecisionError for excess digits, NumberError for anything that is no number.
    """
    head, _, tail = text.partition(".")
    if len(tail) == decimals:
        try:
            return int(head + tail)
        except ValueError:
            raise NumberError(f"not a decimal number: {text!r:.80}") from None
    return _slow_scaled(text, decimals)


def _slow_scaled(text: str, decimals: int) -> int:
    head, _, tail = decimal_text(text).partition(".")
    if len(tail) > decimals:
        if tail[decimals:].strip("0"):
            raise PrecisionError(f"{text} has more than {decimals} decimals")
        tail = tail[:decimals]
    return int(head + tail.ljust(decimals, "0"))


def unscaled(value: int, decimals: int) -> str:
    """An integer number of 10^-decimals units as wire text with exactly `decimals` digits after the point."""
    if decimals <= 0:
        return str(value)
    sign, digits = ("-", -value) if value < 0 else ("", value)
    text = str(digits).rjust(decimals + 1, "0")
    return f"{sign}{text[:-decimals]}.{text[-decimals:]}"


def decimals_of(text: str) -> int:
    """How many digits stand after the point."""
    return len(text.partition(".")[2])
