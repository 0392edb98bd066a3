"""Orders that wait for a price (sheet 3.6): stops, profits, trailing stops, and what they look at."""

from __future__ import annotations

from decimal import Decimal

import pytest

SYMBOL = "BTC/USD"


@pytest.fixture
def client(desk):
    return desk()


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
    assert client.kinds(order_id) == ["pending_new", "new"]
    first = client.rows_of(order_id)[0]
    assert first["triggers"] == {
        "reference": "last", "price": trigger, "price_type": "static", "actual_price": trigger, "last_price": "70000.0",
        "status": "untriggered",
    }  # fmt: skip
    client.last(before)
    assert client.kinds(order_id) == ["pending_new", "new"]
    client.other("sell" if side == "buy" else "buy", "1", at)
    client.last(at)
    assert client.kinds(order_id) == ["pending_new", "new", "status", "trade", "filled"]
    fired = client.rows_of(order_id)[2]["triggers"]
    assert (fired["status"], fired["last_price"]) == ("triggered", at)
    assert client.order(order_id)["is_triggered"]
    client.check_truth()


def test_a_trigger_that_is_reached_already_goes_on_at_once(client) -> None:
    client.other("buy", "1", "69990.0")
    order_id = client.add("sell", "stop-loss", '"triggers":{"price":70000.5}')
    assert client.kinds(order_id) == ["pending_new", "new", "status", "trade", "filled"]


def test_a_triggered_limit_rests(client) -> None:
    order_id = client.add("sell", "stop-loss-limit", '"limit_price":69500.0,"triggers":{"price":69000.0}')
    assert list(client.engine.orders) == []
    client.last("69000.0")
    assert client.kinds(order_id)[-1] == "status"
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
    assert [row["triggers"]["actual_price"] for row in client.rows_of(order_id) if row["exec_type"] == "status"] == [
        "70400.0", "70900.0",
    ]  # fmt: skip
    assert client.rows_of(order_id)[-1]["triggers"]["peak_price"] == "71000.0"
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
    client.last("69950.0")
    client.driver.run(11)
    assert client.order(made["txid"][0])["trigger_price"] == "69850.0"
