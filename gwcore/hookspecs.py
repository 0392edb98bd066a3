"""pluggy markers and the four hooks. Hooks only register; what is registered does the work (no hook per message)."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from gwcore.simulator import SimulatorSpec
from gwcore.sink import SinkSpec
from gwcore.transport import TransportSpec
from gwcore.venue import VenueSpec

#: Version of the contracts in venue.py, transport.py, sink.py and simulator.py. A plugin states the one it was made for.
API_VERSION = 1

PROJECT = "gwcore"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def gw_register_venues() -> Iterable[VenueSpec]:  # type: ignore[empty-body]
    """Return the venues of this plugin. Called once, when one of them was selected."""


@hookspec
def gw_register_transports() -> Iterable[TransportSpec]:  # type: ignore[empty-body]
    """Return the client transports of this plugin. Called once, when one of them was selected."""


@hookspec
def gw_register_sinks() -> Iterable[SinkSpec]:  # type: ignore[empty-body]
    """Return the event sinks of this plugin. Called once, when one of them was selected."""


@hookspec
def gw_register_simulators() -> Iterable[SimulatorSpec]:  # type: ignore[empty-body]
    """Return the simulated venues of this plugin. Called once, when one of them was selected."""
