"""What a client knows of its orders: by acks, updates and fills in any order, over lost connections and restarts."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from gwcore.client.trading.order_forms import create_form
from gwcore.client.trading.order_tracker import OrderTracker, cancel_of
from gwcore.client.trading.outcome import Outcome
from gwcore.model import (
    AckStatus,
    CancelAllAfter,
    CancelAllOrders,
    CancelOrder,
    Fate,
    Fill,
    OrderAck,
    OrderStatus,
    OrderUpdate,
    Origin,
    TradeUpdate,
)
from gwcore.wire import RequestError


@pytest.fixture
def tracker() -> OrderTracker:
    tracker = OrderTracker("main")
    tracker.on_connected("ann", "life1")
    return tracker


def create(tracker: OrderTracker, name: str = "a", request_id: int = 1) -> Outcome:
    form = create_form("main", "BTC/USD", "BUY", name, quantity="2", price="10", request_id=request_id)
    return tracker.add([form], request_id)[0]


def ack(request_id: int, status: str, name: str | None = "a", **more: Any) -> OrderAck:
    fields = {
        "account": "main",
        "request_id": "9",
        "request": "create_order",
        "order_id": name,
        "user": "ann",
        "status": AckStatus(status),
        "origin": Origin.VENUE,
        "client_request_id": request_id,
    }
    return OrderAck(**(fields | more))


def update(status: str, name: str | None = "a", **more: Any) -> OrderUpdate:
    fields = {"account": "main", "order_id": name, "user": "ann", "symbol": "BTC/USD", "quantity": "2", "price": "10"}
    return OrderUpdate(**(fields | {"order_status": OrderStatus(status)} | more))


def fills(*names: str, order_id: str | None = "a", user: str | None = "ann", **more: Any) -> TradeUpdate:
    made = tuple(Fill(trade_id=name, price="10", quantity="0.5") for name in names)
    return TradeUpdate(account="main", order_id=order_id, user=user, fills=made, **more)


def restart(tracker: OrderTracker, life: str = "life2") -> None:
    tracker.on_lost("killed")
    tracker.on_connected("ann", life)


def test_a_request_is_unknown_until_it_is_answered(tracker: OrderTracker) -> None:
    outcome = create(tracker)
    assert (outcome.fate, outcome.has_word) == (Fate.UNKNOWN, False)
    tracker.on_event(ack(1, "FORWARDED"))
    assert (outcome.fate, outcome.has_word, outcome.status) == (Fate.UNKNOWN, False, AckStatus.FORWARDED)
    tracker.on_event(ack(1, "ACCEPTED"))
    assert (outcome.fate, outcome.is_done) == (Fate.DONE, True)
    assert tracker.doubts() == []


def test_what_the_gateway_can_not_tell_is_told_later(tracker: OrderTracker) -> None:
    outcome = create(tracker)
    tracker.on_event(ack(1, "UNKNOWN", error="TIMEOUT", text="no answer"))
    assert (outcome.fate, outcome.has_word, outcome.error) == (Fate.UNKNOWN, True, "TIMEOUT")
    assert tracker.doubts() == [outcome]
    tracker.on_event(ack(1, "ACCEPTED"))
    assert (outcome.fate, outcome.error, tracker.doubts()) == (Fate.DONE, None, [])


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_any_order_of_arrival_ends_the_same(tracker: OrderTracker, order: tuple[int, ...]) -> None:
    outcome = create(tracker)
    words = [
        ack(1, "ACCEPTED"),
        fills("t1", "t2"),
        fills("t2", "t3", "t4"),
        update("FILLED", venue_order_id="O1", traded_quantity="2.0"),
    ]
    for place in order:
        tracker.on_event(words[place])
    followed = outcome.order
    assert followed is not None
    assert (outcome.fate, followed.status, followed.traded) == (Fate.DONE, OrderStatus.FILLED, Decimal(2))
    assert sorted(fill.trade_id for fill in followed.fills) == ["t1", "t2", "t3", "t4"]
    assert (followed.remaining, tracker.orders()) == (0, [])


def test_a_refused_order_ends(tracker: OrderTracker) -> None:
    outcome = create(tracker)
    tracker.on_event(ack(1, "REJECTED", error="TICK_SIZE", text="no multiple of 0.1"))
    assert (outcome.fate, outcome.error, outcome.text) == (Fate.NOT_DONE, "TICK_SIZE", "no multiple of 0.1")
    assert outcome.order is not None
    assert outcome.order.status is OrderStatus.REJECTED


def test_a_second_order_of_one_id_does_not_end_the_first(tracker: OrderTracker) -> None:
    first = create(tracker, request_id=1)
    tracker.on_event(ack(1, "ACCEPTED"))
    tracker.on_event(update("WORKING"))
    second = create(tracker, request_id=2)
    tracker.on_event(ack(2, "REJECTED", error="DUPLICATE_ORDER_ID"))
    assert (second.fate, first.fate) == (Fate.NOT_DONE, Fate.DONE)
    assert [order.status for order in tracker.orders()] == [OrderStatus.WORKING]


def test_what_the_gateway_did_not_take_is_not_done(tracker: OrderTracker) -> None:
    outcome = create(tracker)
    assert not tracker.on_error(RequestError(request_id=7, code="denied", text="no"))
    assert tracker.on_error(RequestError(request_id=1, code="denied", text="the verb create is not granted"))
    assert (outcome.fate, outcome.error) == (Fate.NOT_DONE, "DENIED")


def test_a_batch_that_was_not_taken_is_not_done_but_for_what_was_told_of_it(tracker: OrderTracker) -> None:
    forms = [create_form("main", "X", "BUY", name, quantity="1", request_id=n) for n, name in enumerate("abc", 1)]
    outcomes = tracker.add(forms, 9)
    tracker.on_event(ack(1, "FORWARDED"))
    assert tracker.on_error(RequestError(request_id=2, code="journal", text="disk full"))
    assert tracker.on_error(RequestError(request_id=9, code="unknown_account", text="no account"))
    assert [one.error for one in outcomes] == [None, "JOURNAL", "UNKNOWN_ACCOUNT"]
    assert tracker.doubts() == outcomes[:1]
    assert not tracker.on_error(RequestError(request_id=9, code="x", text=""))
    assert not tracker.on_error(RequestError(code="x", text=""))


def test_words_about_others_are_not_about_us(tracker: OrderTracker) -> None:
    outcome = create(tracker)
    for word in (ack(1, "REJECTED", user="ben"), ack(1, "REJECTED", account="other"), ack(2, "REJECTED")):
        tracker.on_event(word)
    tracker.on_event(ack(1, "REJECTED", request="cancel_order"))
    tracker.on_event(update("CANCELED", user="ben"))
    tracker.on_event(fills("x", user="ben"))
    assert outcome.fate is Fate.UNKNOWN
    assert outcome.order is not None
    assert (outcome.order.status, outcome.order.fills) == (OrderStatus.UNKNOWN, [])


def test_a_batch_is_told_apart_by_its_orders(tracker: OrderTracker) -> None:
    parts = [CancelOrder(account="main", order_id=name, request_id=3) for name in "abc"]
    a, b, c = tracker.add(parts, 3)
    tracker.on_event(ack(3, "ACCEPTED", "b", request="cancel_order"))
    tracker.on_event(ack(3, "REJECTED", "a", request="cancel_order", error="ORDER_DONE"))
    assert [one.fate for one in (a, b, c)] == [Fate.NOT_DONE, Fate.DONE, Fate.UNKNOWN]
    tracker.on_event(ack(3, "REJECTED", None, request="cancel_orders", error="NOT_READY"))
    assert (c.fate, b.fate) == (Fate.NOT_DONE, Fate.DONE)


def test_many_are_counted(tracker: OrderTracker) -> None:
    [outcome] = tracker.add([CancelAllOrders(account="main", request_id=4)], 4)
    tracker.on_event(ack(4, "ACCEPTED", "a", request="cancel_order"))
    assert outcome.fate is Fate.UNKNOWN
    tracker.on_event(ack(4, "ACCEPTED", None, request="cancel_all_orders", number_of_affected_orders=3))
    assert (outcome.fate, outcome.count) == (Fate.DONE, 3)


def test_what_nobody_will_ever_know_is_over_and_no_fate(tracker: OrderTracker) -> None:
    [outcome] = tracker.add([CancelAllOrders(account="main", request_id=4)], 4)
    for error in ("TIMEOUT", "SUPERSEDED"):
        tracker.on_event(ack(4, "UNKNOWN", None, request="cancel_all_orders", error=error))
        assert (outcome.is_known, outcome.is_over, outcome.error) == (False, error == "SUPERSEDED", error)
    assert tracker.doubts() == []


def test_a_lost_connection_leaves_it_unknown_and_a_word_settles_it(tracker: OrderTracker) -> None:
    outcome = create(tracker)
    restart(tracker, "life1")
    assert (outcome.fate, outcome.is_doubted) == (Fate.UNKNOWN, True)
    tracker.on_whole()  # the same gateway: what it has not read yet may still come
    assert outcome.fate is Fate.UNKNOWN
    tracker.on_event(ack(1, "ACCEPTED"))
    assert outcome.fate is Fate.DONE


def test_what_a_killed_gateway_never_wrote_never_left(tracker: OrderTracker) -> None:
    outcome = create(tracker)
    restart(tracker)
    assert outcome.fate is Fate.UNKNOWN  # its journal is still being read
    tracker.on_whole()
    assert (outcome.fate, outcome.error) == (Fate.NOT_DONE, "NOT_FOUND")
    assert tracker.orders() == []


@pytest.mark.parametrize(
    "request_",
    [CancelAllOrders(account="main", request_id=4), CancelAllAfter(account="main", timeout_s=9, request_id=4)],
)
def test_what_leaves_before_it_is_written_is_not_told_to_have_stayed(tracker: OrderTracker, request_: Any) -> None:
    [outcome] = tracker.add([request_], 4)
    restart(tracker)
    tracker.on_whole()
    assert (outcome.fate, outcome.is_over, outcome.error) == (Fate.UNKNOWN, True, "SUPERSEDED")
    assert tracker.doubts() == []


@pytest.mark.parametrize(
    ("status", "fate", "error"),
    [
        ("CANCELED", Fate.DONE, None),
        ("FILLED", Fate.NOT_DONE, "ORDER_DONE"),
        ("WORKING", Fate.UNKNOWN, "SUPERSEDED"),
    ],
)
def test_a_cancel_that_was_never_written_ends_by_its_order(
    tracker: OrderTracker, status: str, fate: Fate, error: str | None
) -> None:
    create(tracker)
    tracker.on_event(ack(1, "ACCEPTED"))
    [outcome] = tracker.add([cancel_of("a", "main", 3)], 3)
    restart(tracker)
    tracker.on_event(update(status))
    tracker.on_whole()
    assert (outcome.fate, outcome.error, outcome.is_over) == (fate, error, fate is Fate.UNKNOWN)


def test_what_it_wrote_stays_unknown_until_it_says_more(tracker: OrderTracker) -> None:
    outcome = create(tracker)
    restart(tracker)
    tracker.on_event(ack(1, "FORWARDED"))
    tracker.on_whole()
    assert outcome.fate is Fate.UNKNOWN


@pytest.mark.parametrize("partition", ["ex.main", None])
def test_where_words_are_missing_silence_proves_nothing(tracker: OrderTracker, partition: str | None) -> None:
    outcome = create(tracker)
    restart(tracker)
    tracker.on_gap("ex.other")
    tracker.on_gap(partition)
    tracker.on_whole()
    assert outcome.fate is Fate.UNKNOWN


@pytest.mark.parametrize("lives", [("", "life2"), ("life1", "")])
def test_where_a_restart_can_not_be_told_silence_proves_nothing(lives: tuple[str, str]) -> None:
    tracker = OrderTracker("main")
    tracker.on_connected("ann", lives[0])
    outcome = create(tracker)
    restart(tracker, lives[1])
    tracker.on_whole()
    assert outcome.fate is Fate.UNKNOWN


def test_a_cancel_finds_out_that_an_order_never_came(tracker: OrderTracker) -> None:
    outcome = create(tracker)
    unknown = {"request": "cancel_order", "error": "UNKNOWN_ORDER"}
    tracker.add([cancel_of("a", "main", 2)], 2)
    tracker.on_event(ack(2, "REJECTED", **unknown))
    assert (
        outcome.fate is Fate.UNKNOWN
    )  # both on one connection: the create may be behind it in no case, but has its answer
    restart(tracker, "life1")
    tracker.add([cancel_of("a", "main", 3)], 3)
    tracker.on_event(ack(3, "REJECTED", **unknown))
    assert (outcome.fate, outcome.error) == (Fate.NOT_DONE, "NOT_FOUND")


def test_late_clients_know_open_orders_and_whose_they_are(tracker: OrderTracker) -> None:
    tracker.on_event(update("WORKING", "old"))
    tracker.on_event(update("WORKING", "old", user="ben"))
    tracker.on_event(update("WORKING", None, user=None, venue_order_id="X1"))
    assert [(order.order_id, order.update.user) for order in tracker.orders()] == [
        ("old", "ann"),
        ("old", "ben"),
        (None, None),
    ]
    found = tracker.order("old")
    assert found is not None
    assert found.update.user == "ann"
    assert cancel_of(tracker.orders()[2], "main", 1).venue_order_id == "X1"


def test_what_seemed_external_is_one_order(tracker: OrderTracker) -> None:
    outcome = create(tracker)
    tracker.on_event(update("WORKING", None, user=None, venue_order_id="O1"))
    tracker.on_event(update("WORKING", venue_order_id="O1"))
    assert tracker.orders() == [outcome.order]


def test_memory_is_bounded(tracker: OrderTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gwcore.client.trading.order_tracker.DONE_MAX", 2)
    monkeypatch.setattr("gwcore.client.trading.order_tracker.OPEN_MAX", 3)
    for number in range(5):
        create(tracker, f"o{number}", number + 1)
        tracker.on_event(update("FILLED", f"o{number}"))
    assert [outcome.request_id for outcome in tracker.doubts()] == [3, 4, 5]
    assert [tracker.order(f"o{number}") is None for number in range(5)] == [True] * 3 + [False] * 2
