"""Faults of the private side: each is seen by a client, each lasting one ends (faults F12-F20)."""

from __future__ import annotations

import json

import pytest

SYMBOL = "BTC/USD"


@pytest.fixture
def client(private):
    client = private()
    client.listen("executions", "balances", executions={"snap_trades": True})
    client.fault = client.driver.simulator.fault
    return client


def fills(client, count=1, **options) -> list[str]:
    made = client.driver.simulator.act("fills", count=count, symbol=SYMBOL, **options)["exec_ids"]
    client.driver.run(0.001)
    return made


def traded(client, kind="update") -> list[str]:
    return [row["exec_id"] for row in client.rows("executions", kind) if row["exec_type"] == "trade"]


def sequences(client, channel="executions") -> list[int]:
    return [int(message["sequence"]) for message in client.messages(channel)]


def test_a_refused_token_is_told_by_rest(client) -> None:
    client.fault("refuse_token", error="EService:Busy")
    assert client.call("GetWebSocketsToken") == ["EService:Busy"]
    client.fault("refuse_token", on=False)
    assert client.token()


def test_no_token_is_good_on_the_websocket(client, read) -> None:
    client.fault("refuse_token", where="websocket")
    client.listen("executions")
    assert client.rows() == []
    reply = read(client.driver.frames[client.connection][-1])
    assert (reply["error"], reply["status"]) == ("ESession:Invalid session", "error")
    client.fault("restore")
    client.listen("executions")
    assert len(client.messages()) == 1


def test_expired_tokens_leave_the_subscription_and_take_no_request(client, read) -> None:
    token = client.token()
    assert "tokens are good no more" in client.fault("expire_tokens", account="account1")
    assert fills(client) == traded(client)
    connection = client.driver.open("/auth/v2")
    client.driver.send(connection, "subscribe", {"channel": "balances", "token": token})
    assert read(client.driver.run(0.01)[-1])["error"] == "ESession:Invalid session"


@pytest.mark.parametrize("abort", [False, True])
def test_a_session_ends_for_one_account(client, private, abort) -> None:
    other = private("account2", driver=client.driver)
    other.listen("executions")
    client.fault("end_session", account="account1", abort=abort)
    client.driver.run(0.01)
    assert client.driver.closed == {client.connection: abort}
    client.listen("executions")
    assert len(client.messages()) == 1


def test_a_revoked_key_is_no_key(client, private) -> None:
    other = private("account2", driver=client.driver)
    client.fault("revoke_key", account="account1")
    client.driver.run(0.01)
    assert client.connection in client.driver.closed
    assert client.call("Balance") == ["EAPI:Invalid key"]
    assert "ZUSD" in other.call("Balance")
    client.fault("revoke_key", account="account1", on=False)
    assert "ZUSD" in client.call("Balance")


def test_rights_can_be_taken(client) -> None:
    client.fault("key_permissions", account="account1", permissions="query-funds")
    assert client.call("OpenOrders") == ["EGeneral:Permission denied"]
    client.fault("key_permissions", account="account1", on=False)
    assert client.call("OpenOrders") == {"open": {}}
    with pytest.raises(ValueError, match="permissions are words of"):
        client.fault("key_permissions", permissions="everything")


@pytest.mark.parametrize("same_sequence", [False, True])
def test_fills_are_sent_twice(client, same_sequence) -> None:
    client.fault("duplicate_executions", count=2, same_sequence=same_sequence)
    made = fills(client, 3)
    assert traded(client) == [made[0], made[0], made[1], made[1], made[2]]
    numbers = sequences(client)
    assert (len(numbers) - len(set(numbers))) == (2 if same_sequence else 0)


@pytest.mark.parametrize("gap", [True, False])
def test_frames_are_kept_back(client, gap) -> None:
    client.fault("drop_executions", count=4, gap=gap)
    made = fills(client, 2)
    assert traded(client) == made[1:], "the first order's four reports are gone"
    steps = {after - before for before, after in zip(sequences(client), sequences(client)[1:], strict=False)}
    assert steps == ({1, 5} if gap else {1})


@pytest.mark.parametrize("kind", ["snapshot", "update"])
def test_old_fills_come_again(client, kind) -> None:
    made = fills(client, 5)
    before = len(traded(client, kind))
    client.fault("replay_fills", account="account1", count=3, kind=kind)
    client.driver.run(0.001)
    again = traded(client, kind)[before:]
    assert again == (made[:1:-1] if kind == "snapshot" else made[2:])
    assert sequences(client) == list(range(1, len(sequences(client)) + 1))


def test_rest_is_behind_the_stream(client) -> None:
    before = client.call("Balance")
    client.fault("rest_lag", ms=500)
    made = fills(client, 2, side="buy")
    order_id = client.rows("executions", "update")[0]["order_id"]
    assert client.call("TradesHistory") == {"trades": {}, "count": "0"}
    assert client.call("Balance") == before
    assert client.call("ClosedOrders")["closed"] == {}
    assert client.call("QueryOrders", txid=order_id) == ["EOrder:Unknown order"]
    client.driver.run(0.5)
    assert list(client.call("TradesHistory")["trades"]) == made[::-1]
    assert client.call("QueryOrders", txid=order_id)[order_id]["status"] == "closed"
    assert client.call("Balance") != before


def test_rest_fails_after_it_acted(client) -> None:
    client.fault("http", status=502, path="GetWebSocketsToken", after=True, count=1)
    answer = client.request("GetWebSocketsToken")
    assert (answer.status, answer.headers["content-type"]) == (502, "text/html")
    client.fault("http", status=429, path="Balance", count=1)
    assert client.request("Balance").status == 429
    assert client.call("Balance", nonce=client.nonce), "what never reached the API used up no nonce"
    client.fault("http", status=0, path="Balance", after=True, count=1)
    assert client.request("Balance").status == 0
    assert client.call("Balance", nonce=client.nonce) == ["EAPI:Invalid nonce"]


def test_the_clock_of_the_venue_is_off(client, read) -> None:
    from gwcore.rest import HttpRequest

    def seconds() -> int:
        request = HttpRequest(method="GET", url="/0/public/Time")
        return json.loads(client.driver.simulator.http(request, client.driver.now).body)["result"]["unixtime"]

    before = seconds()
    client.fault("skew_clock", ms=90_000)
    assert seconds() == before + 90
    client.fault("restore")
    assert seconds() == before


def test_a_key_is_locked_out(client) -> None:
    client.fault("lockout", account="account1", seconds=5)
    assert client.call("Balance") == ["EGeneral:Temporary lockout"]
    client.driver.run(5)
    assert "ZUSD" in client.call("Balance")


def test_a_silent_channel_uses_up_its_numbers(client) -> None:
    client.fault("silence", channel="balances")
    fills(client)
    client.fault("silence", channel="balances", on=False)
    fills(client)
    assert sequences(client, "balances") == [1, 4, 5]


def test_five_hundred_fills_while_nobody_listens(client) -> None:
    client.fault("end_session")
    client.driver.run(0.01)
    made = fills(client, 500)
    client.listen("executions", executions={"snap_trades": True})
    assert traded(client, "snapshot") == made[:-51:-1]
    found: list[str] = []
    while len(found) < 500:
        client.driver.run(2)
        found += client.call("TradesHistory", ofs=len(found))["trades"]
    assert found == made[::-1]


def test_unknown_accounts_are_named(client) -> None:
    with pytest.raises(ValueError, match="no account 'nobody'; there are: account1, account2"):
        client.fault("revoke_key", account="nobody")
