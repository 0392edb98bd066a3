"""examples/notebook.py runs from its first cell to its last beside a gateway that had an incident."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gwcore.testing.processes import Gw, Sim, ending, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.py"


def test_the_notebook_runs_as_it_stands(tmp_path: Path) -> None:
    sim = Sim(tmp_path, "--pairs", "3", "--rate", "200", "--seed", "5")
    with ending(sim):
        gateway = Gw(tmp_path, sim, "--transport", "unix", "--sink", "file")
        with ending(gateway):
            gateway.wait_ready()
            wait_for("some frames", lambda: gateway.status()["connections"][0]["frames"] > 600)
            sim.fault("corrupt_level", symbol="BTC/USD", count=1)
            wait_for("the incident", lambda: list((gateway.state_dir / "incidents").glob("*.jsonl")))
            wait_for("the book to heal", lambda: gateway.status().get("books") == {"LIVE": 3})
            done = subprocess.run(
                [sys.executable, str(NOTEBOOK), "--", "--state-dir", str(gateway.state_dir)],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
    assert done.returncode == 0, done.stderr
    live, trades, incident = done.stdout.splitlines()
    assert live.startswith("live: 20 levels, ")
    assert int(live.split()[3]) > 1
    assert int(trades.split()[1]) > 0
    assert incident.startswith("incident: CHECKSUM of BTC/USD: ")
