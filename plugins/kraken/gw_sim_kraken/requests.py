"""Requests of clients: checked as Kraken checks them, answered by one text where they are wrong (sheet 4.1-4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from gw_sim_kraken.market.candles import INTERVALS
from gw_sim_kraken.market.seeded import DEPTHS

PUBLIC_CHANNELS = frozenset({"book", "trade", "ticker", "ohlc", "instrument"})
PRIVATE_CHANNELS = frozenset({"executions", "balances"})
LEVEL3_CHANNEL = "level3"
TRADING_METHODS = frozenset(
    {
        "add_order", "amend_order", "edit_order", "cancel_order", "cancel_all", "cancel_all_orders_after",
        "batch_add", "batch_cancel",
    }
)  # fmt: skip
_FIELDS = {
    "book": {"channel", "symbol", "depth", "snapshot"},
    "trade": {"channel", "symbol", "snapshot"},
    "ticker": {"channel", "symbol", "event_trigger", "snapshot"},
    "ohlc": {"channel", "symbol", "interval", "snapshot"},
    "instrument": {"channel", "snapshot", "include_tokenized_assets", "execution_venue"},
}


#: Numbers of orders keep their digits.
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class RequestError(Exception):
    """A refusal. The arguments are the error text and further keys of the reply."""

    def __init__(self, text: str, **keys: Any) -> None:
        self.text = text
        self.keys = keys
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Request:
    """A well-formed request, or one that can be answered with its method and id."""

    method: str
    params: Mapping[str, Any]
    req_id: int | None
    fields: frozenset[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a subscribe or unsubscribe of a public channel asks for; `parameter` as in Topic."""

    channel: str
    symbols: tuple[str, ...]
    parameter: int | str
    snapshot: bool


def parse(frame: bytes) -> Request:
    """Read a frame. Raises RequestError where it is no request at all."""
    try:
        message = _decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RequestError("Malformed request") from None
    if not isinstance(message, dict) or not isinstance(message.get("method"), str):
        raise RequestError("Malformed request")
    params, req_id = message.get("params", {}), message.get("req_id")
    if not isinstance(params, dict) or not (req_id is None or type(req_id) is int):
        raise RequestError("Malformed request")
    return Request(message["method"], params, req_id, frozenset(message))


def wanted(request: Request) -> Wanted:
    """The topics of a subscribe or unsubscribe. Raises RequestError with Kraken's text."""
    params = request.params
    channel = params["channel"]
    for name in params:
        if name not in _FIELDS[channel]:
            raise RequestError(f"Unsupported field: '{name}' for the given msg type: {request.method}")
    snapshot = params.get("snapshot", True)
    if not isinstance(snapshot, bool):
        raise RequestError("Malformed request")
    if channel == "instrument":
        return Wanted(channel, ("",), "", snapshot)
    symbols = params.get("symbol")
    if not isinstance(symbols, list) or not symbols or not all(isinstance(symbol, str) for symbol in symbols):
        raise RequestError("Malformed request")
    return Wanted(channel, tuple(symbols), _parameter(channel, params), snapshot)


def _parameter(channel: str, params: Mapping[str, Any]) -> int | str:
    if channel == "book":
        depth = params.get("depth", 10)
        if type(depth) is not int or depth not in DEPTHS:
            raise RequestError("Subscription depth not supported")
        return depth
    if channel == "ohlc":
        interval = params.get("interval", 1)
        if type(interval) is not int or interval not in INTERVALS:
            raise RequestError("Subscription ohlc interval not supported")
        return interval
    if channel == "ticker":
        trigger = params.get("event_trigger", "trades")
        if trigger not in ("trades", "bbo"):
            raise RequestError("Event trigger not supported")
        return str(trigger)
    return ""
