"""Raw capture and the live check as their user runs them: real processes on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gwcore.capture import SUFFIX, CapturedFrame, CaptureHead, read_frames, read_head
from gwcore.testing.processes import Gw, Sim, ending, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

GW = str(Path(sys.executable).parent / "gw")


def gw(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GW, *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=cwd)


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory):
    sim = Sim(tmp_path_factory.mktemp("sim"), "--pairs", "4", "--rate", "400", "--seed", "5")
    with ending(sim):
        yield sim


def urls(sim: Sim) -> list[str]:
    return ["--env", "sim", "--rest-url", sim.rest_url, "--ws-public-url", sim.ws_url]


def incidents(gateway: Gw) -> list[Path]:
    return sorted((gateway.state_dir / "incidents").glob(f"*{SUFFIX}"))


def captured_in(file: Path) -> list[CapturedFrame]:
    return list(read_frames(file.read_bytes().splitlines(keepends=True), file.name))


def head_of(file: Path) -> CaptureHead:
    head = read_head(file.read_bytes().splitlines()[0])
    assert head is not None
    return head


def book_events(state_dir: Path) -> list[tuple[str, dict[str, object]]]:
    """Id and event of all that was said of BTC/USD's book."""
    out = gw("log", "cat", "--state-dir", str(state_dir), "--symbols", "BTC/USD", "--kinds", "market_by_price").stdout
    found = [(json.loads(line)["header"], json.loads(line)["event"]) for line in out.splitlines()]
    return [(f"{header['session_id']}:{header['sequence']}", event) for header, event in found]


def stale(state_dir: Path) -> tuple[str, dict[str, object]]:
    """The one STALE that was proven."""
    return next(one for one in book_events(state_dir) if one[1].get("reason") == "CHECKSUM")


def test_an_incident_explains_itself_and_replays_to_the_same_stale(sim: Sim, tmp_path: Path) -> None:
    # A ring so short that it begins with books in the middle of their lives.
    gateway = Gw(tmp_path, sim, "--record", GW_CAPTURE__RING_S="0.6")
    with ending(gateway):
        gateway.wait_ready()
        wait_for("some frames", lambda: gateway.status()["connections"][0]["frames"] > 600)
        sim.fault("corrupt_level", symbol="BTC/USD", count=1)
        (incident,) = wait_for("the incident", lambda: incidents(gateway))
    event_id, event = stale(gateway.state_dir)
    captured = captured_in(incident)
    assert [one.synthetic for one in captured[:9]] == [True] * 9  # the instruments, and ack and snapshot of each book
    assert not any(one.synthetic for one in captured[9:])

    explained = gw("log", "explain", event_id, "--state-dir", str(gateway.state_dir))
    assert explained.stdout.encode() == captured[-1].frame + b"\n"
    first_id, _ = book_events(gateway.state_dir)[0]
    recorded = gw("log", "explain", first_id, "--state-dir", str(gateway.state_dir))
    assert recorded.returncode == 0
    assert recorded.stderr.startswith("recordings/")

    folder = tmp_path / "again"
    folder.mkdir()
    again = Sim(folder, "--replay", str(incident), "--speed", "5", "--set", "replay_settle_s=0.8")
    with ending(again):
        second = Gw(folder, again)
        with ending(second):
            second.wait_for("the same incident", lambda: incidents(second))
    _, event_again = stale(second.state_dir)
    assert (event_again["reason"], event_again["detail"]) == (event["reason"], event["detail"])
    head, head_again = head_of(incident), head_of(incidents(second)[0])
    assert (head_again.symbols, head_again.detail) == (head.symbols, head.detail)


def test_a_recording_replays(sim: Sim, tmp_path: Path) -> None:
    file = tmp_path / "a.frames.jsonl"
    done = gw("record", *urls(sim), "--venue", "kraken", "--duration", "2", "-o", str(file))
    assert done.returncode == 0, done.stderr
    captured = captured_in(file)
    assert {one.direction for one in captured} == {"rx", "tx"}
    assert {one.connection for one in captured} == {"md.0"}
    again = gw("record", *urls(sim), "--venue", "kraken", "--duration", "1", "-o", str(file))
    assert again.returncode == 2
    assert "exists" in again.stderr
    nowhere = gw("record", *urls(sim), "--venue", "kraken", "-o", str(tmp_path / "no" / "x.jsonl"))
    assert nowhere.returncode == 2
    assert "no folder" in nowhere.stderr

    replay = Sim(tmp_path, "--replay", str(file), "--speed", "max", "--set", "replay_settle_s=0.8")
    with ending(replay):
        gateway = Gw(tmp_path, replay)
        with ending(gateway):
            gateway.wait_ready()
            books = sum(one.frame.startswith(b'{"channel":"book"') for one in captured)
            wait_for(
                "the recording's end", lambda: gateway.status().get("connections", [{"frames": 0}])[0]["frames"] > books
            )
            assert gateway.status()["books"] == {"LIVE": 4}
    assert incidents(gateway) == []


def test_the_live_check_finds_nothing_and_then_what_is_wrong(sim: Sim, tmp_path: Path) -> None:
    common = ["check", "--connect", *urls(sim), "--pairs", "3", "--duration", "2.5"]
    good = gw(*common, "--report", "good.json", cwd=tmp_path)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "3 of 3 LIVE" in good.stdout
    report = json.loads((tmp_path / "good.json").read_text())
    assert report["books"]["checksums_passed"] > 0
    assert len(report["books"]["symbols"]) == 3
    assert report["clock"]["low_ms"] <= 0 <= report["clock"]["high_ms"]
    assert len(report["endpoints"]["websocket"]["round_trips_ms"]) == 5
    assert (report["faults"], report["frames"]["unknown_fields"]) == ([], {})

    sim.fault("wrong_checksum", symbol="*", count=1)
    sim.fault("unknown_channel")
    bad = gw(*common, "--report", "bad.json", cwd=tmp_path)
    sim.fault("restore")
    assert bad.returncode == 1, bad.stdout + bad.stderr
    assert "FOUND" in bad.stdout
    assert "CHECKSUM" in bad.stdout

    away = gw("check", "--connect", "--env", "sim", "--rest-url", "http://127.0.0.1:1", "--ws-public-url",
              "wss://127.0.0.1:1/v2", "--duration", "1", "--report", "away.json", cwd=tmp_path)  # fmt: skip
    assert away.returncode == 3
    assert "TCP: Connection refused" in away.stdout
    assert json.loads((tmp_path / "away.json").read_text())["faults"]


def test_a_check_that_can_not_be(tmp_path: Path) -> None:
    nothing = gw("check")
    assert nothing.returncode == 2
    assert "--connect" in nothing.stderr
    lint = gw("check", "--env", "sim", "x.toml")
    assert lint.returncode == 2
    assert "--env goes with --connect" in lint.stderr
    report = gw("check", "--connect", "--report", str(tmp_path / "no" / "x.json"))
    assert report.returncode == 2
    assert "can't be written" in report.stderr
