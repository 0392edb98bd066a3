"""What replies to order requests prove, over the WebSocket and by REST. Frames are made by hand from the API sheet."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from gw_venue_kraken.accounts.account import KrakenAccount
from gw_venue_kraken.orders import replies as orders_replies
from gw_venue_kraken.orders.ids import client_id
from gw_venue_kraken.orders.orders import KrakenOrders

from gwcore.errors import DecodeError, VenueUnavailable
from gwcore.model import Fate, OrderError
from gwcore.rest import HttpResponse
from gwcore.testing.conformance.order_samples import sample_change, sample_order
from gwcore.venue import OrderAnswer, OrderKey, Refused, Renew, Unknown

IDS = tuple(client_id(number) for number in (1, 2, 3))
FIRST, SECOND, THIRD = (OrderKey("BTC/USD", each) for each in IDS)
NAMED = [key._replace(venue_order_id=f"OAAAAA-AAAAA-AAAAA{n}") for n, key in enumerate((FIRST, SECOND, THIRD))]
TIME = {"time_in": "2026-01-21T12:33:34.457870Z", "time_out": "2026-01-21T12:33:34.460575Z"}
TIME_NS = 1_768_998_814_460_575_000
Make = Callable[..., tuple[KrakenOrders, KrakenAccount]]


def reply(method: str, result: Any = None, *, error: str | None = None, req_id: int | None = 7, **more: Any) -> bytes:
    whole: dict[str, Any] = {"method": method, "success": error is None, **TIME, **more}
    whole |= {} if result is None else {"result": result}
    whole |= {} if error is None else {"error": error}
    return json.dumps(whole if req_id is None else whole | {"req_id": req_id}).encode()


def fates(messages: Sequence[Any]) -> list[tuple[int | None, Fate, OrderError | None]]:
    return [(each.order, each.fate, each.error) for each in messages if isinstance(each, OrderAnswer)]


def test_an_order_that_was_taken(orders_of: Make) -> None:
    orders, codec = orders_of()
    orders.create_order(7, sample_order(), IDS[0])
    frame = reply("add_order", {"cl_ord_id": IDS[0], "order_id": "OXZPAJ-ONWQU-KMAMPL", "warnings": ["slow"]})
    assert codec.decode(frame, 0) == [
        OrderAnswer(7, Fate.DONE, text="slow", venue_order_id="OXZPAJ-ONWQU-KMAMPL", venue_time_ns=TIME_NS)
    ]
    assert [type(each) for each in codec.decode(frame, 0)] == [Unknown]  # answered once, and once is all


def test_an_order_that_was_refused_keeps_the_venue_s_words(orders_of: Make) -> None:
    orders, codec = orders_of()
    orders.create_order(7, sample_order(), IDS[0])
    [answer] = codec.decode(reply("add_order", error="EOrder:Insufficient funds"), 0)
    assert isinstance(answer, OrderAnswer)
    assert (answer.fate, answer.error) == (Fate.NOT_DONE, OrderError.INSUFFICIENT_FUNDS)
    assert answer.text == "EOrder:Insufficient funds"


@pytest.mark.parametrize(
    "frame",
    [
        reply("add_order", error="EGeneral:Internal error:91"),
        reply("add_order", error="EOrder:New words"),
        reply("add_order", {"order_id": "O1"}, error="EOrder:Insufficient funds", success=True),
        reply("add_order", success=False),
        reply("add_order", {"cl_ord_id": IDS[1], "order_id": "O1"}),
        reply("add_order", {"cl_ord_id": "somebody else's", "order_id": "O1"}),
    ],
)
def test_what_is_not_clear_is_unknown(orders_of: Make, frame: bytes) -> None:
    orders, codec = orders_of()
    orders.create_order(7, sample_order(), IDS[0])
    assert [fate for _, fate, _ in fates(codec.decode(frame, 0))] == [Fate.UNKNOWN]


def test_what_can_not_be_read_answers_nothing(orders_of: Make) -> None:
    orders, codec = orders_of()
    orders.create_order(7, sample_order(), IDS[0])
    for frame in (reply("add_order", {"order_id": 5}), reply("add_order", error="x")[:-9], reply("add_order", [1])):
        with pytest.raises(DecodeError):
            codec.decode(frame, 0)


def test_errors_without_an_id_are_matched_only_where_one_request_can_be_meant(orders_of: Make) -> None:
    orders, codec = orders_of()
    error = reply("add_order", error="EOrder:Insufficient funds", req_id=None)
    orders.create_order(7, sample_order(), IDS[0])
    orders.create_order(8, sample_order(), IDS[1])
    assert [type(each) for each in codec.decode(error, 0)] == [Unknown]
    codec.decode(reply("add_order", {"order_id": "O1"}, req_id=8), 0)
    assert fates(codec.decode(error, 0)) == [(None, Fate.NOT_DONE, OrderError.INSUFFICIENT_FUNDS)]


def test_a_reply_of_another_method_or_to_nobody_is_no_answer(orders_of: Make) -> None:
    orders, codec = orders_of()
    orders.create_order(7, sample_order(), IDS[0])
    for frame in (reply("cancel_order", {"order_id": "O1"}), reply("add_order", {"order_id": "O1"}, req_id=9)):
        assert [type(each) for each in codec.decode(frame, 0)] == [Unknown]


def test_a_malformed_request_closes_no_connection_that_is_up(orders_of: Make) -> None:
    orders, codec = orders_of()
    malformed = reply("error", error="Malformed request", req_id=None)
    assert isinstance(codec.decode(malformed, 0)[0], Refused)  # perhaps a subscribe
    for number, channel in ((1, "executions"), (2, "balances")):
        codec.decode(reply("subscribe", {"channel": channel}, req_id=number), 0)
    orders.create_order(7, sample_order(), IDS[0])
    assert isinstance(codec.decode(malformed, 0)[0], Unknown)
    [answer] = codec.decode(reply("error", error="Malformed request"), 0)
    assert isinstance(answer, OrderAnswer)
    assert answer.fate is Fate.NOT_DONE


def test_a_session_that_ended_is_renewed(orders_of: Make) -> None:
    orders, codec = orders_of()
    orders.create_order(7, sample_order(), IDS[0])
    answer, renew = codec.decode(reply("add_order", error="ESession:Invalid session"), 0)
    assert isinstance(answer, OrderAnswer)
    assert (answer.fate, answer.error, answer.retryable) == (Fate.NOT_DONE, OrderError.SESSION, True)
    assert isinstance(renew, Renew)


def test_an_amend_names_the_order_that_was_meant(orders_of: Make) -> None:
    orders, codec = orders_of()
    orders.modify_order(7, sample_change(price="1.0"), NAMED[0])
    frame = reply("amend_order", {"amend_id": "TTB6D6-Q4HHW-DQ5FQW", "order_id": NAMED[0].venue_order_id})
    assert fates(codec.decode(frame, 0)) == [(None, Fate.DONE, None)]
    orders.modify_order(7, sample_change(price="1.0"), NAMED[0])
    assert fates(codec.decode(reply("amend_order", {"order_id": "OTHER"}), 0))[0][1] is Fate.UNKNOWN
    orders.modify_order(7, sample_change(price="1.0"), NAMED[0])
    unknown = codec.decode(reply("amend_order", error="EOrder:Unknown order"), 0)
    assert fates(unknown) == [(None, Fate.NOT_DONE, OrderError.UNKNOWN_ORDER)]


def test_a_list_of_cancels_gets_a_reply_each_in_any_order_and_errors_by_count(orders_of: Make) -> None:
    orders, codec = orders_of()
    orders.cancel_orders(7, [NAMED[0], SECOND, THIRD])
    done = [{"cl_ord_id": IDS[2]}, {"order_id": NAMED[0].venue_order_id, "warnings": ["Order already pending cancel"]}]
    assert fates(codec.decode(reply("cancel_order", done[0]), 0)) == [(2, Fate.DONE, None)]
    assert fates(codec.decode(reply("cancel_order", error="EOrder:Unknown order"), 0)) == []
    assert fates(codec.decode(reply("cancel_order", done[0]), 0)) == []  # said before
    assert fates(codec.decode(reply("cancel_order", done[1]), 0)) == [
        (0, Fate.DONE, None),
        (1, Fate.NOT_DONE, OrderError.UNKNOWN_ORDER),
    ]
    assert [type(each) for each in codec.decode(reply("cancel_order", done[1]), 0)] == [Unknown]


def test_of_two_different_errors_in_a_list_nobody_knows_whose_is_whose(orders_of: Make) -> None:
    orders, codec = orders_of()
    orders.cancel_orders(7, [FIRST, SECOND])
    codec.decode(reply("cancel_order", error="EOrder:Unknown order"), 0)
    answers = codec.decode(reply("cancel_order", error="EOrder:Rate limit exceeded"), 0)
    assert fates(answers) == [(place, Fate.NOT_DONE, OrderError.OTHER) for place in (0, 1)]
    orders.cancel_orders(7, [FIRST, SECOND])
    codec.decode(reply("cancel_order", error="EOrder:Unknown order"), 0)
    answers = codec.decode(reply("cancel_order", error="EService:Unavailable"), 0)
    assert [fate for _, fate, _ in fates(answers)] == [Fate.UNKNOWN] * 2


@pytest.mark.parametrize(
    ("result", "more", "fate", "number"),
    [
        ({"count": 2}, {}, Fate.DONE, 2),
        (None, {"orders_cancelled": 2}, Fate.DONE, 2),
        ({"orders_cancelled": 2}, {}, Fate.DONE, 2),
        ({"count": 1}, {}, Fate.UNKNOWN, 1),
        (None, {}, Fate.UNKNOWN, None),
    ],
)
def test_a_batch_of_cancels_is_done_when_all_of_it_is(
    orders_of: Make, result: Any, more: dict[str, Any], fate: Fate, number: int | None
) -> None:
    orders, codec = orders_of()
    orders.cancel_orders(7, NAMED[:2])
    [answer] = codec.decode(reply("batch_cancel", result, **more), 0)
    assert isinstance(answer, OrderAnswer)
    assert (answer.fate, answer.number_of_orders, answer.order) == (fate, number, None)


def test_cancel_all_and_the_timer(orders_of: Make) -> None:
    orders, codec = orders_of()
    orders.cancel_all_orders(7)
    [answer] = codec.decode(reply("cancel_all", {"count": 3}), 0)
    assert answer == OrderAnswer(7, Fate.DONE, number_of_orders=3, venue_time_ns=TIME_NS)
    orders.cancel_all_after(8, 60)
    result = {"currentTime": "2026-01-21T12:33:34Z", "triggerTime": "2026-01-21T12:34:34Z"}
    assert fates(codec.decode(reply("cancel_all_orders_after", result, req_id=8), 0)) == [(None, Fate.DONE, None)]


@pytest.mark.parametrize("wrap", [lambda legs: legs, lambda legs: {"orders": legs}])
def test_a_batch_answers_for_each_order(orders_of: Make, wrap: Callable[[Any], Any]) -> None:
    orders, codec = orders_of()
    orders.create_orders(7, [sample_order()] * 3, IDS)
    legs = [{"order_id": "O1", "cl_ord_id": IDS[0]}, {"error": "EOrder:Insufficient funds"}, {"order_id": "O3"}]
    answers = codec.decode(reply("batch_add", wrap(legs)), 0)
    assert fates(answers) == [
        (0, Fate.DONE, None),
        (1, Fate.NOT_DONE, OrderError.INSUFFICIENT_FUNDS),
        (2, Fate.DONE, None),
    ]
    assert [each.venue_order_id for each in answers if isinstance(each, OrderAnswer)] == ["O1", None, "O3"]


def test_a_batch_that_tells_of_too_few_orders_leaves_the_others_unknown(orders_of: Make) -> None:
    orders, codec = orders_of()
    orders.create_orders(7, [sample_order()] * 3, IDS)
    legs = [{"order_id": "O3", "cl_ord_id": IDS[2]}, {"order_id": "O1"}]
    assert fates(codec.decode(reply("batch_add", legs), 0)) == [
        (0, Fate.UNKNOWN, OrderError.OTHER),
        (1, Fate.UNKNOWN, OrderError.OTHER),
        (2, Fate.DONE, None),
    ]


def test_a_batch_refused_whole_is_one_answer(orders_of: Make) -> None:
    orders, codec = orders_of()
    orders.create_orders(7, [sample_order()] * 3, IDS)
    answers = codec.decode(reply("batch_add", error="EOrder:Order minimum not met"), 0)
    assert fates(answers) == [(None, Fate.NOT_DONE, OrderError.QUANTITY_MINIMUM)]
    orders.create_orders(7, [sample_order()] * 3, IDS)
    both = codec.decode(reply("batch_add", [{"order_id": "O1"}], error="EOrder:Order minimum not met"), 0)
    assert fates(both) == [(None, Fate.UNKNOWN, OrderError.OTHER)]


def test_unanswered_requests_are_forgotten_in_the_end(orders_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders_replies, "REQUESTS_MAX", 2)
    orders, codec = orders_of()
    for number in (7, 8, 9):
        orders.cancel_all_orders(number)
    assert [type(each) for each in codec.decode(reply("cancel_all", {"count": 0}), 0)] == [Unknown]
    assert fates(codec.decode(reply("cancel_all", {"count": 0}, req_id=9), 0)) == [(None, Fate.DONE, None)]


# --- REST -------------------------------------------------------------------------------------------------------------


def answer(flow: Any, body: Any, status: int = 200) -> Any:
    next(flow)
    with pytest.raises(StopIteration) as stop:
        flow.send(HttpResponse(status=status, body=body if isinstance(body, bytes) else json.dumps(body).encode()))
    return stop.value.value


def placed(orders_of: Make, **fields: Any) -> Any:
    return orders_of(connected=False)[0].create_order(7, sample_order(**fields), IDS[0])


def test_rest_answers(orders_of: Make) -> None:
    taken = {"error": [], "result": {"descr": {"order": "buy"}, "txid": ["OUF4EM-FRGI2-MQMWZD"]}}
    [done] = answer(placed(orders_of), taken)
    assert (done.fate, done.venue_order_id) == (Fate.DONE, "OUF4EM-FRGI2-MQMWZD")
    checked = {"error": [], "result": {"descr": {"order": "buy"}}}
    assert fates(answer(placed(orders_of, validate_only=True), checked)) == [(None, Fate.DONE, None)]
    for refused in ({"error": ["EOrder:Insufficient funds"]}, {"error": ["EOrder:Insufficient funds"], "result": {}}):
        assert fates(answer(placed(orders_of), refused)) == [(None, Fate.NOT_DONE, OrderError.INSUFFICIENT_FUNDS)]
    warned = {"error": ["WGeneral:Danger"], "result": {"txid": ["O1"]}}
    assert fates(answer(placed(orders_of), warned)) == [(None, Fate.DONE, None)]
    [nonce] = answer(placed(orders_of), {"error": ["EAPI:Invalid nonce"]})  # the engine asks again, not the flow
    assert (nonce.fate, nonce.error, nonce.retryable) == (Fate.NOT_DONE, OrderError.NONCE, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 502),
        (b'{"error":["EOrder:Insufficient funds"]}', 500),
        (b"<html>Bad gateway</html>", 200),
        (b"", 200),
        (b'{"error":["EOrder:Insuff', 200),
        (b'{"error":"EOrder:Insufficient funds"}', 200),
        (b"[]", 200),
        ({"error": []}, 200),
        ({"error": [], "result": None}, 200),
        ({"error": [], "result": {"txid": []}}, 200),
        ({"error": [], "result": {"txid": ["O1", "O2"]}}, 200),
        ({"error": [], "result": {"txid": "O1"}}, 200),
        ({"error": ["EOrder:Insufficient funds"], "result": {"txid": ["O1"]}}, 200),
        ({"error": ["EService:Unavailable"]}, 200),
        ({"error": ["EOrder:Insufficient funds", "EGeneral:Internal error"]}, 200),
    ],
)
def test_rest_answers_that_prove_nothing(orders_of: Make, body: Any, status: int) -> None:
    assert [fate for _, fate, _ in fates(answer(placed(orders_of), body, status))] == [Fate.UNKNOWN]


def test_no_answer_at_all_is_for_the_engine_to_judge(orders_of: Make) -> None:
    flow = placed(orders_of)
    next(flow)
    with pytest.raises(VenueUnavailable):
        flow.throw(VenueUnavailable("timed out"))


def test_rest_cancels_batches_and_the_timer(orders_of: Make) -> None:
    orders, _ = orders_of(connected=False)
    assert fates(answer(orders.cancel_order(7, FIRST), {"error": [], "result": {"count": 1}})) == [
        (None, Fate.DONE, None)
    ]
    assert fates(answer(orders.cancel_order(7, FIRST), {"error": [], "result": {"count": 0}}))[0][1] is Fate.UNKNOWN
    [two] = answer(orders.cancel_orders(7, NAMED[:2]), {"error": [], "result": {"count": 2}})
    assert (two.fate, two.number_of_orders) == (Fate.DONE, 2)
    [every] = answer(orders.cancel_all_orders(7), {"error": [], "result": {"count": 0, "pending": True}})
    assert (every.fate, every.number_of_orders) == (Fate.DONE, 0)
    timer = {"currentTime": "2026-01-21T12:33:34Z", "triggerTime": "0"}
    assert fates(answer(orders.cancel_all_after(7, 0), {"error": [], "result": timer})) == [(None, Fate.DONE, None)]
    amended = orders.modify_order(7, sample_change(quantity="1"), FIRST)
    assert fates(answer(amended, {"error": [], "result": {"amend_id": "T1"}})) == [(None, Fate.DONE, None)]
    legs = [{"txid": "O1", "descr": {}, "close": "x"}, {"error": "EOrder:Insufficient funds", "descr": {}}]
    batch = orders.create_orders(7, [sample_order()] * 2, IDS[:2])
    assert fates(answer(batch, {"error": [], "result": {"orders": legs}})) == [
        (0, Fate.DONE, None),
        (1, Fate.NOT_DONE, OrderError.INSUFFICIENT_FUNDS),
    ]
    batch = orders.create_orders(7, [sample_order()] * 2, IDS[:2])
    assert fates(answer(batch, {"error": [], "result": {"orders": legs[:1]}}))[0][1] is Fate.UNKNOWN
    checked = orders.create_orders(7, [sample_order(validate_only=True)] * 2, IDS[:2])
    legs = [{"descr": {}}, {"error": "EOrder:Insufficient funds"}]
    assert fates(answer(checked, {"error": [], "result": {"orders": legs}})) == [
        (0, Fate.DONE, None),
        (1, Fate.NOT_DONE, OrderError.INSUFFICIENT_FUNDS),
    ]
