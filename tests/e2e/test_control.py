"""`gw ctl` against a running gateway: what it does, what it says, and what stands in the journal of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gwcore.testing.processes import Gw, Process, Sim, ending

pytestmark = pytest.mark.e2e

GW = str(Path(sys.executable).parent / "gw")


class Stage:
    """A simulator, a gateway, and its operator."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.folder = folder
        self.sim = Sim(folder, "--pairs", "3", "--rate", "100", "--seed", "3")
        self.gateway = Gw(folder, self.sim, "--transport", "unix", *arguments, **environment)

    def gw(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        where = ("--unix-path", str(self.gateway.socket_path))
        return subprocess.run([GW, *arguments, *where], capture_output=True, text=True, timeout=60, check=False)

    def told(self, kind: str, text: str) -> list[dict[str, Any]]:
        """Events of a kind in the journal, read once one of them contains a text."""

        def look() -> list[dict[str, Any]] | None:
            done = subprocess.run(
                [GW, "log", "cat", "--state-dir", str(self.gateway.state_dir)],
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            lines = [json.loads(line)["event"] for line in done.stdout.splitlines() if f'"kind":"{kind}"' in line]
            return lines if any(text in json.dumps(line) for line in lines) else None

        return self.gateway.wait_for(f"{text} in the journal", look)


def test_streams_clients_and_logs_are_operated_and_each_action_is_an_event(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    with ending(stage.gateway, stage.sim):
        stage.gateway.wait_ready()
        done = stage.gw("ctl", "resubscribe", "BTC/USD")
        assert (done.returncode, done.stdout) == (0, "3 streams of BTC/USD are subscribed anew\n")
        books = stage.told("market_by_price", "OPERATOR")
        assert {book["symbol"] for book in books if book.get("reason") == "OPERATOR"} == {"BTC/USD"}
        stage.gateway.wait_ready()

        unknown = stage.gw("ctl", "resubscribe", "BTC/USDX")
        assert unknown.returncode == 1
        assert "BTC/USDX is not subscribed by this gateway (did you mean" in unknown.stderr

        left = stage.gw("ctl", "symbols", "remove", "ETH/*", "XBT/NO")
        assert (left.returncode, left.stdout) == (0, "left ETH/USD; 2 symbols are subscribed\n")
        added = stage.gw("ctl", "symbols", "add", "ETH/*")
        assert (added.returncode, added.stdout) == (0, "added ETH/USD; 3 symbols are subscribed\n")
        stage.gateway.send(signal.SIGHUP)
        stage.told("control", "no symbol changed")

        level = stage.gw("ctl", "log-level", "debug", "--output", "json")
        assert json.loads(level.stdout)["result"] == {"level": "debug", "before": "info"}

        tail = Process("tail", ["tail", "--unix-path", str(stage.gateway.socket_path)], tmp_path)
        with ending(tail):
            tail.wait_for("its first event", tail.text)
            ids = (f"unix-{number}" for number in range(1, 20))
            client = next(each for each in ids if stage.gw("ctl", "client", "cut", each).returncode == 0)
            assert tail.wait() == 0  # the gateway said goodbye
            assert "cut by the operator uid:" in tail.errors()
        absent = stage.gw("ctl", "client", "cut", client)
        assert (absent.returncode, absent.stdout) == (1, "")

        controls = stage.told("control", f"no client is called {client}")
    who = f"uid:{os.getuid()}"
    assert {control["user"] for control in controls} == {who, "SIGHUP"}
    told = [(control["action"], control.get("result"), control.get("failed")) for control in controls]
    assert told[:2] == [
        ("resubscribe", None, None),
        ("resubscribe", "3 streams of BTC/USD are subscribed anew", None),
    ]
    assert ("log_level", "the log level is debug; it was info", None) in told
    assert next(failed for action, _, failed in reversed(told) if action == "resubscribe") is True


def test_who_is_no_operator_is_denied_with_the_reason(tmp_path: Path) -> None:
    stage = Stage(tmp_path, GW_CLIENTS__OWNER_IS_OPERATOR="false")
    with ending(stage.gateway, stage.sim):
        stage.gateway.wait_ready()
        denied = stage.gw("ctl", "log-level", "debug")
        assert denied.returncode == 1
        assert "the verb admin is not granted: ask the operator" in denied.stderr
        (control,) = stage.told("control", "the verb admin is not granted")
        assert (control["action"], control["allowed"]) == ("log_level", False)


def test_the_status_says_what_is_wrong_and_exits_by_it(tmp_path: Path) -> None:
    state_home = {"XDG_STATE_HOME": str(tmp_path / "home")}
    stage = Stage(tmp_path, "--sink", "file", "--name", "desk", **state_home)
    with ending(stage.gateway, stage.sim):
        stage.gateway.wait_ready()

        def found(*arguments: str) -> subprocess.CompletedProcess[str]:
            environment = os.environ | state_home
            return subprocess.run(
                [GW, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
            )

        listed = json.loads(found("ls", "--output", "json").stdout)
        assert (listed["name"], listed["venue"], listed["pid"]) == ("desk", "kraken", stage.gateway.pid)
        assert listed["addresses"]["unix"] == f"unix://{stage.gateway.socket_path}"
        well = found("status")  # the only one is found
        assert well.returncode == 0
        assert well.stdout.startswith("desk  kraken sim  READY  up ")
        assert "\n!" not in well.stdout
        for part in (
            "connection md.0 up; 3 symbols",
            "books         3 LIVE",
            "sink file     connected",
            "disk ",
            "gw status:",
        ):
            assert part in well.stdout

        stage.sim.fault("downtime", sockets="abort", connects=503)
        stage.gateway.wait_for("the status to say so", lambda: stage.gateway.status().get("ready") is False)
        ill = found("status", "--name", "desk")
        assert ill.returncode == 1
        assert "NOT READY" in ill.stdout
        assert "! connection md.0 is down: " in ill.stdout
        report = json.loads(found("status", "--output", "json").stdout)
        assert "LIVE" not in report["books"]
        assert {book["reason"] for book in report["bad_books"]} == {"DISCONNECT"}
    gone = found("status")
    assert gone.returncode == 2
    assert "no gateway runs" in gone.stderr
    assert found("ls").returncode == 1
