"""Checks that need more than one value: wishes against what the venue has, bounds against each other. Pure."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

from gwcore.config.faults import FaultList
from gwcore.config.tables import FilledTable
from gwcore.errors import GatewayError
from gwcore.model import Channel
from gwcore.plugin_checks import NAME_PATTERN, is_name
from gwcore.settings import GatewaySettings, HealingSettings, JournalSettings, RuntimeSettings, SelectedVenue
from gwcore.suggest import did_you_mean
from gwcore.venue import VenueLimits, VenueSpec

#: What a glob of symbols may be made of; symbols are public names such as BTC/USD.
_GLOB = re.compile(r"[A-Za-z0-9*?!\[\]./:_-]{1,64}\Z")

#: Channels of the public market data; `orders` too, where a venue has it.
_CHANNELS = [channel.value for channel in Channel]
#: Those that tell of all symbols at once: by themselves they leave a gateway with nothing to keep.
_OF_NO_SYMBOL = {Channel.INSTRUMENT.value, Channel.STATUS.value}


def check_gateway(table: FilledTable[GatewaySettings], faults: FaultList) -> None:
    """What can be said of `[gateway]` alone."""
    settings = table.settings
    if settings.name and not is_name(settings.name):
        faults.add(
            f'gateway.name: "{settings.name:.60}" is not a name',
            place=_place(table, "name"),
            hint=f"a name matches {NAME_PATTERN}",
        )
    for key in ("symbols", "exclude"):
        for glob in getattr(settings, key):
            if not _GLOB.match(glob):
                faults.add(
                    f'gateway.{key}: "{glob:.70}" is not a glob of symbols',
                    place=_place(table, key),
                    hint="write it like BTC/USD, */USD or [A-M]*/EUR",
                )
    if not settings.symbols and "symbols" not in table.bad:
        faults.add("gateway.symbols is empty", place=_place(table, "symbols"), hint='"*" means all symbols')
    if not settings.metrics_host and "metrics_host" not in table.bad:
        faults.add(
            "gateway.metrics_host is empty", place=_place(table, "metrics_host"), hint="127.0.0.1 is the default"
        )
    _check_channels(table, faults)


def check_against_venue(table: FilledTable[GatewaySettings], spec: VenueSpec, settings: Any, faults: FaultList) -> None:
    """Whether the venue has what `[gateway]` asks for. Builds the venue's streams and symbols, without connecting."""
    try:
        limits = spec.streams(settings).limits
        spec.symbols(settings)
    except GatewayError as error:
        faults.add_error(error)
        return
    except Exception as error:  # a plugin's mistake is a fault of the configuration it was given, not our end
        faults.add(f"venue {spec.name} refuses its settings: {error}", place=f"[venue.{spec.name}]")
        return
    _check_depth(table, limits, spec.name, faults)
    served = _served(limits)
    for channel in table.settings.channels if "channels" in table.origins else ():
        if channel in _CHANNELS and channel not in served:
            faults.add(
                f"gateway.channels: venue {spec.name} does not serve the channel {channel}",
                place=_place(table, "channels"),
                hint=f"it serves: {', '.join(sorted(served))}",
            )


def default_channels(table: FilledTable[GatewaySettings], venue: SelectedVenue) -> tuple[str, ...]:
    """The channels that are subscribed: those that were asked for, else what of the default the venue serves."""
    channels = table.settings.channels
    if "channels" in table.origins:
        return channels
    served = _served(venue.spec.streams(venue.settings).limits)
    return tuple(channel for channel in channels if channel in served) or tuple(sorted(served))


def _served(limits: VenueLimits) -> set[str]:
    return {channel.value for group in limits.groups.values() for channel in group.channels}


def check_runtime(table: FilledTable[RuntimeSettings], faults: FaultList) -> None:
    """A library that is asked for by name has to be installed. Looks for it, imports nothing."""
    for key, library in (("websocket", "picows"), ("loop", "uvloop")):
        if getattr(table.settings, key) == library and importlib.util.find_spec(library) is None:
            faults.add(
                f'runtime.{key}: "{library}" is not installed',
                place=_place(table, key),
                hint='pip install "gwcore[fast]", or leave it at "auto"',
            )


def check_healing(table: FilledTable[HealingSettings], faults: FaultList) -> None:
    """First delays may not be above the largest."""
    for what in ("reconnect", "resubscribe"):
        first, largest = getattr(table.settings, f"{what}_first_s"), getattr(table.settings, f"{what}_max_s")
        if first > largest:
            key = f"{what}_first_s"
            faults.add(
                f"healing.{key}: {first} is above healing.{what}_max_s, which is {largest}", place=_place(table, key)
            )


def check_journal(table: FilledTable[JournalSettings], faults: FaultList) -> None:
    """Retention must leave room for at least one closed segment."""
    for key in ("md_bytes_max", "st_bytes_max"):
        value = getattr(table.settings, key)
        if value < table.settings.segment_bytes:
            faults.add(
                f"journal.{key}: {value} is below journal.segment_bytes, which is {table.settings.segment_bytes}",
                place=_place(table, key),
            )


def _check_channels(table: FilledTable[GatewaySettings], faults: FaultList) -> None:
    channels = table.settings.channels
    for channel in channels:
        if channel not in _CHANNELS:
            faults.add(
                f'gateway.channels: no channel "{channel:.60}"',
                place=_place(table, "channels"),
                hint=did_you_mean(channel, _CHANNELS, what="channels"),
            )
    if not channels and "channels" not in table.bad:
        faults.add(
            "gateway.channels is empty", place=_place(table, "channels"), hint=f"channels: {', '.join(_CHANNELS)}"
        )
    elif set(channels) <= _OF_NO_SYMBOL:
        faults.add(
            "gateway.channels names nothing that a symbol is subscribed to",
            place=_place(table, "channels"),
            hint=f"add at least one of {', '.join(name for name in _CHANNELS if name not in _OF_NO_SYMBOL)}",
        )


def _check_depth(table: FilledTable[GatewaySettings], limits: VenueLimits, venue: str, faults: FaultList) -> None:
    depth = table.settings.book_depth
    if limits.depths and "book_depth" not in table.bad and depth not in limits.depths:
        faults.add(
            f"gateway.book_depth: venue {venue} has no books of depth {depth}",
            place=_place(table, "book_depth"),
            hint=f"depths: {', '.join(map(str, limits.depths))}",
        )


def _place(table: FilledTable[Any], key: str) -> str:
    return table.origins.get(key, "default")
