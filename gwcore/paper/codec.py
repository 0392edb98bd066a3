"""PaperCodec and PaperOrders: a paper account as the venue contract wants one, so that the engine knows no difference."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Final, TypeVar

import msgspec

from gwcore.errors import DecodeError
from gwcore.model import CreateOrder, FundsUpdate, ModifyOrder, TimeInForce
from gwcore.paper.exchange import PaperExchange, order_types
from gwcore.paper.messages import PaperAnswer, PaperRequest, PaperSnapshot, decode_news, encode
from gwcore.ports import Endpoint
from gwcore.rest import HttpFlow, HttpRequest, HttpResponse
from gwcore.venue import (
    AccountLimits,
    AccountMessage,
    AccountSnapshot,
    Frame,
    Known,
    OrderAbilities,
    OrderAnswer,
    OrderFeature,
    OrderKey,
    OrderLimits,
    Outbound,
    Rights,
)

T = TypeVar("T")

#: What a paper account is connected to; no host has such an address.
PAPER_URL: Final = "paper://"
#: Nothing is ever lost between a gateway and itself.
LIMITS: Final = AccountLimits(rest_cost_max=1e9, rest_decay_per_s=1e9, silence_s=1e8, ping_s=None, rest_lag_s=0.0)
ABILITIES: Final = OrderAbilities(
    order_types=order_types(),
    times_in_force=frozenset(TimeInForce),
    features=frozenset({OrderFeature.POST_ONLY, OrderFeature.VALIDATE_ONLY, OrderFeature.RELATIVE_PRICE}),
    batch_max=50,
    cancel_batch_max=50,
    cancel_timer_max_s=86_399,
)


class PaperCodec:
    """Implements `AccountCodec`. What a venue would be asked by REST is looked up in the exchange itself."""

    limits = LIMITS

    def __init__(self, exchange: PaperExchange) -> None:
        self._exchange = exchange

    def endpoint(self) -> HttpFlow[Endpoint]:
        """The exchange in this process."""
        return _at_once(Endpoint(url=PAPER_URL + self._exchange.account))

    def login(self) -> Generator[Frame, Frame, None]:
        """Nobody has to prove anything."""
        yield from ()

    def open(self) -> Sequence[Frame]:
        """One frame, answered with all that is open."""
        return (encode(PaperRequest(request_id=0, subscribe=True)),)

    def download(self, known: Known) -> HttpFlow[AccountSnapshot]:
        """All there is since then."""
        records = self._exchange.records
        return _at_once(
            AccountSnapshot(
                orders=records.open_orders(),
                closed=records.closed_orders(known.since_ns),
                trades=records.fills(known.since_ns),
                funds=self._exchange.ledger.funds(),
                positions=(),
            )
        )

    def funds(self) -> HttpFlow[Sequence[FundsUpdate]]:
        """The money."""
        return _at_once(self._exchange.ledger.funds())

    def rights(self) -> HttpFlow[Rights]:
        """There is no key, and nothing to withdraw."""
        return _at_once(Rights(("paper",), may_withdraw=False))

    def decode(self, frame: Frame, received_ns: int) -> Sequence[AccountMessage]:
        """A frame of the exchange. Raises DecodeError."""
        try:
            news = decode_news(frame)
        except msgspec.MsgspecError as error:
            raise DecodeError(f"not a frame of the paper exchange: {error}") from error
        return [_message(each) if isinstance(each, PaperAnswer | PaperSnapshot) else each for each in news]


class PaperOrders:
    """Implements `Orders`, `BatchOrders` and `CancelTimer`."""

    abilities = ABILITIES

    def __init__(self, exchange: PaperExchange, limits: OrderLimits) -> None:
        self._exchange = exchange
        self.limits = limits

    def client_id(self, number: int) -> str:
        """An id that Kraken, for one, refuses: longer than its free text, and neither a UUID nor 32 hexadecimal digits."""
        return f"paper-{number:016x}"

    def create_order(self, request_id: int, request: CreateOrder, client_id: str) -> Outbound:
        """Place one."""
        return self.create_orders(request_id, (request,), (client_id,))

    def create_orders(self, request_id: int, requests: Sequence[CreateOrder], client_ids: Sequence[str]) -> Outbound:
        """Place several."""
        return encode(PaperRequest(request_id=request_id, create=tuple(requests), keys=tuple(client_ids)))

    def modify_order(self, request_id: int, request: ModifyOrder, key: OrderKey) -> Outbound:
        """Amend one in place."""
        return encode(PaperRequest(request_id=request_id, modify=request, keys=(_key(key),)))

    def cancel_order(self, request_id: int, key: OrderKey) -> Outbound:
        """Cancel one."""
        return self.cancel_orders(request_id, (key,))

    def cancel_orders(self, request_id: int, keys: Sequence[OrderKey]) -> Outbound:
        """Cancel several."""
        return encode(PaperRequest(request_id=request_id, cancel=True, keys=tuple(map(_key, keys))))

    def cancel_all_orders(self, request_id: int) -> Outbound:
        """Cancel every order of the account."""
        return encode(PaperRequest(request_id=request_id, cancel_all=True))

    def cancel_all_after(self, request_id: int, timeout_s: int) -> Outbound:
        """Arm the dead-man timer; 0 disarms."""
        return encode(PaperRequest(request_id=request_id, cancel_after_s=timeout_s))

    def find_order(self, key: OrderKey) -> HttpFlow[AccountSnapshot]:
        """What the exchange has of one order."""
        records = self._exchange.records
        order = records.any(key.venue_client_id, key.venue_order_id)
        if order is None:
            return _at_once(AccountSnapshot(orders=()))
        listed = (order.update(),)
        return _at_once(
            AccountSnapshot(
                orders=listed if order.is_open else (),
                closed=() if order.is_open else listed,
                trades=records.fills(0, order.venue_order_id),
            )
        )


def _key(key: OrderKey) -> str:
    found = key.venue_order_id or key.venue_client_id
    assert found is not None  # the engine names every order by one of the two
    return found


def _message(news: PaperAnswer | PaperSnapshot) -> AccountMessage:
    if isinstance(news, PaperSnapshot):
        return AccountSnapshot(orders=news.orders, funds=news.funds)
    return OrderAnswer(
        request_id=news.request_id,
        fate=news.fate,
        error=news.error,
        text=news.text,
        order=news.order,
        venue_order_id=news.venue_order_id,
        number_of_orders=news.number_of_orders,
        venue_time_ns=news.venue_time_ns,
    )


def _at_once(result: T) -> HttpFlow[T]:
    """A flow that asks nobody."""

    def flow() -> Generator[HttpRequest, HttpResponse, T]:
        yield from ()
        return result

    return flow()
