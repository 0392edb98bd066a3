"""Every kind of order (sheet 3.6): what it waits for, what is seen of it, what it does when its time comes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

SYMBOL = "BTC/USD"


@pytest.fixture
def client(desk):
    return desk()


def truth(client: Any) -> list[Any]:
    return list(client.orders())


def rows_of(client: Any, order_id: str) -> list[Any]:
    return [row for row in client.new() if row["order_id"] == order_id]


def kinds(client: Any, order_id: str) -> list[str]:
    return [row["exec_type"] for row in rows_of(client, order_id)]


# -- triggers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "order_type", "trigger", "before", "at"),
    [
        ("sell", "stop-loss", "69000.0", "69000.1", "69000.0"),
        ("buy", "stop-loss", "71000.0", "70999.9", "71000.0"),
        ("sell", "take-profit", "71000.0", "70999.9", "71000.0"),
        ("buy", "take-profit", "69000.0", "69000.1", "69000.0"),
    ],
)
def test_a_trigger_is_reached_from_its_side(client, side, order_type, trigger, before, at) -> None:
    order_id = client.add(side, order_type, f'"triggers":{{"price":{trigger}}}')
    assert kinds(client, order_id) == ["pending_new", "new"]
    first = rows_of(client, order_id)[0]
    assert first["triggers"] == {
        "reference": "last", "price": trigger, "price_type": "static", "actual_price": trigger, "last_price": "70000.0",
        "status": "untriggered",
    }  # fmt: skip
    client.last(before)
    assert kinds(client, order_id) == ["pending_new", "new"]
    client.other("sell" if side == "buy" else "buy", "1", at)
    client.last(at)
    assert kinds(client, order_id) == ["pending_new", "new", "status", "trade", "filled"]
    fired = rows_of(client, order_id)[2]["triggers"]
    assert (fired["status"], fired["last_price"]) == ("triggered", at)
    assert client.order(order_id)["is_triggered"]
    client.check_truth()


def test_a_trigger_that_is_reached_already_goes_on_at_once(client) -> None:
    client.other("buy", "1", "69990.0")
    order_id = client.add("sell", "stop-loss", '"triggers":{"price":70000.5}')
    assert kinds(client, order_id) == ["pending_new", "new", "status", "trade", "filled"]


def test_a_triggered_limit_rests(client) -> None:
    order_id = client.add("sell", "stop-loss-limit", '"limit_price":69500.0,"triggers":{"price":69000.0}')
    assert list(client.engine.orders) == []
    client.last("69000.0")
    assert kinds(client, order_id)[-1] == "status"
    assert client.sim.book(SYMBOL, 1).asks == [("69500.0", "0.10000000")]
    row = client.call("OpenOrders")["open"][order_id]
    assert (row["descr"]["price"], row["descr"]["price2"], row["misc"], row["trigger"]) == (
        "69000.0", "69500.0", "stopped", "last",
    )  # fmt: skip
    assert row["descr"]["order"] == "sell 0.10000000 XBTUSD @ stop loss 69000.0 -> limit 69500.0"
    assert (row["stopprice"], row["limitprice"]) == ("69000.00000", "69500.00000")


def test_triggers_fire_in_the_order_in_which_they_came(client) -> None:
    client.other("buy", "0.15", "68000.0")
    ids = [client.add("sell", "stop-loss", '"triggers":{"price":69000.0}') for _ in range(2)]
    client.last("69000.0")
    assert [client.order(order_id)["filled"] for order_id in ids] == ["0.10000000", "0.05000000"]
    assert client.order(ids[1])["reason"] == "No liquidity"


def test_one_trigger_sets_off_the_next(client) -> None:
    client.other("buy", "0.1", "68000.0")
    client.other("buy", "1", "67000.0")
    first = client.add("sell", "stop-loss", '"triggers":{"price":69000.0}')
    second = client.add("sell", "stop-loss", '"triggers":{"price":68000.0}')
    client.last("69000.0")
    assert [client.order(one)["status"] for one in (first, second)] == ["filled", "filled"]


def test_every_price_of_a_sweep_counts(client) -> None:
    client.other("buy", "1", "60000.0")
    order_id = client.add("sell", "stop-loss", '"triggers":{"price":69990.0}')
    for price in ("69990.0", "69995.0"):
        client.other("sell", "0.01", price)
    client.other("buy", "0.02")
    assert client.order(order_id)["status"] == "filled"


def test_the_index_is_another_reference(client) -> None:
    client.other("buy", "1", "60000.0")
    order_id = client.add("sell", "stop-loss", '"triggers":{"price":69000.0,"reference":"index"}')
    client.sim.fault("index", symbol=SYMBOL, price="70000")
    client.last("68000.0")
    assert client.order(order_id)["status"] == "new"
    client.sim.fault("index", symbol=SYMBOL, price="68999.9")
    client.driver.run(0.01)
    assert client.order(order_id)["status"] == "filled"
    # Without an index of its own it is the last price.
    client.sim.fault("index", symbol=SYMBOL, on=False)
    client.last("70000.0")
    order_id = client.add("sell", "stop-loss", '"triggers":{"price":69000.0,"reference":"index"}')
    client.last("69000.0")
    assert client.order(order_id)["status"] == "filled"


def test_nothing_is_triggered_while_nothing_is_matched(client) -> None:
    client.other("buy", "1", "60000.0")
    order_id = client.add("sell", "stop-loss", '"triggers":{"price":69000.0,"reference":"index"}')
    client.sim.fault("status", system="cancel_only")
    client.sim.fault("index", symbol=SYMBOL, price="68000.0")
    client.driver.run(5)
    assert client.order(order_id)["status"] == "new"
    client.sim.fault("status", system="online")
    client.driver.run(2)
    assert client.order(order_id)["status"] == "filled"


@pytest.mark.parametrize(
    ("trigger", "price"),
    [('"price":-1.5,"price_type":"pct"', "68950.0"), ('"price":-500.5,"price_type":"quote"', "69499.5")],
)
def test_a_relative_trigger_is_away_from_the_reference(client, trigger, price) -> None:
    order_id = client.add("sell", "stop-loss", f'"triggers":{{{trigger}}}')
    assert client.order(order_id)["trigger_price"] == price


@pytest.mark.parametrize(
    ("side", "order_type", "price", "found"),
    [
        ("sell", "stop-loss", "#1%", "69300.0"),
        ("buy", "stop-loss", "#1%", "70700.0"),
        ("sell", "take-profit", "#100", "70100.0"),
        ("buy", "take-profit", "#100", "69900.0"),
        ("sell", "stop-loss", "-10.5", "69989.5"),
    ],
)
def test_rest_takes_relative_prices(client, side, order_type, price, found) -> None:
    made = client.rest(type=side, ordertype=order_type, price=price)
    assert client.order(made["txid"][0])["trigger_price"] == found
    made = client.rest(type=side, ordertype=f"{order_type}-limit", price=price, price2="-5")
    assert client.order(made["txid"][0])["limit_price"] == str(Decimal(found) - 5)


def test_a_relative_limit_is_away_from_the_last_price(client) -> None:
    for side, price, found in (("buy", "#10", "69990.0"), ("sell", "#0.1%", "70070.0"), ("buy", "-1%", "69300.0")):
        made = client.rest(type=side, ordertype="limit", price=price)
        assert client.order(made["txid"][0])["limit_price"] == found


# -- trailing stops ------------------------------------------------------------------------------------------------


def test_a_trailing_stop_follows_the_peak(client) -> None:
    client.other("buy", "1", "60000.0")
    order_id = client.add("sell", "trailing-stop", '"triggers":{"price":100.0,"price_type":"quote"}')
    for price in ("70500.0", "70450.0", "71000.0"):
        client.last(price)
    assert [row["triggers"]["actual_price"] for row in rows_of(client, order_id) if row["exec_type"] == "status"] == [
        "70400.0", "70900.0",
    ]  # fmt: skip
    assert rows_of(client, order_id)[-1]["triggers"]["peak_price"] == "71000.0"
    client.last("70900.1")
    assert client.order(order_id)["status"] == "new"
    client.last("70900.0")
    assert client.order(order_id)["status"] == "filled"


def test_a_buying_trailing_stop_limit_follows_down_with_its_limit(client) -> None:
    order_id = client.add(
        "buy", "trailing-stop-limit", '"limit_price":20.0,"triggers":{"price":1.0,"price_type":"pct"}'
    )
    assert (client.order(order_id)["trigger_price"], client.order(order_id)["limit_price"]) == ("70700.0", "70720.0")
    held = Decimal(client.sim.account()["holds"]["USD"])
    client.last("69000.0")
    assert (client.order(order_id)["trigger_price"], client.order(order_id)["limit_price"]) == ("69690.0", "69710.0")
    assert Decimal(client.sim.account()["holds"]["USD"]) < held
    client.last("69000.5")
    assert client.order(order_id)["trigger_price"] == "69690.0"
    client.last("69690.0")
    assert client.sim.book(SYMBOL, 1).bids == [("69710.0", "0.10000000")]


def test_rest_shows_a_trailing_stop_by_its_offset(client) -> None:
    made = client.rest(type="sell", ordertype="trailing-stop-limit", price="+1%", price2="-20")
    assert made["descr"]["order"] == "sell 0.10000000 XBTUSD @ trailing stop +1.0000% -> limit -20.0"
    row = client.call("OpenOrders")["open"][made["txid"][0]]
    assert (row["descr"]["price"], row["descr"]["price2"]) == ("+1.0000%", "-20.0")
    assert (row["stopprice"], row["limitprice"]) == ("69300.00000", "69280.00000")


def test_a_scheduled_trailing_stop_follows_from_its_start(client) -> None:
    made = client.rest(type="sell", ordertype="trailing-stop", price="+100", starttm="+10")
    client.last("70500.0")
    client.last("70300.0")
    client.driver.run(11)
    assert client.order(made["txid"][0])["trigger_price"] == "70200.0"


# -- icebergs ------------------------------------------------------------------------------------------------------


def test_an_iceberg_shows_a_slice_and_refills_at_the_back(client) -> None:
    order_id = client.add("buy", "iceberg", '"limit_price":69000.0,"display_qty":0.04')
    other = client.other("buy", "0.05", "69000.0")
    assert client.sim.book(SYMBOL, 1).bids == [("69000.0", "0.09000000")]
    client.other("sell", "0.06", "69000.0")
    # Its slice, then 0.02 of the order behind it; the next slice is behind what is left of that.
    assert [row["last_qty"] for row in rows_of(client, order_id) if "last_qty" in row] == ["0.04000000"]
    refill = rows_of(client, order_id)[-1]
    assert (refill["exec_type"], refill["display_qty"], refill["display_qty_remain"]) == (
        "iceberg_refill", "0.04000000", "0.04000000",
    )  # fmt: skip
    assert client.sim.book(SYMBOL, 1).bids == [("69000.0", "0.07000000")]
    client.other("sell", "0.08", "69000.0")
    assert kinds(client, order_id)[2:] == ["trade", "iceberg_refill", "trade", "iceberg_refill", "trade"]
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


@pytest.mark.parametrize("display", ["0.006", "0.2", "0"])
def test_an_iceberg_shows_at_least_a_fifteenth(client, display) -> None:
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
    first = rows_of(client, order_id)[0]
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
    assert kinds(client, order["order_id"]) == ["pending_new", "new", "trade", "canceled"]
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
    primary, first, second = truth(client)
    assert primary["status"] == "filled"
    for order, quantity in ((first, "0.03000000"), (second, "0.07000000")):
        assert (order["side"], order["order_type"], order["quantity"]) == ("sell", "stop-loss-limit", quantity)
        assert (order["trigger_price"], order["limit_price"]) == ("65550.0", "65540.0")
        assert order["parent_id"] == primary["order_id"]
        assert rows_of(client, order["order_id"])[0]["ord_ref_id"] == primary["order_id"]
        assert client.call("OpenOrders")["open"][order["order_id"]]["refid"] == primary["order_id"]


def test_a_close_over_the_websocket_shows_as_contingent(client) -> None:
    order_id = client.add(
        "buy", "limit", '"limit_price":69000.0', conditional={"order_type": "limit", "limit_price": 72000.5}
    )
    assert rows_of(client, order_id)[0]["contingent"] == {
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
    assert kinds(client, order_id) == ["pending_new"]
    client.driver.run(9)
    assert client.order(order_id)["status"] == "pending_new"
    client.driver.run(2)
    assert kinds(client, order_id) == ["pending_new", "new", "trade", "filled"]


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
    assert {one["reason"] for one in truth(client) if one["status"] == "expired"} == {"Self trade prevention"}
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


def test_a_stop_that_cannot_be_paid_any_more_is_canceled(client) -> None:
    usd = client.sim.account()["balances"]["USD"]
    client.do("withdraw", asset="USD", amount=str(Decimal(usd) - Decimal(7200)))
    client.other("sell", "1", "80000.0")
    order_id = client.add("buy", "stop-loss", '"triggers":{"price":71000.0}')
    client.last("71000.0")
    assert (client.order(order_id)["status"], client.order(order_id)["reason"]) == ("canceled", "Out of funds")


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
