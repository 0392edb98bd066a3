"""Whose turn it is: batches leave as one, cancels go first, and an order is one thing under all its names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gwcore.book import BookRule, OrderBook
from gwcore.engine.clients.state import CurrentState
from gwcore.engine.orders.defaults import NoPace
from gwcore.engine.orders.guard import MarketGuard
from gwcore.engine.orders.halts import Halt, Halts
from gwcore.engine.publisher import Partition
from gwcore.model import (
    AckStatus,
    CancelOrder,
    CancelOrders,
    CreateOrder,
    CreateOrders,
    Fate,
    Fill,
    MarketByPriceUpdate,
    ModifyOrder,
    OrderError,
    OrderStatus,
    OrderType,
    OrderUpdate,
    PriceLevel,
    PriceType,
    Side,
    TradeUpdate,
    TradingStatus,
    UpdateType,
)
from gwcore.settings import UserSettings
from gwcore.testing.order_stage import ACCOUNT, START_NS, SYMBOL, OrderStage, WrittenOrders, create
from gwcore.venue import AccountSnapshot, OrderAnswer, RequestKind

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


class BrokenOrders(WrittenOrders):
    """Orders of a plugin that can't write those whose id begins with `bad`."""

    def create_order(self, request_id: int, request: CreateOrder, client_id: str) -> Any:
        if request.order_id.startswith("bad"):
            raise KeyError("a plugin's own error")
        return super().create_order(request_id, request, client_id)

    def create_orders(self, request_id: int, requests: Sequence[CreateOrder], client_ids: Sequence[str]) -> Any:
        if any(each.order_id.startswith("bad") for each in requests):
            raise OverflowError("a plugin's own error")
        return super().create_orders(request_id, requests, client_ids)


@pytest.mark.parametrize("is_batch", [False, True])
def test_what_the_plugin_can_not_write_is_not_done_and_hurts_nobody_else(is_batch: bool) -> None:
    stage = OrderStage()
    stage.ready()
    stage.machine.desk.sender.orders = BrokenOrders(stage, by_rest=False)
    orders = (create("bad1"), create("good"))
    if is_batch:
        stage.submit(CreateOrders(account=ACCOUNT, orders=orders))
    else:
        for order in orders:
            stage.submit(order)
    [sent] = stage.sent
    assert sent.what.order_id == "good"
    [refused] = [one for one in stage.acks() if one.order_id == "bad1"]
    assert (refused.status, refused.fate, refused.error) == (AckStatus.REJECTED, Fate.NOT_DONE, "INTERNAL")
    assert "nothing left" in (refused.text or "")
    assert stage.desk.sender.waiting == 1
    assert [order.order_id for order in stage.desk.own.live()] == ["good"]


class Market:
    """Implements MarketView: everything trades; bids at 99, asks at 101."""

    def __init__(self) -> None:
        level = (PriceLevel(price="99.0", quantity="1"),), (PriceLevel(price="101.0", quantity="1"),)
        self.book = OrderBook(SYMBOL, BookRule(price_decimals=1, quantity_decimals=8, depth=10))
        self.book.apply(
            MarketByPriceUpdate(symbol=SYMBOL, update_type=UpdateType.SNAPSHOT, bids=level[0], asks=level[1])
        )

    def status(self, symbol: str | None) -> TradingStatus:
        return TradingStatus.ONLINE

    def live_book(self, symbol: str) -> OrderBook | None:
        return self.book


def limited(**limits: Any) -> OrderStage:
    """One order of ours (a1, 1 at 100) is open, and its user has limits."""
    stage = ready(guard=MarketGuard({"ann": UserSettings(**limits)}, Market(), Halts()))
    stage.submit(create())
    stage.tell(done(stage, venue_order_id="O0"))
    return stage


def change(**fields: Any) -> ModifyOrder:
    return ModifyOrder(account=ACCOUNT, order_id="a1", **fields)


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_change_under_way_counts_for_the_position_of_the_next_order(is_lost: bool) -> None:
    stage = limited(position_max=("* 10",))
    stage.submit(change(quantity="8"))
    if is_lost:  # in doubt it counts too
        stage.lose()
        stage.ready()
    stage.submit(create("a2", quantity="3"))
    assert stage.acks("create_order")[-1].error == "USER_LIMIT"
    stage.submit(create("a3", quantity="2"))
    assert stage.acks("create_order")[-1].status is AckStatus.FORWARDED


def test_two_changes_under_way_are_not_above_a_limit_together() -> None:
    stage = limited(order_notional_max=("* 500",))
    stage.submit(change(quantity="4"))
    stage.submit(change(price="200.0"))
    assert stage.acks("modify_order")[-1].error == "USER_LIMIT"
    stage.submit(change(price="125.0"))
    stage.submit(change(quantity="2"))
    stage.tell(done(stage, 1))
    stage.tell(done(stage, 2))
    stage.tell(done(stage, 3))
    assert [one.status for one in stage.acks("modify_order")].count(AckStatus.ACCEPTED) == 3
    stage.submit(change(price="200.0"))  # of 2 now
    assert stage.acks("modify_order")[-1].status is AckStatus.FORWARDED


def test_orders_for_cash_in_one_batch_are_not_above_the_position_together() -> None:
    stage = limited(position_max=("* 10",))
    cash = {"order_type": OrderType.MARKET, "price": None, "quantity": None, "cash_quantity": "500"}
    stage.submit(CreateOrders(account=ACCOUNT, orders=(create("a2", **cash), create("a3", **cash))))
    assert [(one.order_id, one.error) for one in stage.acks("create_order")[-2:]] == [
        ("a3", "USER_LIMIT"),
        ("a2", None),
    ]


@pytest.mark.parametrize("cause", ["HALTED", "DEADLINE"])
def test_what_was_stopped_while_the_disk_was_slow_does_not_leave(cause: str) -> None:
    halts = Halts()
    stage = ready(guard=MarketGuard({}, Market(), halts))
    stage.auto_sync = False
    orders = (create("a1"), create("a2", strategy="b", deadline_ns=START_NS + stage.now_ns + 50 * 10**9))
    stage.submit(CreateOrders(account=ACCOUNT, orders=orders))
    stage.submit(create("e1", symbol="ETH/USD"))
    if cause == "HALTED":
        halts.add(Halt(symbol="BTC/*", reason="odd"))
    else:
        stage.now_ns += 20 * 10**9
    stage.sync()
    ends = {one.order_id: (one.fate, one.error) for one in stage.acks("create_order")}
    late = [name for name, end in ends.items() if end == (Fate.NOT_DONE, cause)]
    assert late == (["a1", "a2"] if cause == "HALTED" else ["a1", "e1"])
    left = [request.order_id for sent in stage.sent for request in ([sent.what] if sent.verb == "create" else [])]
    assert left == (["e1"] if cause == "HALTED" else ["a2"])
    assert [order.order_id for order in stage.desk.own.live()] == left


def test_an_order_that_is_only_to_be_checked_never_leaves_in_a_batch_with_others() -> None:
    stage = ready()
    checked = create("a2", validate_only=True)
    stage.submit(CreateOrders(account=ACCOUNT, orders=(create("a1"), checked, create("a3"))))
    assert [one.verb for one in stage.sent] == ["create_several", "create"]
    assert [request.order_id for request, _ in stage.sent[0].what] == ["a1", "a3"]
    assert (stage.sent[1].what.order_id, stage.sent[1].what.validate_only) == ("a2", True)


def test_what_the_venue_says_was_traded_counts_before_its_fills_are_told() -> None:
    stage = limited(position_max=("* 2",))
    whole = {"account": ACCOUNT, "symbol": SYMBOL, "side": Side.BUY, "quantity": "1", "traded_quantity": "1"}
    stage.tell(OrderUpdate(venue_order_id="O0", order_status=OrderStatus.FILLED, remaining_quantity="0", **whole))
    stage.submit(create("a2", quantity="2"))
    assert stage.acks("create_order")[-1].error == "USER_LIMIT"
    again = stage.restart(guard=MarketGuard({"ann": UserSettings(position_max=("* 2",))}, Market(), Halts()))
    again.ready(AccountSnapshot(orders=()))
    again.submit(create("a2", quantity="2"))
    assert again.acks("create_order")[-1].error == "USER_LIMIT"
    fill = Fill(trade_id="T1", price="100.0", quantity="1", venue_time_ns=START_NS)
    for one in (stage, again):
        one.tell(TradeUpdate(account=ACCOUNT, venue_order_id="O0", symbol=SYMBOL, side=Side.BUY, fills=(fill,)))
        assert one.desk.own.traded("ann", SYMBOL) == 1  # and once
        one.submit(create("a3", quantity="1"))
        assert one.acks("create_order")[-1].status is AckStatus.FORWARDED


def test_what_waits_or_has_no_answer_when_its_account_is_halted_is_told_so() -> None:
    stage = ready()
    stage.submit(create("a1"))
    stage.tell(done(stage, venue_order_id="O0"))
    stage.submit(change(quantity="2"))
    stage.submit(change(quantity="3"))
    stage.lose()
    stage.submit(CancelOrder(account=ACCOUNT, order_id="a1"))
    assert [(one.verb, one.by_rest) for one in stage.sent] == [("create", False), ("modify", False), ("cancel", True)]
    stage.desk.sender.on_halt("halted: the key is bad", stage.now_ns)
    waited = stage.acks("modify_order")[-1]
    assert (waited.fate, waited.error, waited.text) == (
        Fate.NOT_DONE,
        "NOT_READY",
        "it did not leave: halted: the key is bad",
    )
    left = stage.acks("cancel_order")[-1]
    assert (left.fate, left.error) == (Fate.UNKNOWN, "DISCONNECTED")
    assert stage.desk.sender.waiting == 0


def test_a_distance_is_not_taken_for_the_price_of_a_change() -> None:
    stage = limited(order_notional_max=("* 250",))
    distance = {"price": "1.0", "price_type": PriceType.QUOTE, "stop_price": "2", "stop_price_type": PriceType.PERCENT}
    stage.submit(create("a2", order_type=OrderType.TRAILING_STOP_LIMIT, **distance))
    stage.tell(done(stage, 1, venue_order_id="O1"))
    stage.submit(ModifyOrder(account=ACCOUNT, order_id="a2", quantity="3"))  # worth 303 at the market
    assert stage.acks("modify_order")[-1].error == "USER_LIMIT"
    stage.submit(ModifyOrder(account=ACCOUNT, order_id="a2", quantity="2"))
    assert stage.acks("modify_order")[-1].status is AckStatus.FORWARDED
