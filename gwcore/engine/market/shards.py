"""Shards: which topic rides on which connection, from the venue's limits. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from gwcore.errors import ConfigError
from gwcore.model import Channel, Instrument
from gwcore.venue import GroupLimits, Shard, Topic, VenueLimits

#: Channels that are about the venue, not about one symbol.
WHOLE_VENUE = frozenset({Channel.INSTRUMENT, Channel.STATUS})


def matches(symbol: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether a symbol is asked for by the globs."""
    return any(fnmatchcase(symbol, glob) for glob in include) and not any(fnmatchcase(symbol, glob) for glob in exclude)


def topics_of(symbol: str, channels: Sequence[Channel], *, depth: int, intervals_s: Sequence[int]) -> tuple[Topic, ...]:
    """The topics one symbol is subscribed to."""
    topics = []
    for channel in channels:
        if channel is Channel.BOOK or channel is Channel.ORDERS:
            topics.append(Topic(channel, symbol, depth))
        elif channel is Channel.OHLC:
            topics.extend(Topic(channel, symbol, interval_s) for interval_s in intervals_s)
        elif channel not in WHOLE_VENUE:
            topics.append(Topic(channel, symbol))
    return tuple(topics)


def group_of(channel: Channel, limits: VenueLimits) -> tuple[str, GroupLimits]:
    """The group of connections that serves a channel. Raises ConfigError where the venue has no such channel."""
    for name, group in limits.groups.items():
        if channel in group.channels:
            return name, group
    raise ConfigError(f"channel {channel.value!r} is not offered by this venue", place="gateway.channels")


def plan_shards(
    instruments: Mapping[str, Instrument],
    channels: Sequence[Channel],
    limits: VenueLimits,
    *,
    depth: int,
    intervals_s: Sequence[int] = (60,),
) -> list[Shard]:
    """Split the symbols over as few connections as the limits allow, evenly; whole-venue topics ride on the first.

    Symbols keep their order, so that equal input gives equal shards.
    """
    shards: list[Shard] = []
    names = {group_of(channel, limits)[0] for channel in channels}
    for name in sorted(names):
        group = limits.groups[name]
        mine = [channel for channel in channels if channel in group.channels]
        symbols = sorted(instruments) if any(channel not in WHOLE_VENUE for channel in mine) else []
        count = max(1, -(-len(symbols) // group.symbols_per_connection))
        for part in range(count):
            part_symbols = symbols[part * len(symbols) // count : (part + 1) * len(symbols) // count]
            topics: list[Topic] = []
            if part == 0:
                topics.extend(Topic(channel) for channel in mine if channel in WHOLE_VENUE)
            for symbol in part_symbols:
                topics.extend(topics_of(symbol, mine, depth=depth, intervals_s=intervals_s))
            shards.append(
                Shard(
                    index=len(shards),
                    group=name,
                    topics=tuple(topics),
                    instruments={symbol: instruments[symbol] for symbol in part_symbols},
                )
            )
    return shards
