"""The venue demo as the conformance cards see it. Read by `test_conformance.py` and by `gw conform demo`."""

from __future__ import annotations

from pathlib import Path

from gw_sim_demo.plugin import SPEC as SIMULATOR
from gw_venue_demo.plugin import SPEC

from gwcore.testing.conformance import AccountCase, VenueCase

ACCOUNTS = AccountCase(
    simulator_settings={"rate": 1.0},
    credentials=lambda simulator: simulator.credentials()["account1"],
    fill=lambda simulator, count: simulator.desk.fill(count),
    fills=lambda simulator: simulator.desk.fills(),
    revoke=lambda simulator: simulator.desk.revoke(),
)


def case_for(kind: str, name: str) -> VenueCase | None:
    """The case of the venue demo."""
    if (kind, name) != ("venue", "demo"):
        return None
    return VenueCase(SPEC, recordings=Path(__file__).with_name("data"), simulator=SIMULATOR, accounts=ACCOUNTS)
