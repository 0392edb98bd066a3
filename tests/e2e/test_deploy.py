"""The parts of compose.yaml, run as they are configured there, without containers: on loopback, not by names of services."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gwcore.testing.nats_server import find_nats_server, free_ports
from gwcore.testing.processes import Process, ProcessError, Sim, ask, ending, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

ROOT = Path(__file__).resolve().parents[2]
CONTAINER = ROOT / "deploy/container"


def passwords() -> dict[str, str]:
    lines = (CONTAINER / "nats.env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The server of compose.yaml: its ports for clients and monitoring."""
    try:
        program = find_nats_server()
    except ProcessError as error:
        pytest.skip(str(error))
    port, monitor = free_ports(2)
    text = (CONTAINER / "nats.conf").read_text()
    for before, after in (
        ('"0.0.0.0"', '"127.0.0.1"'),
        ("port: 4222", f"port: {port}"),
        ("0.0.0.0:8222", f"127.0.0.1:{monitor}"),
        ("/data", str(tmp_path / "data")),
    ):
        assert before in text
        text = text.replace(before, after)
    (tmp_path / "nats.conf").write_text(text)
    shutil.copytree(ROOT / "conf/nats", tmp_path / "conf")
    with (tmp_path / "nats.log").open("wb") as log:
        server = subprocess.Popen([program, "-c", str(tmp_path / "nats.conf")], env=passwords(), stdout=log, stderr=log)
    try:
        wait_for("nats-server", lambda: "Server is ready" in (tmp_path / "nats.log").read_text())
        yield port, monitor
    finally:
        server.terminate()
        server.wait(20)


def test_the_gateway_of_the_compose_file_is_ready_with_its_server_and_its_secrets(
    tmp_path: Path, nats: tuple[int, int]
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("gateway", "sink"):
        (secrets / f"nats_{name}").write_text(passwords()[f"GW_NATS_{name.upper()}"] + "\n")
    (metrics,) = free_ports(1)
    sim = Sim(tmp_path, "--pairs", "2", "--rate", "20", "--seed", "3")
    environment = {
        "CREDENTIALS_DIRECTORY": str(secrets),
        "GW_GATEWAY__STATE_DIR": str(tmp_path / "state"),
        "GW_GATEWAY__METRICS_HOST": "127.0.0.1",
        "GW_GATEWAY__METRICS_PORT": str(metrics),
        "GW_TRANSPORT__UNIX__PATH": str(tmp_path / "gw.sock"),
        "GW_TRANSPORT__NATS__URL": f"nats://127.0.0.1:{nats[0]}",
        "GW_SINK__JETSTREAM__URL": f"nats://127.0.0.1:{nats[0]}",
        "GW_SINK__JETSTREAM__MONITOR_URL": f"http://127.0.0.1:{nats[1]}",
    }
    # env stays prod, which the server's rights are for; the addresses are the simulator's.
    flags = ["--rest-url", sim.rest_url, "--ws-public-url", sim.ws_url]
    gateway = Process("gateway", ["run", "--config", str(CONTAINER / "gateway.toml"), *flags], tmp_path, **environment)
    with ending(gateway, sim):

        def report() -> dict[str, object] | None:
            try:
                status: dict[str, object] = json.loads(ask(f"http://127.0.0.1:{metrics}/status"))
            except (ProcessError, OSError):
                return None
            return status if status["ready"] else None

        gateway.wait_for("the gateway to be ready", report)
        words = "sink jetstream is connected; an acknowledgement is fsynced"
        gateway.wait_for("the sink, with what its acknowledgements are worth", lambda: words in gateway.errors())
        gateway.wait_for("the NATS transport", lambda: "clients of transport nats: " in gateway.errors())
        assert json.loads(ask(f"http://127.0.0.1:{metrics}/healthz"))["alive"]
        assert all(password not in gateway.errors() for password in passwords().values())
        assert os.path.exists(tmp_path / "gw.sock")
        assert gateway.end() == 0
