"""What a newcomer types first: a configuration to start from, and completion by the Tab key."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gwcore.cli.main import COMMANDS, main

GW = str(Path(sys.executable).parent / "gw")


def test_a_configuration_to_start_from_is_whole_and_without_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "init", "kraken"]) == 0
    file = tmp_path / "k.toml"
    file.write_text(capsys.readouterr().out)
    assert file.read_text() == (Path(__file__).parents[2] / "conf" / "kraken.toml").read_text()
    assert main(["check", str(file)]) == 0
    assert main(["config", "init", "kraken-sim"]) == 0
    over = tmp_path / "sim.toml"
    over.write_text(capsys.readouterr().out.partition(": ok\n")[2])
    assert main(["config", "show", "--config", str(file), "--config", str(over)]) == 0
    shown = capsys.readouterr().out
    assert 'gateway.env = "sim"' in shown
    assert 'gateway.name = "kraken-sim"' in shown


def test_a_name_without_a_configuration_is_told_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "init", "krakn"]) == 2
    assert 'did you mean "kraken"? names: kraken, kraken-sim' in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_completion_is_for_the_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert f"_GW_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_completion_knows_every_command() -> None:
    environment = os.environ | {"COMP_WORDS": "gw ", "COMP_CWORD": "1", "_GW_COMPLETE": "bash_complete"}
    done = subprocess.run([GW], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == set(COMMANDS)
