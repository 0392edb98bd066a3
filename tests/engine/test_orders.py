"""Orders of ours: acks, fates, doubt and how it is left, versions, nothing sent twice."""

from __future__ import annotations

from typing import Any

import pytest

from gwcore.errors import VenueUnavailable
from gwcore.model import (
    AckStatus,
    CancelAllOrders,
    CancelOrder,
    Discrepancy,
    Fate,
    Fill,
    ModifyOrder,
    OrderError,
    OrderStatus,
    OrderUpdate,
    Side,
    TradeUpdate,
)
from gwcore.testing.order_stage import ACCOUNT, START_NS, SYMBOL, OrderStage, create
from gwcore.venue import AccountSnapshot, OrderAnswer

WORKING, CANCELED, FILLED = OrderStatus.WORKING, OrderStatus.CANCELED, OrderStatus.FILLED


def ready(**options: Any) -> OrderStage:
    stage = OrderStage(**options)
    stage.ready()
    return stage


def news(stage: OrderStage, status: OrderStatus = WORKING, number: int = 0, **fields: Any) -> OrderUpdate:
    """What the stream says of the order that left as request `number`."""
    chosen: dict[str, Any] = {"symbol": SYMBOL, "side": Side.BUY, "quantity": "1.00000000", **fields}
    return OrderUpdate(
        account=ACCOUNT,
        venue_order_id=f"O{number}",
        venue_client_id=stage.sent[number].client_id,
        order_status=status,
        opened_ns=START_NS,
        **chosen,
    )


def fill(number: int = 0, quantity: str = "1", trade: int = 1, **fields: Any) -> TradeUpdate:
    one = Fill(trade_id=f"T{trade}", price="100.0", quantity=quantity, venue_time_ns=START_NS + trade)
    return TradeUpdate(account=ACCOUNT, venue_order_id=f"O{number}", fills=(one,), **fields)


def done(stage: OrderStage, number: int = 0, **fields: Any) -> OrderAnswer:
    return OrderAnswer(stage.sent[number].wire_id, Fate.DONE, **fields)


def refused(stage: OrderStage, error: OrderError, number: int = 0) -> OrderAnswer:
    return OrderAnswer(stage.sent[number].wire_id, Fate.NOT_DONE, error, f"said {error.value}")


def statuses(stage: OrderStage, request: str | None = None) -> list[AckStatus]:
    return [ack.status for ack in stage.acks(request)]


def working(**options: Any) -> OrderStage:
    stage = ready(**options)
    stage.submit(create())
    stage.tell(done(stage, venue_order_id="O0"))
    stage.tell(news(stage))
    return stage


def test_an_order_is_told_durable_and_then_leaves() -> None:
    stage = ready(auto_sync=False)
    stage.submit(create(strategy="s"))
    [pending] = stage.updates()
    assert (pending.order_status, pending.user, pending.strategy) == (OrderStatus.PENDING, "ann", "s")
    [forwarded] = stage.acks()
    assert forwarded.status is AckStatus.FORWARDED
    assert forwarded.asked is not None
    assert forwarded.asked.deadline_ns == START_NS + 5_000_000_000  # type: ignore[union-attr]
    assert not stage.sent
    stage.sync()
    [sent] = stage.sent
    assert (sent.verb, sent.client_id) == ("create", pending.venue_client_id)


def test_answer_and_stream_may_come_in_either_order() -> None:
    for order in (0, 1):
        stage = ready()
        stage.submit(create())
        words: list[Any] = [done(stage, venue_order_id="O0"), news(stage)]
        for word in words if order else reversed(words):
            stage.tell(word)
        assert statuses(stage) == [AckStatus.FORWARDED, AckStatus.ACCEPTED]
        last = stage.updates()[-1]
        assert (last.order_status, last.venue_order_id, last.order_id) == (WORKING, "O0", "a1")
        assert (last.user, last.external, last.version) == ("ann", False, 1)


def test_a_refusal_ends_the_order() -> None:
    stage = ready()
    stage.submit(create())
    stage.tell(refused(stage, OrderError.INSUFFICIENT_FUNDS))
    assert stage.acks()[-1].error == "INSUFFICIENT_FUNDS"
    assert stage.acks()[-1].fate is Fate.NOT_DONE
    assert stage.updates()[-1].order_status is OrderStatus.REJECTED


def test_a_late_refusal_never_kills_a_live_order() -> None:
    stage = ready()
    stage.submit(create())
    stage.tell(news(stage))
    stage.tell(refused(stage, OrderError.INTERNAL))
    assert statuses(stage)[-1] is AckStatus.ACCEPTED
    assert stage.updates()[-1].order_status is WORKING


def test_a_late_accept_never_resurrects_an_order_that_ended() -> None:
    stage = ready()
    stage.submit(create())
    stage.tell(news(stage, FILLED, traded_quantity="1"), fill())
    stage.tell(done(stage, venue_order_id="O0"))
    stage.tell(news(stage, OrderStatus.PENDING))
    stage.tell(news(stage))
    assert stage.updates()[-1].order_status is FILLED
    [told] = stage.fills()
    assert (told.order_id, told.user) == ("a1", "ann")


def test_a_fill_before_everything_else_is_known_to_be_ours() -> None:
    stage = ready()
    stage.submit(create())
    stage.tell(fill(symbol=SYMBOL, side=Side.BUY))
    assert not stage.fills()  # it may be anybody's
    stage.tell(done(stage, venue_order_id="O0"))
    [told] = stage.fills()
    assert (told.order_id, told.user) == ("a1", "ann")


def test_no_answer_in_time_is_unknown_and_then_asked_for() -> None:
    stage = ready()
    stage.submit(create())
    stage.wait(5.0)
    assert statuses(stage)[-1] is AckStatus.UNKNOWN
    assert stage.acks()[-1].error == "TIMEOUT"
    assert stage.updates()[-1].order_status is OrderStatus.UNKNOWN
    assert stage.updates()[-1].reason is not None
    stage.wait(1.0)
    [(kind, key, _)] = [flow for flow in stage.flows if flow[0] == "find"]
    assert (kind, key.venue_client_id) == ("find", stage.sent[0].client_id)
    stage.flows = [flow for flow in stage.flows if flow[0] == "find"]
    stage.answer(AccountSnapshot(orders=(news(stage),)))
    assert statuses(stage)[-1] is AckStatus.ACCEPTED
    last = stage.updates()[-1]
    assert (last.order_status, last.reason) == (WORKING, None)  # why it was in doubt is over with the doubt
    assert len(stage.sent) == 1


def test_nothing_is_not_found_before_it_could_not_be_taken_any_more() -> None:
    stage = ready()
    stage.submit(create())
    nothing = AccountSnapshot(orders=())
    stage.wait(64.0, nothing)
    assert statuses(stage)[-1] is AckStatus.UNKNOWN
    stage.wait(30.0, nothing)
    last = stage.acks()[-1]
    assert (last.status, last.error, last.fate) == (AckStatus.REJECTED, "NOT_FOUND", Fate.NOT_DONE)
    assert stage.updates()[-1].order_status is OrderStatus.REJECTED


def test_an_order_that_was_given_up_and_lives_is_told() -> None:
    stage = ready()
    stage.submit(create())
    stage.wait(120.0, AccountSnapshot(orders=()))
    assert stage.updates()[-1].order_status is OrderStatus.REJECTED
    stage.tell(news(stage))
    last = stage.updates()[-1]
    assert (last.order_status, last.venue_order_id, last.external) == (WORKING, "O0", False)
    [told] = [event for event in stage.events if isinstance(event, Discrepancy)]
    assert (told.expected, told.found) == ("NOT_FOUND", "WORKING")
    stage.tell(news(stage, CANCELED))
    assert len([event for event in stage.events if isinstance(event, Discrepancy)]) == 1


def test_a_cut_makes_it_unknown_and_the_download_tells() -> None:
    stage = ready()
    stage.submit(create())
    stage.lose()
    assert stage.acks()[-1].error == "DISCONNECTED"
    stage.ready(AccountSnapshot(orders=(news(stage),)))
    assert statuses(stage)[-1] is AckStatus.ACCEPTED
    assert stage.updates()[-1].order_status is WORKING


def test_an_order_filled_during_the_cut_is_not_rejected() -> None:
    stage = ready()
    stage.submit(create())
    stage.lose()
    ended = news(stage, FILLED, traded_quantity="1", venue_time_ns=START_NS)
    stage.ready(rest=AccountSnapshot(orders=(), closed=(ended,), trades=(fill(),)))
    assert statuses(stage)[-1] is AckStatus.ACCEPTED
    assert (stage.updates()[-1].order_status, stage.updates()[-1].reason) == (FILLED, None)
    assert [one.order_id for one in stage.fills()] == ["a1"]


def test_a_change_waits_for_the_answer_before_it_and_a_cancel_overtakes_it() -> None:
    stage = ready()
    stage.submit(create())
    stage.submit(ModifyOrder(account=ACCOUNT, order_id="a1", price="101.0"))
    stage.submit(CancelOrder(account=ACCOUNT, order_id="a1"))
    assert [sent.verb for sent in stage.sent] == ["create"]
    stage.tell(done(stage, venue_order_id="O0"))
    assert [sent.verb for sent in stage.sent] == ["create", "cancel"]
    stage.tell(done(stage, 1), news(stage, CANCELED))
    assert [sent.verb for sent in stage.sent] == ["create", "cancel"]
    assert stage.acks("modify_order")[-1].error == "ORDER_DONE"
    assert statuses(stage, "cancel_order")[-1] is AckStatus.ACCEPTED


def test_a_change_is_accepted_and_counts_a_version() -> None:
    stage = working()
    stage.submit(ModifyOrder(account=ACCOUNT, order_id="a1", price="101.0", version=1))
    stage.tell(done(stage, 1))
    stage.tell(OrderUpdate(account=ACCOUNT, venue_order_id="O0", order_status=WORKING, price="101.0"))
    last = stage.updates()[-1]
    assert (last.price, last.version) == ("101.0", 2)
    stage.submit(ModifyOrder(account=ACCOUNT, order_id="a1", price="102.0", version=1))
    assert stage.acks()[-1].error == "VERSION"
    assert len(stage.sent) == 2


def test_a_change_in_doubt_holds_back_changes_and_lets_a_cancel_go() -> None:
    stage = working()
    stage.submit(ModifyOrder(account=ACCOUNT, order_id="a1", price="101.0"))
    stage.wait(5.0)
    stage.submit(ModifyOrder(account=ACCOUNT, order_id="a1", price="102.0"))
    assert len(stage.sent) == 2
    stage.submit(CancelOrder(account=ACCOUNT, order_id="a1"))
    assert [sent.verb for sent in stage.sent] == ["create", "modify", "cancel"]


@pytest.mark.parametrize(("price", "status"), [("101.0", AckStatus.ACCEPTED), ("100.0", AckStatus.REJECTED)])
def test_a_change_in_doubt_is_told_by_the_order(price: str, status: AckStatus) -> None:
    stage = working()
    stage.submit(ModifyOrder(account=ACCOUNT, order_id="a1", price="101.0"))
    stage.wait(90.0, AccountSnapshot(orders=(news(stage, price=price),)))
    assert statuses(stage, "modify_order")[-1] is status
    assert stage.updates()[-1].price == price


def test_cancels_leave_by_rest_while_the_stream_is_down() -> None:
    stage = working()
    stage.lose()
    stage.submit(create("a2"))
    assert stage.acks()[-1].error == "NOT_READY"
    stage.submit(CancelOrder(account=ACCOUNT, order_id="a1"))
    assert stage.sent[-1].by_rest
    stage.answer([done(stage, 1)])
    assert statuses(stage, "cancel_order")[-1] is AckStatus.ACCEPTED


def test_a_cancel_by_rest_that_fails_is_unknown() -> None:
    stage = working()
    stage.lose()
    stage.submit(CancelOrder(account=ACCOUNT, order_id="a1"))
    stage.answer(VenueUnavailable("HTTP 502"))
    assert statuses(stage, "cancel_order")[-1] is AckStatus.UNKNOWN
    stage.ready(rest=AccountSnapshot(orders=(), closed=(news(stage, CANCELED, venue_time_ns=START_NS),)))
    assert statuses(stage, "cancel_order")[-1] is AckStatus.ACCEPTED


def test_an_id_is_used_once_over_restarts() -> None:
    stage = working()
    stage.submit(create())
    assert stage.acks()[-1].error == "DUPLICATE_ORDER_ID"
    stage.submit(create(), "bob")
    assert len(stage.sent) == 2  # ids are each user's own
    again = stage.restart()
    again.ready(AccountSnapshot(orders=(news(stage), news(stage, number=1))))
    again.submit(create())
    assert again.acks()[-1].error == "DUPLICATE_ORDER_ID"
    assert not again.sent


def test_a_restart_asks_for_what_was_not_answered_and_sends_nothing() -> None:
    stage = ready()
    stage.submit(create())
    again = stage.restart()
    [unknown] = again.acks()
    assert (unknown.status, unknown.request_id) == (AckStatus.UNKNOWN, stage.acks()[0].request_id)
    again.ready(AccountSnapshot(orders=(news(stage),)))
    assert statuses(again) == [AckStatus.UNKNOWN, AckStatus.ACCEPTED]
    last = again.updates()[-1]
    assert (last.order_status, last.order_id, last.user) == (WORKING, "a1", "ann")
    assert not again.sent


def test_requests_before_ready_and_without_trading_are_refused() -> None:
    stage = OrderStage()
    stage.submit(create())
    assert stage.acks()[-1].error == "NOT_READY"
    assert (stage.acks()[-1].origin.value, stage.acks()[-1].fate) == ("GATEWAY", Fate.NOT_DONE)
    off = ready(trading="off")
    off.submit(create())
    assert off.acks()[-1].error == "NOT_LIVE"


def test_what_can_not_be_made_durable_does_not_leave_but_cancels_do() -> None:
    stage = working(auto_sync=True)
    stage.failed, stage.auto_sync = "disk full", False
    stage.submit(create("a2"))
    assert stage.replies[-1][0] == "journal"
    stage.submit(CancelOrder(account=ACCOUNT, order_id="a1"))
    assert stage.sent[-1].verb == "cancel"


def test_a_create_that_waits_for_a_disk_that_fails_never_leaves() -> None:
    stage = ready(auto_sync=False)
    stage.submit(create())
    stage.desk.sender.on_journal("disk full", stage.now_ns)
    assert stage.acks()[-1].error == "JOURNAL"
    stage.sync()
    assert not stage.sent


def test_cancel_all_of_a_user_takes_his_orders_one_by_one() -> None:
    stage = working()
    stage.submit(create("a2"))
    stage.submit(create("b1"), "bob")
    stage.tell(done(stage, 1, venue_order_id="O1"), done(stage, 2, venue_order_id="O2"))
    stage.submit(CancelAllOrders(account=ACCOUNT, request_id=9))
    [sent] = stage.sent[3:]
    assert (sent.verb, [key.venue_order_id for key in sent.what]) == ("cancel_several", ["O0", "O1"])
    stage.tell(done(stage, 3))
    last = stage.acks("cancel_all_orders")[-1]
    assert (last.status, last.number_of_affected_orders, last.client_request_id) == (AckStatus.ACCEPTED, 2, 9)


def test_cancel_all_of_everybody_is_the_venues_own_and_needs_the_right() -> None:
    stage = working()
    stage.submit(CancelAllOrders(account=ACCOUNT, user="*"))
    assert stage.acks()[-1].error == "DENIED"
    stage.submit(CancelAllOrders(account=ACCOUNT, user="*"), "ann", "admin")
    assert stage.sent[-1].verb == "cancel_all"
    stage.tell(OrderAnswer(stage.sent[-1].wire_id, Fate.DONE, number_of_orders=3))
    assert stage.acks()[-1].number_of_affected_orders == 3


def test_an_accept_without_the_venues_id_is_remembered_over_a_restart() -> None:
    stage = ready()
    stage.submit(create())
    stage.tell(done(stage))
    again = stage.restart()
    assert not again.updates()  # nothing is known to have become of it, least of all a refusal


def test_what_is_being_written_when_the_connection_ends_never_leaves_but_a_cancel_does() -> None:
    stage = working()
    stage.auto_sync = False
    stage.submit(create("a2"))
    stage.submit(CancelOrder(account=ACCOUNT, order_id="a1"))
    stage.lose()
    stage.sync()
    assert [(sent.verb, sent.by_rest) for sent in stage.sent] == [("create", False), ("cancel", True)]
    assert (stage.acks("create_order")[-1].error, stage.acks("create_order")[-1].fate) == (
        "DISCONNECTED",
        Fate.NOT_DONE,
    )
    assert stage.updates("a2")[-1].order_status is OrderStatus.REJECTED
