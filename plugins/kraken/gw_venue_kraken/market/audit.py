"""What in a frame is new: fields and channels that neither we nor the API sheet knew (§4). For `gw check --connect`.

The gateway itself passes over what it does not know; here it is named, so that a change of the API is seen before it hurts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from gwcore.venue import Frame

#: key -> what is known of its value; None: not looked into. A list's rows are all alike.
_Shape: TypeAlias = Mapping[str, Any]

#: Paths named at most: an array of new keys must not fill a report.
UNKNOWN_MAX = 50


def _keys(text: str, **nested: _Shape) -> _Shape:
    return {**dict.fromkeys(text.split()), **nested}


_LEVEL = _keys("price qty")
_ROWS: Mapping[str, _Shape] = {
    "book": _keys("symbol checksum timestamp", bids=_LEVEL, asks=_LEVEL),
    "trade": _keys("symbol side price qty ord_type trade_id timestamp"),
    "ticker": _keys("symbol bid bid_qty ask ask_qty last volume vwap low high change change_pct trades timestamp"),
    "ohlc": _keys("symbol open high low close trades volume vwap interval_begin interval timestamp"),
    "status": _keys("version system api_version connection_id upcoming_maintenance emergency"),
    "instrument": _keys(
        "",
        assets=_keys("id status precision precision_display borrowable collateral_value margin_rate multiplier class"),
        pairs=_keys(
            "symbol base quote status qty_precision qty_increment price_precision cost_precision marginable has_index"
            " cost_min margin_initial position_limit_long position_limit_short tick_size price_increment qty_min"
            " execution_venue ws_display_price_precision"
        ),
    ),
}
_CHANNELS: Mapping[str, _Shape] = {
    "heartbeat": _keys("channel"),
    **{channel: _keys("channel type timestamp", data=row) for channel, row in _ROWS.items()},
}
_REPLY = _keys(
    "method req_id success error symbol channel status time_in time_out",
    result=_keys("channel symbol depth interval snapshot event_trigger warnings"),
)
_METHODS = frozenset({"subscribe", "unsubscribe", "pong", "error"})


def unknown_fields(frame: Frame) -> Sequence[str]:
    """Paths like `book.data[].levels` of what is new in a frame, each once, at most UNKNOWN_MAX."""
    try:
        message = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    if not isinstance(message, dict):
        return ("a frame that is no object",)
    found: dict[str, None] = {}
    method, channel = message.get("method"), message.get("channel")
    if method is not None:
        _walk(message, _REPLY, "reply", found)
        if method not in _METHODS:
            found[f"reply to {method!r:.40}"] = None
    elif isinstance(channel, str) and channel in _CHANNELS:
        _walk(message, _CHANNELS[channel], channel, found)
    else:
        found[f"channel {channel!r:.40}" if channel is not None else f"frame with {', '.join(message)!r:.80}"] = None
    return tuple(found)


def _walk(value: Any, shape: _Shape, path: str, found: dict[str, None]) -> None:
    if isinstance(value, list):
        for row in value:
            _walk(row, shape, f"{path}[]", found)
    elif isinstance(value, dict):
        for key, below in value.items():
            if key not in shape:
                if len(found) < UNKNOWN_MAX:
                    found[f"{path}.{key:.40}"] = None
            elif shape[key] is not None:
                _walk(below, shape[key], f"{path}.{key}", found)
