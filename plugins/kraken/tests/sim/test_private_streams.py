"""Subscriptions of accounts: tokens, acks, snapshots, refusals (sheet 4.2, 4.3, 4.12, 4.13, 7.1)."""

from __future__ import annotations

import pytest

MINUTE = 60


def test_a_subscription_is_acked_then_a_snapshot_has_sequence_one(private, read) -> None:
    client = private()
    connection = client.listen("executions", "balances")
    frames = [read(frame) for frame in client.driver.frames[connection]]
    assert frames[0]["channel"] == "status"
    assert frames[1]["result"]["channel"] == "executions"
    assert list(frames[1]["result"]) == ["channel", "maxratecount", "snap_orders", "snap_trades", "warnings"]
    assert (frames[1]["result"]["maxratecount"], frames[1]["success"]) == ("180", True)
    assert frames[2] == {"channel": "executions", "type": "snapshot", "data": [], "sequence": "1"}
    assert frames[3]["result"] == {"channel": "balances", "snapshot": True}
    assert (frames[4]["type"], frames[4]["sequence"]) == ("snapshot", "1")
    btc = next(row for row in frames[4]["data"] if row["asset"] == "BTC")
    assert list(btc) == ["asset", "asset_class", "wallets", "balance"]
    assert btc["wallets"] == [{"type": "spot", "id": "main", "balance": btc["balance"]}]
    assert client.call("Balance")["XXBT"] == btc["balance"]


@pytest.mark.parametrize(
    ("params", "error", "keys"),
    [
        ({"channel": "executions"}, "Token(s) not found", {}),
        (
            {"channel": "executions", "token": "x"},
            "ESession:Invalid session",
            {"channel": "executions", "status": "error"},
        ),
        ({"channel": "balances", "token": "x"}, "ESession:Invalid session", {"channel": "balances", "status": "error"}),
        ({"channel": "executions", "token": "x", "depth": 1}, "Unsupported field: 'depth'", {}),
        ({"channel": "executions", "token": "x", "snap_orders": 1}, "Malformed request", {}),
    ],
)
def test_refusals(private, read, params, error, keys) -> None:
    client = private()
    connection = client.driver.open("/auth/v2")
    client.driver.send(connection, "subscribe", params, req_id=7)
    reply = read(client.driver.run(0.01)[-1])
    assert (reply["success"], reply["req_id"]) == (False, "7")
    assert reply["error"].startswith(error)
    assert {key: reply.get(key) for key in keys} == keys


def test_the_public_host_has_no_private_channels(private, read) -> None:
    client = private()
    connection = client.driver.open()
    client.driver.send(connection, "subscribe", {"channel": "executions", "token": client.token()})
    assert "ws-auth" in read(client.driver.run(0.01)[-1])["error"]


def subscribe(client, token, connection=None) -> dict:
    """The reply to a subscribe of balances with this token."""
    connection = client.driver.open("/auth/v2") if connection is None else connection
    client.driver.send(connection, "subscribe", {"channel": "balances", "token": token})
    frames = client.driver.run(0.01)
    return next(message for message in map(client.read, frames) if "method" in message)


@pytest.fixture
def client(private, read):
    client = private(idle_close_s=0)
    client.read = read
    return client


def test_a_token_is_good_for_fifteen_minutes(client) -> None:
    late = client.token()
    client.driver.run(15 * MINUTE - 1)
    assert subscribe(client, late)["success"]
    unused = client.token()
    client.driver.run(15 * MINUTE)
    assert subscribe(client, unused)["error"] == "ESession:Invalid session"


def test_a_subscription_keeps_its_token_good(client) -> None:
    token = client.token()
    connection = client.driver.open("/auth/v2")
    assert subscribe(client, token, connection)["success"]
    client.driver.run(20 * MINUTE)
    assert subscribe(client, token)["success"], "while the first subscription lives"
    client.driver.simulator.fault("close")
    client.driver.run(0.01)
    assert subscribe(client, token)["error"] == "ESession:Invalid session"


def test_unsubscribing_ends_it_and_twice_is_an_error(client) -> None:
    token = client.token()
    connection = client.driver.open("/auth/v2")
    assert subscribe(client, token, connection)["success"]
    assert subscribe(client, token, connection)["error"] == "Already subscribed"
    for expected in ({"channel": "balances"}, None):
        client.driver.send(connection, "unsubscribe", {"channel": "balances", "token": token})
        assert client.read(client.driver.run(0.01)[-1]).get("result") == expected


def test_a_channel_needs_its_permission(client, private) -> None:
    simulator = client.driver.simulator
    key = simulator.accounts.add_key("account1", permissions=frozenset({"create-ws-token"}))
    poor = private(driver=client.driver, key=(key.public, key.secret))
    assert subscribe(client, poor.token())["error"] == "EGeneral:Permission denied"


def test_a_private_subscription_keeps_a_connection_open(private) -> None:
    client = private(idle_close_s=60.0)
    idle = client.driver.open("/auth/v2")
    connection = client.listen("balances")
    client.driver.run(200)
    assert idle in client.driver.closed
    assert connection not in client.driver.closed
