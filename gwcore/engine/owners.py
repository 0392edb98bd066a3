"""Owners: whose order an event is of. News say so beside their payload; what the journal gives back is looked into."""

from __future__ import annotations

import msgspec

from gwcore.engine.access import OWNED_KINDS
from gwcore.model import Event, OrderAck, OrderUpdate, Record, TradeUpdate

#: Events about an order, which belong to the user who placed it.
OWNED_TYPES = frozenset((OrderAck, OrderUpdate, TradeUpdate))


class _Event(msgspec.Struct, gc=False):
    user: str | None = None


class _Line(msgspec.Struct, gc=False):
    event: _Event


_decoder = msgspec.json.Decoder(_Line)


def owner_of(event: Event) -> str | None:
    """The user that an event about an order belongs to; None: it is about none, or about one that came by another way."""
    return event.user if isinstance(event, OrderAck | OrderUpdate | TradeUpdate) else None


def with_owner(record: Record) -> Record:
    """The record with its user, where it is of an order. What can't be read belongs to nobody: fewer see it, never more."""
    if record.kind not in OWNED_KINDS:
        return record
    try:
        user = _decoder.decode(record.payload).event.user
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return record
    return record if user is None else record._replace(user=user)
