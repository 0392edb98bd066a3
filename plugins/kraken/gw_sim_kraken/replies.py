"""Acks, errors and pongs (sheet 4.2-4.4): keys in alphabetical order, `req_id` only if it was sent."""

from __future__ import annotations

from typing import Any

import msgspec

from gw_sim_kraken.texts import time_text

_WARNINGS = {
    "instrument": ["tick_size is deprecated, use price_increment"],
    "ohlc": ["timestamp is deprecated, use interval_begin"],
}
_PARAMETER_NAMES = {"book": "depth", "ohlc": "interval", "ticker": "event_trigger"}


def _encode(reply: dict[str, Any], req_id: int | None, time_in_ns: int, time_out_ns: int) -> bytes:
    if req_id is not None:
        reply["req_id"] = req_id
    head = msgspec.json.encode(reply, order="sorted")
    # "time_in" and "time_out" sort behind every other key there is.
    return head[:-1] + f',"time_in":"{time_text(time_in_ns)}","time_out":"{time_text(time_out_ns)}"}}'.encode()


def ack(
    method: str,
    channel: str,
    symbol: str,
    parameter: int | str,
    snapshot: bool,
    req_id: int | None,
    times_ns: tuple[int, int],
) -> bytes:
    """The answer to one symbol of a subscribe or unsubscribe; `times_ns` are in and out."""
    result: dict[str, Any] = {"channel": channel}
    if channel in _PARAMETER_NAMES:
        result[_PARAMETER_NAMES[channel]] = parameter
    if symbol:
        result["symbol"] = symbol
    if method == "subscribe":
        result["snapshot"] = snapshot
        if channel in _WARNINGS:
            result["warnings"] = _WARNINGS[channel]
    return _encode({"method": method, "result": result, "success": True}, req_id, *times_ns)


def success(method: str, result: Any, req_id: int | None, times_ns: tuple[int, int]) -> bytes:
    """The answer to a private request: `result` is sorted too, an array of results keeps its order."""
    return _encode({"method": method, "result": result, "success": True}, req_id, *times_ns)


def batch_cancelled(count: int, req_id: int | None, times_ns: tuple[int, int]) -> bytes:
    """The shape in which a reply to batch_cancel was recorded: no result."""
    return _encode({"method": "batch_cancel", "orders_cancelled": count, "success": True}, req_id, *times_ns)


def error(method: str, text: str, req_id: int | None, times_ns: tuple[int, int], **keys: Any) -> bytes:
    """A refusal."""
    return _encode({"error": text, "method": method, "success": False, **keys}, req_id, *times_ns)


def pong(req_id: int | None, times_ns: tuple[int, int]) -> bytes:
    """The answer to a ping."""
    return _encode({"method": "pong"}, req_id, *times_ns)
