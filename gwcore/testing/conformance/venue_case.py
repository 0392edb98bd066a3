"""VenueCase: a venue plugin as the cards see it: its spec, and what stands in for the venue (recordings, a simulator)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import msgspec

from gwcore.model import Channel, Instrument
from gwcore.plugins import PluginEntry
from gwcore.simulator import Simulator, SimulatorSpec
from gwcore.testing.conformance.account_case import AccountCase
from gwcore.testing.conformance.card import Notes, require
from gwcore.testing.conformance.order_case import OrderCase
from gwcore.testing.conformance.playback import Playback
from gwcore.testing.conformance.recording import Recording, load_recordings
from gwcore.venue import Streams, Support, Symbols, Topic, VenueSpec

#: Which channel shows which ability. What a venue claims is subscribed, as far as one of its groups has the channel.
CHANNEL_OF_SUPPORT: Mapping[Support, Channel] = {
    Support.REFERENCE_DATA: Channel.INSTRUMENT,
    Support.MARKET_STATUS: Channel.STATUS,
    Support.MARKET_BY_PRICE: Channel.BOOK,
    Support.TRADE_SUMMARY: Channel.TRADE,
    Support.TOP_OF_BOOK: Channel.TICKER,
    Support.STATISTICS: Channel.TICKER,
    Support.TIME_SERIES: Channel.OHLC,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One stand-in for the venue. `make` gives a new one, in its first state, for each run."""

    name: str  # for messages: "recording NAME", "simulator NAME"
    make: Callable[[], Simulator]
    recording: Recording | None = None

    @property
    def answers(self) -> bool:
        """Whether it hears what we send."""
        return self.recording is None


@dataclass
class VenueCase:
    """A venue to be checked. `settings` go over those of `environment`, where the venue has that one.

    `recordings` is a folder (see `recording`); `more_recordings` come from elsewhere. `entry`: how the plugin is
    registered, looked up by name unless given. `unknown_frames`: well-formed frames that the venue does not send (yet).
    """

    spec: VenueSpec
    settings: Mapping[str, Any] = field(default_factory=dict)
    recordings: Path | None = None
    simulator: SimulatorSpec | None = None
    simulator_settings: Mapping[str, Any] = field(default_factory=dict)
    more_recordings: tuple[Recording, ...] = ()
    environment: str = "sim"
    entry: PluginEntry | None = None
    accounts: AccountCase | None = None  # for venues with accounts
    orders: OrderCase | None = None  # for venues with orders
    unknown_frames: tuple[bytes, ...] = (b'{"surprise":{"answer":42}}', b'["surprise",42]')
    symbols_max: int = 3  # of a simulator that are subscribed
    seed: int = 1
    notes: Notes = field(default_factory=Notes)
    kept: dict[str, Any] = field(default_factory=dict)  # what several cards need is made once

    @cached_property
    def settings_object(self) -> Any:
        """The plugin's settings. Raises msgspec.ValidationError for what does not fit."""
        values = {**self.spec.environments.get(self.environment, {}), **self.settings}
        return msgspec.convert(values, self.spec.settings)

    def symbols(self) -> Symbols:
        """What discovers."""
        return self.spec.symbols(self.settings_object)

    def streams(self) -> Streams:
        """A new Streams, as a gateway makes one at its start."""
        return self.spec.streams(self.settings_object)

    def sources(self, *, only_answering: bool = False) -> list[Source]:
        """All stand-ins: recordings by name, then the simulator. Fails the card where there is none: a claim needs proof."""
        found = [
            Source(name=f"recording {each.name}", make=partial(Playback, each), recording=each)
            for each in self.all_recordings()
            if not only_answering
        ]
        if self.simulator is not None:
            settings: Any = msgspec.convert(dict(self.simulator_settings), self.simulator.settings)
            make = partial(self.simulator.create, settings)
            found.append(Source(name=f"simulator {self.simulator.name}", make=make))
        what = "simulator" if only_answering else "recording and no simulator"
        claims = ", ".join(sorted(each.value for each in self.spec.supports)) or "nothing"
        require(found, f"the venue claims {claims}, and there is no {what} to show it")
        return found

    def all_recordings(self) -> tuple[Recording, ...]:
        """Those of the folder, then the others. Raises RecordingFault."""
        return (*self._of_folder, *self.more_recordings)

    @cached_property
    def _of_folder(self) -> list[Recording]:
        return load_recordings(self.recordings) if self.recordings is not None else []

    def channels(self) -> list[Channel]:
        """The channels that show what the venue claims, in the order a gateway asks for them."""
        offered = {channel for group in self.streams().limits.groups.values() for channel in group.channels}
        claimed = {channel for support, channel in CHANNEL_OF_SUPPORT.items() if support in self.spec.supports}
        return [channel for channel in Channel if channel in offered & claimed]

    def depth(self) -> int:
        """The shallowest book that may be asked for."""
        return min(self.streams().limits.depths, default=10)


def topics_in(source: Source, instruments: Mapping[str, Instrument]) -> tuple[Topic, ...] | None:
    """The topics a recording was made with, as far as their symbols are known; None where the cards choose."""
    if source.recording is None:
        return None
    return tuple(topic for topic in source.recording.topics if topic.symbol is None or topic.symbol in instruments)
