"""Whose turn it is: batches leave as one, cancels go first, and an order is one thing under all its names."""

from __future__ import annotations

from typing import Any

from gwcore.engine.clients.state import CurrentState
from gwcore.engine.orders.defaults import NoPace
from gwcore.engine.publisher import Partition
from gwcore.model import (
    AckStatus,
    CancelOrder,
    CancelOrders,
    CreateOrders,
    Fate,
    ModifyOrder,
    OrderError,
    OrderStatus,
    OrderUpdate,
)
from gwcore.testing.order_stage import ACCOUNT, OrderStage, create
from gwcore.venue import OrderAnswer, RequestKind

WORKING, CANCELED = OrderStatus.WORKING, OrderStatus.CANCELED


def ready(**options: Any) -> OrderStage:
    stage = OrderStage(**options)
    stage.ready()
    return stage


def done(stage: OrderStage, number: int = 0, **fields: Any) -> OrderAnswer:
    return OrderAnswer(stage.sent[number].wire_id, Fate.DONE, **fields)


def test_a_batch_leaves_as_one_and_each_order_has_its_own_fate() -> None:
    stage = ready()
    orders = tuple(create(f"a{number}", request_id=0) for number in range(5))
    stage.submit(CreateOrders(account=ACCOUNT, orders=(*orders, create("a0")), request_id=8))
    assert [(sent.verb, len(sent.what)) for sent in stage.sent] == [("create_several", 3), ("create_several", 2)]
    assert stage.acks()[-1].error == "DUPLICATE_ORDER_ID" or stage.acks()[0].error == "DUPLICATE_ORDER_ID"
    first = stage.sent[0].wire_id
    stage.tell(
        OrderAnswer(first, Fate.DONE, order=0, venue_order_id="O0"),
        OrderAnswer(first, Fate.NOT_DONE, OrderError.INSUFFICIENT_FUNDS, "no money", order=1),
    )
    ends = {ack.order_id: ack.status for ack in stage.acks() if ack.client_request_id == 8}
    assert (ends["a0"], ends["a1"], ends["a2"]) == (AckStatus.ACCEPTED, AckStatus.REJECTED, AckStatus.FORWARDED)
    stage.tell(OrderAnswer(first, Fate.DONE))  # the rest of it
    assert [ack.status for ack in stage.acks() if ack.order_id == "a2"][-1] is AckStatus.ACCEPTED
    stage.lose()
    assert [ack.status for ack in stage.acks() if ack.order_id == "a4"][-1] is AckStatus.UNKNOWN


def test_a_batch_of_cancels_leaves_as_one() -> None:
    stage = ready()
    stage.submit(CreateOrders(account=ACCOUNT, orders=(create("a1"), create("a2")), request_id=8))
    stage.tell(done(stage))
    stage.submit(CancelOrders(account=ACCOUNT, order_ids=("a1", "a2", "a3"), request_id=9))
    assert (stage.sent[-1].verb, len(stage.sent[-1].what)) == ("cancel_several", 2)
    assert [ack.order_id for ack in stage.acks("cancel_order") if ack.error == "UNKNOWN_ORDER"] == ["a3"]


def test_a_batch_is_of_one_symbol() -> None:
    stage = ready()
    orders = (create("a1"), create("e1", symbol="ETH/USD"), create("a2"))
    stage.submit(CreateOrders(account=ACCOUNT, orders=orders))
    assert [sent.verb for sent in stage.sent] == ["create_several", "create"]
    assert [request.order_id for request, _ in stage.sent[0].what] == ["a1", "a2"]


class Gate(NoPace):
    """Nothing leaves until it opens."""

    is_open = True

    def wait_ns(self, kind: RequestKind, symbol: str, age_s: float, orders: int, user: str, now_ns: int) -> int:
        return 0 if self.is_open else 10**9


def test_cancels_go_before_changes_and_these_before_new_orders() -> None:
    gate = Gate()
    stage = ready(pace=gate)
    for number in range(2):
        stage.submit(create(f"a{number}"))
        stage.tell(done(stage, number, venue_order_id=f"O{number}"))
    gate.is_open = False
    stage.submit(create("a2"))
    stage.submit(ModifyOrder(account=ACCOUNT, order_id="a0", price="101.0"))
    stage.submit(CancelOrder(account=ACCOUNT, order_id="a1"))
    assert len(stage.sent) == 2
    gate.is_open = True
    stage.wait(1.5)
    assert [sent.verb for sent in stage.sent[2:]] == ["cancel", "modify", "create"]


def test_an_order_is_one_topic_of_the_state_under_all_its_names() -> None:
    state, partition = CurrentState(), Partition("ex.main", "s")
    row = {"account": ACCOUNT, "order_status": WORKING}
    for update in (
        OrderUpdate(**row, venue_order_id="O1", external=True),
        OrderUpdate(**row, order_id="a1", user="ann"),
        OrderUpdate(**row, order_id="a1", user="ann", venue_order_id="O1"),
    ):
        state.note(update, partition)
    assert [event for _, event in state.events(lambda *_: True)] == [update]
    state.note(
        OrderUpdate(account=ACCOUNT, order_status=CANCELED, order_id="a1", user="ann", venue_order_id="O1"), partition
    )
    assert not list(state.events(lambda *_: True))
