"""Faults of trading requests: each strikes as often as it was told to, is counted, and the truth knows what was done."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

SYMBOL = "BTC/USD"
LIMIT = '"limit_price":69000.0,"order_qty":0.1'
REST = {"type": "buy", "ordertype": "limit", "price": "69000.0"}


@pytest.fixture
def client(desk):
    made = desk()
    made.fault = made.sim.fault
    return made


def ask(client, seconds: float = 0.02, **params):
    return client.ask(
        "add_order", LIMIT, seconds=seconds, side="buy", order_type="limit", symbol=SYMBOL, **params
    )  # fmt: skip


def statuses(client) -> list[str]:
    return [order["status"] for order in client.orders()]


def struck(client, name: str) -> int:
    fired = client.sim.account()["faults"]
    assert fired == client.sim.faults_fired()
    return int(fired.get(name, 0))


@pytest.mark.parametrize("method", ["add_order", "amend_order", "cancel_order", "edit_order"])
def test_a_lost_reply_of_one_method(client, method) -> None:
    client.fault("lose_replies", method=method)
    replies = ask(client)
    assert len(replies) == (method != "add_order")
    order_id = client.orders()[0]["order_id"]
    params = {"order_id": order_id, **({"symbol": SYMBOL} if method == "edit_order" else {})}
    if method == "cancel_order":
        params = {"order_id": [order_id]}
    if method != "add_order":
        raw = '"order_qty":0.2' if method != "cancel_order" else ""
        assert client.ask(method, raw, **params) == []
    assert struck(client, "lose_replies") == 1
    first = client.orders()[0]
    assert (first["status"], first["quantity"]) == {
        "add_order": ("new", "0.1"), "amend_order": ("new", "0.2"), "cancel_order": ("canceled", "0.1"),
        "edit_order": ("canceled", "0.1"),
    }[method]  # fmt: skip
    assert len(ask(client)) == 1


def test_a_lost_answer_of_rest_is_a_cut_line(client) -> None:
    client.fault("lose_replies", way="rest", method="add_order")
    answer = client.client.request("AddOrder", pair="XBTUSD", volume="0.1", **REST)
    assert (answer.status, statuses(client)) == (0, ["new"])
    assert len(ask(client)) == 1
    assert "txid" in client.rest(**REST)


@pytest.mark.parametrize("status", [0, 503])
def test_a_request_that_never_arrives(client, status) -> None:
    client.fault("lose_requests", count=2, status=status)
    assert ask(client) == []
    assert client.client.request("AddOrder", pair="XBTUSD", volume="0.1", **REST).status == status
    client.driver.run(10)
    assert (client.orders(), struck(client, "lose_requests")) == ([], 2)
    assert len(ask(client)) == 1


@pytest.mark.parametrize("way", ["rest", "websocket"])
def test_an_order_is_filled_before_its_cancel_is_taken(client, way) -> None:
    client.other("buy", "0.3", "69000.5")
    client.other("buy", "0.2", "69000.0")
    (reply,) = ask(client)
    order_id = reply["result"]["order_id"]
    client.other("buy", "0.2", "69000.0")
    client.fault("fill_first", method="cancel_order", way=way)
    if way == "rest":
        assert client.rest("CancelOrder", txid=order_id) == ["EOrder:Unknown order"]
    else:
        (reply,) = client.ask("cancel_order", order_id=[order_id])
        assert reply["error"] == "EOrder:Unknown order"
    assert client.order(order_id)["status"] == "filled"
    assert client.sim.book(SYMBOL, 1).bids == [("69000.0", "0.20000000")]
    assert [row["exec_type"] for row in client.new()] == ["pending_new", "new", "trade", "filled"]


def test_an_order_is_half_filled_before_its_amend_is_taken(client) -> None:
    ask(client)
    order_id = client.orders()[0]["order_id"]
    client.fault("fill_first", percent=50, method="amend_order")
    # It strikes the first request that names a resting order.
    client.ask("amend_order", '"order_qty":0.2', order_id="OXXXXX-XXXXX-XXXXXX")
    (reply,) = client.ask("amend_order", '"order_qty":0.04', order_id=order_id)
    order = client.order(order_id)
    assert (reply["success"], order["status"], order["filled"]) == (True, "canceled", "0.05000000")
    assert struck(client, "fill_first") == 1


def test_a_late_reply(client) -> None:
    client.fault("late_replies", ms=3000)
    assert ask(client) == []
    assert statuses(client) == ["new"]
    client.driver.run(2.9)
    assert b'"method":"add_order"' not in b"".join(client.driver.frames[client.client.connection])
    client.driver.run(0.2)
    assert b'"method":"add_order"' in b"".join(client.driver.frames[client.client.connection])
    assert struck(client, "late_replies") == 1
    assert len(ask(client)) == 1


def test_a_reply_twice(client) -> None:
    client.fault("double_replies", ms=5)
    first, second = ask(client)
    assert first == second
    assert len(ask(client)) == 1
    assert statuses(client) == ["new", "new"]


def test_a_request_that_the_engine_gets_late(client) -> None:
    client.fault("take_late", ms=2000)
    assert ask(client) == []
    assert statuses(client) == []
    found = client.driver.run(2.1)
    assert statuses(client) == ["new"]
    assert any(b'"method":"add_order"' in frame for frame in found)


@pytest.mark.parametrize(
    ("late_ms", "deadline_s", "error"),
    [
        (4900, None, b""),
        (5100, None, b"EService:Deadline elapsed"),  # five seconds where the client says nothing (sheet 3.6)
        (1900, 2, b""),
        (2100, 2, b"EService:Deadline elapsed"),
    ],
)
def test_a_deadline_ends_what_comes_too_late(client, late_ms, deadline_s, error) -> None:
    client.fault("take_late", ms=late_ms)
    second, given = client.driver.now // 10**9, {}
    if deadline_s is not None:
        client.driver.now = (second + 1) * 10**9
        given["deadline"] = datetime.fromtimestamp(second + 1 + deadline_s, UTC).isoformat()
    ask(client, seconds=0.0, **given)
    found = b"".join(client.driver.run(late_ms / 1000 + 0.01))
    assert error in found
    assert b'"method":"add_order"' in found
    assert statuses(client) == ([] if error else ["new"])


@pytest.mark.parametrize("status", [0, 502, 504])
def test_rest_times_out_and_the_order_comes_later(client, status) -> None:
    client.fault("take_late", ms=2000, status=status)
    answer = client.client.request("AddOrder", pair="XBTUSD", volume="0.1", cl_ord_id="late", **REST)
    assert answer.status == status
    assert b"<html>" in answer.body
    assert (client.call("OpenOrders")["open"], statuses(client)) == ({}, [])
    client.driver.run(2.1)
    assert statuses(client) == ["new"]
    assert client.orders()[0]["cl_ord_id"] == "late"


@pytest.mark.parametrize(("after", "found"), [(True, ["new"]), (False, [])])
def test_rest_fails_with_the_order_live_or_not(client, after, found) -> None:
    client.fault("http", status=502, path="AddOrder", count=1, after=after)
    answer = client.client.request("AddOrder", pair="XBTUSD", volume="0.1", **REST)
    assert (answer.status, statuses(client)) == (502, found)
    assert struck(client, "http") == 1


def test_an_accepted_order_that_is_not_live_yet(client) -> None:
    client.fault("live_late", ms=2000)
    (reply,) = ask(client)
    assert (reply["success"], statuses(client)) == (True, ["pending_new"])
    assert [row["exec_type"] for row in client.new()] == ["pending_new"]
    client.driver.run(2.1)
    assert [row["exec_type"] for row in client.new()] == ["pending_new", "new"]
    client.fault("live_late", ms=2000)
    (reply,) = ask(client)
    (reply,) = client.ask("cancel_order", order_id=[reply["result"]["order_id"]])
    client.driver.run(2.1)
    assert statuses(client) == ["new", "canceled"]


def test_refusals_on_demand(client) -> None:
    client.fault("refuse_orders", count=2)
    assert ask(client)[0]["error"] == "EOrder:Rate limit exceeded"
    assert client.rest(**REST) == ["EOrder:Rate limit exceeded"]
    client.fault("refuse_orders", error="EGeneral:Internal error", after=True)
    assert ask(client)[0]["error"] == "EGeneral:Internal error"
    assert statuses(client) == ["new"]
    client.fault("refuse_orders", error="EService: Throttled: 1790000099", way="rest", method="cancel_all")
    assert ask(client)[0]["success"]
    assert client.rest("CancelAll") == ["EService: Throttled: 1790000099"]
    assert client.rest("CancelAll") == {"count": "2"}


@pytest.mark.parametrize(("reply", "reports"), [(False, True), (True, True), (False, False)])
@pytest.mark.parametrize("abort", [False, True])
def test_the_connection_ends_right_after_the_request(client, reply, reports, abort) -> None:
    client.fault("close_after", reply=reply, reports=reports, abort=abort)
    before = len(client.new())
    found = ask(client)
    assert len(found) == reply
    assert len(client.new()) - before == (2 if reports else 0)
    assert client.driver.closed == {client.client.connection: abort}
    assert statuses(client) == ["new"]


def test_the_mode_changes_just_before_an_order(client) -> None:
    client.fault("mode_on_order", system="cancel_only", method="add_order")
    order_id = client.other("buy", "0.1", "69000.0")
    assert ask(client)[0]["error"] == "EService:Market in cancel_only mode"
    assert client.sim.system == "cancel_only"
    client.fault("restore")
    assert ask(client)[0]["success"]
    assert order_id


@pytest.mark.parametrize("first", [True, False])
def test_replies_before_or_after_reports(client, first) -> None:
    client.fault("reply_order", first=first)
    for _ in range(6):
        before = len(client.driver.frames[client.client.connection])
        ask(client)
        found = client.driver.frames[client.client.connection][before:]
        is_reply = [b'"method":"add_order"' in frame for frame in found if b"heartbeat" not in frame]
        assert is_reply.index(True) == (0 if first else len(is_reply) - 1)


def test_reports_come_late_in_order_while_replies_do_not(client) -> None:
    client.fault("delay_executions", ms=500)
    (reply,) = ask(client)
    assert client.new() == []
    client.driver.run(0.4)
    client.fault("delay_executions", on=False)
    client.ask("cancel_order", order_id=[reply["result"]["order_id"]])
    assert client.new() == []
    client.driver.run(0.2)
    assert [row["exec_type"] for row in client.new()] == ["pending_new", "new", "canceled"]


def test_reports_change_places(client) -> None:
    client.fault("swap_executions")
    ask(client)
    assert [row["exec_type"] for row in client.new()] == ["new", "pending_new"]
    numbers = [int(message["sequence"]) for message in client.client.messages()]
    assert numbers == [1, 3, 2]
    client.fault("swap_executions")
    (order_id,) = [order["order_id"] for order in client.orders()]
    client.ask("cancel_order", order_id=[order_id])
    assert [row["exec_type"] for row in client.new()] == ["new", "pending_new"]
    client.driver.run(1.1)
    assert [row["exec_type"] for row in client.new()] == ["new", "pending_new", "canceled"]


def test_reports_of_any_kind_come_twice(client) -> None:
    client.fault("duplicate_executions", kind="new", count=1, same_sequence=True)
    ask(client)
    assert [row["exec_type"] for row in client.new()] == ["pending_new", "new", "new"]
    assert struck(client, "duplicate_executions") == 1


def test_faults_of_one_account_and_both_ways_end(client) -> None:
    client.fault("refuse_orders", account="account2", count=-1)
    assert ask(client)[0]["success"]
    client.fault("refuse_orders", count=-1)
    assert [ask(client)[0]["success"] for _ in range(3)] == [False] * 3
    assert client.fault("refuse_orders", on=False) == "refuse_orders is off"
    assert ask(client)[0]["success"]
    client.fault("refuse_orders", count=-1)
    client.fault("restore")
    assert ask(client)[0]["success"]
    assert struck(client, "refuse_orders") == 3


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("lose_replies", {"method": "dance"}, r"no method 'dance'; there are: \*, add_order"),
        ("lose_replies", {"way": "fax"}, r"no way 'fax'; there are: \*, websocket, rest"),
        ("lose_replies", {"account": "nobody"}, "no account 'nobody'"),
        ("late_replies", {"ms": -1}, "ms is 0 to 3600000"),
        ("delay_executions", {"ms": 10**9}, "ms is 0 to 3600000"),
        ("take_late", {"status": 200}, "status is 0 .no answer. or an HTTP status from 300 to 599"),
        ("lose_requests", {"status": 204}, "status is 0 .no answer. or an HTTP status from 300 to 599"),
        ("fill_first", {"percent": 0}, "percent is 1 to 100"),
        ("mode_on_order", {"system": "asleep"}, "no system status 'asleep'; there are: online, maintenance"),
        ("index", {"symbol": SYMBOL, "price": "much"}, "price 'much' is no price of BTC/USD"),
        ("index", {"symbol": "NO/PE", "price": "1"}, "no symbol 'NO/PE' is listed here"),
    ],
)
def test_wrong_options_are_one_sentence(client, name, options, text) -> None:
    with pytest.raises(ValueError, match=text):
        client.fault(name, **options)
