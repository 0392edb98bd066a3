"""Records for sinks: whole envelopes of every journal class, each with an id of its own."""

from __future__ import annotations

from gwcore import wire
from gwcore.model import (
    KIND_OF_TYPE,
    SCHEMA_VERSION,
    Envelope,
    Event,
    FundsUpdate,
    Header,
    Record,
    StreamState,
    StreamStatus,
)
from gwcore.testing.clock import EPOCH_NS
from gwcore.testing.events import top, trade

CLASSES = ("md", "st", "ex")
_PARTITIONS = {"md": "md.0", "st": "st", "ex": "ex.main"}
SESSION_ID = "01CONFORMANCE0000000000000"


def make_records(journal_class: str, first: int, last: int) -> list[Record]:
    """Records of one class at positions `first` to `last`, as a journal would give them."""
    return [_record(journal_class, position) for position in range(first, last + 1)]


def _record(journal_class: str, position: int) -> Record:
    event = _event(journal_class, position)
    published_ns = EPOCH_NS + position * 1_000_000
    header = Header(
        v=SCHEMA_VERSION,
        venue="conformance",
        source="conformance",
        partition=_PARTITIONS[journal_class],
        session_id=f"{SESSION_ID[:-2]}{journal_class.upper()}",
        sequence=position,
        published_ns=published_ns,
    )
    return Record(
        header.partition,
        header.session_id,
        position,
        KIND_OF_TYPE[type(event)],
        getattr(event, "symbol", None),
        getattr(event, "account", None),
        getattr(event, "update_type", None),
        published_ns,
        wire.encode(Envelope(header=header, event=event)),
        position,
    )


def _event(journal_class: str, position: int) -> Event:
    if journal_class == "st":
        return StreamStatus(channel="book", symbol="BTC/USD", shard=0, state=StreamState.LIVE)
    if journal_class == "ex":
        return FundsUpdate(account="main", asset="USD", total=f"{position}.00")
    symbol = ("BTC/USD", "ETH/USD", "A+B/C.D")[position % 3]
    if position % 2:
        return trade(symbol, f"{position}.5", "0.00000001", str(position))
    return top(symbol, f"{position}.10", f"{position}.20")
