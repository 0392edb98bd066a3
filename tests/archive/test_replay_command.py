"""`gw replay` as a process: a real socket, `gw tail` as the client, signals and bad requests."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from gwcore.cli.main import main
from gwcore.testing.processes import Process, ending, read_lines, wait_for


def replay(folder: Path, *arguments: object) -> Process:
    command = ["replay", *map(str, arguments), "--unix-path", str(folder / "gw.sock")]
    process = Process("replay", command, folder)
    process.wait_for("the ready line", lambda: process.text().startswith("ready unix://"))
    return process


@pytest.mark.e2e
@pytest.mark.parametrize("source", ["journal", "archive"])
def test_a_client_on_the_socket_gets_the_bytes(runs, tmp_path: Path, source: str) -> None:
    where = ("--state-dir", runs.state_dir) if source == "journal" else ("--archive", runs.archive)
    process = replay(tmp_path, *where, "--speed", "max", "--kinds", "trade_summary,market_by_price")
    kinds = "trade_summary,market_by_price"
    tail = Process("tail", ["tail", "--unix-path", str(tmp_path / "gw.sock"), "--kinds", kinds], tmp_path)
    with ending(tail, process):
        assert tail.wait() == 0
        assert process.wait() == 0
    recorded = [record for record in runs.journalled("md") if record.kind in kinds.split(",")]
    found = set(read_lines(tail.out))
    payloads = [record.payload for record in recorded]
    assert found >= set(payloads)
    lines = [line for line in read_lines(tail.out) if line in set(payloads)]
    assert sorted(lines) == sorted(payloads)
    assert "the gateway closed: the replay is over" in tail.errors()
    assert f"gw: {len(payloads)} events replayed" in process.errors()
    assert not (tmp_path / "gw.sock").exists()


@pytest.mark.e2e
def test_a_signal_ends_it_in_order(runs, tmp_path: Path) -> None:
    process = replay(tmp_path, "--state-dir", runs.state_dir, "--speed", "0.001", "--start", "now")
    tail = Process("tail", ["tail", "--unix-path", str(tmp_path / "gw.sock")], tmp_path)
    with ending(tail, process):
        wait_for("the first event", lambda: tail.text())
        process.send(signal.SIGTERM)
        assert process.wait() == 0
        assert tail.wait() == 0
    assert "the replay was stopped" in tail.errors()


def test_bad_requests(runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    socket = str(tmp_path / "gw.sock")

    def said(*arguments: object, code: int) -> str:
        assert main(["replay", *map(str, arguments), "--unix-path", socket]) == code
        return capsys.readouterr().err

    assert "no journal in" in said("--state-dir", tmp_path, code=2)
    assert "no archive in" in said("--archive", tmp_path / "nowhere", code=2)
    assert "nothing to replay" in said("--archive", tmp_path, code=1)
    assert "give one of them" in said(code=2)
    assert "give one of them" in said("--archive", tmp_path, "--state-dir", tmp_path, code=2)
    assert 'no kind "trades"' in said("--state-dir", runs.state_dir, "--kinds", "trades", code=2)
    assert "is no speed" in said("--state-dir", runs.state_dir, "--speed", "0", code=2)
    assert "older than --from" in said("--archive", runs.archive, "--from", "2030-01-01", code=1)
    assert main(["replay", "--state-dir", str(runs.state_dir)]) == 2
    assert "--unix-path" in capsys.readouterr().err
