"""Entry point `gw.simulators: kraken`."""

from __future__ import annotations

from pathlib import Path

from gw_sim_kraken.accounts.action_list import ACTIONS
from gw_sim_kraken.connections import HOSTS
from gw_sim_kraken.exchange import SimulatedKraken
from gw_sim_kraken.faults.fault_list import FAULTS
from gw_sim_kraken.feed import Feed
from gw_sim_kraken.market.replay import ReplayFeed
from gw_sim_kraken.market.seeded import SeededFeed
from gw_sim_kraken.settings import SimKrakenSettings
from gwcore import API_VERSION, hookimpl
from gwcore.simulator import SimulatorSpec


def create(settings: SimKrakenSettings) -> SimulatedKraken:
    """A simulated Kraken. The recording and its instruments are read here, once.

    Raises OSError where a file can't be read, ValueError (with file and line) where it is no recording.
    """
    feed: Feed
    if settings.replay:
        instruments = Path(settings.instruments).read_bytes() if settings.instruments else b""
        feed = ReplayFeed(settings, Path(settings.replay).read_bytes(), instruments)
    else:
        feed = SeededFeed(settings)
    return SimulatedKraken(settings, feed)


SPEC = SimulatorSpec(
    name="kraken",
    api_version=API_VERSION,
    settings=SimKrakenSettings,
    create=create,
    paths=tuple(HOSTS),
    summary="Kraken spot: a seeded market with accounts, or a recording, with faults to be switched while it runs",
    faults=FAULTS,
    actions=ACTIONS,
)


@hookimpl
def gw_register_simulators() -> tuple[SimulatorSpec, ...]:
    """The one simulator of this plugin."""
    return (SPEC,)
