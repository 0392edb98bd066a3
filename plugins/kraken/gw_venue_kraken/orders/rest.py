"""Trading requests by REST (API sheet §2.1, §2.7), and what their answers prove. One request a flow; none asks again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from gw_venue_kraken.envelope import Envelope
from gw_venue_kraken.orders.errors import verdict_of_all
from gw_venue_kraken.orders.replies import count_answer, leg_answer, refusal, unsure
from gw_venue_kraken.orders.results import count_result_of, rest_added_of, rest_amended_of, rest_batch_of, rest_timer_of
from gw_venue_kraken.times import time_ns
from gwcore.model import Fate, OrderError
from gwcore.rest import HttpFlow, HttpRequest, HttpResponse
from gwcore.venue import AccountMessage, OrderAnswer

#: What a result says, given the request's id.
ReadResult = Callable[[int, msgspec.Raw], Sequence[OrderAnswer]]
_MALFORMED = (msgspec.MsgspecError, ValueError, RecursionError)
_NOTHING = (b"", b"null", b"{}")
_envelope_of = msgspec.json.Decoder(Envelope).decode


def ask(request_id: int, make: Callable[[], HttpRequest], read: ReadResult) -> HttpFlow[Sequence[AccountMessage]]:
    """Send one request, signed when the flow is run, and say what its answer proves."""
    response = yield make()
    return answers_of(request_id, response, read)


def answers_of(request_id: int, response: HttpResponse, read: ReadResult) -> Sequence[OrderAnswer]:
    """NOT_DONE only for an envelope that says so in words the sheet knows; everything that is not clear is UNKNOWN."""
    if response.status != 200:
        text = f"HTTP status {response.status} instead of an answer"
        return [unsure(request_id, text)._replace(error=OrderError.UNAVAILABLE)]
    try:
        envelope = _envelope_of(response.body)
    except _MALFORMED:
        text = f"not an answer of the API: {response.body[:60]!r}"
        return [unsure(request_id, text)._replace(error=OrderError.UNAVAILABLE)]
    errors = [text for text in envelope.error if not text.startswith("W")]
    result = bytes(envelope.result)
    if errors:
        answer = refusal(request_id, verdict_of_all(errors), "; ".join(errors))
        is_clear = result.replace(b" ", b"") in _NOTHING
        return [answer if is_clear else unsure(request_id, f"an error beside a result: {answer.text}")]
    try:
        return read(request_id, envelope.result)
    except _MALFORMED as error:
        return [unsure(request_id, f"a result that can't be read: {error!s:.100}")]


def read_added(request_id: int, raw: msgspec.Raw) -> Sequence[OrderAnswer]:
    """AddOrder."""
    order_ids = rest_added_of(raw).txid
    if len(order_ids) != 1:
        return [unsure(request_id, f"{len(order_ids)} orders were placed for one")]
    return [OrderAnswer(request_id, Fate.DONE, venue_order_id=order_ids[0])]


def read_validated(request_id: int, raw: msgspec.Raw) -> Sequence[OrderAnswer]:
    """AddOrder with `validate`: it may be placed, and was not."""
    order_ids = rest_added_of(raw).txid
    return [OrderAnswer(request_id, Fate.DONE, venue_order_id=order_ids[0] if order_ids else None)]


def batch_reader(orders: int, *, validates: bool) -> ReadResult:
    """AddOrderBatch of so many."""

    def read(request_id: int, raw: msgspec.Raw) -> Sequence[OrderAnswer]:
        legs = rest_batch_of(raw).orders
        if len(legs) != orders:
            return [unsure(request_id, f"{len(legs)} answers for {orders} orders")]
        if validates:
            return [
                OrderAnswer(request_id, Fate.DONE, order=place)
                if leg.error is None
                else leg_answer(request_id, place, leg.txid, leg.error)
                for place, leg in enumerate(legs)
            ]
        return [leg_answer(request_id, place, leg.txid, leg.error) for place, leg in enumerate(legs)]

    return read


def read_amended(request_id: int, raw: msgspec.Raw) -> Sequence[OrderAnswer]:
    """AmendOrder."""
    rest_amended_of(raw)
    return [OrderAnswer(request_id, Fate.DONE)]


def count_reader(asked: int | None) -> ReadResult:
    """CancelOrder, CancelOrderBatch, CancelAll (`asked` None: all)."""

    def read(request_id: int, raw: msgspec.Raw) -> Sequence[OrderAnswer]:
        return [count_answer(request_id, count_result_of(raw).count, asked)]

    return read


def read_timer(request_id: int, raw: msgspec.Raw) -> Sequence[OrderAnswer]:
    """CancelAllOrdersAfter."""
    timer = rest_timer_of(raw)
    return [OrderAnswer(request_id, Fate.DONE, venue_time_ns=time_ns(timer.currentTime))]
