"""Clients over NATS of a real gateway, with what breaks in production: the server, and the gateway without a word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gwcore.client import SyncClient, connect_sync
from gwcore.model import Gap
from gwcore.testing.nats_server import NatsServer
from gwcore.testing.processes import Gw, Process, Sim, ending, read_lines, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sim]:
    sim = Sim(tmp_path_factory.mktemp("sim"), "--pairs", "4", "--rate", "200", "--seed", "5")
    with ending(sim):
        yield sim


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats").start()
    yield server
    server.stop()


def start(folder: Path, sim: Sim, server: NatsServer) -> Gw:
    return Gw(folder, sim, "--symbols", "*", "--transport", "unix", "nats", "--nats-url", server.url)


def numbered(tail: Process) -> dict[str, list[bytes]]:
    """What a `gw tail` printed, by partition."""
    found: dict[str, list[bytes]] = {}
    for line in read_lines(tail.out):
        found.setdefault(json.loads(line)["header"]["partition"], []).append(line)
    return found


def read_until(client: SyncClient, condition: Any) -> list[Any]:
    """Events up to the first batch that holds one that meets the condition."""
    found: list[Any] = []
    while batch := [delivery.envelope for delivery in client.batch(timeout_s=30.0)]:
        found += batch
        if any(map(condition, batch)):
            return found
    raise AssertionError(f"nothing more came after {len(found)} events")


def live_books(client: SyncClient) -> int:
    return client.call(lambda inner: sum(book.state.value == "LIVE" for book in inner.books.values()))


def test_both_ways_in_tell_the_same_bytes(sim: Sim, server: NatsServer, tmp_path: Path) -> None:
    gateway = start(tmp_path, sim, server)
    with ending(gateway):
        gateway.wait_ready()
        ways = {"unix": ["--unix-path", str(gateway.socket_path)], "nats": ["--address", f"{server.url}/sim/kraken"]}
        tails = [Process(name, ["tail", *way, "--from", "start"], tmp_path) for name, way in ways.items()]
        for tail in tails:
            tail.wait_for("some events", lambda tail=tail: len(read_lines(tail.out)) > 1000)
        gateway.end()
        assert [tail.wait() for tail in tails] == [0, 0]
    over_unix, over_nats = map(numbered, tails)
    assert set(over_unix) == {"md.0", "st"}
    assert over_unix == over_nats
    sequences = [json.loads(line)["header"]["sequence"] for line in over_nats["md.0"]]
    assert sequences == list(range(1, len(sequences) + 1))


def test_a_server_that_is_killed_costs_no_event(sim: Sim, server: NatsServer, tmp_path: Path) -> None:
    gateway = start(tmp_path, sim, server)
    with ending(gateway):
        gateway.wait_ready()
        with connect_sync(f"{server.url}/sim/kraken", reconnect_s=60.0) as client:
            client.subscribe(from_start=True)
            read = read_until(client, lambda envelope: envelope.header.sequence == 500)
            server.kill()
            last = read[-1].header.sequence
            server.start()
            read += read_until(client, lambda envelope: (envelope.header.sequence or 0) > last + 500)
            client.snapshot(kinds=["gateway_status"])
            assert client.call(lambda inner: (inner.reconnects, inner.gaps)) == (1, 0)
            assert live_books(client) == 4
    assert not [envelope for envelope in read if isinstance(envelope.event, Gap)]
    sequences = [envelope.header.sequence for envelope in read if envelope.header.partition == "md.0"]
    assert sequences == list(range(1, len(sequences) + 1))


def test_a_gateway_that_is_killed_is_followed_into_its_next_life(sim: Sim, server: NatsServer, tmp_path: Path) -> None:
    gateway = start(tmp_path, sim, server)
    gateway.wait_ready()
    with connect_sync(f"{server.url}/sim/kraken", reconnect_s=60.0) as client:
        client.subscribe()
        read_until(client, lambda envelope: envelope.header.sequence)
        session = client.token["md.0"][0]
        gateway.kill()
        gateway = start(tmp_path, sim, server)
        with ending(gateway):
            gateway.wait_ready()
            read_until(
                client, lambda envelope: envelope.header.partition == "md.0" and envelope.header.session_id > session
            )
            client.snapshot(kinds=["gateway_status"])
            wait_for("all books", lambda: live_books(client) == 4)
            assert client.call(lambda inner: (inner.reconnects > 0, inner.gaps)) == (True, 0)
