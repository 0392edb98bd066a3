"""Who is let in: signatures, nonces, permissions, counters, lock-outs (sheet 2.3, 2.4); what accounts hold at the start."""

from __future__ import annotations

import json

import pytest
from gw_sim_kraken.signing import api_sign

from gwcore.rest import HttpRequest
from gwcore.testing.fixtures import fixture_path, requires_fixtures


@requires_fixtures
def test_signatures_are_those_of_the_vectors() -> None:
    vectors = json.loads(fixture_path("kraken-spot/rest-signing-vectors.json").read_bytes())
    assert len(vectors) == 2
    for one in vectors:
        assert api_sign(one["path"], one["nonce"], one["body"].encode(), one["private_key"]) == one["api_sign"]


def test_balances_are_texts_at_the_ledger_precision(private) -> None:
    client = private()
    balances = client.call("Balance")
    assert set(balances) == {"XXBT", "ZUSD", "XETH"}
    assert [len(balances[name].partition(".")[2]) for name in ("XXBT", "ZUSD", "XETH")] == [10, 4, 10]
    extended = client.call("BalanceEx")
    assert extended["ZUSD"] == {"balance": balances["ZUSD"], "hold_trade": "0.0000"}
    assert client.call("TradeBalance")["m"] == "0.0000"
    assert "ml" not in client.call("TradeBalance", asset="XXBT")
    assert client.call("TradeBalance", asset="NOPE") == ["EQuery:Unknown asset"]
    entries = client.call("Ledgers")
    assert entries["count"] == "3"
    assert {entry["type"] for entry in entries["ledger"].values()} == {"deposit"}


def test_a_json_body_is_signed_over_its_text(private) -> None:
    client = private()
    body = b'{"nonce": 77, "asset": "ZUSD"}'
    headers = {
        "API-Key": client.key,
        "API-Sign": api_sign("/0/private/TradeBalance", "77", body, client.secret),
        "Content-Type": "application/json",
    }
    request = HttpRequest(method="POST", url="/0/private/TradeBalance", headers=headers, body=body)
    answer = json.loads(client.driver.simulator.http(request, client.driver.now).body)
    assert answer["error"] == []
    assert "eb" in answer["result"]


def test_wrong_keys_signatures_and_nonces_are_told_apart_and_counted(private) -> None:
    client = private()
    assert client.call("Balance", nonce=10)
    assert client.call("Balance", nonce=10) == ["EAPI:Invalid nonce"]
    assert client.call("Balance", nonce=9) == ["EAPI:Invalid nonce"]
    assert client.call("Balance", nonce=2**64) == ["EAPI:Invalid nonce"]
    assert client.call("Balance", nonce=11, sign="AAAA") == ["EAPI:Invalid signature"]
    assert "ZUSD" in client.call("Balance", nonce=11), "a forged request uses up no nonce"
    stranger = private(driver=client.driver, key=("nobody", client.secret))
    assert stranger.call("Balance") == ["EAPI:Invalid key"]
    counts = client.driver.simulator.stats()
    assert [counts[f"invalid_{what}"] for what in ("nonces", "signatures", "keys")] == [3, 1, 1]


def test_a_nonce_window_takes_late_requests(private) -> None:
    client = private()
    client.driver.simulator.accounts.keys_of("account1")[0].nonce_window = 5
    assert "ZUSD" in client.call("Balance", nonce=100)
    assert "ZUSD" in client.call("Balance", nonce=96)
    assert client.call("Balance", nonce=95) == ["EAPI:Invalid nonce"]


def test_rights_are_those_of_the_key(private) -> None:
    client = private()
    key = client.driver.simulator.accounts.add_key("account1", permissions=frozenset({"query-funds"}))
    poor = private(driver=client.driver, key=(key.public, key.secret))
    info = poor.call("GetApiKeyInfo")
    assert (info["api_key"], info["permissions"], info["nonce"]) == (key.public, ["query-funds"], "1")
    assert "ZUSD" in poor.call("Balance")
    for method in ("OpenOrders", "ClosedOrders", "TradesHistory", "Ledgers", "GetWebSocketsToken"):
        assert poor.call(method) == ["EGeneral:Permission denied"]
    assert poor.call("Nonsense") == ["EGeneral:Unknown method"]
    assert "withdraw-funds" not in client.call("GetApiKeyInfo")["permissions"]


@pytest.mark.parametrize(("tier", "calls", "decayed"), [("starter", 15, 3), ("intermediate", 20, 5), ("pro", 20, 10)])
def test_the_counter_of_a_key_fills_and_decays(private, tier, calls, decayed) -> None:
    client = private(tier=tier)
    other = private("account2", driver=client.driver)
    answers = [client.call("Balance") for _ in range(calls + 1)]
    assert all("ZUSD" in answer for answer in answers[:-1])
    assert answers[-1] == ["EAPI:Rate limit exceeded"]
    assert "ZUSD" in other.call("Balance"), "each key has its own"
    client.driver.run(10.1)
    answers = [client.call("Balance") for _ in range(decayed + 1)]
    assert answers[-1] == ["EAPI:Rate limit exceeded"]
    assert "ZUSD" in answers[-2]


def test_history_costs_more(private) -> None:
    client = private()
    answers = [client.call("TradesHistory") for _ in range(11)]
    assert answers[9] == {"trades": {}, "count": "0"}
    assert answers[10] == ["EAPI:Rate limit exceeded"]


def test_too_many_refusals_lock_a_key_out_for_a_while(private) -> None:
    client = private(lockout_failures=3, lockout_s=60.0)
    other = private("account2", driver=client.driver)
    assert [client.call("Balance", sign="AAAA")[0] for _ in range(4)] == [
        *["EAPI:Invalid signature"] * 3,
        "EGeneral:Temporary lockout",
    ]
    assert "ZUSD" in other.call("Balance")
    assert client.driver.simulator.stats()["lockouts"] == 1
    client.driver.run(60)
    assert "ZUSD" in client.call("Balance")


def test_fees_follow_the_volume(private) -> None:
    client = private()
    assert client.call("TradeVolume") == {"currency": "ZUSD", "volume": "0.0000", "fees": None, "fees_maker": None}
    answer = client.call("TradeVolume", pair="XBTUSD")
    assert answer["fees"]["XXBTZUSD"] == {
        "fee": "0.4000",
        "minfee": "0.1200",
        "maxfee": "0.4000",
        "nextfee": "0.3500",
        "tiervolume": "0.0000",
        "nextvolume": "10000.0000",
    }
    assert client.call("TradeVolume", pair="NOPE") == ["EQuery:Unknown asset pair"]


def test_without_accounts_no_key_is_good(drive, private) -> None:
    client = private(driver=drive(pairs=2, rate=0), key=("x", "eA=="))
    assert client.call("Balance") == ["EAPI:Invalid key"]


def test_accounts_need_a_seeded_market(drive, tmp_path) -> None:
    recording = tmp_path / "frames.jsonl"
    row = '{"symbol":"BTC/USD","price":1.0,"qty":1.0,"side":"buy","trade_id":1}'
    recording.write_text(f'{{"channel":"trade","type":"update","data":[{row}]}}\n')
    with pytest.raises(ValueError, match="accounts need a seeded market"):
        drive(accounts=1, replay=str(recording))
