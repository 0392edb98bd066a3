"""Who sees acks, orders and fills: whom they belong to, and who has a drop copy; as news, as state, out of the journal."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from gwcore.client.gaps import GapFinder
from gwcore.engine.clients.access import Access
from gwcore.model import (
    AckStatus,
    Event,
    Fill,
    FundsUpdate,
    OrderAck,
    OrderStatus,
    OrderUpdate,
    Origin,
    TradeUpdate,
)
from gwcore.settings import UserSettings
from gwcore.transport import ClientInfo
from gwcore.wire import Hello, RequestError, SnapshotRequest, Subscribe

_spec = importlib.util.spec_from_file_location("session_bench", Path(__file__).with_name("test_session.py"))
assert _spec is not None
assert _spec.loader is not None
bench: Any = sys.modules.setdefault("session_bench", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(bench)
Desk, Writer = bench.Desk, bench.Writer

USERS = {
    "ann": UserSettings(uids=(1,), accounts=("main",), verbs=("md", "create", "cancel")),  # may not read funds
    "ben": UserSettings(uids=(2,), accounts=("main",), verbs=("read", "create"), symbols=("BTC/*",)),
    "office": UserSettings(uids=(3,), accounts=("*",), verbs=("read",), drop_copy=True),
    "cat": UserSettings(uids=(4,), accounts=("other",), verbs=("read", "create")),
}


def ack(user: str | None, name: str) -> OrderAck:
    return OrderAck(
        account="main",
        request_id="1",
        request="create_order",
        order_id=name,
        symbol="BTC/USD",
        status=AckStatus.ACCEPTED,
        origin=Origin.VENUE,
        user=user,
    )


def order(user: str | None, name: str, **more: Any) -> OrderUpdate:
    own = {"order_id": name} if user is not None else {"venue_order_id": name}
    fields = {"account": "main", "symbol": "BTC/USD", "order_status": OrderStatus.WORKING, "user": user, **own}
    return OrderUpdate(**(fields | more))


def fill(user: str | None, name: str) -> TradeUpdate:
    fills = (Fill(trade_id=f"T{name}", price="1", quantity="1"),)
    return TradeUpdate(account="main", order_id=name, symbol="BTC/USD", fills=fills, user=user)


@pytest.fixture
def desk() -> Any:
    desk = Desk()
    desk.shelf.synced_position = lambda journal_class: desk.shelf.last_position(journal_class)
    desk.fanout.access = Access(USERS)
    desk.ex = desk.publisher.partition("ex.main")
    return desk


def tell(desk: Any, *events: Event) -> None:
    for event in events:
        desk.publisher.publish(desk.ex, event)
    desk.fanout.release()
    desk.turn()


def come(desk: Any, uid: int, **subscribe: Any) -> Any:
    writer = Writer()
    writer.session = desk.fanout.open(ClientInfo(transport="t", identity=f"uid:{uid}"), writer)
    writer.session.submit(Hello())
    writer.session.submit(Subscribe(request_id=1, **subscribe))
    desk.turn()
    return writer


def owned(writer: Any) -> list[tuple[str, str | None]]:
    """(type, user) of what came of orders."""
    return [
        (type(event).__name__, event.user)
        for event in writer.events()
        if isinstance(event, OrderAck | OrderUpdate | TradeUpdate)
    ]


ALL = [make(user, f"{user}1") for user in ("ann", "ben", None) for make in (ack, order, fill)]


def of(*users: str | None) -> list[tuple[str, str | None]]:
    return [(kind, user) for user in users for kind in ("OrderAck", "OrderUpdate", "TradeUpdate")]


SEEN = {1: ("ann",), 2: ("ben",), 3: ("ann", "ben", None), 4: (), 9: ()}


@pytest.mark.parametrize("uid", SEEN)
def test_news_are_of_own_orders_alone(desk: Any, uid: int) -> None:
    client = come(desk, uid)
    tell(desk, *ALL)
    assert owned(client) == of(*SEEN[uid])


@pytest.mark.parametrize("uid", SEEN)
def test_so_is_what_the_journal_gives_back(desk: Any, uid: int) -> None:
    tell(desk, *ALL)
    assert owned(come(desk, uid, from_start=True)) == of(*SEEN[uid])


@pytest.mark.parametrize("uid", SEEN)
def test_so_is_the_rest_behind_a_token(desk: Any, uid: int) -> None:
    tell(desk, *ALL)
    tell(desk, fill("ann", "later"))
    client = come(desk, uid, resume={"ex.main": (desk.ex.session_id, len(ALL))})
    assert owned(client) == ([("TradeUpdate", "ann")] if "ann" in SEEN[uid] else [])


@pytest.mark.parametrize("uid", SEEN)
def test_so_are_open_orders_for_who_comes_late(desk: Any, uid: int) -> None:
    tell(desk, *ALL)
    expected = [("OrderUpdate", user) for user in SEEN[uid]]
    client = come(desk, uid)
    assert owned(client) == expected
    client.session.submit(SnapshotRequest(request_id=2, kinds=()))
    assert owned(client) == expected * 2


def test_who_trades_without_reading_sees_no_funds(desk: Any) -> None:
    client = come(desk, 1)
    tell(desk, FundsUpdate(account="main", asset="USD", total="5"), ack("ann", "1"))
    assert [type(event).__name__ for event in client.events()] == ["OrderAck"]


def test_he_may_ask_for_his_orders_by_name_and_for_nothing_else(desk: Any) -> None:
    def refusals(**subscribe: Any) -> list[str]:
        client = come(desk, 1, **subscribe)
        return [message.text for message in client.log if isinstance(message, RequestError)]

    assert refusals(kinds=("order_ack", "trade_update"), accounts=("main",)) == []
    assert refusals(kinds=("order_ack",), accounts=("other",)) == ["the account other is not granted: ask the operator"]
    assert refusals(kinds=("funds",)) == ["funds is of accounts, and none is granted: ask the operator"]


def test_a_trader_is_told_of_his_order_of_a_symbol_that_was_taken_from_him(desk: Any) -> None:
    client = come(desk, 2)
    tell(desk, order("ben", "old", symbol="ETH/USD"), order(None, "X", symbol="ETH/USD"))
    assert owned(client) == [("OrderUpdate", "ben")]


def test_own_topics_have_no_holes(desk: Any) -> None:
    """Others' orders of the same symbol come in between, and no client takes that for a loss."""
    client = come(desk, 2)
    for number in range(3):
        tell(desk, order("ann", f"a{number}"), order("ben", f"b{number}"), order(None, f"x{number}"))
    finder, numbers = GapFinder(), []
    finder.partial = ("ex",)
    for envelope in client.log:
        if isinstance(getattr(envelope, "event", None), OrderUpdate):
            numbers.append(envelope.header.topic_sequence)
            assert finder.check(envelope.header, ("order_update", "BTC/USD", envelope.event.user)) is None
    assert numbers == [1, 2, 3]


def test_an_order_that_got_its_name_at_the_venue_is_one_order(desk: Any) -> None:
    tell(desk, order("ann", "mine", order_status=OrderStatus.PENDING))
    tell(desk, order(None, "O1"))  # the stream was faster than the answer: nobody's, as it seemed
    tell(desk, order("ann", "mine", venue_order_id="O1"))
    state = [event for event in come(desk, 3).events() if isinstance(event, OrderUpdate)]
    assert [(event.order_id, event.venue_order_id) for event in state] == [("mine", "O1")]
    tell(desk, order("ann", "mine", venue_order_id="O1", order_status=OrderStatus.FILLED))
    assert owned(come(desk, 3)) == []


def test_the_same_id_of_two_users_is_two_orders(desk: Any) -> None:
    tell(desk, order("ann", "1"), order("ben", "1"))
    assert owned(come(desk, 3)) == [("OrderUpdate", "ann"), ("OrderUpdate", "ben")]
