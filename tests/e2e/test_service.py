"""A gateway under a service manager: a real process, a real datagram socket, a simulated exchange."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gwcore.testing.processes import Gw, Sim, ask, ending
from gwcore.testing.service_manager import ServiceManager

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SYMBOLS = ("BTC/USD", "ETH/USD")
GW = str(Path(sys.executable).parent / "gw")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    manager = ServiceManager(f"@gw-e2e-{os.getpid()}")
    yield manager
    manager.close()


class Told:
    """All that the manager heard, from the beginning."""

    def __init__(self, manager: ServiceManager) -> None:
        self._manager = manager
        self._all: list[dict[str, str]] = []

    def all(self) -> list[dict[str, str]]:
        self._all += self._manager.heard()
        return self._all

    def index(self, message: dict[str, str]) -> int | None:
        """Where it was first heard, from 1; None: not yet."""
        told = self.all()
        return told.index(message) + 1 if message in told else None

    def count(self, name: str) -> int:
        return sum(name in message for message in self.all())


def test_a_start_a_reload_and_a_stop_as_the_service_manager_hears_them(tmp_path: Path, manager: ServiceManager) -> None:
    sim = Sim(tmp_path, "--pairs", "2", "--rate", "50", "--seed", "3")
    for symbol in SYMBOLS:  # acknowledged, and no snapshot comes
        sim.fault("starve", symbol=symbol)
    config = tmp_path / "own.toml"
    config.write_text('[gateway]\nlog_level = "info"\n')
    gateway = Gw(tmp_path, sim, "--transport", "unix", "--config", str(config), NOTIFY_SOCKET=manager.address,
                 WATCHDOG_USEC="2000000")  # fmt: skip
    told = Told(manager)
    with ending(gateway, sim):
        # The connection is up and time is asked for again and again, but nothing is live.
        gateway.wait_for("more time to be asked for", lambda: told.count("EXTEND_TIMEOUT_USEC") >= 5)
        gateway.wait_for("the connection", lambda: "connection md.0 connected" in gateway.errors())
        assert told.index({"READY": "1"}) is None
        assert "not ready" in next(message["STATUS"] for message in told.all() if "STATUS" in message)

        for symbol in SYMBOLS:
            sim.fault("starve", symbol=symbol, on=False)
        gateway.wait_for("READY", lambda: told.index({"READY": "1"}))
        fed = told.count("WATCHDOG")
        gateway.wait_for("the watchdog to be fed", lambda: told.count("WATCHDOG") >= fed + 4)
        gateway.wait_for("the status", lambda: told.index({"STATUS": "ready: 2 symbols on 1 connections"}))
        assert json.loads(ask(f"{gateway.metrics_url}/healthz")) == {"alive": True, "reasons": []}
        assert b"gw_parts_stuck 0.0" in ask(f"{gateway.metrics_url}/metrics")

        done = subprocess.run(
            [GW, "ctl", "reload", "--unix-path", str(gateway.socket_path)], capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        reload = [message for message in told.all() if "RELOADING" in message or message == {"READY": "1"}]
        assert [message.get("RELOADING", "") for message in reload] == ["", "1", ""]
        assert int(reload[1]["MONOTONIC_USEC"]) > 0

        gateway.send(signal.SIGTERM)
        assert gateway.wait() == 0
        last = told.all()[-1]
        assert last["STOPPING"] == "1"
        assert int(last["EXTEND_TIMEOUT_USEC"]) >= 10_000_000


def test_a_process_that_stands_still_feeds_nobody(tmp_path: Path, manager: ServiceManager) -> None:
    sim = Sim(tmp_path, "--pairs", "2", "--rate", "50", "--seed", "3")
    gateway = Gw(tmp_path, sim, "--transport", "unix", NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="400000")
    told = Told(manager)
    with ending(gateway, sim):
        gateway.wait_for("READY", lambda: told.index({"READY": "1"}))
        gateway.send(signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, gateway.pid, os.WSTOPPED | os.WNOWAIT)
            fed = told.count("WATCHDOG")
            sim.stats()
            assert told.count("WATCHDOG") == fed
        finally:
            gateway.send(signal.SIGCONT)
        gateway.wait_for("the watchdog to be fed again", lambda: told.count("WATCHDOG") > fed)
