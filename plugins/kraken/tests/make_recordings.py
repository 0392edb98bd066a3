"""Write `data/*` anew from the simulator: `.venv/bin/python plugins/kraken/tests/make_recordings.py DATE`.

Afterwards `gw conform kraken --write-golden`, and read the difference: it is what this plugin makes of the frames.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gw_sim_kraken.plugin import SPEC as SIMULATOR
from gw_venue_kraken.plugin import SPEC

from gwcore.testing.conformance import VenueCase, write_recording
from gwcore.testing.conformance.recorder import record

DATA = Path(__file__).with_name("data")
#: name -> (settings of the simulator, how many symbols, seconds). One small recording a trap.
RECORDINGS = {
    "market": ({"pairs": 4, "rate": 40.0, "deep_pairs": 1}, 3, 4.0),
    "exponents": ({"pairs": 2, "rate": 20.0, "deep_pairs": 0, "exponents": True, "seed": 2}, 1, 1.5),
}


def main(date: str) -> None:
    for name, (settings, symbols_max, seconds) in RECORDINGS.items():
        case = VenueCase(SPEC, simulator=SIMULATOR, simulator_settings=settings, symbols_max=symbols_max)
        chosen = ", ".join(f"{key}={value}" for key, value in settings.items())
        write_recording(
            DATA,
            record(case, name, seconds),
            origin=f"made up: the simulator `kraken` of this repository, {chosen}, by make_recordings.py",
            licence="the repository's own; no data of the venue",
            recorded=date,
        )


if __name__ == "__main__":
    main(sys.argv[1])
