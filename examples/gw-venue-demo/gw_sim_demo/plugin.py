"""Registers the simulator `demo`. The entry point `gw.simulators` names this module."""

from __future__ import annotations

from collections.abc import Iterable

from gw_sim_demo.exchange import FAULTS, DemoExchange, DemoSimSettings
from gwcore.hookspecs import hookimpl
from gwcore.simulator import SimulatorSpec

SPEC = SimulatorSpec(
    name="demo",
    api_version=1,
    settings=DemoSimSettings,
    create=DemoExchange,
    paths=("/public", "/private"),
    summary="The example venue, moving by itself.",
    faults=FAULTS,
)


@hookimpl
def gw_register_simulators() -> Iterable[SimulatorSpec]:
    """The one simulator of this plugin."""
    return [SPEC]
