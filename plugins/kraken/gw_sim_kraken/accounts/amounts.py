"""Money of accounts: exact decimals, and scaled integers where they meet the matching engine. Never a binary float."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, ROUND_UP, Decimal

ZERO = Decimal(0)
#: Decimals keep 28 digits here; nothing in an account may come near that.
AMOUNT_MAX = Decimal(10) ** 15


def from_scaled(value: int, decimals: int) -> Decimal:
    """A scaled integer as the number it stands for, with `decimals` digits after the point."""
    return Decimal(value).scaleb(-decimals)


def to_scaled(value: Decimal, decimals: int) -> int:
    """The scaled integer of a number; digits beyond `decimals` are cut."""
    return int(value.scaleb(decimals))


def rounded(value: Decimal, decimals: int) -> Decimal:
    """Half up to `decimals` digits. How Kraken rounds is not documented."""
    return value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def rounded_up(value: Decimal, decimals: int) -> Decimal:
    """Away from zero: what is held back for an order is never too little."""
    return value.quantize(Decimal(1).scaleb(-decimals), ROUND_UP)


def fixed(value: Decimal, decimals: int) -> str:
    """Text with exactly `decimals` digits after the point (sheet 3.3)."""
    return format(rounded(value, decimals), "f")


def plain(value: Decimal) -> str:
    """Text with the digits that the number has, never an exponent."""
    return format(value, "f")
