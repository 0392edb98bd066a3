"""Private REST answers beside recorded and documented ones: the same keys, the same kinds of values (sheet 2.6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gwcore.testing.fixtures import fixture_path, requires_fixtures

SYMBOL = "BTC/USD"
#: Keys that recorded answers have and that what is simulated never needs: conditional closes, triggers, links.
ABSENT = {"link_id", "trigger", "trades", "sender_sub_id"}
#: Keys that newer answers have and the recorded ones not always.
NEWER = {
    "aclass",
    "cl_ord_id",
    "leverage",
    "trade_id",
    "maker",
    "ledgers",
    "posstatus",
    "margin",
    "value",
    "net",
}


def recorded(method: str, kind: str) -> Iterator[dict[str, Any]]:
    """Rows of one kind under `result` in all recordings that have them."""
    for name in ("rest-kraken-async-rs.jsonl", "rest-kraken-net.jsonl"):
        for line in fixture_path(f"kraken-spot/{name}").read_text().splitlines():
            wrapped = json.loads(line)
            words = f"{wrapped.get('name')} {wrapped.get('path')} {wrapped.get('file')}".lower().replace("_", "")
            result = (wrapped.get("body") or {}).get("result")
            if method.lower() in words and isinstance(result, dict):
                rows = result.get(kind) if kind else result
                yield from (row for row in (rows or {}).values() if isinstance(row, dict))


def shape(value: Any) -> str:
    """Text, number, flag, list or nothing."""
    kinds = {
        str: "text",
        bool: "flag",
        int: "number",
        float: "number",
        list: "list",
        type(None): "nothing",
        dict: "object",
    }
    return kinds[type(value)]


@pytest.fixture(scope="module")
def client(private):
    """An account with something of everything."""
    client = private(rest_limits=False)
    client.driver.run(0.001)
    act = client.driver.simulator.act
    act("order", symbol=SYMBOL, side="buy", quantity="0.001", price="70000.0")
    act("order", symbol=SYMBOL, side="buy", quantity="0.002", leverage=2)
    act("fills", symbol=SYMBOL, count=3)
    cancelled = act("order", symbol=SYMBOL, side="buy", quantity="0.001", price="70000.0")
    act("cancel", order_id=cancelled["order_id"])
    client.raw = lambda method, **params: json.loads(client.request(method, **params).body)["result"]
    return client


@requires_fixtures
@pytest.mark.parametrize(
    ("method", "words", "kind", "params"),
    [
        ("OpenOrders", "openorders", "open", {}),
        ("ClosedOrders", "closedorders", "closed", {}),
        ("TradesHistory", "tradeshistory", "trades", {"ledgers": "true"}),
        ("OpenPositions", "openpositions", "", {"docalcs": "true"}),
        ("Ledgers", "ledgersinfo", "ledger", {}),
    ],
)
def test_rows_have_the_keys_and_kinds_of_recorded_ones(client, method, words, kind, params) -> None:
    found = client.raw(method, **params)
    made = list((found[kind] if kind else found).values())
    samples = list(recorded(words, kind))
    assert made
    assert samples
    known = {key: {shape(row[key]) for row in samples if key in row} for row in samples for key in row}
    always = set.intersection(*(set(row) for row in samples)) - ABSENT
    for row in made:
        assert always <= set(row), always - set(row)
        assert set(row) - known.keys() <= NEWER, set(row) - known.keys()
        for key, value in row.items():
            assert key not in known or shape(value) in known[key] | {"nothing"}, (key, value)


@requires_fixtures
def test_decimals_are_those_of_a_recorded_trade(client) -> None:
    def decimals(text: str) -> int:
        return len(text.partition(".")[2])

    samples = [row for row in recorded("tradeshistory", "trades") if row["pair"] == "XXBTZUSD"]
    made = next(iter(client.raw("TradesHistory")["trades"].values()))
    assert samples
    for key in ("price", "cost", "fee", "vol", "margin"):
        assert decimals(made[key]) == decimals(samples[0][key]), key


@requires_fixtures
@pytest.mark.parametrize(("method", "params"), [("TradeBalance", {}), ("TradeVolume", {"pair": "XBTUSD"})])
def test_sums_have_the_keys_of_recorded_ones(client, method, params) -> None:
    made = client.raw(method, **params)
    lines = fixture_path("kraken-spot/rest-kraken-async-rs.jsonl").read_text().splitlines()
    name = {"TradeBalance": "get_trade_balance_json", "TradeVolume": "get_trade_volume_per_pair_json"}[method]
    sample = next(one["body"]["result"] for one in map(json.loads, lines) if one["name"] == name)
    assert set(sample) <= set(made)
    assert set(made) - set(sample) <= {"ml"}
    for key, value in sample.items():
        assert shape(value) == shape(made[key])
        if isinstance(value, dict):
            assert set(made[key]["XXBTZUSD"]) == set(value["XXBTZUSD"])
