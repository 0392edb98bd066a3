"""What is refused and in which words (sheet 2.2): fields, times, prices, sizes, modes, margin, batches."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

SYMBOL = "BTC/USD"
ARGUMENTS = "EGeneral:Invalid arguments"


@pytest.fixture(scope="module")
def quiet(desk):
    """For what is refused: nothing changes, so one will do for all."""
    made = desk()
    made.other("sell", "1", "70000.0")
    made.other("buy", "1", "69000.0")
    return made


@pytest.fixture
def client(desk):
    return desk()


BUY = {"type": "buy", "ordertype": "limit", "price": "69000.0"}
STOP = {"ordertype": "stop-loss", "type": "sell", "price": "68000.0"}
TRAIL = {"ordertype": "trailing-stop", "type": "sell", "price": "+1%"}


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"ordertype": ""}, f"{ARGUMENTS}:ordertype"),
        ({"price": ""}, f"{ARGUMENTS}:price"),
        ({"price": "1e-20"}, f"{ARGUMENTS}:price"),
        ({"price": "0"}, f"{ARGUMENTS}:price"),
        ({"price": "#-5"}, f"{ARGUMENTS}:price"),
        ({"price": "+5%%"}, f"{ARGUMENTS}:price"),
        ({"price": "-200%"}, f"{ARGUMENTS}:price"),
        ({"price": "69000.05"}, "EOrder:Invalid price:XXBTZUSD price can only be specified up to 1 decimals."),
        ({"price2": "1"}, f"{ARGUMENTS}:price2"),
        ({"volume": "0"}, f"{ARGUMENTS}:volume"),
        ({"volume": "-1"}, f"{ARGUMENTS}:volume"),
        ({"volume": "0.00001"}, f"{ARGUMENTS}:volume minimum not met"),
        ({"price": "0.1"}, "EOrder:Cost minimum not met"),
        ({"volume": "999"}, "EOrder:Insufficient funds"),
        ({"oflags": "fcib,fciq"}, f"{ARGUMENTS}:oflags"),
        ({"oflags": "viqc"}, f"{ARGUMENTS}:oflags"),
        ({"oflags": "quick"}, f"{ARGUMENTS}:oflags"),
        ({"ordertype": "market", "oflags": "viqc", "volume": "0.1"}, "EOrder:Cost minimum not met"),
        ({"ordertype": "market", "oflags": "viqc", "volume": "1", "leverage": "2"}, f"{ARGUMENTS}:cash_order_qty"),
        ({"ordertype": "market", "oflags": "post"}, ARGUMENTS),
        ({"ordertype": "market", "timeinforce": "FOK"}, ARGUMENTS),
        ({"oflags": "post", "timeinforce": "IOC"}, f"{ARGUMENTS}:timeinforce"),
        ({"timeinforce": "GTD"}, f"{ARGUMENTS}:expiretm"),
        ({"timeinforce": "GTD", "expiretm": "+4"}, f"{ARGUMENTS}:expiretm"),
        ({"timeinforce": "GTD", "expiretm": "+3000000"}, f"{ARGUMENTS}:expiretm"),
        ({"starttm": "soon"}, f"{ARGUMENTS}:starttm"),
        ({"starttm": "+3000000"}, f"{ARGUMENTS}:starttm"),
        ({"starttm": "+60", "timeinforce": "GTD", "expiretm": "+30"}, f"{ARGUMENTS}:starttm"),
        ({"trigger": "mark"}, f"{ARGUMENTS}:trigger"),
        ({"stptype": "cancel_newest"}, f"{ARGUMENTS}:stptype"),
        ({"deadline": "{now+1}"}, f"{ARGUMENTS}:deadline"),
        ({"deadline": "{now+61}"}, f"{ARGUMENTS}:deadline"),
        ({"deadline": "{now-1}"}, "EService:Deadline elapsed"),
        ({"cl_ord_id": "x" * 19}, f"{ARGUMENTS}:cl_ord_id"),
        ({"cl_ord_id": "é"}, f"{ARGUMENTS}:cl_ord_id"),
        ({"cl_ord_id": "mine", "userref": "1"}, f"{ARGUMENTS}:cl_ord_id and userref are mutually exclusive"),
        ({"userref": "2147483648"}, f"{ARGUMENTS}:userref"),
        ({"leverage": "9"}, f"{ARGUMENTS}:leverage"),
        ({"leverage": "1"}, f"{ARGUMENTS}:leverage"),
        ({"reduce_only": "true"}, f"{ARGUMENTS}:reduce_only"),
        ({"reduce_only": "true", "leverage": "2"}, "EOrder:Reduce only:No position exists"),
        ({"leverage": "2", "volume": "0"}, "EOrder:Reduce only:No position exists"),
        ({"ordertype": "settle-position"}, f"{ARGUMENTS}:leverage"),
        ({"ordertype": "settle-position", "leverage": "2"}, "EOrder:Unknown position"),
        ({"leverage": "2", "volume": "500"}, "EOrder:Insufficient margin"),
        ({**STOP, "price": ""}, f"{ARGUMENTS}:price"),
        ({**STOP, "price": "68000.05"}, "EOrder:Invalid price:XXBTZUSD price can only be specified up to 1 decimals."),
        ({**STOP, "oflags": "post"}, ARGUMENTS),
        ({**STOP, "ordertype": "stop-loss-limit"}, f"{ARGUMENTS}:price2"),
        ({**TRAIL, "price": "-1%"}, f"{ARGUMENTS}:price"),
        ({**TRAIL, "price": "68000.0"}, f"{ARGUMENTS}:price"),
        ({**TRAIL, "price": "+0"}, f"{ARGUMENTS}:price"),
        ({**TRAIL, "price": "+100%"}, f"{ARGUMENTS}:price"),
        ({**TRAIL, "ordertype": "trailing-stop-limit", "price2": "5.0"}, f"{ARGUMENTS}:price2"),
        ({"close": "limit"}, f"{ARGUMENTS}:close"),
        ({"close[ordertype]": "limit"}, f"{ARGUMENTS}:close[price]"),
        ({"close[price]": "5"}, f"{ARGUMENTS}:close[ordertype]"),
    ],
)
def test_rest_refuses(quiet, params, error) -> None:
    before = quiet.orders()
    now = quiet.driver.now // 10**9 + 1
    if params.get("deadline", "").startswith("{now"):
        from datetime import UTC, datetime

        ahead = int(params["deadline"].strip("{}").removeprefix("now"))
        params = {**params, "deadline": datetime.fromtimestamp(now + ahead, UTC).isoformat()}
    found = quiet.rest(**{"type": "buy", "ordertype": "limit", "price": "68000.0", **params})
    assert found == [error]
    assert quiet.orders() == before


LIMIT = '"limit_price":68000.0'


@pytest.mark.parametrize(
    ("order_type", "raw", "params", "error"),
    [
        ("limit", "", {}, f"{ARGUMENTS}:limit_price"),
        ("limit", LIMIT, {"limit_price_type": "pct"}, f"{ARGUMENTS}:limit_price_type"),
        ("limit", LIMIT, {"limit_price_type": 5}, "Limit_price_type field must be a string"),
        ("limit", LIMIT, {"triggers": {"price": 1}}, f"{ARGUMENTS}:triggers"),
        ("limit", LIMIT, {"fee_preference": "both"}, f"{ARGUMENTS}:fee_preference"),
        ("limit", LIMIT, {"stp_type": "cancel-newest"}, f"{ARGUMENTS}:stp_type"),
        ("limit", LIMIT, {"cash_order_qty": 5}, f"{ARGUMENTS}:cash_order_qty"),
        ("limit", LIMIT, {"display_qty": "1"}, "Display_qty field must be a number_float"),
        ("limit", LIMIT, {"conditional": []}, f"{ARGUMENTS}:conditional"),
        ("limit", LIMIT, {"conditional": {"order_type": "limit"}}, f"{ARGUMENTS}:conditional"),
        ("limit", LIMIT, {"conditional": {"order_type": "stop-loss"}}, f"{ARGUMENTS}:conditional"),
        ("limit", LIMIT, {"margin": 1}, "Margin field must be a boolean"),
        ("limit", LIMIT, {"expire_time": "soon"}, f"{ARGUMENTS}:expire_time"),
        ("limit", LIMIT, {"effective_time": 7}, f"{ARGUMENTS}:effective_time"),
        ("stop-loss", "", {}, f"{ARGUMENTS}:triggers"),
        ("stop-loss", "", {"triggers": {"price": 68000, "kind": 1}}, f"{ARGUMENTS}:triggers"),
        ("stop-loss", "", {"triggers": {"price": 68000, "reference": "mark"}}, f"{ARGUMENTS}:reference"),
        ("stop-loss", "", {"triggers": {"price": 68000, "price_type": "ticks"}}, f"{ARGUMENTS}:price_type"),
        ("stop-loss-limit", "", {"triggers": {"price": 68000}}, f"{ARGUMENTS}:limit_price"),
        ("trailing-stop", "", {"triggers": {"price": 68000}}, f"{ARGUMENTS}:triggers"),
        ("trailing-stop", "", {"triggers": {"price": -1, "price_type": "pct"}}, f"{ARGUMENTS}:triggers"),
    ],
)
def test_the_websocket_refuses(quiet, order_type, raw, params, error) -> None:
    before = quiet.orders()
    assert quiet.add("buy", order_type, raw, **params) == error
    assert quiet.orders() == before


def test_old_names_of_triggers_are_taken(client) -> None:
    order_id = client.add("sell", "stop-loss", '"stop_price":68000.0', trigger="index", no_mpp=True)
    assert client.order(order_id)["trigger_price"] == "68000.0"


def test_no_quantity_is_not_the_whole_position(client) -> None:
    client.other("sell", "1", "70000.0")
    client.rest(type="buy", ordertype="market", leverage="2")
    assert client.add("sell", "market", "", quantity="", margin=True) == f"{ARGUMENTS}:volume"
    assert client.add("sell", "market", "", quantity="0.0", margin=True).startswith("O")


def test_the_index_is_not_there_for_every_pair(client) -> None:
    client.sim.feed.listing.pairs[SYMBOL].has_index = False
    triggers = {"price": 68000.0, "reference": "index"}
    assert client.add("sell", "stop-loss", "", triggers=triggers) == f"{ARGUMENTS}:Index unavailable"


def test_validate_checks_everything_and_places_nothing(client) -> None:
    made = client.rest(type="sell", ordertype="stop-loss-limit", price="68000.0", price2="67000.0", validate="true")
    assert made == {"descr": {"order": "sell 0.10000000 XBTUSD @ stop loss 68000.0 -> limit 67000.0"}}
    assert client.rest(type="sell", ordertype="limit", price="71000.0", volume="999", validate="true") == [
        "EOrder:Insufficient funds"
    ]
    assert client.orders() == []


def test_a_buy_holds_its_fee_unless_that_is_in_base(client) -> None:
    owned = Decimal(client.sim.account()["balances"]["USD"])
    client.do("withdraw", asset="USD", amount=str(owned - Decimal(6900)))
    assert client.rest(**BUY) == ["EOrder:Insufficient funds"]
    made = client.rest(**BUY, oflags="fcib")
    assert client.sim.account()["holds"] == {"USD": "6900.0000"}
    client.rest("CancelOrder", txid=made["txid"][0])
    client.do("deposit", asset="USD", amount="27.6")
    client.rest(**BUY)
    assert client.sim.account()["holds"] == {"USD": "6927.6000"}


def test_a_fee_in_base_has_to_be_there_too(client) -> None:
    owned = Decimal(client.sim.account()["balances"]["BTC"])
    client.do("withdraw", asset="BTC", amount=str(owned - Decimal("0.1003")))
    sell = {"type": "sell", "ordertype": "limit", "price": "71000.0"}
    assert client.rest(**sell, oflags="fcib") == ["EOrder:Insufficient funds"]
    client.do("deposit", asset="BTC", amount="0.0001")
    assert "txid" in client.rest(**sell, oflags="fcib")
    assert client.sim.account()["holds"] == {"BTC": "0.1004000000"}
    assert client.rest("BalanceEx")["XXBT"]["hold_trade"] == "0.1004000000"


# -- modes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "limit", "post", "cancel"),
    [
        ("online", "new", "new", "1"),
        ("post_only", "EService:Market in post_only mode", "new", "1"),
        ("cancel_only", "EService:Market in cancel_only mode", "EService:Market in cancel_only mode", "1"),
        ("maintenance", "EService:Unavailable", "EService:Unavailable", "EService:Unavailable"),
    ],
)
def test_modes_of_the_exchange(client, system, limit, post, cancel) -> None:
    made = client.rest(type="buy", ordertype="limit", price="60000.0")
    client.sim.fault("status", system=system)

    def outcome(**params: Any) -> str:
        found = client.rest(type="buy", ordertype="limit", price="60000.0", **params)
        return client.order(found["txid"][0])["status"] if isinstance(found, dict) else found[0]

    assert (outcome(), outcome(oflags="post")) == (limit, post)
    found = client.rest("CancelOrder", txid=made["txid"][0])
    assert (found["count"] if isinstance(found, dict) else found[0]) == cancel


@pytest.mark.parametrize(
    ("status", "order_type", "error"),
    [
        ("limit_only", "market", "EService:Market in limit_only mode"),
        ("limit_only", "stop-loss", "EService:Market in limit_only mode"),
        ("limit_only", "limit", ""),
        ("limit_only", "stop-loss-limit", ""),
        ("post_only", "limit", "EService:Market in post_only mode"),
        ("reduce_only", "limit", "EService:Market in reduce_only mode"),
        ("cancel_only", "limit", "EService:Market in cancel_only mode"),
        ("delisted", "limit", "EService:Unavailable"),
    ],
)
def test_modes_of_a_pair(client, status, order_type, error) -> None:
    client.sim.fault("pair_status", symbol=SYMBOL, status=status)
    found = client.rest(type="buy", ordertype=order_type, price="71000.0", price2="-1" if "stop" in order_type else "")
    assert (found[0] if error else list(found)) == (error or ["descr", "txid"])


# -- margin --------------------------------------------------------------------------------------------------------


def test_positions_have_a_limit_and_need_a_level(client) -> None:
    client.other("sell", "9", "70000.0")
    client.sim.feed.listing.pairs[SYMBOL].position_limit_long = 1
    assert "txid" in client.rest(type="buy", ordertype="market", leverage="5", volume="0.9")
    refused = client.rest(type="buy", ordertype="market", leverage="5", volume="0.2")
    assert refused == ["EOrder:Margin position size exceeded"]
    for asset, amount in client.sim.account()["balances"].items():
        if not amount.startswith("-"):
            client.do("withdraw", asset=asset, amount=amount)
    refused = client.rest(type="buy", ordertype="market", leverage="5", volume="0.05")
    assert refused == ["EOrder:Margin level too low"]


def test_what_only_reduces_never_opens(client) -> None:
    client.other("sell", "9", "70000.0")
    client.rest(type="buy", ordertype="market", leverage="2", volume="0.3")
    first = client.rest(type="sell", ordertype="limit", price="71000.0", leverage="2", volume="0.2", reduce_only="true")
    second = client.rest(type="sell", ordertype="limit", price="71000.0", leverage="2", reduce_only="true")
    # By another order most of the position goes: the resting ones shrink to what is left, the later one ends.
    client.other("buy", "1", "69000.0")
    client.rest(type="sell", ordertype="market", leverage="2", volume="0.15")
    assert client.sim.book(SYMBOL, 9).asks[-1] == ("71000.0", "0.15000000")
    assert client.order(second["txid"][0])["reason"] == "EOrder:Reduce only:Position is closed"
    client.engine.market(0, 10**9)
    for number in [one.number for one in client.engine.orders.values() if one.owner is None]:
        client.engine.cancel(number)
    assert client.order(first["txid"][0])["status"] == "new"


# -- batches -------------------------------------------------------------------------------------------------------


def batch(client, *legs: dict[str, Any], **params: Any) -> Any:
    orders = [{"order_type": "limit", "side": "buy", "order_qty": 0.1, "limit_price": 60000.0, **leg} for leg in legs]
    (reply,) = client.ask("batch_add", symbol=SYMBOL, orders=orders, **params)
    return reply.get("result", reply.get("error"))


def test_a_leg_that_is_wrong_refuses_all_one_without_funds_itself(client) -> None:
    price = "EOrder:Invalid price:XXBTZUSD price can only be specified up to 1 decimals."
    assert batch(client, {}, {"limit_price": 1.55}) == price
    assert batch(client, {}, {"order_qty": 0.00001}) == f"{ARGUMENTS}:volume minimum not met"
    assert client.orders() == []
    found = batch(client, {}, {"order_qty": 900.0}, {"cl_ord_id": "a"}, {"cl_ord_id": "a"})
    assert [sorted(row) for row in found] == [["order_id"], ["error"], ["cl_ord_id", "order_id"], ["error"]]
    assert [row.get("error") for row in found] == [None, "EOrder:Insufficient funds", None, f"{ARGUMENTS}:cl_ord_id"]
    assert batch(client, {}, {}, validate=True) == [{}, {}]
    assert batch(client, {}) == f"{ARGUMENTS}:orders"
    assert batch(client, *[{}] * 16) == f"{ARGUMENTS}:orders"
    assert len(client.orders()) == 2


def test_batches_cost_half_and_their_cancels_are_always_taken(desk) -> None:
    client = desk(engine_limits=True, tier="starter")
    counter = client.sim.accounts.get("account1").engine_counter(SYMBOL)
    counter._decay_milli = 0
    batch(client, *[{}] * 15)
    assert counter.level(client.driver.now) == 7_500_000_000
    ids = [order["order_id"] for order in client.orders()]
    assert client.rest("CancelOrderBatch", orders=",".join(ids[:10])) == {"count": "10"}
    assert counter.level(client.driver.now) == 87_500_000_000
    assert client.ask("cancel_order", order_id=ids[10:11])[0]["error"] == "EOrder:Rate limit exceeded"
    assert client.ask("cancel_all")[0]["result"] == {"count": "5"}
    assert counter.level(client.driver.now) == 127_500_000_000


def rest_batch(client, *legs: dict[str, Any]) -> Any:
    """A JSON body, as batches need."""
    from gw_sim_kraken.signing import api_sign

    from gwcore.rest import HttpRequest

    nonce = client.client.nonce = client.client.nonce + 1
    body = json.dumps({"nonce": nonce, "pair": "XBTUSD", "orders": legs}).encode()
    path = "/0/private/AddOrderBatch"
    headers = {
        "API-Key": client.client.key,
        "API-Sign": api_sign(path, str(nonce), body, client.client.secret),
        "Content-Type": "application/json",
    }
    answer = client.sim.http(HttpRequest(method="POST", url=path, headers=headers, body=body), client.driver.now)
    found = json.loads(answer.body)
    return found["result"]["orders"] if not found["error"] else found["error"]


def test_a_batch_of_orders_with_closes_by_rest(client) -> None:
    close = {"ordertype": "stop-loss-limit", "price": "59000.0", "price2": 58000.5}
    one = {"ordertype": "limit", "type": "buy", "volume": "0.1", "price": "60000.0", "close": close}
    assert rest_batch(client, one, {**one, "price": "60000.55"}) == [
        "EOrder:Invalid price:XXBTZUSD price can only be specified up to 1 decimals."
    ]
    assert client.orders() == []
    rows = rest_batch(client, one, one)
    assert [row["close"] for row in rows] == ["close position @ stop loss 59000.0 -> limit 58000.5"] * 2
    assert [row["txid"] for row in rows] == [order["order_id"] for order in client.orders()]


def test_scheduled_orders_have_a_cap(desk) -> None:
    client = desk(engine_limits=True)
    counter = client.sim.accounts.get("account1").engine_counter(SYMBOL)
    counter.maximum = 10**6
    for _ in range(100):
        assert "txid" in client.call(
            "AddOrder", pair="XBTUSD", volume="0.001", type="buy", ordertype="limit", price="60000.0", starttm="+60"
        )
    found = client.rest(type="buy", ordertype="limit", price="60000.0", volume="0.001", starttm="+60")
    assert found == ["EOrder:Scheduled orders limit exceeded"]
    assert "txid" in client.rest(type="buy", ordertype="limit", price="60000.0", volume="0.001")
