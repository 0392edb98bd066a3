"""Clients trade: by REST and by WebSocket, with Kraken's replies, refusals and limits (sheet 2.7, 3.7, 4.14)."""

from __future__ import annotations

import json

import pytest

SYMBOL = "BTC/USD"
LOW = "70000.0"


@pytest.fixture
def client(private, read):
    client = private(lockout_failures=1000, rest_limits=False)
    client.listen("executions", executions={"snap_trades": True})
    client.sim = client.driver.simulator
    client.best_ask = client.sim.book(SYMBOL, 1).asks[0][0]
    client.ws_token = client.token()

    def ask(method: str, raw: str = "", **params) -> list:
        """The replies to one request; `raw` is put among the parameters as it is."""
        text = json.dumps({"token": client.ws_token, **params})
        text = text[:-1] + (f",{raw}" if raw else "") + "}"
        client.driver.send_raw(client.connection, f'{{"method":"{method}","params":{text},"req_id":9}}'.encode())
        return [message for message in map(read, client.driver.run(0.02)) if message.get("req_id") == "9"]

    def add(**params) -> list:
        fields = {"order_type": "limit", "side": "buy", "symbol": SYMBOL, **params}
        quantity = fields.pop("order_qty", "0.00100000")
        price = fields.pop("limit_price", LOW)
        return ask("add_order", f'"order_qty":{quantity},"limit_price":{price}', **fields)

    client.ask, client.add = ask, add
    client.add_rest = lambda **params: client.call(
        "AddOrder", **{"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.001", "price": LOW, **params}
    )
    return client


def orders(client) -> dict:
    return {order["order_id"]: order for order in client.sim.account()["orders"]}


def test_rest_places_finds_amends_and_cancels(client) -> None:
    made = client.add_rest(cl_ord_id="my-own-id")
    assert made["descr"] == {"order": f"buy 0.00100000 XBTUSD @ limit {LOW}"}
    (txid,) = made["txid"]
    assert client.call("OpenOrders", cl_ord_id="my-own-id")["open"][txid]["cl_ord_id"] == "my-own-id"
    assert list(client.call("AmendOrder", cl_ord_id="my-own-id", order_qty="0.002")) == ["amend_id"]
    assert client.call("QueryOrders", txid=txid)[txid]["vol"] == "0.00200000"
    assert client.call("CancelOrder", txid=txid) == {"count": "1"}
    assert client.call("CancelOrder", txid=txid) == ["EOrder:Unknown order"]
    assert client.call("ClosedOrders")["closed"][txid]["reason"] == "User requested"
    client.driver.run(0.001)
    assert [row["exec_type"] for row in client.rows()] == ["pending_new", "new", "amended", "canceled"]


def test_rest_checks_only_where_asked_to(client) -> None:
    assert list(client.add_rest(validate="true")) == ["descr"]
    assert orders(client) == {}
    made = client.add_rest(ordertype="market", leverage="3")
    assert made["descr"]["order"] == "buy 0.00100000 XBTUSD @ market with 3:1 leverage"
    assert client.call("OpenPositions")


def test_rest_cancels_many(client) -> None:
    made = [client.add_rest(userref="7")["txid"][0] for _ in range(5)]
    assert client.call("CancelOrder", txid="7") == {"count": "5"}
    made = [client.add_rest()["txid"][0] for _ in range(4)]
    assert client.call("CancelOrderBatch", orders=",".join([*made[:2], "OXXXXX-XXXXX-XXXXXX"])) == {"count": "2"}
    assert client.call("CancelAll") == {"count": "2"}
    assert client.call("CancelAll") == {"count": "0"}


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"pair": "NOPE"}, "EQuery:Unknown asset pair"),
        ({"ordertype": "stop-gap"}, "EGeneral:Invalid arguments:ordertype"),
        ({"price": "+"}, "EGeneral:Invalid arguments:price"),
        ({"price": "NaN"}, "EGeneral:Invalid arguments:price"),
        ({"volume": "1e99999"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": ""}, "EGeneral:Invalid arguments:volume"),
        ({"type": "hold"}, "EGeneral:Invalid arguments:side"),
        ({"oflags": "viqc"}, "EGeneral:Invalid arguments:oflags"),
        ({"timeinforce": "gtc"}, "EGeneral:Invalid arguments:timeinforce"),
        ({"expiretm": "soon"}, "EGeneral:Invalid arguments:expiretm"),
        ({"deadline": "2020-01-01T00:00:00Z"}, "EService:Deadline elapsed"),
        ({"deadline": "2099-01-01T00:00:00Z"}, "EGeneral:Invalid arguments:deadline"),
        ({"deadline": "tomorrow"}, "EGeneral:Invalid arguments:deadline"),
        ({"cl_ord_id": "a text of more than eighteen"}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"userref": "99999999999"}, "EGeneral:Invalid arguments:userref"),
        ({"close[ordertype]": "market"}, "EGeneral:Invalid arguments:close[ordertype]"),
        ({"leverage": "much"}, "EGeneral:Invalid arguments:leverage"),
    ],
)
def test_rest_refusals(client, params, error) -> None:
    assert client.add_rest(**params) == [error]
    assert orders(client) == {}


def test_a_batch_by_rest_takes_json(client) -> None:
    from gw_sim_kraken.signing import api_sign

    from gwcore.rest import HttpRequest

    one = {"ordertype": "limit", "type": "buy", "volume": 0.001, "price": "70000.0"}
    body = json.dumps({"nonce": 10**12, "pair": "BTC/USD", "orders": [one, {**one, "volume": "500"}, one]}).encode()
    path = "/0/private/AddOrderBatch"
    headers = {
        "API-Key": client.key,
        "API-Sign": api_sign(path, str(10**12), body, client.secret),
        "Content-Type": "application/json",
    }
    request = HttpRequest(method="POST", url=path, headers=headers, body=body)
    rows = json.loads(client.sim.http(request, client.driver.now).body)["result"]["orders"]
    assert [row.get("error") for row in rows] == [None, "EOrder:Insufficient funds", None]
    assert [row.get("txid") for row in rows if "txid" in row] == list(orders(client))


def test_a_websocket_order_and_its_reply(client) -> None:
    (reply,) = client.add(cl_ord_id="3178d58d4d000200")
    assert list(reply) == ["method", "req_id", "result", "success", "time_in", "time_out"]
    assert list(reply["result"]) == ["cl_ord_id", "order_id"]
    assert (reply["method"], reply["success"], reply["result"]["cl_ord_id"]) == ("add_order", True, "3178d58d4d000200")
    assert client.rows()[0]["order_id"] == reply["result"]["order_id"]
    assert [row["exec_type"] for row in client.rows()] == ["pending_new", "new"]


def test_a_reply_comes_before_or_after_the_first_report(client, read) -> None:
    """Both orders occur (sheet 4.12)."""
    first = set()
    for _ in range(20):
        before = len(client.driver.frames[client.connection])
        client.add()
        found = [read(frame) for frame in client.driver.frames[client.connection][before:]]
        first.add("method" in next(one for one in found if "method" in one or one.get("channel") == "executions"))
    assert first == {True, False}


def test_a_post_only_order_that_crosses_is_a_success_then_canceled(client) -> None:
    (reply,) = client.add(limit_price=client.best_ask, post_only=True)
    assert reply["success"]
    assert client.rows()[-1]["reason"] == "Post only order"


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"symbol": "XBT/USD"}, "Currency pair not supported XBT/USD"),
        ({"order_qty": '"0.001"'}, "Order_qty field must be a number_float"),
        ({"limit_price": '"1"'}, "Limit_price field must be a number_float"),
        ({"order_qty": "0.00000001"}, "EGeneral:Invalid arguments:volume minimum not met"),
        ({"limit_price": "70000.01"}, "EOrder:Invalid price:XXBTZUSD price can only be specified up to 1 decimals."),
        ({"order_qty": "1000"}, "EOrder:Insufficient funds"),
        ({"colour": "red"}, "Unsupported field: 'colour' for the given msg type: add order"),
        ({"time_in_force": "GTX"}, "EGeneral:Invalid arguments:time_in_force"),
        ({"post_only": "yes"}, "Post_only field must be a boolean"),
        ({"triggers": {}}, "EGeneral:Invalid arguments:triggers"),
        ({"token": "x"}, "ESession:Invalid session"),
    ],
)
def test_websocket_refusals(client, params, error) -> None:
    (reply,) = client.add(**params)
    assert (reply["error"], reply["success"], reply["method"]) == (error, False, "add_order")
    assert orders(client) == {}


def test_integers_and_validate_are_taken(client) -> None:
    (reply,) = client.add(limit_price="70000", validate=True, cl_ord_id="x")
    assert reply["result"] == {"cl_ord_id": "x"}
    (reply,) = client.add(limit_price="70000")
    assert orders(client)[reply["result"]["order_id"]]["limit_price"] == "70000"


def test_amend_cancel_and_unknown_ones(client) -> None:
    (made,) = client.add(cl_ord_id="abc")
    (reply,) = client.ask("amend_order", '"limit_price":70001.5', cl_ord_id="abc")
    assert sorted(reply["result"]) == ["amend_id", "cl_ord_id"]
    assert client.rows()[-1]["limit_price"] == "70001.5"
    replies = client.ask("cancel_order", order_id=[made["result"]["order_id"], "OXXXXX-XXXXX-XXXXXX"])
    assert sorted(str(reply.get("error", reply.get("result"))) for reply in replies) == sorted(
        ["EOrder:Unknown order", str({"order_id": made["result"]["order_id"]})]
    )
    (reply,) = client.ask("cancel_order", cl_ord_id=["abc"])
    assert reply["error"] == "EOrder:Unknown order"
    (reply,) = client.ask("edit_order", order_id="O", symbol=SYMBOL)
    assert reply["error"] == "EOrder:Unknown order"


def test_batches_and_cancel_all(client) -> None:
    leg = '{"order_type":"limit","side":"buy","order_qty":%s,"limit_price":70000.0}'
    legs = '"orders":[' + ",".join(leg % quantity for quantity in ("0.001", "900", "0.002")) + "]"
    (reply,) = client.ask("batch_add", legs, symbol=SYMBOL)
    assert [sorted(leg) for leg in reply["result"]] == [["order_id"], ["error"], ["order_id"]]
    ids = list(orders(client))
    (reply,) = client.ask("batch_add", '"orders":[{"order_type":"limit"},{"side":"buy"}]', symbol=SYMBOL)
    assert reply["error"].startswith("EGeneral:Invalid arguments")
    shapes = set()
    for _ in range(12):
        made = [client.add()[0]["result"]["order_id"] for _ in range(2)]
        (reply,) = client.ask("batch_cancel", orders=made)
        shapes.add(reply["orders_cancelled"] if "orders_cancelled" in reply else f"result {reply['result']['count']}")
        client.driver.run(30)
    assert shapes == {"2", "result 2"}
    (reply,) = client.ask("cancel_all")
    assert reply["result"] == {"count": "2"}
    assert {orders(client)[order_id]["status"] for order_id in ids} == {"canceled"}


def test_the_dead_man_cancels_when_it_is_not_renewed(client) -> None:
    (made,) = client.add()
    order_id = made["result"]["order_id"]
    (reply,) = client.ask("cancel_all_orders_after", timeout=60)
    assert sorted(reply["result"]) == ["currentTime", "triggerTime"]
    client.driver.run(40)
    assert client.call("CancelAllOrdersAfter", timeout="60")["triggerTime"].endswith("Z")
    client.driver.run(40)
    assert orders(client)[order_id]["status"] == "new"
    client.driver.run(20)
    assert orders(client)[order_id]["status"] == "canceled"
    (made,) = client.add()
    client.ask("cancel_all_orders_after", timeout=5)
    (reply,) = client.ask("cancel_all_orders_after", timeout=0)
    assert reply["result"]["triggerTime"] == "0"
    client.driver.run(10)
    assert orders(client)[made["result"]["order_id"]]["status"] == "new"


def test_the_engine_counts_adds_amends_and_young_cancels(client) -> None:
    """The sheet's worked example: add, amend after 7 s, cancel 36 s later: 1 + 3 + 4 before decay."""
    client.listen("executions", executions={"ratecounter": True})
    client.sim.accounts.get("account1").engine_counter(SYMBOL)._decay_milli = 0
    (made,) = client.add()
    order_id = made["result"]["order_id"]
    client.driver.run(7)
    client.ask("amend_order", '"order_qty":0.002', order_id=order_id)
    client.driver.run(36)
    client.ask("cancel_order", order_id=[order_id])
    assert [row["ratecount"] for row in client.rows()] == ["1.00", "1.00", "4.00", "8.00"]


def test_the_engine_refuses_beyond_its_maximum_until_it_decayed(private) -> None:
    client = private(tier="starter", rest_limits=False)
    add = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.001", "price": LOW}
    made = client.call("AddOrder", **add)["txid"][0]
    for _ in range(6):
        made = client.call("AddOrder", **add)["txid"][0]
        client.call("CancelOrder", txid=made)
    assert client.call("AddOrder", **{**add, "price": "1.5"}) == ["EOrder:Cost minimum not met"]
    # 1 + 6 x (1 + 8) + 1 for the one that was refused: four more make 60.
    answers = [client.call("AddOrder", **add) for _ in range(5)]
    assert ["txid" in answer for answer in answers] == [True, True, True, True, False]
    assert answers[-1] == ["EOrder:Rate limit exceeded"]
    client.driver.run(10)
    assert "txid" in client.call("AddOrder", **add)
    assert "txid" in client.call("AddOrder", **{**add, "pair": "ETHUSD", "price": "1000.00", "volume": "0.01"})


def test_open_orders_of_a_pair_have_a_cap(private) -> None:
    client = private(tier="starter", rest_limits=False, account_pairs=2)
    desk = client.driver.simulator
    client.driver.run(0.001)
    for _ in range(60):
        desk.act("order", symbol=SYMBOL, side="buy", quantity="0.0001", price=LOW)
    with pytest.raises(ValueError, match="EOrder:Orders limit exceeded"):
        desk.act("order", symbol=SYMBOL, side="buy", quantity="0.0001", price=LOW)


def test_a_lost_reply_is_an_order_all_the_same(client) -> None:
    client.sim.fault("lose_replies")
    assert client.add(cl_ord_id="lost") == []
    (order,) = orders(client).values()
    assert (order["cl_ord_id"], order["status"]) == ("lost", "new")
    assert len(client.add()) == 1


def test_trading_needs_its_right(client, private) -> None:
    key = client.sim.accounts.add_key("account1", permissions=frozenset({"close-trades", "create-ws-token"}))
    poor = private(driver=client.driver, key=(key.public, key.secret))
    assert poor.call("AddOrder", pair="XBTUSD") == ["EGeneral:Permission denied"]
    client.ws_token = poor.token()
    assert client.add()[0]["error"] == "EGeneral:Permission denied"
    assert client.ask("cancel_all")[0]["result"] == {"count": "0"}


def test_the_public_host_takes_no_orders(client, read) -> None:
    connection = client.driver.open()
    client.driver.send(connection, "add_order", {"token": client.ws_token}, req_id=1)
    assert "ws-auth" in read(client.driver.run(0.01)[-1])["error"]
