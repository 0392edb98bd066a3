"""A gateway on NATS as its user runs it: events for all, a client that comes late, rights, and what is said of settings."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.msg import Msg

from gwcore import wire
from gwcore.nats_connection import flush_client
from gwcore.testing.nats_server import NatsServer
from gwcore.testing.processes import Gw, Process, Sim, ending

pytestmark = pytest.mark.e2e

GW = str(Path(sys.executable).parent / "gw")
RIGHTS = Path(__file__).parents[2] / "scripts" / "show" / "nats_rights.py"
PREFIX = "gw.sim.kraken"


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sim]:
    sim = Sim(tmp_path_factory.mktemp("sim"), "--pairs", "4", "--rate", "200", "--seed", "3")
    with ending(sim):
        yield sim


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats").start()
    yield server
    server.kill()


class Listener:
    """Hears all events, in their order."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Msg] = asyncio.Queue()

    async def connect(self, url: str) -> Any:
        client = await nats.connect(url, inbox_prefix="_INBOX.alice")
        await client.subscribe(f"{PREFIX}.>", cb=self.heard.put, pending_bytes_limit=1 << 30)
        await flush_client(client, 10.0)
        return client


def place(message: Msg) -> tuple[str, str, int | None]:
    header = wire.decode_envelope(message.data).header
    return header.partition, header.session_id, header.sequence


async def join(url: str, count: int) -> dict[str, tuple[str, int]]:
    """The three steps of docs/nats.md; then `count` events without a hole. Returns where the state stood."""
    listener = Listener()
    client = await listener.connect(url)
    answers = await client.subscribe(inbox := client.new_inbox())
    await client.publish(f"{PREFIX}.cmd.alice.snapshot", b'{"request":"snapshot","request_id":1}', reply=inbox)
    states = 0
    while (message := await answers.next_msg(10)).headers["Gw-Type"] == "E":
        states += 1
    end = wire.decode_message(message.data)
    assert isinstance(end, wire.SnapshotEnd)
    assert states >= 4 * 3  # reference data, book and status of each pair
    stands = dict(end.sessions)
    seen = 0
    while seen < count:
        heard = await listener.heard.get()
        if ".cmd." in heard.subject:
            continue
        partition, session_id, sequence = place(heard)
        assert sequence is not None
        known, last = stands.get(partition, (session_id, 0))
        assert known == session_id
        if sequence > last:
            assert sequence == last + 1
            stands[partition] = (session_id, sequence)
            seen += 1
    await client.close()
    return end.sessions


def test_every_event_is_heard_and_a_late_client_joins(sim: Sim, server: NatsServer, tmp_path: Path) -> None:
    heard: list[Msg] = []

    async def scene() -> None:
        listener = Listener()
        client = await listener.connect(server.url)
        gateway = Gw(tmp_path, sim, "--transport", "nats", "--nats-url", server.url)
        with ending(gateway):
            await asyncio.to_thread(gateway.wait_ready)
            await asyncio.gather(*[join(server.url, 300) for _ in range(3)])
            gateway.send(signal.SIGTERM)
            assert await asyncio.to_thread(gateway.wait) == 0
        # A message of our own comes behind all of the gateway's.
        await client.publish(f"{PREFIX}.end")
        while (message := await listener.heard.get()).subject != f"{PREFIX}.end":
            heard.append(message)
        await client.close()

    asyncio.run(scene())
    events = [message for message in heard if ".cmd." not in message.subject and place(message)[2] is not None]
    journal = subprocess.run(
        [GW, "log", "cat", "--state-dir", str(tmp_path / "state")], capture_output=True, check=True, timeout=60
    ).stdout.splitlines()
    assert len(events) == len(journal)
    assert {message.data for message in events} == set(journal)


def test_a_transport_without_a_server_is_one_sentence(sim: Sim, tmp_path: Path) -> None:
    gateway = Gw(tmp_path, sim, "--transport", "nats")
    assert gateway.wait() == 2
    assert "transport.nats.url: there is no server to connect to (--nats-url nats://HOST:4222" in gateway.errors()


def test_a_url_for_nobody_is_one_sentence(sim: Sim, tmp_path: Path) -> None:
    gateway = Gw(tmp_path, sim, "--nats-url", "nats://127.0.0.1:9")
    assert gateway.wait() == 2
    assert gateway.errors().strip() == (
        "gw: --nats-url: neither sink jetstream nor transport nats is chosen (add --sink jetstream or --transport nats)"
    )


def test_a_stop_is_quick_while_the_server_is_away(sim: Sim, tmp_path: Path) -> None:
    gateway = Gw(tmp_path, sim, "--transport", "nats", "--nats-url", "nats://127.0.0.1:9")
    with ending(gateway):
        gateway.wait_ready()
        gateway.wait_for("a word about the server", lambda: "no connection to nats://127.0.0.1:9" in gateway.errors())
        gateway.send(signal.SIGTERM)
        assert gateway.wait() == 0


def test_the_rights_of_conf_nats_hold(tmp_path: Path) -> None:
    table = subprocess.run([sys.executable, str(RIGHTS)], capture_output=True, text=True, timeout=120, check=False)
    assert table.returncode == 0, table.stdout + table.stderr
    assert table.stdout.count("| alice | asks as bob | no | yes |") == 2


def test_both_plugins_get_the_url(tmp_path: Path) -> None:
    process = Process(
        "config",
        [
            "config",
            "show",
            "--venue",
            "kraken",
            "--transport",
            "nats",
            "--sink",
            "jetstream",
            "--nats-url",
            "nats://h:1",
        ],
        tmp_path,
    )
    assert process.wait() == 0
    assert 'transport.nats.url = "nats://h:1"' in process.text()
    assert 'sink.jetstream.url = "nats://h:1"' in process.text()
