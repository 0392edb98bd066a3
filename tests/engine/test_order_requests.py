"""What is asked of orders before anything leaves: whole, possible, in the instrument's digits, allowed, not too much."""

from __future__ import annotations

from typing import Any

import pytest

from gwcore.engine.clients.access import Grant
from gwcore.engine.orders.acks import REFUSALS_MAX
from gwcore.engine.orders.defaults import NoPace
from gwcore.engine.orders.order import WAITING_MAX
from gwcore.engine.orders.owners import OrderIds
from gwcore.engine.orders.sender import REQUESTS_MAX
from gwcore.model import (
    AckStatus,
    CancelAllAfter,
    CancelAllOrders,
    CancelOrder,
    CreateOrders,
    Fate,
    ModifyOrder,
    OrderError,
    OrderStatus,
    OrderType,
    OrderUpdate,
    Side,
    TimeInForce,
)
from gwcore.testing.order_stage import ACCOUNT, START_NS, SYMBOL, OrderStage, create
from gwcore.venue import AccountSnapshot, OrderAnswer, RequestKind


def ready(**options: Any) -> OrderStage:
    stage = OrderStage(**options)
    stage.ready()
    return stage


@pytest.mark.parametrize(
    ("fields", "error", "word"),
    [
        ({"order_id": ""}, "BAD_REQUEST", "order_id"),
        ({"order_id": "x" * 65}, "BAD_REQUEST", "64"),
        ({"strategy": "a\nb"}, "BAD_REQUEST", "strategy"),
        ({"price": "1e3"}, "BAD_REQUEST", "price"),
        ({"price": "0"}, "BAD_REQUEST", "above zero"),
        ({"quantity": "-1"}, "BAD_REQUEST", "quantity"),
        ({"price": None}, "BAD_REQUEST", "needs a price"),
        ({"order_type": OrderType.MARKET}, "BAD_REQUEST", "has no price"),
        ({"order_type": OrderType.STOP_LOSS, "price": None}, "BAD_REQUEST", "stop_price"),
        ({"stop_price": "1.0"}, "BAD_REQUEST", "no stop_price"),
        ({"cash_quantity": "5"}, "BAD_REQUEST", "either"),
        ({"time_in_force": TimeInForce.GTD}, "BAD_REQUEST", "expire_time_ns"),
        ({"order_type": OrderType.ICEBERG}, "BAD_REQUEST", "display_quantity"),
        ({"price": "100.05"}, "TICK_SIZE", "0.1"),
        ({"price": "9" * 28 + ".05"}, "TICK_SIZE", "multiple"),
        ({"price": "9" * 29 + ".05"}, "BAD_REQUEST", "has more digits than 30"),
        ({"quantity": "1" + "0" * 30}, "BAD_REQUEST", "has more digits than 30"),
        ({"quantity": "0.000000001"}, "LOT_SIZE", "no multiple of 0.00000001"),
        ({"symbol": "btc/usd"}, "UNKNOWN_SYMBOL", "'btc/usd' is not subscribed by this gateway: did you mean BTC/USD?"),
        ({"symbol": ""}, "UNKNOWN_SYMBOL", "'' is not subscribed by this gateway: see `gw symbols`"),
        ({"order_id": " "}, "BAD_REQUEST", "no space at its ends"),
        ({"order_id": "a "}, "BAD_REQUEST", "no space at its ends"),
        ({"order_id": "a\u200bb"}, "BAD_REQUEST", "printable"),
        ({"deadline_ns": START_NS - 2 * 10**9}, "DEADLINE", "passed 2.000 s ago"),
        ({"quantity": "0.00001"}, "QUANTITY_MINIMUM", "0.0001"),
        ({"quantity": "0.001", "price": "100.0"}, "COST_MINIMUM", "0.5"),
        ({"deadline_ns": START_NS}, "DEADLINE", "0.5 to 60"),
        ({"deadline_ns": START_NS + 61 * 10**9}, "DEADLINE", "61.000"),
    ],
)
def test_what_is_wrong_with_an_order_is_said_and_nothing_leaves(fields: dict[str, Any], error: str, word: str) -> None:
    stage = ready()
    chosen = {"order_id": "a1", **fields}
    stage.submit(create(**chosen))
    [ack] = stage.acks()
    assert (ack.status, ack.error, ack.fate) == (AckStatus.REJECTED, error, Fate.NOT_DONE)
    assert word in (ack.text or "")
    assert not stage.made
    assert not stage.updates()


def test_a_symbol_that_is_not_subscribed_is_refused() -> None:
    stage = ready()
    request = create()
    stage.requests._instruments = dict
    stage.submit(request)
    assert stage.acks()[-1].error == "UNKNOWN_SYMBOL"


def test_a_refused_id_may_be_used_again_but_a_taken_one_may_not() -> None:
    stage = ready()
    stage.submit(create(price="100.05"))
    stage.submit(create())
    assert stage.acks()[-1].status is AckStatus.FORWARDED


def test_ids_are_bounded_and_the_oldest_go() -> None:
    ids = OrderIds(ids_max=2)
    for name in ("a", "b", "c"):
        ids.use("ann", name)
    assert [ids.is_used("ann", name) for name in ("a", "b", "c")] == [False, True, True]
    assert not ids.is_used("bob", "c")


def test_orders_of_others_are_not_there_for_a_user() -> None:
    stage = ready()
    stage.submit(create())
    stage.tell(OrderAnswer(stage.sent[0].wire_id, Fate.DONE, venue_order_id="O0"))
    stage.submit(CancelOrder(account=ACCOUNT, order_id="a1"), "bob")
    assert stage.acks()[-1].error == "UNKNOWN_ORDER"
    stage.submit(CancelOrder(account=ACCOUNT, order_id="", venue_order_id="O0"), "bob")
    assert stage.acks()[-1].error == "DENIED"
    stage.submit(CancelOrder(account=ACCOUNT, order_id="", venue_order_id="O0"), "bob", "admin")
    assert stage.sent[-1].verb == "cancel"


def test_an_external_order_is_cancelled_by_the_venues_id() -> None:
    stage = OrderStage()
    row = OrderUpdate(
        account=ACCOUNT,
        venue_order_id="X1",
        symbol=SYMBOL,
        side=Side.BUY,
        order_status=OrderStatus.WORKING,
        quantity="1",
    )
    stage.ready(AccountSnapshot(orders=(row,)))
    stage.submit(CancelOrder(account=ACCOUNT, order_id="", venue_order_id="X1"), "ann", "admin")
    assert stage.sent[-1].what.venue_order_id == "X1"
    ended = OrderUpdate(account=ACCOUNT, venue_order_id="X1", order_status=OrderStatus.CANCELED)
    stage.tell(ended)
    assert stage.acks()[-1].status is AckStatus.ACCEPTED
    told = [one for one in stage.events if isinstance(one, OrderUpdate)][-1]
    assert (told.external, told.order_id, told.order_status) == (True, None, OrderStatus.CANCELED)


def test_too_many_changes_of_one_order_are_refused_and_a_cancel_is_not() -> None:
    stage = ready()
    stage.submit(create())
    for _ in range(WAITING_MAX + 1):
        stage.submit(ModifyOrder(account=ACCOUNT, order_id="a1", price="101.0"))
    assert [ack.error for ack in stage.acks("modify_order")] == ["TOO_MANY_REQUESTS"]
    assert stage.desk.sender.waiting == 1 + WAITING_MAX
    stage.submit(CancelOrder(account=ACCOUNT, order_id="a1"))
    assert stage.acks("cancel_order") == []
    stage.tell(OrderAnswer(stage.sent[0].wire_id, Fate.DONE, venue_order_id="O0"))
    assert stage.sent[-1].verb == "cancel"


def test_changes_that_wait_are_bounded_over_all_orders_of_the_account_too() -> None:
    stage = ready()
    for number in range(REQUESTS_MAX // WAITING_MAX + 1):
        stage.submit(create(f"b{number}"))
        for _ in range(WAITING_MAX):
            stage.submit(ModifyOrder(account=ACCOUNT, order_id=f"b{number}", price="101.0"))
    refused = [ack.text for ack in stage.acks("modify_order")]
    assert len(refused) == (REQUESTS_MAX // WAITING_MAX + 1) * WAITING_MAX - REQUESTS_MAX
    assert refused[0] == "too many requests of this account wait already: send fewer"
    stage.submit(CancelOrder(account=ACCOUNT, order_id="b0"))
    assert stage.acks("cancel_order") == []


@pytest.mark.parametrize("deadline_s", [2, None])
def test_a_change_that_waits_longer_than_its_deadline_is_told_then_and_never_leaves(deadline_s: int | None) -> None:
    stage = ready()
    stage.submit(create())
    stage.wait(1.0)
    deadline_ns = None if deadline_s is None else stage.wall_ns() + deadline_s * 10**9
    stage.submit(ModifyOrder(account=ACCOUNT, order_id="a1", price="101.0", deadline_ns=deadline_ns))
    assert (stage.machine.next_ns() or 0) <= stage.now_ns + (deadline_s or 5) * 10**9
    stage.wait((deadline_s or 5) - 0.1)
    assert not stage.acks("modify_order")
    stage.wait(0.1)
    [ack] = stage.acks("modify_order")
    assert (ack.error, ack.fate) == ("DEADLINE", Fate.NOT_DONE)
    assert ack.text == "its deadline passed before its turn came: it did not leave"
    stage.tell(OrderAnswer(stage.sent[0].wire_id, Fate.DONE, venue_order_id="O0"))
    assert [sent.verb for sent in stage.sent] == ["create"]
    assert stage.desk.sender.waiting == 0


@pytest.mark.parametrize("symbol", ["BTC/*", "nope", ""])
def test_a_cancel_all_of_a_symbol_that_is_not_there_is_not_done(symbol: str) -> None:
    stage = ready()
    stage.submit(create())
    stage.submit(CancelAllOrders(account=ACCOUNT, symbol=symbol))
    last = stage.acks("cancel_all_orders")[-1]
    assert (last.fate, last.error) == (Fate.NOT_DONE, "UNKNOWN_SYMBOL")
    assert "a cancel of all names one symbol" in (last.text or "")


def test_a_cancel_all_finds_orders_in_a_symbol_that_is_not_subscribed_any_more() -> None:
    stage = ready()
    stage.submit(create())
    stage.tell(OrderAnswer(stage.sent[0].wire_id, Fate.DONE, venue_order_id="O0"))
    stage.requests._instruments = dict
    stage.submit(CancelAllOrders(account=ACCOUNT, symbol=SYMBOL))
    assert stage.sent[-1].verb == "cancel"


class Never(NoPace):
    """Nothing but cancels leaves."""

    def wait_ns(self, kind: RequestKind, symbol: str, age_s: float, orders: int, user: str, now_ns: int) -> int:
        return 0 if kind in (RequestKind.CANCEL, RequestKind.CANCEL_ALL) else 10**12


def test_what_waits_is_bounded_and_a_cancel_ends_an_order_that_never_left() -> None:
    stage = ready(pace=Never())
    stage.submit(create())
    assert not stage.acks()
    stage.submit(ModifyOrder(account=ACCOUNT, order_id="a1", price="101.0"))
    stage.submit(CancelOrder(account=ACCOUNT, order_id="a1"))
    ends = {ack.request: ack.status for ack in stage.acks()}
    assert ends == {
        "create_order": AckStatus.REJECTED,
        "modify_order": AckStatus.REJECTED,
        "cancel_order": AckStatus.ACCEPTED,
    }
    assert not stage.made
    for number in range(REQUESTS_MAX + 1):
        stage.submit(create(f"b{number}"))
    assert stage.acks()[-1].error == "TOO_MANY_REQUESTS"


def test_refusals_do_not_fill_the_journal() -> None:
    stage = ready()
    for _ in range(REFUSALS_MAX + 5):
        stage.submit(create(price="100.05"))
    assert len(stage.acks()) == REFUSALS_MAX
    assert len(stage.replies) == 5
    assert stage.replies[0][0] == "tick_size"


def test_what_changes_nothing_does_not_fill_the_journal_either() -> None:
    stage = ready()
    for _ in range(REFUSALS_MAX + 5):
        stage.submit(CancelAllOrders(account=ACCOUNT, side=Side.BUY, request_id=1))
    assert len(stage.acks()) == REFUSALS_MAX
    assert [code for code, _ in stage.replies] == ["too_many_requests"] * 5
    stage.submit(create())
    stage.tell(OrderAnswer(stage.sent[0].wire_id, Fate.DONE, venue_order_id="O0"))
    stage.submit(CancelAllOrders(account=ACCOUNT, side=Side.BUY, request_id=1))
    assert stage.sent[-1].verb == "cancel"  # where there is something to cancel it is never refused


@pytest.mark.parametrize(
    "request_",
    [CancelOrder(account=ACCOUNT, order_id="x" * 60_000), CancelAllOrders(account=ACCOUNT, symbol="x" * 60_000)],
)
def test_names_of_any_length_are_not_written_down(request_: Any) -> None:
    stage = ready()
    stage.submit(request_)
    assert stage.acks() == []
    [(code, text)] = stage.replies
    assert code in ("unknown_order", "unknown_symbol")
    assert len(text) <= 500


def test_every_order_of_a_batch_that_is_refused_is_spoken_of_by_its_number() -> None:
    stage = ready()
    count = REFUSALS_MAX + 5
    orders = tuple(create(f"b{number}", request_id=number + 1) for number in range(count))
    stage.submit(CreateOrders(account=ACCOUNT, orders=orders, request_id=9999))
    assert [ack.client_request_id for ack in stage.acks()] == list(range(1, REFUSALS_MAX + 1))
    assert {ack.error for ack in stage.acks()} == {"BAD_REQUEST"}
    assert stage.replied == list(range(REFUSALS_MAX + 1, count + 1))


def test_a_deadline_that_passes_while_it_waits_is_not_sent() -> None:
    class Late(NoPace):
        def wait_ns(self, kind: RequestKind, symbol: str, age_s: float, orders: int, user: str, now_ns: int) -> int:
            return max(0, 7 * 10**9 - now_ns)

    stage = ready(pace=Late())
    stage.submit(create())
    stage.wait(8.0, AccountSnapshot(orders=()))
    assert stage.acks()[-1].error == "DEADLINE"
    assert not stage.sent


def test_the_timer_is_for_who_may_and_within_its_bounds() -> None:
    stage = ready()
    stage.submit(CancelAllAfter(account=ACCOUNT, timeout_s=60))
    assert stage.acks()[-1].error == "DENIED"
    stage.submit(CancelAllAfter(account=ACCOUNT, timeout_s=100_000), "ann", "admin")
    assert stage.acks()[-1].error == "BAD_REQUEST"
    stage.submit(CancelAllAfter(account=ACCOUNT, timeout_s=60), "ann", "admin")
    assert (stage.sent[-1].verb, stage.sent[-1].what) == ("cancel_all_after", 60)
    stage.wait(6.0)
    assert stage.acks()[-1].status is AckStatus.UNKNOWN
    stage.tell(OrderAnswer(stage.sent[-1].wire_id, Fate.DONE))
    assert stage.acks()[-1].status is AckStatus.ACCEPTED


def test_cancel_all_is_narrowed_by_what_it_names() -> None:
    stage = ready()
    stage.submit(create("a1", strategy="s1"))
    stage.submit(create("a2", side=Side.SELL, strategy="s1"))
    stage.submit(create("a3"))
    for number in range(3):
        stage.tell(OrderAnswer(stage.sent[number].wire_id, Fate.DONE, venue_order_id=f"O{number}"))
    stage.submit(CancelAllOrders(account=ACCOUNT, strategy="s1", side=Side.BUY))
    assert [sent.what.venue_order_id for sent in stage.sent[3:]] == ["O0"]
    stage.submit(CancelAllOrders(account=ACCOUNT, symbol="ETH/USD", request_id=5))
    last = stage.acks()[-1]
    assert (last.status, last.number_of_affected_orders, last.client_request_id) == (AckStatus.ACCEPTED, 0, 5)


@pytest.mark.parametrize(("error", "status"), [("INTERNAL", AckStatus.REJECTED), ("UNKNOWN_ORDER", AckStatus.ACCEPTED)])
def test_a_cancel_all_that_left_an_order_open_does_not_call_itself_done(error: str, status: AckStatus) -> None:
    stage = ready()
    stage.submit(create("a1"))
    stage.submit(create("a2"))
    for number in (0, 1):
        stage.tell(OrderAnswer(stage.sent[number].wire_id, Fate.DONE, venue_order_id=f"O{number}"))
    stage.submit(CancelAllOrders(account=ACCOUNT, request_id=9))
    wire_id = stage.sent[2].wire_id
    stage.tell(OrderAnswer(wire_id, Fate.DONE, order=0))
    stage.tell(OrderAnswer(wire_id, Fate.NOT_DONE, OrderError(error), "said the venue", order=1))
    last = stage.acks("cancel_all_orders")[-1]
    assert (last.status, last.number_of_affected_orders) == (status, 1)
    if status is AckStatus.REJECTED:
        assert last.text == "1 of 2 orders were cancelled, look at the others: said the venue"


def test_a_check_places_nothing_and_is_never_in_doubt() -> None:
    stage = ready()
    stage.submit(create(validate_only=True))
    stage.tell(OrderAnswer(stage.sent[0].wire_id, Fate.DONE))
    assert stage.acks()[-1].status is AckStatus.ACCEPTED
    stage.submit(create(validate_only=True))
    stage.wait(6.0)
    assert (stage.acks()[-1].status, stage.acks()[-1].fate) == (AckStatus.REJECTED, Fate.NOT_DONE)
    assert not stage.updates()


def test_a_request_with_too_many_or_other_orders_is_refused() -> None:
    stage = ready()
    stage.submit(CreateOrders(account=ACCOUNT, orders=()))
    assert stage.acks()[-1].error == "BAD_REQUEST"
    stage.submit(CreateOrders(account="other", orders=(create(),)))
    assert stage.acks()[-1].error == "BAD_REQUEST"


def test_who_placed_an_order_sees_it_and_nobody_else_without_drop_copy() -> None:
    ann = Grant(user="ann", accounts=("main",), verbs=frozenset({"create"}))
    bob = Grant(user="bob", accounts=("main",), verbs=frozenset({"create", "read"}))
    for kind in ("order_ack", "order_update", "trade_update"):
        assert ann.sees(kind, SYMBOL, "main", "ann")
        assert not bob.sees(kind, SYMBOL, "main", "ann")
        assert not bob.sees(kind, SYMBOL, "main", None)
    assert not ann.sees("funds", None, "main", "ann")
    assert not ann.sees("order_ack", SYMBOL, "other", "ann")
    assert not ann.complaint(["order_ack"], ["main"], [])
    assert ann.complaint(["funds"], ["main"], [])
