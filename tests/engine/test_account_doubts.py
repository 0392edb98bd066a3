"""Requests about a whole account whose answer did not come: each has an end, by evidence or as one that nobody will know."""

from __future__ import annotations

from typing import Any

import pytest

from gwcore.engine.orders.account_doubts import ASKS_MAX
from gwcore.model import (
    AckStatus,
    CancelAllAfter,
    CancelAllOrders,
    CancelOrder,
    CancelOrders,
    CreateOrders,
    Fate,
    OrderAck,
    OrderStatus,
    OrderUpdate,
    Side,
)
from gwcore.testing.order_stage import ACCOUNT, START_NS, SYMBOL, OrderStage, create
from gwcore.venue import AccountSnapshot, OrderAnswer

WORKING, CANCELED, FILLED = OrderStatus.WORKING, OrderStatus.CANCELED, OrderStatus.FILLED
ALL = CancelAllOrders(account=ACCOUNT, user="*", request_id=9)
NOTHING = AccountSnapshot(orders=())


def row(key: str, status: OrderStatus = WORKING, client_id: str | None = None, **fields: Any) -> OrderUpdate:
    """What the venue says of an order."""
    return OrderUpdate(
        account=ACCOUNT,
        venue_order_id=key,
        venue_client_id=client_id,
        symbol=SYMBOL,
        side=Side.BUY,
        order_status=status,
        quantity="1",
        opened_ns=START_NS,
        venue_time_ns=START_NS,
        **fields,
    )


def open_stage() -> OrderStage:
    """One order of ours (O0) and one that was placed elsewhere (X1) are open."""
    stage = OrderStage()
    stage.ready(AccountSnapshot(orders=(row("X1"),)))
    stage.submit(create())
    stage.tell(OrderAnswer(stage.sent[0].wire_id, Fate.DONE, venue_order_id="O0"))
    stage.tell(row("O0", client_id=stage.sent[0].client_id))
    return stage


def killed(stage: OrderStage, *, told: bool) -> OrderStage:
    """Ask for all to be cancelled, hear nothing, die; `told`: not before UNKNOWN was."""
    stage.submit(ALL, "ann", "admin")
    assert stage.sent[-1].verb == "cancel_all"
    if told:
        stage.wait(5.0)
    return stage.restart()


def ends(stage: OrderStage, request: str = "cancel_all_orders") -> tuple[Any, ...]:
    last = stage.acks(request)[-1]
    return last.status, last.fate, last.error, last.number_of_affected_orders


@pytest.mark.parametrize("told", [True, False])
def test_all_that_was_open_is_cancelled_so_it_was_carried_out(told: bool) -> None:
    again = killed(open_stage(), told=told)
    again.ready(rest=AccountSnapshot(orders=(), closed=(row("O0", CANCELED), row("X1", CANCELED))))
    assert ends(again) == (AckStatus.ACCEPTED, Fate.DONE, None, 2)
    assert again.acks("cancel_all_orders")[-1].client_request_id == 9
    assert again.acks("cancel_all_orders")[-1].origin.value == "RECONCILIATION"
    third = again.restart()
    assert not third.acks()


@pytest.mark.parametrize("told", [True, False])
def test_one_that_was_open_and_is_open_long_after_proves_that_it_was_not(told: bool) -> None:
    again = killed(open_stage(), told=told)
    still = AccountSnapshot(orders=(row("X1"),), closed=(row("O0", CANCELED),))
    again.ready(AccountSnapshot(orders=(row("X1"),)), still)
    assert AckStatus.REJECTED not in [ack.status for ack in again.acks()]  # it may be in a list tomorrow
    again.wait(60.0, still)
    assert AckStatus.REJECTED not in [ack.status for ack in again.acks()]
    again.wait(60.0, still)
    assert ends(again) == (AckStatus.REJECTED, Fate.NOT_DONE, "NOT_FOUND", 1)
    assert again.acks()[-1].text == "of the 2 orders that it was about 1 are open: cancel them again"
    assert not again.sent


def test_without_a_restart_it_ends_too() -> None:
    stage = open_stage()
    stage.submit(ALL, "ann", "admin")
    stage.wait(5.0)
    assert ends(stage) == (AckStatus.UNKNOWN, Fate.UNKNOWN, "TIMEOUT", None)
    stage.tell(row("O0", CANCELED))
    assert ends(stage)[0] is AckStatus.UNKNOWN
    stage.tell(row("X1", CANCELED))
    assert ends(stage) == (AckStatus.ACCEPTED, Fate.DONE, None, 2)


def test_a_late_answer_ends_it_and_nothing_is_told_twice() -> None:
    stage = open_stage()
    stage.submit(ALL, "ann", "admin")
    stage.wait(5.0)
    stage.tell(OrderAnswer(stage.sent[-1].wire_id, Fate.DONE, number_of_orders=2))
    assert ends(stage) == (AckStatus.ACCEPTED, Fate.DONE, None, 2)
    stage.tell(row("O0", CANCELED), row("X1", CANCELED))
    stage.wait(200.0, NOTHING)
    assert [ack.status for ack in stage.acks("cancel_all_orders")][-1:] == [AckStatus.ACCEPTED]
    assert len(stage.acks("cancel_all_orders")) == 3


def test_where_no_order_tells_it_is_superseded_and_that_is_an_end() -> None:
    again = killed(open_stage(), told=True)
    filled = AccountSnapshot(orders=(), closed=(row("O0", FILLED), row("X1", FILLED)))
    again.ready(rest=filled)
    again.wait(120.0, filled)
    assert ends(again) == (AckStatus.UNKNOWN, Fate.UNKNOWN, "SUPERSEDED", None)
    count = len(again.acks())
    third = again.restart()
    third.ready()
    third.wait(200.0, NOTHING)
    assert (count, third.acks()) == (1, [])


def test_an_order_that_was_placed_after_it_is_no_proof() -> None:
    stage = open_stage()
    stage.submit(ALL, "ann", "admin")
    stage.submit(create("a2"))
    stage.tell(row("O2", client_id=stage.sent[-1].client_id))
    again = stage.restart()
    later = row("O2", client_id=stage.sent[-1].client_id)
    both = AccountSnapshot(orders=(later,), closed=(row("O0", CANCELED), row("X1", CANCELED)))
    again.ready(AccountSnapshot(orders=(later,)), both)
    assert ends(again) == (AckStatus.ACCEPTED, Fate.DONE, None, 2)


@pytest.mark.parametrize("is_open", [True, False])
def test_a_cancel_all_of_some_ends_by_those_it_was_about(is_open: bool) -> None:
    stage = open_stage()
    stage.submit(CancelAllOrders(account=ACCOUNT, request_id=9))
    stage.submit(create("a2"))
    other = row("O2", client_id=stage.sent[-1].client_id)
    stage.tell(other)
    again = stage.restart()
    [first] = [row("O0", WORKING if is_open else CANCELED, client_id=stage.sent[0].client_id)]
    stream = AccountSnapshot(orders=(row("X1"), other, *((first,) if is_open else ())))
    rest = AccountSnapshot(orders=stream.orders, closed=() if is_open else (first,))
    again.ready(stream, rest)
    again.wait(120.0, rest)
    expected = (
        (AckStatus.REJECTED, Fate.NOT_DONE, "NOT_FOUND", 0) if is_open else (AckStatus.ACCEPTED, Fate.DONE, None, 1)
    )
    assert ends(again) == expected


def test_a_cancel_all_that_may_not_have_been_about_the_open_one_is_not_refused() -> None:
    """The journal says how many orders it was about, not which: of two that match, one of them is open."""
    stage = open_stage()
    stage.submit(create("a2"))
    second = stage.sent[-1].client_id
    stage.tell(row("O2", client_id=second))
    stage.submit(CancelAllOrders(account=ACCOUNT, request_id=9))
    for number, (event, at_ns) in enumerate(stage.journal):
        if isinstance(event, OrderAck) and event.request == "cancel_all_orders":
            one = OrderAck(
                **{name: getattr(event, name) for name in event.__struct_fields__} | {"number_of_affected_orders": 1}
            )
            stage.journal[number] = (one, at_ns)
    again = stage.restart()
    stream = AccountSnapshot(orders=(row("X1"), row("O2", client_id=second)))
    rest = AccountSnapshot(orders=stream.orders, closed=(row("O0", FILLED),))
    again.ready(stream, rest)
    again.wait(120.0, rest)
    assert ends(again) == (AckStatus.UNKNOWN, Fate.UNKNOWN, "SUPERSEDED", None)


@pytest.mark.parametrize("seconds", [60, 0])
def test_a_timer_in_doubt_is_over_when_it_must_have_ended(seconds: int) -> None:
    stage = open_stage()
    stage.submit(CancelAllAfter(account=ACCOUNT, timeout_s=seconds), "ann", "admin")
    again = stage.restart()
    opened = AccountSnapshot(orders=(row("X1"), row("O0", client_id=stage.sent[0].client_id)))
    again.ready(opened, opened)
    again.wait(85.0 + seconds, opened)
    assert ends(again, "cancel_all_after")[:3] == (AckStatus.UNKNOWN, Fate.UNKNOWN, "DISCONNECTED")
    again.wait(40.0, opened)
    assert ends(again, "cancel_all_after")[:3] == (AckStatus.UNKNOWN, Fate.UNKNOWN, "SUPERSEDED")


def test_a_later_timer_that_is_taken_supersedes_the_one_in_doubt() -> None:
    stage = open_stage()
    stage.submit(CancelAllAfter(account=ACCOUNT, timeout_s=60, request_id=1), "ann", "admin")
    stage.wait(5.0)
    stage.submit(CancelAllAfter(account=ACCOUNT, timeout_s=60, request_id=2), "ann", "admin")
    stage.tell(OrderAnswer(stage.sent[-1].wire_id, Fate.DONE))
    told = [(ack.client_request_id, ack.error) for ack in stage.acks("cancel_all_after")]
    assert told == [(1, None), (1, "TIMEOUT"), (2, None), (1, "SUPERSEDED"), (2, None)]


def test_orders_of_a_batch_that_was_cut_off_each_have_their_own_end() -> None:
    stage = open_stage()
    stage.submit(CreateOrders(account=ACCOUNT, orders=(create("b1"), create("b2")), request_id=5))
    stage.submit(CancelOrders(account=ACCOUNT, order_ids=("a1",), request_id=6))
    names = {ack.order_id: ack.venue_client_id for ack in stage.acks() if ack.status is AckStatus.FORWARDED}
    again = stage.restart()
    stream = AccountSnapshot(orders=(row("X1"), row("O1", client_id=names["b1"])))
    rest = AccountSnapshot(orders=stream.orders, closed=(row("O0", CANCELED),))
    again.ready(stream, rest)
    again.wait(200.0, NOTHING)
    told = {(ack.request, ack.order_id): ack.fate for ack in again.acks()}
    assert told == {
        ("create_order", "b1"): Fate.DONE,
        ("create_order", "b2"): Fate.NOT_DONE,
        ("cancel_order", "a1"): Fate.DONE,
    }


@pytest.mark.parametrize("status", [CANCELED, FILLED])
def test_a_cancel_of_an_external_order_has_its_end_after_a_restart(status: OrderStatus) -> None:
    stage = open_stage()
    stage.submit(CancelOrder(account=ACCOUNT, order_id="", venue_order_id="X1"), "ann", "admin")
    again = stage.restart()
    again.ready(rest=AccountSnapshot(orders=(), closed=(row("X1", status), row("O0", CANCELED))))
    last = again.acks("cancel_order")[-1]
    assert (last.fate, last.error) == ((Fate.DONE, None) if status is CANCELED else (Fate.NOT_DONE, "ORDER_DONE"))


def test_what_is_in_doubt_is_bounded_and_the_oldest_ends() -> None:
    stage = open_stage()
    for number in range(ASKS_MAX + 1):
        stage.submit(CancelAllAfter(account=ACCOUNT, timeout_s=60, request_id=number + 1), "ann", "admin")
    stage.wait(5.0)
    over = [ack.client_request_id for ack in stage.acks("cancel_all_after") if ack.error == "SUPERSEDED"]
    assert over == [1]
    assert len(stage.desk.account_doubts) == ASKS_MAX


def armed_stage(user: str = "ann", answer: Fate | None = Fate.DONE) -> OrderStage:
    """A client armed the timer for ten minutes."""
    stage = open_stage()
    stage.submit(CancelAllAfter(account=ACCOUNT, timeout_s=600), user, "admin")
    if answer is not None:
        stage.tell(OrderAnswer(stage.sent[-1].wire_id, answer))
    return stage


def held(stage: OrderStage) -> list[Any]:
    """What is asked of the timer once the venue is in maintenance."""
    stage.ready()
    stage.requests.timer.on_venue("the venue is MAINTENANCE")
    stage.wait(2.0)
    return [one.what for one in stage.sent if one.verb == "cancel_all_after"][:1]


@pytest.mark.parametrize("answer", [Fate.DONE, Fate.UNKNOWN, None])
def test_a_timer_that_a_client_armed_is_off_before_maintenance_after_a_restart_too(answer: Fate | None) -> None:
    stage = armed_stage(answer=answer)
    stage.wait(100.0, NOTHING)
    again = stage.restart()
    timer = again.requests.timer
    assert (timer.may_be_armed, timer.is_armed) == (True, answer is Fate.DONE)
    assert held(again.restart()) == [0]  # nor is it forgotten by a second one
    again.ready()
    again.wait(499.0, NOTHING)
    assert timer.may_be_armed
    again.wait(2.0, NOTHING)
    assert not timer.may_be_armed


def test_a_timer_that_ended_or_was_switched_off_is_not_remembered() -> None:
    stage = armed_stage()
    stage.wait(601.0, NOTHING)
    again = stage.restart()
    assert not again.requests.timer.may_be_armed
    assert held(again) == []
    assert again.requests.timer.expired == 0
    stage = armed_stage()
    stage.submit(CancelAllAfter(account=ACCOUNT, timeout_s=0), "ann", "admin")
    stage.tell(OrderAnswer(stage.sent[-1].wire_id, Fate.DONE))
    assert held(stage.restart()) == []
    assert held(armed_stage(answer=Fate.NOT_DONE).restart()) == []


def test_a_later_request_that_was_refused_leaves_the_timer_armed_over_a_restart() -> None:
    stage = armed_stage()
    for fate in (Fate.NOT_DONE, Fate.NOT_DONE):
        stage.submit(CancelAllAfter(account=ACCOUNT, timeout_s=30), "ann", "admin")
        stage.tell(OrderAnswer(stage.sent[-1].wire_id, fate))
    stage.wait(60.0, NOTHING)
    assert held(stage.restart()) == [0]
