"""News: one event that came over NATS, decoded as far as its place in the stream needs. Pure."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from gwcore.errors import ProtocolError


class News(NamedTuple):
    """One event of the bus. `sequence` 0: a notice or state that has no number."""

    payload: bytes
    partition: str
    session_id: str
    sequence: int
    kind: str
    symbol: str | None

    @property
    def may_go(self) -> bool:
        """Whether it may be dropped for a slow reader: numbered market data alone."""
        return self.sequence > 0 and self.partition.startswith("md.")


class _Header(msgspec.Struct, gc=False):
    partition: str
    session_id: str
    sequence: int = 0


class _Event(msgspec.Struct, gc=False):
    kind: str
    symbol: str | None = None


class _Line(msgspec.Struct, gc=False):
    header: _Header
    event: _Event


_decoder = msgspec.json.Decoder(_Line)


def read_news(payload: bytes) -> News:
    """An event from the bytes of its envelope. Raises ProtocolError."""
    try:
        line = _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"not an envelope: {error}") from error
    header, event = line.header, line.event
    return News(payload, header.partition, header.session_id, header.sequence, event.kind, event.symbol)
