"""OrderStage: a plugin's orders, over a connection or by REST alone, and what comes of a request. No engine, no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gwcore.errors import DecodeError, VenueError
from gwcore.model import CreateOrder, OrderType, PriceType, TriggerReference
from gwcore.rest import HttpRequest, HttpResponse
from gwcore.testing.conformance.card import require
from gwcore.testing.conformance.flows import run_flow
from gwcore.testing.conformance.order_case import OrderCase
from gwcore.testing.conformance.venue_case import VenueCase
from gwcore.venue import (
    Account,
    AccountCodec,
    AccountMessage,
    OrderAbilities,
    OrderAnswer,
    OrderFeature,
    Orders,
    Outbound,
)

#: The number of the request that a stage makes.
REQUEST_ID = 7_001


class PlainSigner:
    """Nonces 1, 2, ...; signatures of no worth."""

    key = "key"
    passphrase = "passphrase"

    def __init__(self) -> None:
        self.nonces = 0

    def sign(self, algorithm: str, message: bytes) -> bytes:
        """The same for everything."""
        return b"signed"

    def now_ns(self) -> int:
        """The beginning of 2026."""
        return 1_767_225_600_000_000_000

    def nonce(self) -> int:
        """One more than the last."""
        self.nonces += 1
        return self.nonces


class Sent(NamedTuple):
    """A request in the venue's form: its bytes, and how many times it was sent by REST (0: it is a frame)."""

    payload: bytes
    times: int


class OrderStage:
    """New orders of one account, connected or not."""

    def __init__(self, case: VenueCase, *, connected: bool) -> None:
        require(case.spec.orders is not None, "the venue claims ORDERS, and its spec has none")
        require(
            case.orders is not None, "the venue claims ORDERS, and the case does not say what its answers look like"
        )
        assert case.spec.orders is not None
        assert case.orders is not None
        self.case: OrderCase = case.orders
        self.signer = PlainSigner()
        account = Account(name="card", signer=self.signer, options=self.case.options)
        self.codec: AccountCodec = case.streams().account(account)
        self.orders: Orders = case.spec.orders(case.settings_object, account, self.codec if connected else None)

    def send(self, outbound: Outbound) -> Sent:
        """What leaves for a request, if the venue takes it."""
        if isinstance(outbound, bytes):
            return Sent(outbound, 0)
        asked: list[HttpRequest] = []
        run_flow(
            outbound,
            lambda request: self._answer(request, asked, HttpResponse(status=200, body=self.case.rest_taken())),
        )
        require(asked, "a request by REST asks the venue for nothing")
        return Sent(b"".join(each.url.encode() + b" " + each.body for each in asked), len(asked))

    def answers(self, outbound: Outbound, answer: bytes | HttpResponse | None) -> list[OrderAnswer]:
        """What an answer proves; [] where it can't be read, or did not come."""
        if isinstance(outbound, bytes):
            assert isinstance(answer, bytes)
            try:
                return _answers(self.codec.decode(answer, 0))
            except DecodeError:
                return []
        assert not isinstance(answer, bytes)
        asked: list[HttpRequest] = []
        try:
            return _answers(run_flow(outbound, lambda request: self._answer(request, asked, answer)))
        except VenueError:
            return []

    def _answer(
        self, request: HttpRequest, asked: list[HttpRequest], answer: HttpResponse | None
    ) -> HttpResponse | None:
        before = self.case.preliminary(request)
        if before is not None:
            return HttpResponse(status=200, body=before)
        asked.append(request)
        require(len(asked) < 2, "one request about an order is sent twice")
        return answer


def _answers(messages: Sequence[AccountMessage]) -> list[OrderAnswer]:
    return [each for each in messages if isinstance(each, OrderAnswer)]


def features_of(request: CreateOrder) -> Iterator[OrderFeature]:
    """What a request asks for beyond type, side, quantity and price."""
    closes = request.conditional_close
    kinds = {request.price_type, request.stop_price_type}
    wanted = {
        OrderFeature.POST_ONLY: request.post_only,
        OrderFeature.REDUCE_ONLY: request.reduce_only,
        OrderFeature.MARGIN: request.margin,
        OrderFeature.DISPLAY_QUANTITY: request.display_quantity is not None,
        OrderFeature.CASH_QUANTITY: request.cash_quantity is not None,
        OrderFeature.RELATIVE_PRICE: kinds != {PriceType.STATIC},
        OrderFeature.INDEX_TRIGGER: request.trigger is TriggerReference.INDEX,
        OrderFeature.CONDITIONAL_CLOSE: closes is not None,
        OrderFeature.SELF_TRADE_PREVENTION: request.self_trade_prevention is not None,
        OrderFeature.FEE_ASSET: request.fee_asset is not None,
        OrderFeature.SCHEDULED_START: request.effective_time_ns is not None,
        OrderFeature.DEADLINE: request.deadline_ns is not None,
        OrderFeature.VALIDATE_ONLY: request.validate_only,
    }
    yield from (feature for feature, is_wanted in wanted.items() if is_wanted)


def is_claimed(request: CreateOrder, abilities: OrderAbilities) -> bool:
    """Whether a venue with these abilities is asked for such an order at all."""
    types: set[OrderType] = {request.order_type}
    if request.conditional_close is not None:
        types.add(request.conditional_close.order_type)
    return (
        types <= abilities.order_types
        and request.time_in_force in abilities.times_in_force
        and set(features_of(request)) <= abilities.features
    )
