"""docs/tutorial-venue.md, followed to the letter: its files are written phase by phase, and each phase's cards turn green."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gwcore.cli.main import main
from gwcore.testing.conformance.phases import PHASES
from gwcore.testing.wheels import build_wheel, on_path, unpack

ROOT = Path(__file__).parents[2]
GW = str(Path(sys.executable).with_name("gw"))
FILE = re.compile(r"^`([\w./]+)`:\n\n```\w*\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
pytestmark = pytest.mark.e2e


def test_each_phase_ends_green(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "tutorial-venue.md").read_text(encoding="utf-8")
    phases = re.split(r"^## \d\. .*$", page, flags=re.MULTILINE)[1:]
    assert [phase.name for phase in PHASES[len(phases) :]] == ["orders"]  # the example does not trade
    project = tmp_path / "gw-venue-demo"
    assert main(["new", "venue", "demo", "--folder", str(project)]) == 0
    for phase, text in zip(PHASES, phases, strict=False):
        for name, code in FILE.findall(text):
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(code + "\n", encoding="utf-8")
        named = {card for card in phase.cards if f"--card {card}" in text}
        assert named == set(phase.cards) or phase.name == "accounts", phase.name
        if phase.name == "recovery":  # what the page has its reader record there
            shutil.copytree(ROOT / "examples/gw-venue-demo/tests/data", project / "tests/data", dirs_exist_ok=True)
        site = unpack(build_wheel(project, tmp_path / phase.name), tmp_path / phase.name / "site")
        command = [GW, "conform", "demo", "--kind", "venue", "--tests", str(project / "tests")]
        command += [word for card in phase.cards for word in ("--card", card)]
        done = subprocess.run(
            command, env={**os.environ, **on_path(site)}, capture_output=True, text=True, timeout=120, check=False
        )
        skipped = sum(line.startswith("skipped") for line in done.stdout.splitlines())
        assert skipped == (1 if phase.name == "accounts" else 0), done.stdout  # it tells no fees
        said = f"venue demo: {len(phase.cards) - skipped} passed" + (f", {skipped} skipped" if skipped else "")
        assert (done.returncode, done.stderr) == (0, f"{said}\n"), done.stdout
