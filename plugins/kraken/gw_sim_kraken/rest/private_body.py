"""Bodies of private REST requests: form or JSON (sheet 2.3), read into texts so that no digit is lost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from gw_sim_kraken.accounts.amounts import plain

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def read_body(body: bytes, content_type: str) -> dict[str, Any]:
    """Parameters by name: texts, and for JSON lists and objects what they are. Raises ValueError for neither form."""
    if "json" not in content_type and not body.lstrip().startswith(b"{"):
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True))
    try:
        found = _decode(body)
    except msgspec.DecodeError as error:
        raise ValueError("no JSON") from error
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return {name: as_text(value) for name, value in found.items() if value is not None}


def as_text(value: Any) -> Any:
    """A JSON scalar as the text that a form would have; lists and objects stay."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return plain(value)
    return value


def flag(params: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """A boolean parameter."""
    return str(params.get(name, default)).lower() in ("true", "1")
