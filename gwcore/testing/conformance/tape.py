"""Tape: what happened on one connection, so that it can be told again to another codec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from gwcore.venue import Fetch, MarketDataCodec, Request, Shard, Streams, Topic


class Asked(NamedTuple):
    """The engine called `subscribe` (or `unsubscribe`)."""

    at_ns: int
    unsubscribes: bool
    topics: tuple[Topic, ...]


class Sent(NamedTuple):
    """A frame of ours left."""

    at_ns: int
    frame: bytes


class Received(NamedTuple):
    """A frame of the venue came."""

    at_ns: int
    frame: bytes


Entry: TypeAlias = Asked | Sent | Received


@dataclass(slots=True)
class Tape:
    """One connection of one shard, from its opening. Times are as they were."""

    shard: Shard
    opened_ns: int
    entries: list[Entry] = field(default_factory=list)

    def frames(self) -> list[bytes]:
        """What the venue sent."""
        return [entry.frame for entry in self.entries if isinstance(entry, Received)]


def decode_tape(streams: Streams, tape: Tape) -> list[tuple[int, Any]]:
    """(number of the frame, message) for all a new codec makes of a tape. Raises what the codec raises."""
    codec = streams.market_data(tape.shard)
    codec.open()
    messages: list[tuple[int, Any]] = []
    number = 0
    for entry in tape.entries:
        if isinstance(entry, Asked):
            ask(codec, entry)
        elif isinstance(entry, Received):
            number += 1
            messages += [(number, comparable(each)) for each in codec.decode(entry.frame, entry.at_ns)]
    return messages


def ask(codec: MarketDataCodec, entry: Asked) -> Sequence[Request]:
    """Have a codec make the requests again."""
    return codec.unsubscribe(entry.topics) if entry.unsubscribes else codec.subscribe(entry.topics)


def comparable(message: Any) -> Any:
    """A message that equals another one with the same meaning: a flow is only itself."""
    return "Fetch" if isinstance(message, Fetch) else message
