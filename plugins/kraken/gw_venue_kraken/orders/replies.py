"""Replies to trading requests of one connection (API sheet §4.3, §4.14): which request each answers, and what it proves.

Only a request that waits for its answer is answered. Where a reply can't be told from another's, nobody is: a request without
an answer is asked for, a wrong answer loses an order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from gw_venue_kraken.market.messages import Reply
from gw_venue_kraken.orders.errors import TEXT_LENGTH_MAX, UNHEARD_OF, Verdict, verdict_of, verdict_of_all
from gw_venue_kraken.orders.ids import optional_plain_id, plain_id
from gw_venue_kraken.orders.results import OrderResult, count_result_of, legs_of, order_result_of
from gw_venue_kraken.times import time_ns
from gwcore.model import Fate, OrderError
from gwcore.venue import AccountMessage, OrderAnswer, Renew, Unknown

ADD, AMEND, CANCEL, CANCEL_ALL = "add_order", "amend_order", "cancel_order", "cancel_all"
CANCEL_ALL_AFTER, BATCH_ADD, BATCH_CANCEL = "cancel_all_orders_after", "batch_add", "batch_cancel"
METHODS = frozenset({ADD, AMEND, CANCEL, CANCEL_ALL, CANCEL_ALL_AFTER, BATCH_ADD, BATCH_CANCEL})
#: Requests that are remembered until they are answered; the oldest go. Far above what the venue takes in a minute.
REQUESTS_MAX = 4096


@dataclass(slots=True)
class Sent:
    """A request that waits: its method and the ids of its orders, in their order."""

    method: str
    ids: tuple[str, ...] = ()
    cancelled: set[int] = field(default_factory=set)  # places of a list of cancels that were said to be done
    errors: list[str] = field(default_factory=list)  # and what else came: the venue does not say of which order

    @property
    def is_list(self) -> bool:
        """Whether each of its orders gets a reply of its own."""
        return self.method == CANCEL and len(self.ids) > 1


class OrderReplies:
    """Remembers what was sent on one connection, and reads what comes back."""

    def __init__(self) -> None:
        self._sent: dict[int, Sent] = {}

    def expect(self, request_id: int, method: str, ids: Sequence[str] = ()) -> None:
        """A request is on its way."""
        if len(self._sent) >= REQUESTS_MAX:
            del self._sent[next(iter(self._sent))]
        self._sent[request_id] = Sent(method, tuple(ids))

    def is_about(self, reply: Reply) -> bool:
        """Whether a reply is to a trading request: by its method, or, where it names none, by its id."""
        return reply.method in METHODS or (reply.method == "error" and reply.req_id in self._sent)

    def read(self, reply: Reply) -> list[AccountMessage]:
        """The answers of one reply. Raises ValueError and msgspec's errors for one that can't be read."""
        request_id = self._request_id(reply)
        if request_id is None:
            return [Unknown(f"reply to {reply.method[:40]!r} that nothing waits for: {(reply.error or '')[:60]}")]
        sent = self._sent[request_id]
        at_ns = None if reply.time_out is None else time_ns(reply.time_out)
        answers = self._answers(request_id, sent, reply)
        if not sent.is_list or len(sent.cancelled) + len(sent.errors) >= len(sent.ids):
            del self._sent[request_id]
        messages: list[AccountMessage] = [each._replace(venue_time_ns=at_ns) for each in answers]
        if any(each.error is OrderError.SESSION for each in answers):
            messages.append(Renew("the venue does not know this connection's session any more"))
        return messages

    def _request_id(self, reply: Reply) -> int | None:
        """The request that a reply is to: by its id, or, for an error without one, the only one of its method."""
        if reply.req_id is not None:
            sent = self._sent.get(reply.req_id)
            is_it = sent is not None and reply.method in (sent.method, "error")
            return reply.req_id if is_it else None
        if reply.error is None:
            return None
        waiting = [request_id for request_id, sent in self._sent.items() if sent.method == reply.method]
        return waiting[0] if len(waiting) == 1 else None

    def _answers(self, request_id: int, sent: Sent, reply: Reply) -> list[OrderAnswer]:
        if reply.success is True and reply.error is None:
            return _done(request_id, sent, reply)
        if reply.success is True or reply.error is None:
            return [unsure(request_id, f"success {reply.success} with error {reply.error!r:.80}")]
        if sent.is_list:
            sent.errors.append(reply.error)
            return _rest_of_list(request_id, sent)
        if sent.method == BATCH_ADD and bytes(reply.result)[:1] in (b"[", b"{"):
            return [unsure(request_id, f"an error beside a result: {reply.error}")]
        return [refusal(request_id, verdict_of(reply.error), reply.error)]


def _done(request_id: int, sent: Sent, reply: Reply) -> list[OrderAnswer]:
    if sent.is_list:
        return _cancelled(request_id, sent, reply.result)
    if sent.method in (ADD, AMEND, CANCEL):
        return [_one(request_id, sent, reply.result)]
    if sent.method == BATCH_ADD:
        return _batch(request_id, sent, reply.result)
    if sent.method == CANCEL_ALL_AFTER:
        return [OrderAnswer(request_id, Fate.DONE)]
    return [_count(request_id, sent, reply)]


def _one(request_id: int, sent: Sent, raw: msgspec.Raw) -> OrderAnswer:
    """Of one order: an id in it that we can know must be the one that was sent."""
    result = _order_result(raw)
    named = [result.cl_ord_id, None if sent.method == ADD else result.order_id]
    if any(each is not None and plain_id(each) not in sent.ids for each in named):
        return unsure(request_id, f"the answer is about {named!r:.100}, which was not sent")
    text = "; ".join(result.warnings)[:TEXT_LENGTH_MAX]
    return OrderAnswer(request_id, Fate.DONE, text=text, venue_order_id=result.order_id)


def _order_result(raw: msgspec.Raw) -> OrderResult:
    return order_result_of(raw) if bytes(raw) not in (b"", b"null") else OrderResult()


def _cancelled(request_id: int, sent: Sent, raw: msgspec.Raw) -> list[OrderAnswer]:
    """One of a list of cancels; the reply names the id that was used (§4.14)."""
    result = _order_result(raw)
    named = {result.order_id, optional_plain_id(result.cl_ord_id)}
    places = [place for place, each in enumerate(sent.ids) if each in named and place not in sent.cancelled]
    if not places:
        return []  # of which order is not said, or it was said before
    sent.cancelled.update(places)
    text = "; ".join(result.warnings)[:TEXT_LENGTH_MAX]
    answers = [OrderAnswer(request_id, Fate.DONE, text=text, order=place) for place in places]
    return answers + _rest_of_list(request_id, sent)


def _rest_of_list(request_id: int, sent: Sent) -> list[OrderAnswer]:
    """Errors name no order (§4.14): once every order has its reply, they are about those that were not cancelled."""
    if not sent.errors or len(sent.cancelled) + len(sent.errors) < len(sent.ids):
        return []
    left = [place for place in range(len(sent.ids)) if place not in sent.cancelled]
    verdict = verdict_of_all(sent.errors)
    if len(set(sent.errors)) > 1 and len(left) > 1:
        verdict = verdict._replace(error=OrderError.OTHER, retryable=False)
    text = "; ".join(dict.fromkeys(sent.errors))
    return [refusal(request_id, verdict, text, order=place) for place in left]


def _batch(request_id: int, sent: Sent, raw: msgspec.Raw) -> list[OrderAnswer]:
    """One answer for each order of a batch; one that the reply does not tell stays without."""
    answers: dict[int, OrderAnswer] = {}
    legs = legs_of(raw)
    for index, leg in enumerate(legs):
        place = index
        if leg.cl_ord_id is not None and plain_id(leg.cl_ord_id) in sent.ids:
            place = sent.ids.index(plain_id(leg.cl_ord_id))
        elif leg.cl_ord_id is not None or len(legs) != len(sent.ids):
            continue
        answers[place] = leg_answer(request_id, place, leg.order_id, leg.error)
    missing = [place for place in range(len(sent.ids)) if place not in answers]
    answers |= {place: unsure(request_id, "the answer does not tell of this order", place) for place in missing}
    return [answers[place] for place in sorted(answers)]


def leg_answer(request_id: int, place: int, order_id: str | None, error: str | None) -> OrderAnswer:
    """Of one order of a batch: it has an id, or an error; with both or neither nothing is known."""
    if error is None and order_id is not None:
        return OrderAnswer(request_id, Fate.DONE, order=place, venue_order_id=order_id)
    if error is not None and order_id is None:
        return refusal(request_id, verdict_of(error), error, order=place)
    return unsure(request_id, f"an order of a batch with id {order_id!r:.40} and error {error!r:.80}", place)


def _count(request_id: int, sent: Sent, reply: Reply) -> OrderAnswer:
    """Of `cancel_all` and `batch_cancel`: how many, told in one of two ways (§4.14)."""
    result = count_result_of(reply.result) if bytes(reply.result) not in (b"", b"null") else count_result_of(b"{}")
    counts = (result.count, result.orders_cancelled, reply.orders_cancelled)
    count = next((each for each in counts if each is not None), None)
    return count_answer(request_id, count, len(sent.ids) if sent.method == BATCH_CANCEL else None)


def count_answer(request_id: int, count: int | None, asked: int | None) -> OrderAnswer:
    """Of so many orders cancelled; `asked`: how many were named (None: all). Fewer: which of them, is not told."""
    if asked is not None and count != asked:
        text = f"{'an unknown number' if count is None else count} of {asked} orders were cancelled"
        return unsure(request_id, text)._replace(number_of_orders=count)
    return OrderAnswer(request_id, Fate.DONE, number_of_orders=count)


def refusal(request_id: int, verdict: Verdict, text: str, order: int | None = None) -> OrderAnswer:
    """The answer that an error text is."""
    return OrderAnswer(
        request_id,
        verdict.fate,
        error=verdict.error,
        text=text[:TEXT_LENGTH_MAX],
        retryable=verdict.retryable,
        retry_at_ns=verdict.retry_at_ns,
        order=order,
    )


def unsure(request_id: int, text: str, order: int | None = None) -> OrderAnswer:
    """The answer that proves nothing."""
    return refusal(request_id, UNHEARD_OF, text, order)
