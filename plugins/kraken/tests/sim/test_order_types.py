"""Every kind of order (sheet 3.6): what is seen of it, what it does when its time comes."""

from __future__ import annotations

from decimal import Decimal

import pytest

SYMBOL = "BTC/USD"


@pytest.fixture
def client(desk):
    return desk()


def test_an_iceberg_shows_a_slice_and_refills_at_the_back(client) -> None:
    order_id = client.add("buy", "iceberg", '"limit_price":69000.0,"display_qty":0.04')
    other = client.other("buy", "0.05", "69000.0")
    assert client.sim.book(SYMBOL, 1).bids == [("69000.0", "0.09000000")]
    client.other("sell", "0.06", "69000.0")
    # Its slice, then 0.02 of the order behind it; the next slice is behind what is left of that.
    assert [row["last_qty"] for row in client.rows_of(order_id) if "last_qty" in row] == ["0.04000000"]
    refill = client.rows_of(order_id)[-1]
    assert (refill["exec_type"], refill["display_qty"], refill["display_qty_remain"]) == (
        "iceberg_refill", "0.04000000", "0.04000000",
    )  # fmt: skip
    assert client.sim.book(SYMBOL, 1).bids == [("69000.0", "0.07000000")]
    client.other("sell", "0.08", "69000.0")
    assert client.kinds(order_id)[2:] == ["trade", "iceberg_refill", "trade", "iceberg_refill", "trade"]
    assert client.sim.book(SYMBOL, 1).bids == [("69000.0", "0.01000000")]
    client.other("sell", "0.01", "69000.0")
    assert client.order(order_id)["status"] == "filled"
    states = {one["order_id"]: one["status"] for one in client.sim.account("account3")["orders"]}
    assert states[other] == "filled"
    client.check_truth()


def test_what_is_seen_of_an_iceberg_is_in_the_snapshot(client) -> None:
    client.add("buy", "iceberg", '"limit_price":69000.0,"display_qty":0.04')
    client.other("sell", "0.05", "69000.0")
    client.client.listen("executions")
    (row,) = client.client.rows("executions", "snapshot")
    assert (row["display_qty"], row["display_qty_remain"], row["cum_qty"]) == ("0.04000000", "0.03000000", "0.05000000")


@pytest.mark.parametrize("display", ["0.006", "0.00666666", "0.2", "0"])
def test_an_iceberg_shows_at_least_a_fifteenth(client, display) -> None:
    assert client.add("buy", "iceberg", '"limit_price":69000.0,"display_qty":0.00666667').startswith("O")
    raw = f'"limit_price":69000.0,"display_qty":{display}'
    assert client.add("buy", "iceberg", raw) == "EGeneral:Invalid arguments:display_qty"
    assert client.add("buy", "limit", raw) == "EGeneral:Invalid arguments:display_qty"
    assert client.rest(type="buy", ordertype="iceberg", price="69000.0") == ["EGeneral:Invalid arguments:display_qty"]


def test_fill_or_kill_counts_what_icebergs_hide(client) -> None:
    client.add("buy", "iceberg", '"limit_price":69000.0,"display_qty":0.02')
    client.other("sell", "0.1", "69000.0", time_in_force="FOK")
    assert client.sim.account("account2")["orders"][-1]["status"] == "filled"


# -- cash, closes, times, self trades ------------------------------------------------------------------------------


def test_a_cash_order_buys_for_so_much(client) -> None:
    client.other("sell", "0.001", "70000.0")
    client.other("sell", "1", "71000.0")
    order_id = client.add("buy", "market", '"cash_order_qty":141.0', quantity="")
    order = client.order(order_id)
    assert (order["status"], order["filled"], order["cost"]) == ("filled", "0.00200000", "141.00000")
    first = client.rows_of(order_id)[0]
    assert (first["cash_order_qty"], "order_qty" in first) == ("141.00000", False)
    made = client.rest(type="buy", ordertype="market", oflags="viqc", volume="71")
    assert client.order(made["txid"][0])["filled"] == "0.00100000"
    assert "viqc" in client.call("QueryOrders", txid=made["txid"][0])[made["txid"][0]]["oflags"]
    assert client.add("sell", "market", '"cash_order_qty":70.0', quantity="") == (
        "EGeneral:Invalid arguments:cash_order_qty"
    )
    client.check_truth()


def test_a_cash_order_takes_all_that_is_there(client) -> None:
    client.other("sell", "0.001", "70000.0")
    order = client.order(client.add("buy", "market", '"cash_order_qty":141.0', quantity=""))
    assert (order["status"], order["filled"], order["reason"]) == ("canceled", "0.00100000", "No liquidity")
    assert client.kinds(order["order_id"]) == ["pending_new", "new", "trade", "canceled"]
    order = client.order(client.add("buy", "market", '"cash_order_qty":141.0', quantity=""))
    assert (order["status"], order["filled"], order["reason"]) == ("canceled", "0", "No liquidity")


def test_each_fill_makes_its_conditional_close(client) -> None:
    made = client.rest(
        type="buy", ordertype="limit", price="69000.0",
        **{"close[ordertype]": "stop-loss-limit", "close[price]": "#5%", "close[price2]": "-10"},
    )  # fmt: skip
    assert made["descr"]["close"] == "close position @ stop loss -5.0000% -> limit -10.0"
    for quantity in ("0.03", "0.07"):
        client.other("sell", quantity, "69000.0")
    primary, first, second = client.orders()
    assert primary["status"] == "filled"
    for order, quantity in ((first, "0.03000000"), (second, "0.07000000")):
        assert (order["side"], order["order_type"], order["quantity"]) == ("sell", "stop-loss-limit", quantity)
        assert (order["trigger_price"], order["limit_price"]) == ("65550.0", "65540.0")
        assert order["parent_id"] == primary["order_id"]
        assert client.rows_of(order["order_id"])[0]["ord_ref_id"] == primary["order_id"]
        assert client.call("OpenOrders")["open"][order["order_id"]]["refid"] == primary["order_id"]


def test_a_close_over_the_websocket_shows_as_contingent(client) -> None:
    order_id = client.add(
        "buy", "limit", '"limit_price":69000.0', conditional={"order_type": "limit", "limit_price": 72000.5}
    )
    assert client.rows_of(order_id)[0]["contingent"] == {
        "order_type": "limit", "limit_price": "72000.5", "limit_price_type": "static",
    }  # fmt: skip
    client.other("sell", "0.1", "69000.0")
    assert client.sim.book(SYMBOL, 1).asks == [("72000.5", "0.10000000")]
    error = client.add("buy", "limit", '"limit_price":69000.0', conditional={"order_type": "market"})
    assert error == "EGeneral:Invalid arguments:conditional"


def test_a_scheduled_order_is_pending_until_its_time(client) -> None:
    client.other("sell", "1", "70000.0")
    made = client.rest(type="buy", ordertype="market", starttm="+10")
    order_id = made["txid"][0]
    row = client.call("OpenOrders")["open"][order_id]
    assert (row["status"], int(row["starttm"])) == ("pending", client.driver.now // 10**9 + 10)
    assert client.kinds(order_id) == ["pending_new"]
    client.driver.run(9)
    assert client.order(order_id)["status"] == "pending_new"
    client.driver.run(2)
    assert client.kinds(order_id) == ["pending_new", "new", "trade", "filled"]


def test_a_scheduled_order_can_be_cancelled_and_has_to_be_paid(client) -> None:
    client.other("sell", "1", "70000.0")
    first, second = (client.rest(type="buy", ordertype="market", starttm="+10")["txid"][0] for _ in range(2))
    assert client.call("CancelOrder", txid=first) == {"count": "1"}
    client.do("withdraw", asset="USD", amount=client.sim.account()["balances"]["USD"])
    client.driver.run(11)
    assert (client.order(first)["status"], client.order(second)["reason"]) == ("canceled", "Out of funds")


@pytest.mark.parametrize(
    ("stp", "newest", "oldest"),
    [
        ("cancel_newest", "expired", "new"),
        ("cancel_oldest", "filled", "expired"),
        ("cancel_both", "expired", "expired"),
    ],
)
def test_self_trades_are_prevented(client, stp, newest, oldest) -> None:
    own = client.add("sell", "limit", '"limit_price":70000.0')
    client.other("sell", "1", "70001.0")
    taker = client.add("buy", "limit", '"limit_price":70001.0', stp_type=stp)
    assert (client.order(taker)["status"], client.order(own)["status"]) == (newest, oldest)
    assert {one["reason"] for one in client.orders() if one["status"] == "expired"} == {"Self trade prevention"}
    client.check_truth()


def test_fill_or_kill_leaves_own_orders_out(client) -> None:
    own = client.add("sell", "limit", '"limit_price":70000.0')
    client.other("sell", "0.05", "70001.0")
    for stp, reason in (("cancel_newest", "FOK order not filled"), ("cancel_oldest", "FOK order not filled")):
        taker = client.add("buy", "limit", '"limit_price":70001.0', stp_type=stp, time_in_force="fok")
        assert (client.order(taker)["reason"], client.order(own)["status"]) == (reason, "new")


def test_positions_are_closed_whole_or_settled(client) -> None:
    client.other("sell", "1", "70000.0")
    client.rest(type="buy", ordertype="market", leverage="2")
    client.other("buy", "1", "69000.0")
    made = client.rest(type="sell", ordertype="market", leverage="2", volume="0")
    assert client.order(made["txid"][0])["filled"] == "0.10000000"
    assert client.sim.account()["positions"] == []
    client.rest(type="buy", ordertype="market", leverage="2")
    before = client.sim.account()["balances"]
    made = client.rest(type="sell", ordertype="settle-position", leverage="2", volume="0.04")
    assert client.order(made["txid"][0])["status"] == "filled"
    after = client.sim.account()["balances"]
    assert Decimal(after["BTC"]) - Decimal(before["BTC"]) == Decimal("0.04")
    assert Decimal(after["USD"]) - Decimal(before["USD"]) == Decimal("-2800")
    assert client.sim.account()["positions"][0]["closed_quantity"] == "0.04"
    refused = client.rest(type="buy", ordertype="settle-position", leverage="2", volume="0.04")
    assert refused == ["EOrder:Unknown position"]
    settled = [entry for entry in client.sim.account()["ledger"] if entry["kind"] == "settled"]
    assert [(entry["asset"], Decimal(entry["amount"])) for entry in settled] == [
        ("BTC", Decimal("0.04")),
        ("USD", -2800),
    ]


def test_a_short_position_is_settled_the_other_way(client) -> None:
    client.other("buy", "1", "70000.0")
    client.rest(type="sell", ordertype="market", leverage="2")
    before = client.sim.account()["balances"]
    made = client.rest(type="buy", ordertype="settle-position", leverage="2", volume="0")
    assert client.order(made["txid"][0])["cost"] == "7000.00000"
    after = client.sim.account()["balances"]
    assert Decimal(after["BTC"]) - Decimal(before["BTC"]) == Decimal("-0.1")
    assert Decimal(after["USD"]) - Decimal(before["USD"]) == Decimal(7000)
    assert client.sim.account()["positions"] == []


def test_a_stop_that_cannot_be_paid_any_more_is_canceled(client) -> None:
    usd = client.sim.account()["balances"]["USD"]
    client.do("withdraw", asset="USD", amount=str(Decimal(usd) - Decimal(7200)))
    client.other("sell", "1", "80000.0")
    order_id = client.add("buy", "stop-loss", '"triggers":{"price":71000.0}')
    client.last("71000.0")
    assert (client.order(order_id)["status"], client.order(order_id)["reason"]) == ("canceled", "Out of funds")


def test_the_truth_says_how_much_it_forgot(desk) -> None:
    client = desk(account_rows_max=5)
    client.other("sell", "1", "70000.0")
    for _ in range(7):
        client.rest(type="buy", ordertype="market", volume="0.01")
    truth = client.sim.account()
    assert (len(truth["orders"]), truth["orders_made"]) == (5, 7)
    assert (len(truth["fills"]), truth["fills_made"]) == (5, 7)


def test_all_kinds_come_from_another_interface_too(client) -> None:
    client.other("sell", "1", "71000.0")
    made = [
        client.do("order", symbol=SYMBOL, side="sell", order_type="stop-loss", quantity="0.1", trigger="65000.0"),
        client.do(
            "order", symbol=SYMBOL, side="sell", order_type="trailing-stop-limit", quantity="0.1", trigger="1",
            trigger_type="pct", price="-20", limit_type="quote",
        ),
        client.do("order", symbol=SYMBOL, side="buy", order_type="iceberg", quantity="0.1", price="60000.0", display="0.05"),
        client.do("order", symbol=SYMBOL, side="buy", cash="71"),
        client.do("order", symbol=SYMBOL, side="buy", quantity="0.1", price="60000.0", start_in_s=5),
        client.do(
            "order", symbol=SYMBOL, side="buy", quantity="0.1", price="60000.0", close_type="limit", close_price="72000.0"
        ),
    ]  # fmt: skip
    found = [(one["order_type"], one["status"], one["trigger_price"], one["limit_price"]) for one in made]
    assert found == [
        ("stop-loss", "new", "65000.0", None), ("trailing-stop-limit", "new", "69300.0", "69280.0"),
        ("iceberg", "new", None, "60000.0"), ("market", "filled", None, None), ("limit", "pending_new", None, "60000.0"),
        ("limit", "new", None, "60000.0"),
    ]  # fmt: skip
    assert (made[2]["display_quantity"], made[3]["cash"], made[5]["close"]) == ("0.05", "71", "limit")
    for options, text in (
        ({"stp": "cancel_none"}, "no stp 'cancel_none'; there are: cancel_both, cancel_newest, cancel_oldest"),
        ({"close_type": "market"}, "close_type 'market' is none with these prices: limit, stop-loss"),
        ({"close_type": "stop-loss"}, "close_type 'stop-loss' is none with these prices"),
        ({"trigger": "-5"}, "trigger '-5' is not above 0"),
    ):
        with pytest.raises(ValueError, match=text):
            client.do("order", symbol=SYMBOL, side="buy", quantity="0.1", price="60000.0", **options)
