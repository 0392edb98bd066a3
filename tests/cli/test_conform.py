"""`gw conform`: the cards without pytest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gwcore.cli.main import main


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_card_that_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", "kraken", "--card", "i10", "--card", "VEN-M60", "--output", "json"]) == 0
    found = rows(capsys)
    assert [(row["card"], row["outcome"], row["reason"]) for row in found] == [
        ("VEN-I10", "passed", ""),
        ("VEN-M60", "passed", ""),
    ]
    assert found[1]["law"] == "silence trips the deadline"


def test_what_has_nothing_to_show_fails(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", "toy", "--card", "P10", "--card", "D10", "--card", "M30", "--output", "json"]) == 1
    found = {row["card"]: row for row in rows(capsys)}
    assert {card: row["outcome"] for card, row in found.items()} == {
        "VEN-P10": "passed",
        "VEN-D10": "failed",
        "VEN-M30": "skipped",
    }
    assert "there is no recording and no simulator to show it" in found["VEN-D10"]["reason"]


def test_text_names_card_law_and_reason(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", "heap", "--card", "P10", "--card", "K10"]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "ok       SNK-P10  the entry point's name is the name in the spec"
    assert said.out.splitlines()[1].startswith("FAILED   SNK-K10  ")
    assert "there is no destination to look into" in said.out
    assert said.err == "sink heap: 1 passed, 1 failed\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["krakn"], 'no venue, sink or transport "krakn" is installed (did you mean "kraken"'),
        (["kraken", "--kind", "sink"], 'no sink "kraken" is installed'),
        (["kraken", "--card", "X99"], "no card X99 for a venue; there are: VEN-P10, "),
        (["file", "--recordings", "."], "only venues have recordings"),
        (["file", "--write-golden"], "only venues have golden files"),
    ],
)
def test_what_can_not_be_asked(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_case_file_that_does_not_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "conformance_case.py").write_text("import no_such_module\n")
    assert main(["conform", "kraken", "--tests", str(tmp_path)]) == 2
    assert "conformance_case.py: can't be used: ModuleNotFoundError" in capsys.readouterr().err


def test_a_name_of_two_kinds(plugin: Any, capsys: pytest.CaptureFixture[str]) -> None:
    plugin("gw-sink-kraken", "gw.sinks", "kraken", "")
    assert main(["conform", "kraken"]) == 2
    assert "kraken is a venue and a sink: say which with --kind" in capsys.readouterr().err


def test_pytest_is_not_needed() -> None:
    """A plugin's author may check what is installed on a machine without test tools."""
    code = (
        "import sys; sys.modules['pytest'] = None; sys.modules['_pytest'] = None\n"
        "from gwcore.cli.main import main; sys.exit(main(['conform', 'kraken', '--card', 'D20']))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
