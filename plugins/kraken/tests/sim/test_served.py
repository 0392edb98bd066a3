"""The simulator on loopback: WebSocket, REST and control paths over real sockets; the `gw sim` command."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys

import httpx
import pytest
import websockets
from gw_sim_kraken.plugin import create
from gw_sim_kraken.settings import SimKrakenSettings

from gwcore.plugins import load_simulator
from gwcore.testing import serve as serving
from gwcore.testing.processes import ProcessError, Sim, ending
from gwcore.testing.serve import serve

SUBSCRIBE = json.dumps({"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/USD"]}})


def subscribe(channel: str) -> str:
    return json.dumps({"method": "subscribe", "params": {"channel": channel, "symbol": ["BTC/USD"]}})


async def frames_until(ws, found) -> list[bytes]:
    """Frames up to the first one of which `found` is true."""
    frames = []
    while not frames or not found(frames[-1]):
        frames.append(await asyncio.wait_for(ws.recv(decode=False), 20))
    return frames


def simulator(**settings):
    return create(SimKrakenSettings(**{"pairs": 2, "rate": 500.0, "latency": False, **settings}))


def test_market_data_rest_and_control_on_one_port() -> None:
    async def main() -> None:
        async with serve(simulator()) as server, httpx.AsyncClient(base_url=server.rest_url) as http:
            async with websockets.connect(f"{server.ws_url}/v2") as ws:
                await ws.send(SUBSCRIBE)
                frames = await frames_until(ws, lambda frame: b'"update","data":[{"symbol"' in frame)
                assert [json.loads(frame).get("channel", "ack") for frame in frames[:3]] == ["status", "ack", "book"]
                pairs = (await http.get("/0/public/AssetPairs")).json()
                assert set(pairs["result"]) == {"XXBTZUSD", "XETHZUSD"}
                done = await http.post("/sim/fault", json={"name": "freeze"})
                assert done.json() == {"done": "the market stands still"}
                truth = (await http.get("/sim/truth", params={"symbol": "BTC/USD", "depth": 3})).json()
                assert len(truth["book"]["bids"]) == 3
                stats = (await http.get("/sim/stats")).json()
                assert stats["connects"] == 1
                assert stats["connections"][0]["frames_sent"] >= len(frames)
                assert stats["attempts_in_10_minutes_max"] == stats["frames_received_in_second_max"] == 1
                trades = (await http.get("/sim/trades", params={"symbol": "BTC/USD"})).json()
                assert trades["trades"]
            assert (await http.post("/sim/fault", json={"name": "nope"})).status_code == 400
            assert (await http.post("/sim/fault", content=b"{")).status_code == 400
            assert (await http.get("/sim/truth?symbol=NO")).status_code == 404
            assert (await http.get("/sim/nothing")).status_code == 404
            assert (await http.post("/0/private/Balance", content=b"nonce=1")).json() == {"error": ["EAPI:Invalid key"]}

    asyncio.run(main())


def test_refusals_closes_and_pings() -> None:
    async def main() -> None:
        sim = simulator(rate=0.0)
        async with serve(sim) as server:
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(f"{server.ws_url}/nothing")
            assert refused.value.response.status_code == 404
            sim.fault("refuse", status=429)
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(f"{server.ws_url}/v2")
            assert refused.value.response.status_code == 429
            for abort in (False, True):
                async with websockets.connect(f"{server.ws_url}/v2") as ws:
                    await (await ws.ping())
                    sim.fault("close", abort=abort)
                    server.wake()
                    with pytest.raises(websockets.ConnectionClosed) as closed:
                        await frames_until(ws, lambda frame: False)
                    assert isinstance(closed.value, websockets.ConnectionClosedError) is abort
            assert server.stats()["connections"] == []

    asyncio.run(main())


def test_a_client_that_does_not_read_holds_a_full_speed_replay_back(tmp_path, monkeypatch) -> None:
    row = '{{"channel":"trade","type":"update","data":[{{"symbol":"BTC/USD","price":1.0,"qty":1.0,"side":"buy",{}}}]}}'
    recording = tmp_path / "long.jsonl"
    recording.write_text("\n".join(row.format(f'"trade_id":{n},"x":"{"y" * 4000}"') for n in range(6_000)))
    monkeypatch.setattr(serving, "STALL_S", 60.0)

    async def main() -> None:
        sim = simulator(replay=str(recording), speed=0.0)
        async with serve(sim) as server:
            behind, fall_behind = asyncio.Event(), server.fall_behind
            server.fall_behind = lambda peer: (fall_behind(peer), behind.set())
            async with websockets.connect(f"{server.ws_url}/v2", max_queue=1) as ws:
                await ws.send(subscribe("trade"))
                await frames_until(ws, lambda frame: b'"trade_id":0,' in frame)
                await asyncio.wait_for(behind.wait(), 20)
                played = sim.feed.played
                for _ in range(1000):
                    await asyncio.sleep(0)
                assert sim.feed.played == played < 6_000
                assert server.stats()["connections"][0]["bytes_buffered"] < 8 * 1024 * 1024
                await frames_until(ws, lambda frame: b'"trade_id":5999,' in frame)
            assert sim.feed.played == 6_000

    asyncio.run(main())


def test_bad_http_is_refused_and_the_server_goes_on() -> None:
    async def main() -> None:
        async with serve(simulator(rate=0.0)) as server:
            for request in (b"\x00\x01 nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(request)
                assert (await reader.read()).startswith(b"HTTP/1.1 400 Bad Request")
                writer.close()
            async with httpx.AsyncClient(base_url=server.rest_url) as http:
                assert (await http.get("/0/public/Time")).status_code == 200

    asyncio.run(main())


def test_the_plugin_is_found_by_name() -> None:
    spec = load_simulator("kraken")
    assert (spec.name, spec.settings, "/v2" in spec.paths) == ("kraken", SimKrakenSettings, True)


@pytest.mark.e2e
def test_the_command_serves_switches_faults_and_ends() -> None:
    gw = [sys.executable, "-m", "gwcore.cli.main"]
    sim = subprocess.Popen([*gw, "sim", "kraken", "--port", "0", "--pairs", "2"], stdout=subprocess.PIPE, text=True)
    try:
        assert sim.stdout is not None
        ready = sim.stdout.readline().split()
        assert ready[0] == "ready"
        urls = dict(word.split("=", 1) for word in ready[1:])
        port = urls["rest"].rpartition(":")[2]
        assert httpx.get(f"{urls['rest']}/0/public/SystemStatus").json()["result"]["status"] == "online"
        done = subprocess.run(
            [*gw, "sim", "fault", "--port", port, "status", "system=post_only"], capture_output=True, text=True
        )
        assert (done.returncode, done.stdout) == (0, "system is post_only\n")
        assert httpx.get(f"{urls['rest']}/0/public/SystemStatus").json()["result"]["status"] == "post_only"
        wrong = subprocess.run([*gw, "sim", "fault", "--port", port, "nope"], capture_output=True, text=True)
        assert wrong.returncode == 2
        assert "there are: blank_book, close" in wrong.stderr
        sim.send_signal(signal.SIGTERM)
        assert sim.wait(10) == 0
    finally:
        sim.kill()
        sim.wait()
        if sim.stdout is not None:
            sim.stdout.close()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["kraken", "--speed", "2"], "--speed goes with --replay FILE"),
        (["kraken", "--keys", "anywhere"], "--keys goes with --accounts N"),
        (["kraken", "--set", "colour=red"], "has no setting colour"),
        (["kraken", "--set", "seed=red"], "setting of simulator kraken"),
        (["kraken", "--replay", "/nowhere"], "/nowhere"),
        (["krakken"], "krakken"),
    ],
)
def test_wrong_usage_is_one_sentence(arguments, text, capsys) -> None:
    from gwcore.cli.main import main

    assert main(["sim", *arguments]) == 2
    assert text in capsys.readouterr().err


@pytest.mark.e2e
def test_the_command_behind_a_fault_proxy(tmp_path) -> None:
    sim = Sim(tmp_path, "--pairs", "2", "--proxy")
    with ending(sim):
        assert httpx.get(f"{sim.rest_url}/0/public/SystemStatus").json()["result"]["status"] == "online"
        assert json.loads(sim.fault("line.answer", status=429, body="text")) == {
            "done": "requests are answered with 429"
        }
        assert httpx.get(f"{sim.rest_url}/0/public/SystemStatus").status_code == 429
        sim.fault("line.stall", way="both")
        assert sim.stats()["connects"] == 0, "control goes past the proxy"
        sim.fault("restore")
        assert httpx.get(f"{sim.rest_url}/0/public/SystemStatus").status_code == 200
        with pytest.raises(ProcessError, match="there are: delay, drip"):
            sim.fault("line.nope")
