"""Cards O10 to O60: requests about orders leave whole and once, and no answer says more than it proves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum

from gwcore.errors import Unsupported
from gwcore.model import Fate, OrderError, OrderUpdate
from gwcore.rest import HttpResponse
from gwcore.testing.conformance.card import Card, require
from gwcore.testing.conformance.mutations import mutations
from gwcore.testing.conformance.order_samples import sample_change, sample_changes, sample_order, sample_orders
from gwcore.testing.conformance.order_stage import REQUEST_ID, OrderStage, features_of, is_claimed
from gwcore.testing.conformance.venue_case import VenueCase
from gwcore.testing.seeds import SeededRandom
from gwcore.venue import OrderKey, Orders, Outbound, Support

#: Digits that no binary float holds.
QUANTITY, PRICE = "0.12345678901234567891", "90071992547409931.7"
NUMBERS = (0, 1, 2, 255, 2**31, 2**32, 2**53 + 1, 2**63, 2**64 - 1)
MUTATIONS = 300
STATUSES = (400, 403, 404, 429, 500, 502, 503, 504, 520)
_NUMBER = re.compile(rb"\d+(?:\.\d+)?")
VENUE_ID = "O-VENUE-1"


def _ways(case: VenueCase) -> Iterator[tuple[str, OrderStage]]:
    yield "connected", OrderStage(case, connected=True)
    yield "by REST", OrderStage(case, connected=False)


def _create(stage: OrderStage, number: int = 1) -> Outbound:
    return stage.orders.create_order(REQUEST_ID, sample_order(), stage.orders.client_id(number))


def check_encodes(case: VenueCase) -> None:
    """Each order type, time in force and feature that is claimed leaves in some order; what does not is Unsupported."""
    for way, stage in _ways(case):
        abilities = stage.orders.abilities
        seen: set[Enum] = set()
        for name, request in sample_orders():
            if not is_claimed(request, abilities):
                continue
            try:
                stage.send(stage.orders.create_order(REQUEST_ID, request, stage.orders.client_id(1)))
            except Unsupported as error:
                require(str(error), f"{way}: {name} is refused without a word")
                continue
            seen.update((request.order_type, request.time_in_force, *features_of(request)))
        claimed: set[Enum] = {*abilities.order_types, *abilities.times_in_force, *abilities.features}
        unseen = ", ".join(sorted(str(each.value) for each in claimed - seen))
        require(not unseen, f"{way}: claimed, and no sample order with it leaves: {unseen}")
        for name, outbound in _others(stage.orders):
            require(stage.send(outbound()).payload, f"{way}: {name} leaves nothing")


def _others(orders: Orders) -> Iterator[tuple[str, Callable[[], Outbound]]]:
    key = OrderKey(sample_order().symbol, orders.client_id(1), VENUE_ID)
    if orders.abilities.can_modify:
        changes = [change for _, change in sample_changes()]
        yield "a change", lambda: orders.modify_order(REQUEST_ID, changes[0], key)
    yield "a cancel", lambda: orders.cancel_order(REQUEST_ID, key)
    yield "a cancel by client id", lambda: orders.cancel_order(REQUEST_ID, key._replace(venue_order_id=None))
    yield "a cancel of all", lambda: orders.cancel_all_orders(REQUEST_ID)
    if orders.abilities.batch_max > 1:
        ids = [orders.client_id(1), orders.client_id(2)]
        yield "a batch", lambda: orders.create_orders(REQUEST_ID, [sample_order()] * 2, ids)  # type: ignore[attr-defined]
    if orders.abilities.cancel_batch_max > 1:
        keys = [key, OrderKey(key.symbol, orders.client_id(2), "O-VENUE-2")]
        yield "a batch of cancels", lambda: orders.cancel_orders(REQUEST_ID, keys)  # type: ignore[attr-defined]
    if orders.abilities.cancel_timer_max_s is not None:
        yield "the timer", lambda: orders.cancel_all_after(REQUEST_ID, 60)  # type: ignore[attr-defined]


def check_digits(case: VenueCase) -> None:
    """Numbers leave with the digits they came with: none is lost in a float, none is written with an exponent."""
    for way, stage in _ways(case):
        orders = stage.orders
        key = OrderKey(sample_order().symbol, orders.client_id(1), VENUE_ID)
        outbounds = [
            orders.create_order(REQUEST_ID, sample_order(quantity=QUANTITY, price=PRICE), key.venue_client_id or "")
        ]
        if orders.abilities.can_modify:
            outbounds.append(orders.modify_order(REQUEST_ID, sample_change(quantity=QUANTITY, price=PRICE), key))
        for outbound in outbounds:
            payload = stage.send(outbound).payload
            numbers = {Decimal(found.decode()) for found in _NUMBER.findall(payload)}
            for digits in (QUANTITY, PRICE):
                require(Decimal(digits) in numbers, f"{way}: {digits} does not leave as it is: {payload[-300:]!r}")


def check_client_ids(case: VenueCase) -> None:
    """Each number has an id of its own, which leaves with the order and is read again from what the venue tells."""
    for way, stage in _ways(case):
        ids = [stage.orders.client_id(number) for number in NUMBERS]
        require(len(set(ids)) == len(ids), f"two numbers have one client id: {ids}")
        require([stage.orders.client_id(number) for number in NUMBERS] == ids, "a number's client id changes")
        for number, client_id in zip(NUMBERS, ids, strict=True):
            payload = stage.send(_create(stage, number)).payload
            require(client_id.encode() in payload, f"{way}: the client id {client_id} is not in {payload[-300:]!r}")
            told = [each for each in stage.codec.decode(stage.case.told(client_id), 0) if isinstance(each, OrderUpdate)]
            found = {each.venue_client_id for each in told}
            require(found == {client_id}, f"the venue tells of {client_id}, and the codec reads {found}")


def check_no_false_refusal(case: VenueCase) -> None:
    """An answer that is lost, garbled or an error of the venue's own is no refusal: the order may be alive."""
    random = SeededRandom(case.seed, "order answers")
    for text in ("", *case.orders.doubtful) if case.orders is not None else ():
        frames: list[tuple[str, bytes]] = []
        stage = OrderStage(case, connected=True)
        whole = (
            stage.case.taken(REQUEST_ID, stage.orders.client_id(1))
            if not text
            else stage.case.refused(REQUEST_ID, text)
        )
        frames += [("whole", whole), *mutations(whole, random, MUTATIONS)]
        for what, frame in frames:
            stage = OrderStage(case, connected=True)
            fates = {each.fate for each in stage.answers(_create(stage), frame)}
            require(Fate.NOT_DONE not in fates, f"an answer ({what}) passes for a refusal: {frame[:200]!r}")
            require(not text or Fate.DONE not in fates, f"{text!r} passes for an order that was taken: {frame[:200]!r}")
    for what, response in _bad_responses(case, random):
        stage = OrderStage(case, connected=False)
        fates = {each.fate for each in stage.answers(_create(stage), response)}
        require(
            fates <= {Fate.UNKNOWN}, f"by REST, {what} is taken for {', '.join(sorted(each.value for each in fates))}"
        )


def _bad_responses(case: VenueCase, random: SeededRandom) -> Iterator[tuple[str, HttpResponse | None]]:
    stage = OrderStage(case, connected=False)
    errors = stage.case.errors
    refused = stage.case.rest_refused(next(each for each in errors if each not in stage.case.doubtful))
    yield "no answer", None
    for status in STATUSES:
        for body in (refused, b"<html><body>Bad gateway</body></html>", b""):
            yield f"status {status}", HttpResponse(status=status, body=body)
    for body in (
        b"",
        b"<!doctype html><html>Maintenance</html>",
        b"null",
        b"[]",
        b"{}",
        b'"ok"',
        refused[:-1],
        refused[1:],
    ):
        yield f"the body {body[:40]!r}", HttpResponse(status=200, body=body)
    for text in stage.case.doubtful:
        yield repr(text), HttpResponse(status=200, body=stage.case.rest_refused(text))


def check_errors(case: VenueCase) -> None:
    """Every error that the venue documents gets a code that says something; its words are kept."""
    assert case.orders is not None or case.spec.orders is None
    for way, stage in _ways(case):
        require(stage.case.errors, "the case names no error of the venue")
        for text in stage.case.errors:
            body: bytes | HttpResponse = stage.case.refused(REQUEST_ID, text)
            if way != "connected":
                body = HttpResponse(status=200, body=stage.case.rest_refused(text))
            answers = stage.answers(_create(stage), body)
            require(len(answers) == 1, f"{way}: {text!r} gives {len(answers)} answers")
            [answer] = answers
            require(answer.error not in (None, OrderError.OTHER), f"{way}: {text!r} has no code")
            require(text[:40] in answer.text, f"{way}: the venue's words {text!r} became {answer.text!r}")
            expected = Fate.UNKNOWN if text in stage.case.doubtful else Fate.NOT_DONE
            require(answer.fate is expected, f"{way}: {text!r} is said to prove {answer.fate.value}")


def check_once(case: VenueCase) -> None:
    """Making a request sends and signs nothing, and no answer makes a plugin ask a second time by itself."""
    stage = OrderStage(case, connected=False)
    made = [_create(stage), *(make() for _, make in _others(stage.orders))]
    require(stage.signer.nonces == 0, "a request is signed when it is made: its nonce grows old in a queue")
    for outbound in made:
        require(isinstance(outbound, bytes) or stage.send(outbound).times == 1, "a request by REST is not sent once")
    for text in stage.case.errors:
        stage = OrderStage(case, connected=False)
        stage.answers(_create(stage), HttpResponse(status=200, body=stage.case.rest_refused(text)))
    for what, response in _bad_responses(case, SeededRandom(case.seed, "order answers")):
        stage = OrderStage(case, connected=False)
        try:
            stage.answers(_create(stage), response)
        except AssertionError as error:
            raise AssertionError(f"after {what}: {error}") from None


_ORDERS = frozenset({Support.ORDERS})
CARDS = (
    Card(
        id="VEN-O10", law="every claimed order leaves, every other is refused first", check=check_encodes, needs=_ORDERS
    ),
    Card(id="VEN-O20", law="the digits of a request leave as they are", check=check_digits, needs=_ORDERS),
    Card(id="VEN-O30", law="client ids are one to a number, and survive", check=check_client_ids, needs=_ORDERS),
    Card(id="VEN-O40", law="no doubtful answer passes for a refusal", check=check_no_false_refusal, needs=_ORDERS),
    Card(id="VEN-O50", law="every error of the venue has a code and a fate", check=check_errors, needs=_ORDERS),
    Card(id="VEN-O60", law="nothing is sent or signed by itself, nor twice", check=check_once, needs=_ORDERS),
)
