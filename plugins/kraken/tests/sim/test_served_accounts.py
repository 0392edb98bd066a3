"""Accounts on loopback: real sockets with plain httpx and websockets, the control paths, the `gw sim` commands."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import signal
import stat
import subprocess
import sys
import urllib.parse

import httpx
import pytest
import websockets
from gw_sim_kraken.accounts.action_list import ACTIONS
from gw_sim_kraken.faults.fault_list import FAULTS
from gw_sim_kraken.plugin import create
from gw_sim_kraken.settings import SimKrakenSettings

from gwcore.testing.serve import serve


def signed(key: str, secret: str, method: str, nonce: int, **params) -> dict:
    """Arguments of an httpx POST."""
    path = f"/0/private/{method}"
    body = urllib.parse.urlencode({"nonce": nonce, **params})
    inner = hashlib.sha256(f"{nonce}{body}".encode()).digest()
    mac = hmac.new(base64.b64decode(secret), path.encode() + inner, hashlib.sha512).digest()
    headers = {
        "API-Key": key,
        "API-Sign": base64.b64encode(mac).decode(),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return {"url": path, "content": body, "headers": headers}


async def until(ws, found) -> dict:
    """The first message of which `found` is true."""
    while True:
        message = json.loads(await asyncio.wait_for(ws.recv(), 20))
        if found(message):
            return message


def test_token_stream_actions_and_truth_on_one_port() -> None:
    simulator = create(SimKrakenSettings(pairs=2, rate=50.0, latency=False, deep_pairs=0, accounts=1))
    key, secret = simulator.credentials()["account1"]

    async def main() -> None:
        async with serve(simulator) as server, httpx.AsyncClient(base_url=server.rest_url) as http:
            answer = (await http.post(**signed(key, secret, "GetWebSocketsToken", 1))).json()
            token = answer["result"]["token"]
            assert (len(token), answer["result"]["expires"]) == (43, 900)
            async with websockets.connect(f"{server.ws_url}/auth/v2") as ws:
                await ws.send(
                    json.dumps(
                        {"method": "subscribe", "params": {"channel": "executions", "token": token}, "req_id": 5}
                    )
                )
                ack = await until(ws, lambda message: message.get("method") == "subscribe")
                assert (ack["success"], ack["req_id"]) == (True, 5)
                await until(ws, lambda message: message.get("type") == "snapshot")
                done = await http.post(
                    "/sim/do", json={"name": "order", "symbol": "BTC/USD", "side": "buy", "quantity": 0.001}
                )
                made = done.json()["done"]
                assert (made["status"], made["quantity"]) == ("filled", "0.001")
                trade = await until(ws, lambda message: message.get("data", [{}])[0].get("exec_type") == "trade")
                assert trade["data"][0]["order_id"] == made["order_id"]
            truth = (await http.get("/sim/account", params={"account": "account1"})).json()
            assert [fill["exec_id"] for fill in truth["fills"]] == made["fills"]
            assert secret not in json.dumps(truth)
            await http.post(
                "/sim/fault", json={"name": "http", "status": 0, "path": "Balance", "after": True, "count": 1}
            )
            with pytest.raises(httpx.RemoteProtocolError):
                await http.post(**signed(key, secret, "Balance", 2))
            lost = (await http.post(**signed(key, secret, "Balance", 2))).json()
            assert lost == {"error": ["EAPI:Invalid nonce"]}, "it had arrived"
            assert (await http.post("/sim/do", json={"name": "nope"})).status_code == 400
            assert (await http.get("/sim/do")).status_code == 405
            assert (await http.get("/sim/account?account=nobody")).status_code == 404

    asyncio.run(main())


def test_the_lists_name_what_there_is() -> None:
    simulator = create(SimKrakenSettings(pairs=1, rate=0, deep_pairs=0, accounts=1))
    for call, known in ((simulator.fault, FAULTS), (simulator.act, ACTIONS)):
        with pytest.raises(ValueError, match="there are: ") as refused:
            call("?")
        assert sorted(known) == str(refused.value).partition("there are: ")[2].split(", ")


@pytest.mark.e2e
def test_the_command_writes_keys_acts_and_tells(tmp_path) -> None:
    gw = [sys.executable, "-m", "gwcore.cli.main", "sim"]
    keys = tmp_path / "keys"
    options = ["--port", "0", "--pairs", "2", "--accounts", "2", "--account-rate", "2", "--keys", str(keys)]
    sim = subprocess.Popen([*gw, "kraken", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert sim.stdout is not None
        assert sim.stderr is not None
        banner = sim.stdout.readline()
        urls = dict(word.split("=", 1) for word in banner.split()[1:])
        port = urls["rest"].rpartition(":")[2]
        assert sorted(path.name for path in keys.iterdir()) == [
            "account1.key", "account1.secret", "account2.key", "account2.secret",
        ]  # fmt: skip
        assert {stat.S_IMODE(path.stat().st_mode) for path in keys.iterdir()} == {0o600}
        key, secret = ((keys / f"account2.{suffix}").read_text().strip() for suffix in ("key", "secret"))
        answer = httpx.post(**{**(request := signed(key, secret, "Balance", 1)), "url": urls["rest"] + request["url"]})
        assert "ZUSD" in answer.json()["result"]
        done = subprocess.run(
            [*gw, "do", "--port", port, "deposit", "account=account2", "asset=USD", "amount=0.10"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        told = subprocess.run([*gw, "account", "--port", port, "account2"], capture_output=True, text=True)
        entry = next(row for row in json.loads(told.stdout)["ledger"] if row["amount"] == "0.1000")
        assert entry["ledger_id"] == json.loads(done.stdout)["ledger_id"]
        wrong = subprocess.run([*gw, "do", "--port", port, "nope"], capture_output=True, text=True)
        assert (wrong.returncode, "there are: add_key" in wrong.stderr) == (2, True)
        sim.send_signal(signal.SIGTERM)
        assert sim.wait(10) == 0
        assert secret not in banner + sim.stdout.read() + sim.stderr.read()
    finally:
        sim.kill()
        sim.communicate()


def test_accounts_need_a_place_for_their_keys(capsys) -> None:
    from gwcore.cli.main import main

    assert main(["sim", "kraken", "--accounts", "1"]) == 2
    assert "--accounts goes with --keys DIR" in capsys.readouterr().err


def test_the_help_lists_faults_and_actions(capsys) -> None:
    from gwcore.cli.main import main

    main(["sim", "kraken", "--help"])
    text = capsys.readouterr().out
    assert all(name in text for name in (*FAULTS, *ACTIONS))
