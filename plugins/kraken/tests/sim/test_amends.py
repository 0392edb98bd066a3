"""Amends and edits (sheet 3.6): what keeps its place, what loses it, what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

SYMBOL = "BTC/USD"


@pytest.fixture
def client(desk):
    return desk()


def queue(client) -> list[tuple[str, int]]:
    """Owners and what they have at the best bid, in their order."""
    level = client.engine.bids.best()
    return [(order.owner.account, order.total) for order in level.orders.values()]


def first_in_line(client) -> str:
    order_id = client.add("buy", "limit", '"limit_price":69000.0')
    client.other("buy", "0.05", "69000.0")
    return order_id


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ('"order_qty":0.05', 0),
        ('"order_qty":0.10000001', 1),
        ('"limit_price":69000.0,"order_qty":0.1', 0),
    ],
)
def test_more_quantity_goes_to_the_back_less_stays(client, change, place) -> None:
    order_id = first_in_line(client)
    (reply,) = client.ask("amend_order", change, order_id=order_id)
    assert sorted(reply["result"]) == ["amend_id", "order_id"]
    assert [account for account, _ in queue(client)].index("account1") == place
    assert client.new()[-1]["exec_type"] == "amended"


def test_a_new_price_is_at_the_back_even_where_it_is_taken_back(client) -> None:
    order_id = first_in_line(client)
    for price in ("69001.0", "69000.0"):
        assert client.ask("amend_order", f'"limit_price":{price}', order_id=order_id)[0]["success"]
    assert [account for account, _ in queue(client)] == ["account3", "account1"]


def test_a_price_that_crosses_trades(client) -> None:
    order_id = first_in_line(client)
    client.other("sell", "0.04", "69500.0")
    client.ask("amend_order", '"limit_price":69500.0', order_id=order_id)
    order = client.order(order_id)
    assert (order["status"], order["filled"], order["amendments"]) == ("partially_filled", "0.04000000", 1)


def test_below_what_is_filled_the_rest_goes_and_costs_a_cancel(desk) -> None:
    client = desk(engine_limits=True)
    order_id = client.add("buy", "limit", '"limit_price":69000.0')
    client.other("sell", "0.06", "69000.0")
    client.sim.accounts.get("account1").engine_counter(SYMBOL)._decay_milli = 0
    assert client.ask("amend_order", '"order_qty":0.05', order_id=order_id)[0]["success"]
    assert (client.order(order_id)["status"], client.order(order_id)["filled"]) == ("canceled", "0.06000000")
    # The add (1, some of it decayed), the amend of a young order (1 + 3), and the cancel of one (8).
    assert 12.5 < float(client.new()[-1]["ratecount"]) <= 13


def test_a_post_only_order_is_not_amended_into_the_book(client) -> None:
    client.other("sell", "0.1", "69500.0")
    order_id = client.add("buy", "limit", '"limit_price":69000.0', post_only=True)
    (reply,) = client.ask("amend_order", '"limit_price":69500.0', order_id=order_id)
    assert reply["error"] == "EOrder:Post only order"
    order_id = client.add("buy", "limit", '"limit_price":69000.0')
    (reply,) = client.ask("amend_order", '"limit_price":69500.0', order_id=order_id, post_only=True)
    assert reply["error"] == "EOrder:Post only order"
    assert client.order(order_id)["limit_price"] == "69000.0"


def test_an_iceberg_shows_less_at_once_and_more_with_its_next_slice(client) -> None:
    order_id = client.add("buy", "iceberg", '"limit_price":69000.0,"display_qty":0.04')
    client.other("buy", "0.05", "69000.0")
    client.ask("amend_order", '"display_qty":0.06', order_id=order_id)
    assert client.sim.book(SYMBOL, 1).bids == [("69000.0", "0.09000000")]
    client.ask("amend_order", '"display_qty":0.03', order_id=order_id)
    assert client.sim.book(SYMBOL, 1).bids == [("69000.0", "0.08000000")]
    assert [account for account, _ in queue(client)] == ["account1", "account3"]
    row = client.new()[-1]
    assert (row["exec_type"], row["display_qty"], row["display_qty_remain"]) == ("amended", "0.03000000", "0.03000000")
    client.ask("amend_order", '"display_qty":0.06', order_id=order_id)
    client.other("sell", "0.03", "69000.0")
    assert client.sim.book(SYMBOL, 1).bids == [("69000.0", "0.11000000")]
    (reply,) = client.ask("amend_order", '"display_qty":0.001', order_id=order_id)
    assert reply["error"] == "EGeneral:Invalid arguments:display_qty"
    amends = client.rest("OrderAmends", order_id=order_id)["amends"]
    assert [one["display_qty"] for one in amends] == ["0.04000000", "0.06000000", "0.03000000", "0.06000000"]


def test_less_of_an_iceberg_takes_what_is_hidden(client) -> None:
    order_id = client.add("buy", "iceberg", '"limit_price":69000.0,"display_qty":0.04')
    client.other("buy", "0.05", "69000.0")
    client.ask("amend_order", '"order_qty":0.05', order_id=order_id)
    assert queue(client) == [("account1", 5_000_000), ("account3", 5_000_000)]
    assert client.sim.book(SYMBOL, 1).bids == [("69000.0", "0.09000000")]


def test_a_trigger_is_moved_and_may_be_reached_by_that(client) -> None:
    client.other("buy", "1", "60000.0")
    order_id = client.add("sell", "stop-loss", '"triggers":{"price":69000.0}')
    client.ask("amend_order", '"trigger_price":68000.0', order_id=order_id)
    client.last("68500.0")
    assert (client.order(order_id)["status"], client.order(order_id)["trigger_price"]) == ("new", "68000.0")
    assert client.rest("OrderAmends", order_id=order_id)["amends"][-1]["trigger_price"] == "68000.0"
    client.rest("AmendOrder", txid=order_id, trigger_price="#0")
    assert client.order(order_id)["status"] == "filled"


def test_the_offset_of_a_trailing_stop_is_amended(client) -> None:
    order_id = client.add("sell", "trailing-stop", '"triggers":{"price":100.0,"price_type":"quote"}')
    client.last("70500.0")
    client.ask("amend_order", '"trigger_price":1.0', trigger_price_type="pct", order_id=order_id)
    assert client.order(order_id)["trigger_price"] == "69795.0"
    (reply,) = client.ask("amend_order", '"trigger_price":69000.0', trigger_price_type="static", order_id=order_id)
    assert reply["error"] == "EGeneral:Invalid arguments:trigger_price"


def test_the_limit_of_a_trailing_stop_may_become_a_price(client) -> None:
    made = client.rest(type="sell", ordertype="trailing-stop-limit", price="+100", price2="-5")
    assert "amend_id" in client.rest("AmendOrder", txid=made["txid"][0], limit_price="69000.0")
    client.last("71000.0")
    order = client.order(made["txid"][0])
    assert (order["trigger_price"], order["limit_price"]) == ("70900.0", "69000.0")


def test_a_triggered_trailing_stop_is_amended_as_a_limit_order(client) -> None:
    order_id = client.add(
        "sell", "trailing-stop-limit", '"limit_price":50.0,"triggers":{"price":100.0,"price_type":"quote"}'
    )
    client.ask("amend_order", '"limit_price":60.0', order_id=order_id)
    assert client.order(order_id)["limit_price"] == "69960.0"
    client.last("69900.0")
    client.ask("amend_order", '"limit_price":69950.0', order_id=order_id)
    assert client.order(order_id)["limit_price"] == "69950.0"
    assert client.sim.book(SYMBOL, 1).asks == [("69950.0", "0.10000000")]


def test_what_cannot_be_amended(client) -> None:
    plain = client.add("buy", "limit", '"limit_price":69000.0')
    with_close = client.add(
        "buy", "limit", '"limit_price":69000.0', conditional={"order_type": "limit", "limit_price": 72000.5}
    )
    stop = client.add("sell", "stop-loss", '"triggers":{"price":60000.0}')
    for order_id, change, error in (
        (plain, "", "EGeneral:Invalid arguments"),
        (plain, '"trigger_price":1.0', "EGeneral:Invalid arguments:trigger_price"),
        (plain, '"display_qty":0.05', "EGeneral:Invalid arguments:display_qty"),
        (plain, '"order_qty":100.0', "EOrder:Insufficient funds"),
        (plain, '"order_qty":0.00001', "EGeneral:Invalid arguments:volume minimum not met"),
        (
            plain,
            '"limit_price":69000.05',
            "EOrder:Invalid price:XXBTZUSD price can only be specified up to 1 decimals.",
        ),
        (with_close, '"order_qty":0.05', "EOrder:Invalid order"),
        (stop, '"limit_price":69000.0', "EGeneral:Invalid arguments:limit_price"),
        ("OXXXXX-XXXXX-XXXXXX", '"order_qty":0.05', "EOrder:Unknown order"),
    ):
        (reply,) = client.ask("amend_order", change, order_id=order_id)
        assert reply["error"] == error
    assert {order["amendments"] for order in client.orders()} == {0}


# -- edits ---------------------------------------------------------------------------------------------------------


def test_an_edit_makes_a_new_order_for_what_is_left(client) -> None:
    order_id = client.add("buy", "limit", '"limit_price":69000.0', order_userref=7)
    client.other("sell", "0.04", "69000.0")
    (reply,) = client.ask("edit_order", '"order_qty":0.12,"limit_price":69100.0', order_id=order_id, symbol=SYMBOL)
    assert sorted(reply["result"]) == ["order_id", "original_order_id"]
    old, new = client.order(order_id), client.order(reply["result"]["order_id"])
    assert (old["status"], old["filled"]) == ("canceled", "0.04000000")
    assert (new["quantity"], new["limit_price"], new["userref"]) == ("0.08000000", "69100.0", 0)


def test_an_edit_by_rest(client) -> None:
    made = client.rest(type="buy", ordertype="limit", price="69000.0", userref="77", oflags="post")
    answer = client.rest("EditOrder", txid="77", pair="XBTUSD", price="69200.0", userref="78")
    assert {key: answer[key] for key in ("status", "originaltxid", "volume", "price", "orders_cancelled")} == {
        "status": "ok", "originaltxid": made["txid"][0], "volume": "0.10000000", "price": "69200.0",
        "orders_cancelled": "1",
    }  # fmt: skip
    assert (answer["olduserref"], answer["newuserref"]) == ("77", "78")
    assert answer["descr"]["order"] == "buy 0.10000000 XBTUSD @ limit 69200.0"
    # The flag is not taken over.
    assert not client.order(answer["txid"])["post_only"]
    checked = client.rest("EditOrder", txid="78", pair="XBTUSD", price="69300.0", validate="true")
    assert (checked["orders_cancelled"], "txid" in checked) == ("0", False)


def test_what_cannot_be_edited_stays_as_it_is(client) -> None:
    gone = client.add("buy", "limit", '"limit_price":69000.0')
    stop = client.add("sell", "stop-loss-limit", '"limit_price":75000.0,"triggers":{"price":69000.0}')
    client.last("69000.0")
    plain = client.add("buy", "limit", '"limit_price":68000.0')
    client.other("sell", "0.14", "68000.0")
    named = client.add("buy", "limit", '"limit_price":67000.0', cl_ord_id="mine")
    for order_id, change, error in (
        (gone, '"order_qty":0.2', "EOrder:Unknown order"),
        (named, '"order_qty":0.2', "EOrder:Invalid order"),
        (stop, '"order_qty":0.2', "EOrder:Invalid order"),
        (plain, '"order_qty":0.04', "EGeneral:Invalid arguments:volume"),
        (plain, '"order_qty":500.0', "EOrder:Insufficient funds"),
    ):
        (reply,) = client.ask("edit_order", change, order_id=order_id, symbol=SYMBOL)
        assert reply["error"] == error
    assert client.order(plain)["status"] == "partially_filled"


def test_an_edit_may_use_the_funds_of_what_it_replaces(client) -> None:
    usd = client.sim.account()["balances"]["USD"]
    client.do("withdraw", asset="USD", amount=str(Decimal(usd) - 7000))
    order_id = client.add("buy", "limit", '"limit_price":69000.0')
    (reply,) = client.ask("edit_order", '"limit_price":69100.0', order_id=order_id, symbol=SYMBOL)
    assert reply["success"]


def test_an_edit_costs_by_the_age_of_the_order(desk) -> None:
    client = desk(engine_limits=True)
    client.sim.accounts.get("account1").engine_counter(SYMBOL)._decay_milli = 0
    costs = []
    for age in (1, 6, 12, 20, 60, 100):
        order_id = client.add("buy", "limit", '"limit_price":69000.0')
        client.driver.run(age)
        before = client.sim.accounts.get("account1").engine_counter(SYMBOL).level(client.driver.now)
        (reply,) = client.ask("edit_order", '"order_qty":0.2', order_id=order_id, symbol=SYMBOL)
        assert reply["success"]
        after = client.sim.accounts.get("account1").engine_counter(SYMBOL).level(client.driver.now)
        costs.append((after - before) // 10**9)
    assert costs == [7, 6, 5, 3, 2, 1]
