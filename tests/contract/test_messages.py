"""What a run really says, stored and on the wire, is what the AsyncAPI document says: no field is missing there."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from gwcore import wire
from gwcore.model import CancelAllOrders
from gwcore.testing.nats_server import NatsServer
from gwcore.testing.processes import Gw, Sim, ending

pytestmark = pytest.mark.e2e

Stored = tuple[str, dict[str, str], bytes]
STREAMS = ("gw-sim-kraken-md", "gw-sim-kraken-st")


class WireClient:
    """A client of the Unix socket that keeps what it says and hears, as bytes."""

    def __init__(self, path: Path) -> None:
        self.sent: list[bytes] = []
        self.heard: list[tuple[bytes, bytes]] = []
        self._parser = wire.FrameParser(wire.FRAME_BYTES_MAX)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(str(path))

    def ask(self, request: Any, until: str) -> None:
        """Send a request, and read until a message by that name."""
        frame = wire.frame_request(request)
        self.sent.append(frame[5:])
        self._socket.sendall(frame)
        self.read_until(until)

    def read_until(self, name: str) -> None:
        """Read until a message by that name came anew."""
        known = len(self.heard)
        while not any(
            body_kind == b"C" and json.loads(body)["message"] == name for body_kind, body in self.heard[known:]
        ):
            data = self._socket.recv(1 << 16)
            assert data, f"the gateway closed before {name}"
            self.heard += self._parser.feed(data)

    def close(self) -> None:
        self._socket.close()


class Run:
    """What one run said."""

    def __init__(self) -> None:
        self.stored: list[Stored] = []
        self.requests: list[bytes] = []
        self.heard: list[tuple[bytes, bytes]] = []


async def read_streams(url: str) -> list[Stored]:
    client = await nats.connect(url)
    found: list[Stored] = []
    try:
        jetstream = client.jetstream()
        for stream in STREAMS:
            left = (await jetstream.stream_info(stream)).state.messages
            config = ConsumerConfig(ack_policy=AckPolicy.NONE)
            subscription = await jetstream.pull_subscribe("gw.>", stream=stream, config=config)
            while left > 0:
                messages = await subscription.fetch(min(500, left), timeout=10)
                found += [(message.subject, message.headers or {}, message.data) for message in messages]
                left -= len(messages)
    finally:
        await client.close()
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with a bad book, a client that asks all there is to ask, and an end."""
    folder, said = tmp_path_factory.mktemp("run"), Run()
    server = NatsServer(folder / "nats").start()
    sim = Sim(folder, "--pairs", "3", "--rate", "200", "--seed", "4")
    channels = ["--channels", "instrument,status,book,trade,ticker,ohlc"]
    gateway = Gw(folder, sim, *channels, "--transport", "unix", "--sink", "jetstream", "--nats-url", server.url)
    try:
        with ending(gateway, sim):
            gateway.wait_ready()
            client = WireClient(gateway.socket_path)
            client.ask(wire.Hello(name="contract"), "welcome")
            client.ask(wire.Subscribe(request_id=1, from_start=True), "snapshot_end")
            sim.fault("corrupt_level", symbol="BTC/USD", count=1)
            client.ask(wire.SnapshotRequest(request_id=2, symbols=("BTC/*",)), "snapshot_end")
            client.ask(wire.Subscribe(request_id=3, symbols=("NO/SUCH",)), "error")
            client.ask(CancelAllOrders(account="main"), "error")
            level = wire.ControlRequest(request_id=7, action="log_level", arguments={"level": "info"})
            client.ask(level, "outcome")
            client.ask(wire.Ping(request_id=4), "heartbeat")
            gateway.wait_for("a ticker", lambda: any(b'"kind":"statistics"' in body for _, body in said_by(client)))
            gateway.wait_for("the bad book", lambda: any(b'"CHECKSUM"' in body for _, body in said_by(client)))
            client.ask(wire.Unsubscribe(request_id=5, subscription=1), "done")
            gateway.end()
            client.read_until("goodbye")
            client.close()
        said.stored = asyncio.run(read_streams(server.url))
        said.requests, said.heard = client.sent, client.heard
    finally:
        server.stop()
    return said


def said_by(client: WireClient) -> list[tuple[bytes, bytes]]:
    """All that was heard, after one more answer."""
    client.ask(wire.Ping(request_id=6), "heartbeat")
    return client.heard


def test_stored_messages(run: Run, contract: Any) -> None:
    seen: Counter[str] = Counter()
    for subject, headers, payload in run.stored:
        channel = contract.channel_of(subject)
        contract.check(channel, "stored", payload, headers)
        header = json.loads(payload)["header"]
        assert headers["Nats-Msg-Id"] == f"{header['session_id']}:{header['sequence']}"
        seen[channel] += 1
    expected = {"md.reference_data", "md.market_status", "md.market_by_price", "md.top_of_book", "md.trade_summary",
                "md.statistics", "md.time_series", "st.gateway_status", "st.stream_status.about", "st.download_begin",
                "st.ready"}  # fmt: skip
    assert expected <= seen.keys()


def test_the_wire(run: Run, contract: Any) -> None:
    names = set()
    for body_kind, body in run.heard:
        if body_kind == wire.TYPE_EVENT:
            contract.check("reply", "envelope", body)
            names.add("envelope")
        else:
            name = json.loads(body)["message"]
            contract.check("reply", name, body)
            names.add(name)
    assert names == set(contract.document["channels"]["reply"]["messages"])


def test_requests(run: Run, contract: Any) -> None:
    verbs = {json.loads(body)["request"]: body for body in run.requests}
    assert verbs.keys() == {"hello", "subscribe", "snapshot", "ping", "unsubscribe", "control", "cancel_all_orders"}
    for verb, body in verbs.items():
        contract.check(f"cmd.{verb}", verb, body)


@pytest.mark.parametrize("changes", [{"kind": "trade"}, {"symbol": 3}, {"new_field": 1}, {"update_type": None}])
def test_a_message_that_is_other_is_refused(run: Run, contract: Any, changes: dict[str, Any]) -> None:
    subject, _, payload = next(one for one in run.stored if ".market_by_price." in one[0])
    said = json.loads(payload)
    said["event"] |= changes
    with pytest.raises(AssertionError, match=r"\$\.event"):
        contract.check(contract.channel_of(subject), "stored", json.dumps(said).encode())


def test_headers_that_are_other_are_refused(run: Run, contract: Any) -> None:
    subject, headers, payload = next(one for one in run.stored if ".market_by_price." in one[0])
    for changes in ({"Gw-Kind": "trade_summary"}, {"Nats-Msg-Id": "1"}, {"Gw-Other": "1"}):
        with pytest.raises(AssertionError, match="headers"):
            contract.check(contract.channel_of(subject), "stored", payload, headers | changes)
