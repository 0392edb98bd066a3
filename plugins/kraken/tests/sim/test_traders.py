"""Accounts that trade by themselves: all that can be seen of them agrees, and comes from the seed alone."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from decimal import Decimal

import pytest

_SCRIPT = """
import hashlib, json
from gw_sim_kraken.plugin import create
from gw_sim_kraken.settings import SimKrakenSettings
T0, S = 1_790_000_000_000_000_000, 1_000_000_000
def run(seed):
    k = create(SimKrakenSettings(seed=seed, pairs=4, rate=100, deep_pairs=0, accounts=2, account_rate=20.0))
    out = hashlib.sha256()
    now = T0
    k.advance(now)
    for name in ("account1", "account2"):
        token = k.accounts.tokens.issue(k.accounts.ids.token(), k.accounts.keys_of(name)[0], now).text
        c = k.open("/auth/v2", now)
        for channel in ("executions", "balances"):
            request = {"method": "subscribe", "params": {"channel": channel, "token": token}}
            k.receive(c, json.dumps(request).encode(), now)
    while now < T0 + 5 * S:
        for item in k.advance(now):
            out.update(b"%d %r" % (item.connection, item.frame))
        now = k.next_ns()
    out.update(json.dumps([k.account("account1"), k.credentials()]).encode())
    assert len(k.account("account1")["fills"]) > 10
    return out.hexdigest()
print(run(7), run(8))
"""


@pytest.fixture(scope="module")
def traded(private):
    """Both accounts active for half a minute, account1 watched throughout."""
    client = private(pairs=3, rate=60, account_rate=15.0, seed=5, tier="pro")
    client.listen("executions", "balances", executions={"snap_trades": True})
    client.driver.run(30)
    client.driver.simulator.fault("freeze")
    client.truth = client.driver.simulator.account("account1")
    return client


def test_traders_do_all_there_is_to_do(traded) -> None:
    kinds = {row["exec_type"] for row in traded.rows()}
    assert kinds >= {"pending_new", "new", "trade", "filled", "canceled", "amended"}
    assert {row.get("liquidity_ind") for row in traded.rows()} >= {"m", "t"}
    assert len(traded.truth["fills"]) > 50
    assert traded.truth["positions"] or traded.truth["closed_positions"]


def test_the_stream_tells_the_truth(traded) -> None:
    rows = [row for row in traded.rows() if row["exec_type"] == "trade"]
    assert [row["exec_id"] for row in rows] == [fill["exec_id"] for fill in traded.truth["fills"]]
    for row, fill in zip(rows, traded.truth["fills"], strict=True):
        assert (row["last_price"], row["last_qty"], row["cost"]) == (fill["price"], fill["quantity"], fill["cost"])
        assert row["fees"] == [{"asset": fill["fee_asset"], "qty": fill["fee"]}]
    last = {row["order_id"]: row["order_status"] for row in traded.rows()}
    assert last == {order["order_id"]: order["status"] for order in traded.truth["orders"]}
    numbers = [int(message["sequence"]) for message in traded.messages()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_balances_of_stream_rest_and_truth_agree(traded) -> None:
    last = {row["asset"]: row["balance"] for row in traded.rows("balances")}
    assert last == traded.truth["balances"]
    names = {"BTC": "XXBT", "ETH": "XETH", "USD": "ZUSD"}
    rest = traded.call("BalanceEx")
    assert {name: rest[names.get(name, name)]["balance"] for name in last} == last
    for name, held in traded.truth["holds"].items():
        assert Decimal(rest[names.get(name, name)]["hold_trade"]) == Decimal(held)
        assert Decimal(held) <= Decimal(last[name]), "nothing is promised twice"
    sums: dict[str, Decimal] = {}
    for entry in traded.truth["ledger"]:
        sums[entry["asset"]] = sums.get(entry["asset"], Decimal(0)) + Decimal(entry["amount"]) - Decimal(entry["fee"])
    assert {name: format(total, "f") for name, total in sums.items()} == last


def test_rest_knows_every_order_and_fill(traded) -> None:
    truth = traded.truth
    found: list[str] = []
    while len(found) < len(truth["fills"]):
        traded.driver.run(3)
        found += traded.call("TradesHistory", ofs=len(found))["trades"]
    assert found == [fill["exec_id"] for fill in truth["fills"]][::-1]
    is_open = {"new", "partially_filled"}
    rest = traded.call("OpenOrders")["open"]
    assert set(rest) == {order["order_id"] for order in truth["orders"] if order["status"] in is_open}
    for order in truth["orders"]:
        if order["order_id"] in rest:
            row = rest[order["order_id"]]
            assert (row["vol"], Decimal(row["vol_exec"])) == (order["quantity"], Decimal(order["filled"]))
    traded.driver.run(3)
    positions = traded.call("OpenPositions")
    assert set(positions) == {one["position_id"] for one in truth["positions"]}


def test_each_fill_is_a_public_trade(traded) -> None:
    simulator = traded.driver.simulator
    for fill in traded.truth["fills"]:
        trade = next(one for one in simulator.trades(fill["symbol"]) if one.trade_id == fill["trade_id"])
        assert (trade.price, trade.quantity, trade.time_ns) == (fill["price"], fill["quantity"], fill["time_ns"])
        assert (trade.side == fill["side"]) is not fill["is_maker"]


def test_the_book_holds_what_is_open(traded) -> None:
    simulator = traded.driver.simulator
    resting = {}
    for symbol in simulator.feed.listing.pairs:
        for order in simulator.feed.market(symbol).engine.orders.values():
            if order.owner is not None and order.owner.account == "account1":
                resting[order.owner.order_id] = Decimal(order.quantity)
    for order in traded.truth["orders"]:
        if order["status"] in ("new", "partially_filled"):
            left = Decimal(order["quantity"]) - Decimal(order["filled"])
            assert resting.pop(order["order_id"]) == left.scaleb(8)
    assert resting == {}


FAULTS = (
    (3, "empty_side", {"symbol": "BTC/USD", "side": "asks"}),
    (4, "empty_side", {"symbol": "BTC/USD", "side": "asks", "on": False}),
    (5, "precision", {"symbol": "ETH/USD", "price_precision": 1, "qty_precision": 6}),
    (6, "rename", {"symbol": "SOL/USD", "to": "SOLX/USD"}),
    (7, "status", {"system": "cancel_only"}),
    (8, "status", {"system": "post_only"}),
    (9, "status", {"system": "maintenance"}),
    (10, "status", {"system": "online"}),
    (11, "cross", {"symbol": "XRP/USD"}),
    (12, "restore", {}),
)


@pytest.mark.parametrize("seed", [3, 4])
def test_nothing_is_lost_in_trouble(private, seed) -> None:
    """Accounts at all markets, which are broken in every way: what is owned, promised and resting still adds up."""
    client = private(
        seed=seed, pairs=20, levels=12, skew=0.3, rate=200, accounts=3, account_pairs=20, account_rate=60.0
    )
    simulator = client.driver.simulator
    second = 0
    for when, name, options in (*FAULTS, (15, "freeze", {})):
        client.driver.run(when - second)
        second = when
        simulator.fault(name, **options)
    resting = {}
    for symbol, pair in simulator.feed.listing.pairs.items():
        for order in simulator.feed.market(symbol).engine.orders.values():
            if order.owner is not None:
                resting[order.owner.order_id] = Decimal(order.quantity).scaleb(-pair.qty_precision)
    for account in simulator.accounts.by_name.values():
        client.check_truth(account.name)
        truth = simulator.account(account.name)
        assert len(truth["fills"]) > 50
        assert all(Decimal(held) <= Decimal(truth["balances"][asset]) for asset, held in truth["holds"].items())
        for order in account.open_orders.values():
            assert resting.pop(order.order_id) == order.remaining
    assert resting == {}


def test_a_quiet_account_leaves_the_market_as_it_was(drive) -> None:
    """Accounts that do nothing change no byte of market data."""

    def frames(**settings) -> list[bytes]:
        driver = drive(pairs=3, rate=200, **settings)
        driver.subscribe(driver.open(), "book", ["BTC/USD", "ETH/USD", "SOL/USD"])
        return driver.run(2)[1:]

    assert frames() == frames(accounts=3)


def _run(hash_seed: str) -> list[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], env=environment, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_two_processes_trade_the_same() -> None:
    first, second = _run("1"), _run("2")
    assert first == second
    assert first[0] != first[1], "the seed changes nothing"
    assert len(first[0]) == len(hashlib.sha256().hexdigest())
