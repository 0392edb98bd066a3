"""A gateway as its user runs it: real processes on loopback, a simulated exchange, signals, kill -9."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gwcore.testing.processes import Gw, Process, ProcessError, Sim, ask, ending, read_lines, wait_for

pytestmark = pytest.mark.e2e

GW = str(Path(sys.executable).parent / "gw")


def gw(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GW, *arguments], capture_output=True, text=True, timeout=60, check=False)


def ids(lines: list[bytes]) -> list[str]:
    headers = [json.loads(line)["header"] for line in lines]
    return [f"{header['session_id']}:{header['sequence']}" for header in headers]


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory):
    sim = Sim(tmp_path_factory.mktemp("sim"), "--pairs", "4", "--rate", "100", "--seed", "3")
    with ending(sim):
        yield sim


@pytest.mark.parametrize(("websocket", "loop"), [("websockets", "asyncio"), ("picows", "uvloop")])
def test_the_whole_of_a_run(sim: Sim, tmp_path: Path, websocket: str, loop: str) -> None:
    for library in {websocket, loop} & {"picows", "uvloop"}:
        pytest.importorskip(library, reason="the extra `fast` is not installed")
    gateway = Gw(tmp_path, sim, "--transport", "unix", "--sink", "file", GW_RUNTIME__WEBSOCKET=websocket,
                 GW_RUNTIME__LOOP=loop)  # fmt: skip
    with ending(gateway):
        gateway.wait_ready()
        assert f"WebSockets by {websocket}, event loop of {loop}" in gateway.errors()
        assert json.loads(ask(f"{gateway.metrics_url}/readyz")) == {"ready": True, "reasons": []}
        assert b"gw_events_total" in ask(f"{gateway.metrics_url}/metrics")
        socket = str(gateway.socket_path)

        tail = gw("tail", "--unix-path", socket, "--kinds", "market_by_price", "--count", "5", "--timeout", "30")
        assert tail.returncode == 0
        assert len(tail.stdout.splitlines()) == 5
        none = gw("tail", "--unix-path", socket, "--kinds", "funds", "--count", "1", "--timeout", "0.5")
        assert none.returncode == 1

        symbols = gw("symbols", "--unix-path", socket, "--output", "json").stdout.splitlines()
        assert len([json.loads(line) for line in symbols]) == 4
        book = json.loads(gw("book", "BTC/USD", "--unix-path", socket, "--output", "json").stdout)
        assert book["bids"]
        unknown = gw("book", "NO/SUCH", "--unix-path", socket)
        assert unknown.returncode != 0
        assert "gw symbols" in unknown.stderr

        sim.fault("corrupt_level", symbol="BTC/USD", count=1)
        follow = gw("tail", "--unix-path", socket, "--symbols", "BTC/USD", "--kinds", "market_by_price", "--from",
                    "start", "--count", "60", "--timeout", "30")  # fmt: skip
        assert follow.returncode == 0
        wait_for("the STALE book in the journal", lambda: "CHECKSUM" in gw("log", "stats", "--state-dir",
                 str(gateway.state_dir)).stdout)  # fmt: skip

        gateway.send(signal.SIGTERM)
        assert gateway.wait() == 0
    verify = gw("log", "verify", "--state-dir", str(gateway.state_dir))
    assert verify.returncode == 0, verify.stdout
    journal = gw("log", "cat", "--state-dir", str(gateway.state_dir)).stdout.encode().splitlines()
    assert len(set(ids(journal))) == len(journal)
    assert list((gateway.state_dir / "sinks" / "file").rglob("*.jsonl.zst"))


def test_a_gateway_without_its_venue_is_not_ready_until_it_is_back(tmp_path: Path) -> None:
    sim = Sim(tmp_path, "--pairs", "2", "--rate", "50", "--seed", "3")
    gateway = Gw(tmp_path, sim, "--transport", "unix")
    with ending(gateway, sim):
        gateway.wait_ready()
        sim.fault("downtime", sockets="abort", connects=503)
        gateway.wait_for("the status to say so", lambda: gateway.status().get("ready") is False)
        assert "connection md.0 is down" in gateway.status()["not_ready"][0]
        with pytest.raises(ProcessError, match=r"503: .*connection md\.0 is down"):
            ask(f"{gateway.metrics_url}/readyz")
        assert json.loads(ask(f"{gateway.metrics_url}/healthz"))["alive"]
        metrics = ask(f"{gateway.metrics_url}/metrics")
        assert b"gw_ready 0.0" in metrics
        assert b'gw_transport_clients{transport="unix"} 0.0' in metrics
        sim.fault("downtime", on=False)
        gateway.wait_ready()
        assert json.loads(ask(f"{gateway.metrics_url}/readyz"))["ready"]


def test_kill_9_and_a_restart_go_on_where_the_journal_ends(sim: Sim, tmp_path: Path) -> None:
    first = Gw(tmp_path, sim, "--transport", "unix", "--sink", "file")
    first.wait_ready()
    first.kill()
    second = Gw(tmp_path, sim, "--transport", "unix", "--sink", "file")
    with ending(second):
        second.wait_ready()
        assert second.end() == 0
    assert gw("log", "verify", "--state-dir", str(second.state_dir)).returncode == 0
    stats = json.loads(gw("log", "stats", "--state-dir", str(second.state_dir), "--output", "json").stdout)
    assert stats["records"] > 0


def test_a_second_process_on_one_state_directory_is_refused(sim: Sim, tmp_path: Path) -> None:
    first = Gw(tmp_path, sim, "--transport", "unix")
    with ending(first):
        first.wait_ready()
        other = tmp_path / "other"
        other.mkdir()
        second = Process(
            "second", ["run", "--venue", "kraken", "--env", "sim", "--state-dir", str(first.state_dir)], other
        )
        assert second.wait() == 2
        assert str(first.pid) in second.errors()


def test_the_state_of_real_orders_is_not_gone_on_with_on_paper(sim: Sim, tmp_path: Path) -> None:
    """Nor a run that never reached its venue is a success."""
    options = [
        "run",
        "--venue",
        "kraken",
        "--env",
        "sim",
        "--rest-url",
        "http://127.0.0.1:9",
        "--state-dir",
        str(tmp_path / "s"),
    ]
    ended = gw(*options, "--duration", "0.2")
    assert ended.returncode == 3
    assert "without ever being ready" in ended.stderr
    ended = gw(*options, "--paper")
    assert ended.returncode == 2
    assert "is of venue kraken, env sim, and this gateway is of venue kraken, env sim, on paper" in ended.stderr


def test_a_state_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    for path in (taken, taken / "below"):
        ended = gw("run", "--venue", "kraken", "--env", "sim", "--state-dir", str(path))
        assert ended.returncode == 2
        assert f"the state directory {path} can't be made: a file is in the way (choose another" in ended.stderr


def test_a_client_of_a_stopping_gateway_is_told_why(sim: Sim, tmp_path: Path) -> None:
    gateway = Gw(tmp_path, sim, "--transport", "unix")
    with ending(gateway):
        gateway.wait_ready()
        tail = Process("tail", ["tail", "--unix-path", str(gateway.socket_path)], tmp_path)
        tail.wait_for("the first events", lambda: len(read_lines(tail.out)) > 5)
        gateway.end()
        assert tail.wait() == 0
        assert "the gateway stops" in tail.errors()
    last = [json.loads(line)["event"] for line in read_lines(tail.out)[-30:]]
    assert any(event.get("reason") == "DISCONNECT" for event in last)


def test_a_venue_that_is_away_is_waited_for_and_a_stop_is_quick(tmp_path: Path) -> None:
    arguments = ["run", "--venue", "kraken", "--env", "sim", "--rest-url", "http://127.0.0.1:9", "--transport", "unix"]
    gateway = Process("gateway", [*arguments, "--state-dir", str(tmp_path / "state")], tmp_path)
    with ending(gateway):
        gateway.wait_for("a try at discovery", lambda: "discovery: " in gateway.errors())
        gateway.send(signal.SIGTERM)
        assert gateway.wait() == 0


def test_a_second_signal_ends_at_once(sim: Sim, tmp_path: Path) -> None:
    """A sink that never connects would hold the stop up to its deadline; the second signal does not wait for it."""
    config = tmp_path / "slow.toml"
    config.write_text("[gateway]\nshutdown_s = 600.0\n")
    gateway = Gw(tmp_path, sim, "--transport", "unix", "--config", str(config), "--sink", "jetstream",
                 "--nats-url", "nats://127.0.0.1:9")  # fmt: skip
    with ending(gateway):
        gateway.wait_ready()
        gateway.send(signal.SIGTERM)
        gateway.wait_for("the stop to begin", lambda: "stopping: SIGTERM" in gateway.errors())
        gateway.send(signal.SIGTERM)
        assert gateway.wait(20) in (0, -signal.SIGTERM)
