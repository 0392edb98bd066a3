"""The whole gateway on virtual time, with faults: every seed ends well, one seed is one course, planted bugs are found.

`scripts/show` runs many more seeds; these are enough to see a regression.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gwcore.testing.simulation import simulate

_SCENARIO = Path(__file__).with_name("kraken_scenario.py")
#: Seeds after which a planted bug counts as not found.
_SEEDS_MAX = 12


def _load() -> ModuleType:
    # Test folders are no packages: the shared scenario is loaded by its path.
    spec = importlib.util.spec_from_file_location("kraken_scenario", _SCENARIO)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kraken_scenario = _load()


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_seed_ends_well(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", logger="gwcore")
    outcome = simulate(seed, kraken_scenario.scenario())
    assert outcome.violations == []
    assert outcome.virtual_s >= 60
    assert len(outcome.struck) >= 3
    assert outcome.records["market_by_price"] > 100
    assert outcome.stale


def test_one_seed_is_one_course_in_every_process() -> None:
    script = (
        f"import sys, logging; sys.path.insert(0, {str(_SCENARIO.parent)!r})\n"
        "logging.getLogger('gwcore').setLevel(logging.CRITICAL)\n"
        "from kraken_scenario import scenario\n"
        "from gwcore.testing.simulation import simulate\n"
        "outcome = simulate(3, scenario(faults_s=25.0))\n"
        "print(outcome.journal_hash, outcome.trace_hash)"
    )

    def hashes(hash_seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        result = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=50
        )
        return result.stdout.strip()

    assert hashes("1") == hashes("2") != ""


@pytest.mark.parametrize("bug", kraken_scenario.PLANTED_BUGS, ids=lambda bug: bug.what)
def test_planted_bugs_are_found(bug: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", logger="gwcore")
    monkeypatch.setattr(bug.place, bug.name, bug.make(getattr(bug.place, bug.name)))
    # A few kinds that meet all three bugs: with all kinds it takes more seeds. The script has them all.
    kinds = {"corrupt_level", "wrong_checksum", "cut", "cut_all", "connect_refused"}
    faults = tuple(kind for kind in kraken_scenario.scenario().faults if kind.name in kinds)
    scenario = kraken_scenario.scenario(faults=faults, faults_s=30.0, heal_s=75.0)
    for seed in range(1, _SEEDS_MAX + 1):
        if violations := simulate(seed, scenario).violations:
            assert any(bug.found_by in violation for violation in violations)
            return
    pytest.fail(f"not found in {_SEEDS_MAX} seeds")
