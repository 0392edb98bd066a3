"""CurrentState: what a client that comes late has to be told first: the last event of each topic, and the live books."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import msgspec

from gwcore.book import OrderBook
from gwcore.engine.market.subscription import Subscription
from gwcore.engine.publisher import Partition
from gwcore.model import (
    KIND_OF_TYPE,
    Event,
    FeesUpdate,
    FundsUpdate,
    GatewayStatus,
    MarketByPriceUpdate,
    MarketStatus,
    OrderStatus,
    OrderUpdate,
    Origin,
    PositionUpdate,
    RateLimitsUpdate,
    ReferenceData,
    StaleReason,
    StatisticsUpdate,
    StreamState,
    StreamStatus,
    TopOfBook,
    TradeBalance,
    UpdateType,
)

BOOK_KIND = KIND_OF_TYPE[MarketByPriceUpdate]

#: Kinds of which the last event is the state, in the order a client is told them. Books come from the books themselves.
STATE_TYPES: tuple[type[Event], ...] = (
    GatewayStatus,
    ReferenceData,
    MarketStatus,
    StreamStatus,
    StatisticsUpdate,
    TopOfBook,
    RateLimitsUpdate,
    TradeBalance,
    FeesUpdate,
    FundsUpdate,
    PositionUpdate,
    OrderUpdate,
)
#: The same to look one up in; most events, those of books, are not among them.
STATE_KINDS = frozenset(STATE_TYPES)
#: Those that are told apart by more, or something else, than their symbol.
_BY_MORE = frozenset(
    (
        GatewayStatus,
        StreamStatus,
        RateLimitsUpdate,
        TradeBalance,
        FeesUpdate,
        FundsUpdate,
        PositionUpdate,
        OrderUpdate,
    )
)
#: Orders in these states are over: nobody has to know of them any more.
_ENDED = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})


class Wants(Protocol):
    """Whether an event is wanted, by its kind, symbol, account and, of orders, who placed them."""

    def __call__(self, kind: str, symbol: str | None, account: str | None, owner: str | None = None) -> bool:
        """Whether it is."""
        ...


class CurrentState:
    """Last events by topic. Bounded by instruments x kinds, and by what accounts have; topics of delisted symbols go with
    `forget`, orders when they end."""

    def __init__(self) -> None:
        self._last: dict[type[Event], dict[object, tuple[Partition, Event]]] = {kind: {} for kind in STATE_TYPES}
        self._books: dict[str, tuple[Partition, Subscription]] = {}

    def note(self, event: Event, partition: Partition) -> None:
        """An event was published."""
        kind = type(event)
        topics = self._last.get(kind)
        if topics is not None:
            topic = _topic(event) if kind in _BY_MORE else event.symbol  # type: ignore[union-attr]
            if isinstance(event, OrderUpdate) and event.order_id is not None:
                topics.pop((event.account, event.venue_order_id), None)  # until now it was somebody else's
            if isinstance(event, OrderUpdate) and event.order_status in _ENDED:
                topics.pop(topic, None)
            else:
                topics[topic] = (partition, event)

    def note_books(self, books: Mapping[str, Subscription], partition: Partition) -> None:
        """These books are kept in this partition."""
        for symbol, subscription in books.items():
            self._books[symbol] = (partition, subscription)

    def live_book(self, symbol: str) -> OrderBook | None:
        """The book of a symbol, to be looked at and no more; None where it is not LIVE."""
        found = self._books.get(symbol)
        if found is None or found[1].state is not StreamState.LIVE:
            return None
        return found[1].book

    def forget(self, symbol: str, *, wholly: bool = False) -> None:
        """The symbol is not subscribed any more. Its reference data and status stay (they say DELISTED), but for `wholly`."""
        self._books.pop(symbol, None)
        self._last[TopOfBook].pop(symbol, None)
        self._last[StatisticsUpdate].pop(symbol, None)
        streams = self._last[StreamStatus]
        for topic in [topic for topic in streams if isinstance(topic, tuple) and topic[1] == symbol]:
            del streams[topic]
        if wholly:
            self._last[ReferenceData].pop(symbol, None)
            self._last[MarketStatus].pop(symbol, None)

    def forget_partition(self, name: str) -> None:
        """A partition began anew: what its last session said is the state no more."""
        for topics in self._last.values():
            for topic in [topic for topic, (partition, _) in topics.items() if partition.name == name]:
                del topics[topic]
        for symbol in [symbol for symbol, (partition, _) in self._books.items() if partition.name == name]:
            del self._books[symbol]

    def symbols(self) -> list[str]:
        """All symbols there is reference data for, sorted."""
        return sorted(str(symbol) for symbol in self._last[ReferenceData])

    def events(self, wanted: Wants) -> Iterator[tuple[Partition, Event]]:
        """The state of every wanted (kind, symbol, account), each with the partition it belongs to."""
        for event_type, topics in self._last.items():
            kind = KIND_OF_TYPE[event_type]
            for partition, event in list(topics.values()):
                owner = event.user if isinstance(event, OrderUpdate) else None
                if wanted(kind, getattr(event, "symbol", None), getattr(event, "account", None), owner):
                    yield partition, event
        for symbol, (partition, subscription) in list(self._books.items()):
            if wanted(BOOK_KIND, symbol, None):
                yield partition, _book_event(symbol, subscription)


def _topic(event: Event) -> object:
    if isinstance(event, StreamStatus):
        return (event.channel, event.symbol)
    if isinstance(event, GatewayStatus):
        return event.component
    if isinstance(event, OrderUpdate):
        if event.order_id is not None:
            return (event.account, event.user, event.order_id)
        return (event.account, event.venue_order_id)
    if isinstance(event, FundsUpdate):
        return (event.account, event.asset, event.wallet)
    if isinstance(event, RateLimitsUpdate):
        return (event.account, *(limit.name for limit in event.limits))
    assert isinstance(event, PositionUpdate | FeesUpdate | TradeBalance)
    return (event.account, getattr(event, "symbol", None))


def _book_event(symbol: str, subscription: Subscription) -> MarketByPriceUpdate:
    if subscription.state is StreamState.LIVE and subscription.book is not None:
        return msgspec.structs.replace(subscription.book.snapshot(), origin=Origin.GATEWAY)
    return MarketByPriceUpdate(
        symbol=symbol,
        update_type=UpdateType.STALE,
        reason=subscription.reason or StaleReason.NO_SNAPSHOT,
        detail=subscription.detail,
        origin=Origin.GATEWAY,
    )
