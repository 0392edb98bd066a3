"""The kinds of order that Kraken has (sheet 3.6) and the words for them."""

from __future__ import annotations

STOP_LOSS, TAKE_PROFIT, TRAILING_STOP = "stop-loss", "take-profit", "trailing-stop"
MARKET, LIMIT, ICEBERG, SETTLE = "market", "limit", "iceberg", "settle-position"
TRAILING = frozenset({TRAILING_STOP, "trailing-stop-limit"})
TRIGGERED = frozenset({STOP_LOSS, TAKE_PROFIT, "stop-loss-limit", "take-profit-limit"}) | TRAILING
#: Those with a limit price, at once or once they are triggered.
LIMITED = frozenset({LIMIT, ICEBERG, "stop-loss-limit", "take-profit-limit", "trailing-stop-limit"})
ORDER_TYPES = TRIGGERED | LIMITED | {MARKET, SETTLE}
#: What a conditional close can be (sheet 4.14).
CLOSE_TYPES = ORDER_TYPES - {MARKET, ICEBERG, SETTLE}
PRICE_TYPES = frozenset({"static", "pct", "quote"})
REFERENCES = frozenset({"last", "index"})
STP_TYPES = frozenset({"cancel_newest", "cancel_oldest", "cancel_both"})


def words(order_type: str) -> str:
    """As sentences say it, without the limit: `stop loss`."""
    return order_type.removesuffix("-limit").replace("-", " ")


def trade_words(order_type: str) -> str:
    """As trades show it: `stop limit` was seen, the others are after its pattern."""
    return "stop limit" if order_type == "stop-loss-limit" else order_type.replace("-", " ")


def rises(order_type: str, *, is_buy: bool) -> bool:
    """Whether the reference has to rise to the trigger: buy stops and sell profits do, the others fall."""
    return is_buy is not order_type.startswith(TAKE_PROFIT)
