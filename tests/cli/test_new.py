"""`gw new venue`: what it writes can be installed, passes the first cards, and every card has its phase."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from gwcore.cli.main import main
from gwcore.testing.conformance import CARDS, Kind
from gwcore.testing.conformance.phases import PHASES, cards_up_to


def new(folder: Path, name: str = "acme-x") -> Path:
    target = folder / "plugin"
    assert main(["new", "venue", name, "--folder", str(target)]) == 0
    return target


def test_the_wheel_is_found_and_its_first_cards_are_green(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = new(tmp_path)
    assert "instruments: I10, I20, I30" in capsys.readouterr().err
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    subprocess.run(build, cwd=target, check=True, capture_output=True, timeout=60)
    [wheel] = (target / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    command = [str(Path(sys.executable).with_name("gw")), "conform", "acme-x", "--tests", str(target / "tests")]
    command += [word for card in PHASES[0].cards for word in ("--card", card)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "venue acme-x: 3 passed\n"), done.stdout
    pytest_command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(target / "tests")]
    done = subprocess.run(pytest_command, cwd=target, env=environment, capture_output=True, text=True, check=False)
    assert "3 passed" in done.stdout, done.stdout


def test_every_file_is_whole(tmp_path: Path) -> None:
    target = new(tmp_path)
    for path in target.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert "@" not in text.replace("@property", "").replace("@hookimpl", ""), path
            if path.suffix == ".py":
                assert ast.get_docstring(ast.parse(text))
    project = tomllib.loads((target / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["gw.venues"] == {"acme-x": "gw_venue_acme_x.plugin"}


@pytest.mark.parametrize(
    ("name", "said"),
    [("Acme", "can't be the name"), ("kraken", "installed already"), ("acme-", "can't be the name")],
)
def test_a_name_that_will_not_do(name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "venue", name, "--folder", str(tmp_path / "x")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "venue", "acme", "--folder", str(tmp_path)]) == 2
    assert "exists (choose another place" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_every_card_of_a_venue_has_one_phase() -> None:
    named = [f"VEN-{card}" for phase in PHASES for card in phase.cards]
    assert sorted(named) == sorted(card.id for card in CARDS[Kind.VENUE])
    assert len(cards_up_to("orders")) == len(named)
    with pytest.raises(KeyError, match="there are: plugin"):
        cards_up_to("surprise")
