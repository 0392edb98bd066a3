"""DecimalView: an event of the model with its numbers as Decimal. The event itself keeps the venue's text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

#: Fields of the model that hold decimal text. A test holds this against the model: every text field is one or the other.
NUMBER_FIELDS = frozenset(
    [
        "ask_price",
        "ask_quantity",
        "available",
        "average_price",
        "base_margin_rate",
        "bid_price",
        "bid_quantity",
        "cash_quantity",
        "change",
        "change_percent",
        "close",
        "cost",
        "display_quantity",
        "equity",
        "equivalent_balance",
        "free_margin",
        "high",
        "high_price",
        "hold",
        "last_price",
        "limit",
        "long_quantity",
        "lot_size",
        "low",
        "low_price",
        "maker_fee",
        "margin_call",
        "margin_initial",
        "margin_level",
        "margin_stop",
        "margin_used",
        "min_cost",
        "min_quantity",
        "multiplier",
        "open",
        "open_price",
        "position_limit_long",
        "position_limit_short",
        "price",
        "profit_loss",
        "quantity",
        "quote_margin_rate",
        "remaining_quantity",
        "short_quantity",
        "stop_price",
        "taker_fee",
        "tick_size",
        "total",
        "trade_balance",
        "traded_quantity",
        "valuation",
        "value",
        "volume",
        "vwap",
    ]
)
#: Fields that hold pairs of a text and a number, or of two numbers.
PAIR_FIELDS: dict[str, tuple[bool, bool]] = {
    "taker_fees": (True, True),
    "maker_fees": (True, True),
    "fees": (False, True),
}


class DecimalView:
    """Reads like the event, but numbers are Decimal, levels and trades inside are views too. Absent stays None."""

    __slots__ = ("event",)

    def __init__(self, event: msgspec.Struct) -> None:
        self.event = event  # the event as received

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.event, name)
        if isinstance(value, str):
            return Decimal(value) if name in NUMBER_FIELDS else value
        if isinstance(value, tuple):
            pair = PAIR_FIELDS.get(name)
            return tuple(_pair(item, pair) if pair else _inner(item) for item in value)
        return value

    def __repr__(self) -> str:
        return f"DecimalView({self.event!r})"


def _inner(item: object) -> object:
    return DecimalView(item) if isinstance(item, msgspec.Struct) else item


def _pair(item: tuple[str, str], numbers: tuple[bool, bool]) -> tuple[object, ...]:
    return tuple(Decimal(text) if is_number else text for text, is_number in zip(item, numbers, strict=True))


def decimals(event: msgspec.Struct) -> DecimalView:
    """An event with its numbers as Decimal: `decimals(envelope.event).bid_price`."""
    return DecimalView(event)
