"""The file of `gw order batch`: JSON Lines, one order each, all of them checked before anything is sent."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, BinaryIO, Final

import click
import msgspec

from gwcore.client.trading.order_forms import close_form, create_form
from gwcore.engine.orders.requests import BATCH_MAX
from gwcore.model import CreateOrder
from gwcore.wire import REQUEST_BYTES_MAX

#: What the command itself decides.
_NOT_IN_LINES: Final = ("account", "request_id", "validate_only")
_NEEDED: Final = ("symbol", "side")


def read_batch(context: click.Context, parameter: click.Parameter, file: BinaryIO) -> list[dict[str, Any]]:
    """A click callback: the fields of each order, in order. Raises BadParameter that names the line."""
    data = file.read(REQUEST_BYTES_MAX + 1)
    if len(data) > REQUEST_BYTES_MAX:
        raise click.BadParameter(f"more than {REQUEST_BYTES_MAX} bytes, which no one request may have: split it")
    orders: list[dict[str, Any]] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            fields = _fields(line)
            create_of("-", {"order_id": "-", **fields})
        except (TypeError, ValueError, RecursionError) as error:
            raise click.BadParameter(f"line {number}: {error}") from None
        name = fields.get("order_id")
        if name is not None and lines.setdefault(name, number) != number:
            raise click.BadParameter(f"line {number}: order_id {name!r:.80} is in line {lines[name]} already")
        orders.append(fields)
    if not 1 <= len(orders) <= BATCH_MAX:
        raise click.BadParameter(f"{len(orders)} orders: one request takes 1 to {BATCH_MAX}")
    return orders


def create_of(account: str, fields: dict[str, Any], **more: Any) -> CreateOrder:
    """The order of one line. Raises TypeError, ValueError."""
    chosen = {**fields, **more}
    close = chosen.pop("conditional_close", None)
    if close is not None:
        if not isinstance(close, dict) or "order_type" not in close:
            raise ValueError('conditional_close has to be an object with an order_type: {"order_type": "limit", ...}')
        chosen["conditional_close"] = close_form(**close)
    form = create_form(account, **chosen)
    # The form takes what it is given for texts and flags; here they are checked as the gateway will.
    return msgspec.convert(msgspec.to_builtins(form), CreateOrder)


def _fields(line: bytes) -> dict[str, Any]:
    fields = json.loads(line, parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_each_once)
    if not isinstance(fields, dict):
        raise ValueError(
            'not an object: write {"symbol": "BTC/USD", "side": "buy", "quantity": "0.1", "price": "60000"}'
        )
    for name in _NOT_IN_LINES:
        if name in fields:
            raise ValueError(f"{name} is an option of the command, or made by it: leave it out")
    for name in _NEEDED:
        if not isinstance(fields.get(name), str):
            raise ValueError(f"{name} is missing, or no text")
    return fields


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice: which is meant?")
    return found
