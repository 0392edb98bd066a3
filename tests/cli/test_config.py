"""`gw run` and `gw config show` read the same flags; `gw check` lints files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gwcore.cli.main import main

Put = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("toys")

FLAGS = """
--venue toy --env sim --name n --symbols A/B C* --symbols D/E,F/G --exclude X/Y --book-depth 25 --channels book,trade
--rest-url http://r --ws-public-url ws://p --transport pipe --sink heap two-part --state-dir /s
--metrics-host 0.0.0.0 --metrics-port 0 --duration 2.5 --log-level debug --log-format text
"""


def show(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["config", "show", "--output", "json", *arguments]) == 0
    return {row["key"]: row["value"] for row in map(json.loads, capsys.readouterr().out.splitlines())}


def test_every_flag_reaches_its_setting(capsys: pytest.CaptureFixture[str]) -> None:
    found = show(capsys, *FLAGS.split())
    assert found == {
        "gateway.venue": "toy",
        "gateway.env": "sim",
        "gateway.name": "n",
        "gateway.symbols": ["A/B", "C*", "D/E", "F/G"],
        "gateway.exclude": ["X/Y"],
        "gateway.book_depth": 25,
        "gateway.channels": ["book", "trade"],
        "gateway.transports": ["pipe"],
        "gateway.sinks": ["heap", "two-part"],
        "gateway.state_dir": "/s",
        "gateway.metrics_host": "0.0.0.0",
        "gateway.metrics_port": 0,
        "gateway.duration_s": 2.5,
        "gateway.log_level": "debug",
        "gateway.log_format": "text",
        "venue.toy.rest_url": "http://r",
        "venue.toy.ws_public_url": "ws://p",
        "venue.toy.batch": 7,
    }


def test_an_empty_list_can_be_given(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    file = put('[gateway]\nvenue = "toy"\nexclude = ["A/B"]\nsinks = ["heap"]\n')
    found = show(capsys, "--config", str(file), "--exclude", "", "--sink", "")
    assert (found["gateway.exclude"], found["gateway.sinks"]) == ([], [])


def test_variables_stand_between_files_and_flags(
    put: Put, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = put('[gateway]\nvenue = "toy"\nname = "file"\nbook_depth = 25\n')
    monkeypatch.setenv("GW_GATEWAY__NAME", "variable")
    monkeypatch.setenv("GW_GATEWAY__BOOK_DEPTH", "10")
    found = show(capsys, "--config", str(file), "--book-depth", "25")
    assert (found["gateway.name"], found["gateway.book_depth"]) == ("variable", 25)


def test_show_as_text_with_origins(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    file = put('[gateway]\nvenue = "toy"\n')
    assert main(["config", "show", "--config", str(file), "--origin", "--symbols", "A/B"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        'gateway.venue = "toy"  # gw.toml:2',
        'gateway.symbols = ["A/B"]  # --symbols',
    ]
    assert main(["config", "show", "--config", str(file), "--effective", "--origin"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert "gateway.metrics_port =  # default" in out
    assert "clients.clients_max = 256  # default" in out


def test_run_with_a_faulty_configuration_tells_all_faults_and_starts_nothing(
    put: Put, capsys: pytest.CaptureFixture[str]
) -> None:
    file = put('[gateway]\nbook_depth = "x"\n[sink.hepa]\n')
    assert main(["run", "--venue", "toy", "--config", str(file), "--unix-path", "/p", "--ws-l3-url", "w"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert sorted(line.split(": ")[1] for line in captured.err.splitlines()) == [
        "--unix-path",
        "--ws-l3-url",
        "gw.toml:2",
        "gw.toml:3",
    ]


def test_run_without_a_venue_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run"]) == 2
    assert capsys.readouterr().err.startswith(
        "gw: gateway.venue: no venue is chosen (--venue NAME, or venue in [gateway];"
    )


def test_check_tells_each_file(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    put('[gateway]\nvenue = "toy"\n[sink.heap]\nwait_s = 2\n', "good.toml")
    put('[gateway]\nvenue = "toy"\nbook_depth = 3\n[sink.heap]\nwiat_s = 2\n', "bad.toml")
    assert main(["check", "good.toml"]) == 0
    assert capsys.readouterr() == ("good.toml: ok\n", "")
    assert main(["check", "bad.toml", "good.toml", "absent.toml"]) == 2
    captured = capsys.readouterr()
    assert captured.out == "good.toml: ok\n"
    assert [line.split(" (")[0] for line in captured.err.splitlines()] == [
        "bad.toml:3: gateway.book_depth: venue toy has no books of depth 3",
        "bad.toml:5: no setting sink.heap.wiat_s",
        "absent.toml: the file can't be read: no such file or directory",
    ]


def test_check_reads_no_variables(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GW_GATEWAY__NAME", "../x")
    put('[gateway]\nvenue = "toy"\n', "good.toml")
    assert main(["check", "good.toml"]) == 0
