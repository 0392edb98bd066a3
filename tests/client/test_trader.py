"""Trading through the client by each way in: a call ends in the fate, or in UNKNOWN, which is known again later."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from gwcore.client import NotConnected, connect_sync
from gwcore.engine.clients.access import Access
from gwcore.engine.clients.gate import DENIALS_MAX
from gwcore.model import (
    CancelAllAfter,
    CancelAllOrders,
    CancelOrders,
    CreateOrder,
    CreateOrders,
    Fate,
    ModifyOrder,
    Ready,
)
from gwcore.settings import UserSettings
from gwcore.wire import Hello, Subscribe, frame_request

VERBS = ("md", "read", "create", "modify", "cancel")
USERS = {
    "ann": UserSettings(uids=(os.getuid(),), nats=("guest",), accounts=("main",), verbs=VERBS),
    "bus": UserSettings(bus=True, accounts=("*",), verbs=("md", "read"), drop_copy=True),
}


@pytest.fixture
def gateway(core_gateway: Any, load_desk: Any) -> Any:
    """The core with a small desk behind it, and a user who may trade."""

    core_gateway.stop()
    core_gateway.port.equip(Access(USERS), load_desk)
    core_gateway.port.publish(Ready(), partition="st")
    core_gateway.start()
    return core_gateway


@pytest.fixture
def client(gateway: Any) -> Any:
    with connect_sync(gateway.address, reconnect_s=20.0) as client:
        yield client


def desk(gateway: Any) -> Any:
    return gateway.port.fanout.orders


def test_an_order_lives_and_is_followed(gateway: Any, client: Any) -> None:
    trader = client.trader("main")
    assert (trader.user, trader.orders()) == ("ann", [])
    outcome = trader.create("BTC/USD", "buy", Decimal("0.50"), Decimal("1E+3"))
    assert outcome.fate is Fate.DONE
    [request] = desk(gateway).requests
    assert isinstance(request, CreateOrder)
    assert (request.quantity, request.price) == ("0.50", "1000")
    gateway.call(lambda: desk(gateway).fill(request, "T1"))
    assert trader.ended(outcome.order, timeout_s=10)
    assert (outcome.order.traded, [fill.trade_id for fill in outcome.order.fills]) == (Decimal("0.50"), ["T1"])
    assert trader.orders() == []


def test_all_requests_travel_whole(gateway: Any, client: Any) -> None:
    trader = client.trader("main")
    order = trader.create("BTC/USD", "buy", 1, 10, order_id="mine").order
    assert trader.modify(order, price="11", post_only=True).is_done
    assert trader.cancel("mine").is_done
    assert [one.is_done for one in trader.create_batch([trader.form("BTC/USD", "sell", quantity=1)] * 2)] == [True] * 2
    assert trader.cancel_all("BTC/USD", "sell", strategy="s").count == 2
    assert trader.cancel_all_after(60).is_done
    _, modify, cancel, several, many, timer = desk(gateway).requests
    assert modify == ModifyOrder(
        account="main", order_id="mine", price="11", post_only=True, request_id=modify.request_id
    )
    assert cancel.order_id == "mine"
    assert isinstance(several, CreateOrders)
    assert isinstance(many, CancelAllOrders)
    assert (many.symbol, many.strategy) == ("BTC/USD", "s")
    assert isinstance(timer, CancelAllAfter)
    numbers = [request.request_id for request in desk(gateway).requests] + [each.request_id for each in several.orders]
    assert len(set(numbers)) == len(numbers)


def test_cancels_of_a_batch_end_one_by_one(gateway: Any, client: Any) -> None:
    trader = client.trader("main")
    desk(gateway).words = ()
    outcomes = trader.cancel_batch(["a", "b"], timeout_s=0.01)
    assert [one.fate for one in outcomes] == [Fate.UNKNOWN, Fate.UNKNOWN]
    request = desk(gateway).requests[0]
    assert isinstance(request, CancelOrders)
    gateway.call(lambda: [desk(gateway).tell(one.request, "ACCEPTED") for one in outcomes])
    assert all(trader.settle(one, timeout_s=10) for one in outcomes)


def test_no_answer_is_unknown_and_settles_later(gateway: Any, client: Any) -> None:
    trader = client.trader("main")
    desk(gateway).words = ("FORWARDED",)
    outcome = trader.create("BTC/USD", "buy", 1, 10, timeout_s=0.05)
    assert (outcome.fate, outcome.text) == (Fate.UNKNOWN, "no answer within 0.05 s")
    assert trader.doubts() == [outcome]
    gateway.call(lambda: desk(gateway).tell(outcome.request, "ACCEPTED"))
    assert trader.settle(outcome, timeout_s=10)
    assert outcome.fate is Fate.DONE


def test_waiting_for_a_fate_ends_where_nobody_will_ever_know_it(gateway: Any, client: Any) -> None:
    trader = client.trader("main")
    desk(gateway).words = ("UNKNOWN",)
    outcome = trader.cancel_all(user="*", timeout_s=60)
    over = msgspec.structs.replace(desk(gateway).ack(outcome.request, "UNKNOWN"), error="SUPERSEDED")
    gateway.publish(over, partition="ex.main")
    assert not trader.settle(outcome, timeout_s=60)
    assert (outcome.fate, outcome.is_over, trader.doubts()) == (Fate.UNKNOWN, True, [])


def test_what_the_gateway_does_not_know_is_told_at_once(gateway: Any, client: Any) -> None:
    desk(gateway).words = ("FORWARDED", "UNKNOWN")
    outcome = client.trader("main").create("BTC/USD", "buy", 1, 10, timeout_s=60)
    assert (outcome.fate, outcome.error) == (Fate.UNKNOWN, "TIMEOUT")


def test_a_request_that_is_not_taken_is_not_done(gateway: Any, client: Any) -> None:
    trader = client.trader("main")
    desk(gateway).refusal = ("too_many_requests", "send fewer")
    outcome = trader.create("BTC/USD", "buy", 1, 10, timeout_s=60)
    assert (outcome.fate, outcome.error, outcome.text) == (Fate.NOT_DONE, "TOO_MANY_REQUESTS", "send fewer")
    outcome = trader.cancel_all(user="*", timeout_s=60)
    assert outcome.error == "TOO_MANY_REQUESTS"
    other = client.trader("other").create("BTC/USD", "buy", 1, 10, timeout_s=60)
    assert (other.fate, other.error, other.text) == (
        Fate.NOT_DONE,
        "DENIED",
        "the account other is not granted: ask the operator",
    )


def test_a_float_never_leaves(gateway: Any, client: Any) -> None:
    trader = client.trader("main")
    with pytest.raises(TypeError, match=r"quantity is the float 0\.1: give Decimal\('0\.1'\), or text"):
        trader.create("BTC/USD", "buy", 0.1, 10)
    with pytest.raises(ValueError, match=r"a request of .* bytes; 65536 is the limit"):
        trader.create_batch([trader.form("BTC/USD", "buy", quantity=1, price=1)] * 1000)
    with pytest.raises(ValueError, match="no order is named"):
        trader.cancel_batch([])
    assert desk(gateway).requests == []


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda t: t.create(None, "buy", 1), ValueError, "Expected `str`, got `null` - at `$.symbol`"),
        (lambda t: t.create("BTC/USD", "buy", 1, post_only="yes"), ValueError, "Expected `bool`, got `str`"),
        (lambda t: t.create("BTC/USD", "buy", 1, order_id=5), ValueError, "Expected `str`, got `int`"),
        (lambda t: t.create("BTC/USD", "buy", 1, order_id="a\ud800"), ValueError, "surrogates not allowed"),
        (lambda t: t.create_batch([t.form(5, "buy", quantity=1)]), ValueError, "Expected `str`, got `int`"),
        (lambda t: t.cancel(None), TypeError, "the order is a NoneType: give an Order, or its id"),
        (lambda t: t.cancel(""), ValueError, "the order's id is empty"),
        (lambda t: t.cancel_batch("abc"), TypeError, "orders is the text 'abc'"),
        (lambda t: t.modify("", price=1), ValueError, "the order's id is empty"),
        (lambda t: t.cancel_all(5), ValueError, "Expected `str | null`, got `int`"),
    ],
)
def test_rubbish_is_refused_before_it_leaves_and_ends_no_connection(
    gateway: Any, client: Any, call: Any, error: type[Exception], said: str
) -> None:
    trader = client.trader("main")
    with pytest.raises(error) as caught:
        call(trader)
    assert said in str(caught.value)
    assert (trader.orders(), trader.doubts(), desk(gateway).requests) == ([], [], [])
    assert trader.create("BTC/USD", "buy", 1, 10).is_done


def test_events_of_orders_are_read_only_where_they_were_asked_for(gateway: Any, client: Any) -> None:
    client.subscribe((), ["ready"])
    trader = client.trader("main")
    trader.create("BTC/USD", "buy", 1, 10)
    gateway.publish(Ready(), partition="st")
    kinds = {type(delivery.envelope.event).__name__ for delivery in client.batch(timeout_s=10)}
    assert kinds == {"Ready"}
    client.subscribe((), ["order_ack"])
    trader.create("BTC/USD", "buy", 1, 10)
    assert {type(delivery.envelope.event).__name__ for delivery in client.batch(timeout_s=10)} == {"OrderAck"}


def test_a_restart_settles_what_was_under_way(gateway: Any, client: Any) -> None:
    trader = client.trader("main")
    desk(gateway).words = ()
    lost = trader.create("BTC/USD", "buy", 1, 10, order_id="lost", timeout_s=0.05)
    desk(gateway).words = ("FORWARDED",)
    kept = trader.create("BTC/USD", "buy", 1, 10, order_id="kept", timeout_s=0.05)
    desk(gateway).words = ()
    gateway.stop()
    assert (lost.fate, kept.fate) == (Fate.UNKNOWN, Fate.UNKNOWN)
    gateway.port.restart()
    gateway.port.equip(Access(USERS), lambda publish: gateway.port.desk)
    gateway.port.publish(gateway.port.desk.ack(kept.request, "ACCEPTED"), partition="ex.main")
    gateway.port.publish(Ready(), partition="st")
    gateway.start()
    assert trader.settle(lost, timeout_s=20)
    assert trader.settle(kept, timeout_s=20)
    assert (lost.fate, lost.error, kept.fate) == (Fate.NOT_DONE, "NOT_FOUND", Fate.DONE)


def test_without_a_gateway_nothing_is_sent_and_that_is_told(gateway: Any) -> None:
    with connect_sync(gateway.address) as client:
        trader = client.trader("main")
        desk(gateway).words = ()
        outcome = trader.create("BTC/USD", "buy", 1, 10, timeout_s=0.05)
        gateway.stop()
        with pytest.raises(NotConnected):
            client.batch(timeout_s=10)
        assert outcome.text.startswith("the connection to the gateway was lost: ")
        with pytest.raises(NotConnected):
            trader.create("BTC/USD", "buy", 1, 10)
        assert trader.doubts() == [outcome]


def test_who_asks_for_the_open_orders_gets_them(gateway: Any, client: Any) -> None:
    def asked() -> list[str | None]:
        return [getattr(envelope.event, "order_id", "") for envelope in client.snapshot((), ["order_update"])]

    with connect_sync(gateway.address) as other:
        assert other.trader("main").create("BTC/USD", "buy", 1, 10, order_id="mine").is_done
    assert asked() == ["mine"]
    assert [order.order_id for order in client.trader("main").orders()] == ["mine"]
    assert asked() == ["mine"]


RUBBISH = [
    b'{"request":"create_order"}',
    b'{"request":"create_order","account":"main","order_id":"1","symbol":"B","side":"BUY","order_type":"LIMIT","price":0.1}',
    b'{"request":"create_order","account":"main","order_id":1,"symbol":"BTC/USD","side":"BUY","order_type":"LIMIT"}',
    b'{"request":"create_orders","account":"main","orders":[' + b"[" * 5000,
    b'{"request":"cancel_all_after","account":"main","timeout_s":1.5}',
    b'{"request":"buy_everything"}',
    b"\xff\xfe",
]


@pytest.mark.parametrize("core_gateway", ["unix"], indirect=True)
@pytest.mark.parametrize("body", RUBBISH)
def test_rubbish_of_another_client_harms_no_trader(gateway: Any, client: Any, body: bytes) -> None:
    trader = client.trader("main")
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(str(gateway.path))
        peer.sendall(frame_request(Hello()))
        peer.sendall((len(body) + 1).to_bytes(4, "big") + b"R" + body)
        heard = b""
        while more := peer.recv(65536):
            heard += more
    assert b'"goodbye"' in heard
    assert desk(gateway).requests == []
    assert trader.create("BTC/USD", "buy", 1, 10, timeout_s=10).is_done


@pytest.mark.parametrize("core_gateway", ["unix"], indirect=True)
def test_a_client_that_asks_without_reading_harms_no_trader(gateway: Any, client: Any) -> None:
    trader = client.trader("main")
    desk(gateway).words = ()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(str(gateway.path))
        peer.sendall(frame_request(Hello()) + frame_request(Subscribe(request_id=1)))
        flood = frame_request(CancelAllOrders(account="nobodys", request_id=7))
        with suppress(OSError):  # it is cut in the middle of it
            for _ in range(2000):
                peer.sendall(flood)
        desk(gateway).words = ("ACCEPTED",)
        assert trader.create("BTC/USD", "buy", 1, 10, timeout_s=10).is_done
    assert gateway.call(lambda: gateway.port.fanout.denials) == DENIALS_MAX


def test_who_traded_before_anything_was_told_misses_nothing_either(gateway: Any, client: Any) -> None:
    trader = client.trader("main")
    desk(gateway).words = ()
    first = trader.create("BTC/USD", "buy", 1, 10, timeout_s=0.05)
    gateway.stop()
    gateway.port.publish(gateway.port.desk.ack(first.request, "ACCEPTED"), partition="ex.main")
    gateway.start()
    assert trader.settle(first, timeout_s=20)
    assert first.fate is Fate.DONE
