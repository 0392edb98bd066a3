"""A gateway behind the fault proxy, as real processes: whatever the line does, in the end every book is live and right."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from gwcore.testing.processes import Gw, Sim, ask, ending, wait_for
from gwcore.testing.proxy import ProxyThread, proxy_thread

pytestmark = pytest.mark.e2e

GW = str(Path(sys.executable).parent / "gw")
#: Faults that end the connection, and faults that spoil what goes over it, with the proxy's count of them.
ENDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("reset", {}),
    ("close", {}),
    ("half_close", {"way": "down"}),
    ("cut_at", {"byte": 20_000, "how": "reset", "count": 1}),
    ("cut_at", {"byte": 0, "how": "close", "count": 2}),
)
DAMAGES = ("truncate", "corrupt", "duplicate", "reorder")


class Stage(NamedTuple):
    """All that runs."""

    sim: Sim
    proxy: ProxyThread
    gateway: Gw


class Proxied:
    """The simulator as the gateway sees it."""

    def __init__(self, sim: Sim, proxy: ProxyThread) -> None:
        self.rest_url = f"http://{proxy.address}"
        self.ws_url = f"ws://{proxy.address}{urlsplit(sim.ws_url).path}"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    sim = Sim(tmp_path, "--pairs", "3", "--rate", "150", "--seed", "11")
    parts = urlsplit(sim.rest_url)
    with ending(sim), proxy_thread(str(parts.hostname), int(parts.port or 0), seed=11) as proxy:
        gateway = Gw(tmp_path, Proxied(sim, proxy), "--transport", "unix",  # type: ignore[arg-type]
                     GW_HEALING__RECONNECT_MAX_S="1")  # fmt: skip
        with ending(gateway):
            gateway.wait_ready()
            yield Stage(sim, proxy, gateway)


def is_true(stage: Stage, symbol: str) -> bool:
    """Whether the gateway's book is live and the simulator's, with the market standing still."""
    command = [GW, "book", symbol, "--unix-path", str(stage.gateway.socket_path), "--output", "json"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if result.returncode:
        return False
    book = json.loads(result.stdout)
    truth = json.loads(ask(f"{stage.sim.rest_url}/sim/truth?symbol={symbol}&depth={len(book['bids'])}"))["book"]
    said = book["bids"] + book["asks"]
    return said == truth["bids"] + truth["asks"]


def is_live(stage: Stage) -> bool:
    """Whether the connection stands and every book is live."""
    status = stage.gateway.status()
    return bool(status) and status["connections"][0]["is_open"] and status["books"] == {"LIVE": 3}


def connects(stage: Stage) -> int:
    """How often the gateway connected so far."""
    return int(stage.gateway.status()["connections"][0]["connects"])


def heal(stage: Stage, name: str) -> None:
    """End all faults and wait until every book is live."""
    stage.proxy.fault("restore")
    stage.gateway.wait_for(f"all to be live after {name}", lambda: is_live(stage))


def assert_true_books(stage: Stage) -> None:
    """Hold the market and compare."""
    stage.sim.fault("freeze")
    for symbol in ("BTC/USD", "ETH/USD", "SOL/USD"):
        wait_for(f"the true book of {symbol}", lambda symbol=symbol: is_true(stage, symbol))
    assert stage.gateway.end() == 0


def test_the_gateway_heals_from_every_end_of_a_connection(stage: Stage) -> None:
    for name, options in ENDS:
        before = connects(stage)
        stage.proxy.fault(name, **options)
        wait_for(f"a new connection after {name}", lambda before=before: connects(stage) > before)
        heal(stage, name)
    assert_true_books(stage)


def test_the_gateway_heals_from_damaged_messages_and_slow_lines(stage: Stage) -> None:
    for name in DAMAGES:
        stage.proxy.fault(name, chance=0.2, count=3)
        wait_for(f"{name} to strike", lambda name=name: stage.proxy.counts().get(name, 0) >= 3)
        heal(stage, name)
    for name, options in (("delay", {"delay_s": 0.3, "jitter_s": 0.3}), ("drip", {"size": 200})):
        frames = stage.sim.stats()["frames_sent"]
        stage.proxy.fault(name, **options)
        wait_for(f"100 frames with {name}", lambda frames=frames: stage.sim.stats()["frames_sent"] > frames + 100)
        heal(stage, name)
    assert_true_books(stage)


def test_edges_that_answer_instead_of_the_venue(stage: Stage) -> None:
    for status, body in ((429, "text"), (503, "html"), (200, "html")):
        answered = stage.proxy.counts().get("answered", 0)
        stage.proxy.fault("answer", status=status, body=body)
        stage.proxy.fault("reset")
        wait_for(
            f"{status} to be answered twice",
            lambda answered=answered: stage.proxy.counts().get("answered", 0) >= answered + 2,
        )
        assert not is_live(stage)
        stage.proxy.fault("restore")
        stage.gateway.wait_for(f"all to be live after {status}", lambda: is_live(stage))
    stage.proxy.fault("accept_close")
    stage.proxy.fault("reset")
    wait_for("accepted and closed", lambda: stage.proxy.counts().get("accepted_and_closed", 0) >= 3)
    stage.proxy.fault("restore")
    stage.gateway.wait_for("all to be live", lambda: is_live(stage))


def test_a_line_that_falls_silent_is_noticed(stage: Stage) -> None:
    stage.proxy.fault("stall", way="down")
    wait_for("the gateway to notice", lambda: not is_live(stage))
    stage.proxy.fault("restore")
    stage.gateway.wait_for("all to be live", lambda: is_live(stage))
