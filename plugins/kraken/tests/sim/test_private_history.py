"""What accounts did and own, seen from REST, streams and the truth: pages, snapshots, positions, holds, transfers."""

from __future__ import annotations

from decimal import Decimal

import pytest

SYMBOL = "BTC/USD"


@pytest.fixture
def client(watched):
    return watched


def test_positions_open_grow_and_close_with_their_profit(client) -> None:
    client.do("order", symbol=SYMBOL, side="buy", quantity="0.002", leverage=2)
    row = next(row for row in client.new() if row["exec_type"] == "trade")
    assert (row["position_status"], str(row["margin"]).lower()) == ("opened", "true")
    ((position_id, position),) = client.call("OpenPositions", docalcs="true").items()
    assert position_id == row["exec_id"]
    assert (position["type"], position["vol"], position["vol_closed"]) == ("buy", "0.00200000", "0.00000000")
    assert Decimal(position["margin"]) == Decimal(position["cost"]) / 2
    assert position["net"][0] in "+-"
    figures = client.call("TradeBalance")
    assert Decimal(figures["m"]) > 0
    assert Decimal(figures["mf"]) == Decimal(figures["e"]) - Decimal(figures["m"])
    client.do("order", symbol=SYMBOL, side="sell", quantity="0.0005", leverage=2)
    assert client.call("OpenPositions")[position_id]["vol_closed"] == "0.00050000"
    client.do("order", symbol=SYMBOL, side="sell", quantity="0.0025", leverage=2)
    truth = client.sim.account()
    (closed,) = truth["closed_positions"]
    assert Decimal(closed["profit"]) == Decimal(closed["closed_cost"]) - Decimal(closed["cost"])
    (short,) = truth["positions"]
    assert (short["side"], short["quantity"]) == ("short", "0.00100000")
    margin = [Decimal(entry["amount"]) for entry in truth["ledger"] if entry["kind"] == "margin"]
    assert abs(sum(margin) - Decimal(closed["profit"])) < Decimal("0.0003"), "ledger amounts have four decimals"
    history = client.call("TradesHistory", type="closing position")["trades"]
    assert {row["misc"] for row in history.values()} == {"closing"}
    client.check_truth()


def test_a_fee_taken_in_base_is_told_by_rest_in_quote(client) -> None:
    """REST says "quote currency" (the venue's page of TradesHistory); the stream says what was taken (sheet 3.9)."""
    client.do("order", symbol=SYMBOL, side="buy", quantity="0.002", fee_in_base=True)
    row = next(row for row in client.new() if row["exec_type"] == "trade")
    (taken,) = row["fees"]
    worth = Decimal(str(taken["qty"])) * Decimal(str(row["last_price"]))
    (trade,) = client.call("TradesHistory")["trades"].values()
    (order,) = client.call("ClosedOrders")["closed"].values()
    assert (taken["asset"], Decimal(trade["fee"])) == ("BTC", round(worth, 5))
    assert Decimal(trade["fee"]) > 0
    assert order["fee"] == trade["fee"]


def test_holds_are_those_of_spot_orders_alone(client) -> None:
    client.do("order", symbol=SYMBOL, side="buy", quantity="0.002", price=client.low(), leverage=2)
    assert client.sim.account()["holds"] == {}
    client.do("order", symbol=SYMBOL, side="sell", quantity="0.002", price=str(client.ask + 1000))
    client.do("order", symbol=SYMBOL, side="buy", quantity="0.002", price=client.low())
    cost = Decimal(client.low()) * Decimal("0.002") * Decimal("1.004")
    held = {asset: Decimal(amount) for asset, amount in client.sim.account()["holds"].items()}
    assert held["BTC"] == Decimal("0.002")
    assert cost <= held["USD"] < cost + Decimal("0.0001")
    client.do("cancel_all")
    assert client.call("BalanceEx")["ZUSD"]["hold_trade"] == "0.0000"


def test_history_comes_in_pages_of_fifty(client) -> None:
    client.do("fills", symbol=SYMBOL, count=60)
    client.driver.run(1)
    client.do("fills", symbol=SYMBOL, count=65)
    truth = [fill["exec_id"] for fill in client.sim.account()["fills"]]
    assert len(set(truth)) == 125
    pages = [client.call("TradesHistory", ofs=offset) for offset in (0, 50, 100, 150)]
    assert [len(page["trades"]) for page in pages] == [50, 50, 25, 0]
    assert {page["count"] for page in pages} == {"125"}
    assert [exec_id for page in pages for exec_id in page["trades"]] == truth[::-1]
    after = client.call("TradesHistory", start=truth[99])
    assert list(after["trades"]) == truth[:99:-1]
    first = client.call("QueryTrades", txid=truth[0])[truth[0]]["time"]
    assert client.call("TradesHistory", start=first)["count"] == "65", "start is exclusive"
    client.driver.run(60)
    assert client.call("TradesHistory", end=first)["count"] == "60", "end is inclusive"
    assert client.call("TradesHistory", start="when") == ["EGeneral:Invalid arguments:start"]


def test_a_snapshot_has_open_orders_and_the_last_fifty_fills(client) -> None:
    client.do("fills", symbol=SYMBOL, count=51)
    made = client.do("order", symbol=SYMBOL, side="buy", quantity="0.001", price=client.low())
    client.listen("executions", executions={"snap_trades": True})
    rows = client.rows("executions", "snapshot")
    assert (rows[0]["order_id"], rows[0]["order_status"], rows[0]["cum_qty"]) == (made["order_id"], "new", "0.00000000")
    truth = [fill["exec_id"] for fill in client.sim.account()["fills"]]
    assert [row["exec_id"] for row in rows[1:]] == truth[:-51:-1]
    client.listen("executions", executions={"snap_orders": False})
    assert client.rows("executions", "snapshot") == []


def test_fewer_reports_where_only_those_that_count_are_wanted(client) -> None:
    client.listen("executions", executions={"order_status": False, "ratecounter": True})
    made = client.do("order", symbol=SYMBOL, side="buy", quantity="0.001", price=client.low())
    client.do("amend", order_id=made["order_id"], quantity="0.002")
    client.do("cancel", order_id=made["order_id"])
    assert [row["exec_type"] for row in client.new()] == ["new", "canceled"]
    assert {row["ratecount"] for row in client.new()} == {"0.00"}
    assert [one["sequence"] for one in client.messages()] == ["1", "2", "3"]


def test_the_crowd_leaves_accounts_orders_alone(private) -> None:
    client = private(rate=400, pairs=1)
    client.sim = client.driver.simulator
    client.driver.run(0.001)
    price = str(Decimal(client.sim.book(SYMBOL, 1).bids[0][0]) - 1)
    made = [client.do("order", symbol=SYMBOL, side="buy", quantity="0.001", price=price) for _ in range(5)]
    client.driver.run(20)
    statuses = {order["status"] for order in client.sim.account()["orders"]}
    assert statuses <= {"new", "partially_filled", "filled"}
    assert len(made) == 5
    client.check_truth()


def test_orders_survive_an_empty_side_and_a_change_of_precision(client) -> None:
    made = client.do("order", symbol=SYMBOL, side="buy", quantity="0.001", price=client.low())
    other = client.do("order", symbol=SYMBOL, side="buy", quantity="0.001", price=client.low())
    client.sim.fault("empty_side", symbol=SYMBOL, side="bids")
    client.do("cancel", order_id=other["order_id"])
    client.sim.fault("empty_side", symbol=SYMBOL, side="bids", on=False)
    client.sim.fault("precision", symbol=SYMBOL)
    engine = client.market.engine
    owned = [order.owner.order_id for order in engine.orders.values() if order.owner is not None]
    assert owned == [made["order_id"]]
    client.do("cancel", order_id=made["order_id"])
    assert not any(order.owner is not None for order in engine.orders.values())


def test_orders_are_amended_while_a_fault_has_them(client) -> None:
    price = client.low()
    made = client.do("order", symbol=SYMBOL, side="buy", quantity="0.00200001", price=price)
    client.sim.fault("empty_side", symbol=SYMBOL, side="bids")
    client.do("amend", order_id=made["order_id"], quantity="0.00150001")
    client.sim.fault("empty_side", symbol=SYMBOL, side="bids", on=False)
    client.sim.fault("precision", symbol=SYMBOL, qty_precision=6)
    for quantity in ("0.0015", "0.001", "0.002"):
        client.do("amend", order_id=made["order_id"], quantity=quantity)
        (resting,) = [order for order in client.market.engine.orders.values() if order.owner is not None]
        assert resting.quantity == Decimal(quantity).scaleb(6)


def test_deposits_reach_the_stream(client) -> None:
    before = Decimal(client.call("Balance")["ZUSD"])
    client.do("deposit", asset="USD", amount="12.5")
    client.do("withdraw", asset="USD", amount="2.5")
    rows = client.rows("balances", "update")
    assert [(row["type"], row["amount"]) for row in rows] == [("deposit", "12.5000"), ("withdrawal", "-2.5000")]
    assert Decimal(client.call("Balance")["ZUSD"]) == before + 10
