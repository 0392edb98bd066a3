"""Standby: two connections for one shard. Both keep checked books, one publishes; when it fails, the other goes on.

What was published last and the other's proven book differ by little, or by nothing: the difference goes out as one
INCREMENTAL, and no client notices. Trades of both go through one feed, where ids tell them apart. Where the other one is
behind, it is given a moment to catch up: time never goes back. This file decides; what a book is, `gwcore.book` knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from gwcore.book import Continuity, OrderBook
from gwcore.engine.market.difference import difference, top_of
from gwcore.engine.market.outbox import Outbox
from gwcore.engine.market.recovery import Recovered, Recovery
from gwcore.engine.market.subscription import Subscription
from gwcore.engine.market.trade_feed import TradeFeed
from gwcore.engine.reconnect import NANOSECONDS
from gwcore.errors import VenueError
from gwcore.model import (
    Channel,
    Event,
    Instrument,
    MarketByPriceUpdate,
    MarketStatus,
    Origin,
    StaleReason,
    StreamState,
    StreamStatus,
    TopOfBook,
    UpdateType,
)
from gwcore.rest import HttpFlow
from gwcore.venue import Frame, InstrumentUpdate, MarketDataMessage, Shard, Streams, Topic

if TYPE_CHECKING:
    from gwcore.engine.market.market_data import MarketDataMachine

T = TypeVar("T")
#: Tells where the current books are: symbol -> subscription.
Note = Callable[[dict[str, Subscription]], None]

#: A standby without a frame for this long is no better than what failed.
FRESH_NS = 3 * NANOSECONDS
#: How long a book may stand while the other connection's copy catches up; then it is STALE for a moment.
CATCH_UP_NS = NANOSECONDS


@dataclass(frozen=True, slots=True)
class SharedFeeds:
    """What the two machines of a pair have in common."""

    instruments: dict[str, Instrument]
    recovery: Recovery
    trades: TradeFeed


class Seat:
    """One of the two places of a pair: the outbox of its machine. Of the one that does not lead nothing is published."""

    def __init__(self, pair: StandbyPair, name: str) -> None:
        self.pair = pair
        self.name = name
        self.outbox: Outbox
        self.machine: MarketDataMachine

    @property
    def leads(self) -> bool:
        """Whether this one publishes."""
        return self.pair.leader is self

    def publish(self, event: Event, received_ns: int | None = None) -> None:
        """An event of the venue."""
        pair = self.pair
        if pair.leader is not self:
            return
        if pair.behind and getattr(event, "symbol", None) in pair.behind:
            pair.on_behind(event, received_ns)
        else:
            self.outbox.publish(event, received_ns)

    def publish_status(self, event: Event) -> None:
        """An event about the gateway: of a subscription it says how the other connection stands."""
        if self.leads:
            self.outbox.publish_status(self.pair.with_standby(event))
        elif isinstance(event, StreamStatus):
            self.pair.on_standby_status(event)

    def send(self, frame: Frame) -> None:
        """A frame to the venue."""
        self.outbox.send(frame)

    def fetch(self, topic: Topic | None, flow: HttpFlow[Sequence[MarketDataMessage]]) -> None:
        """A flow of this connection."""
        self.outbox.fetch(topic, flow)

    def run_flow(self, flow: HttpFlow[T], done: Callable[[T | VenueError, int], None]) -> None:
        """A flow of its own."""
        self.outbox.run_flow(flow, done)

    def close(self, reason: str) -> None:
        """End this connection."""
        self.outbox.close(reason)

    def on_instruments(self, update: InstrumentUpdate, received_ns: int) -> None:
        """Whoever hears of it first: what is known already changes nothing."""
        self.outbox.on_instruments(update, received_ns)

    def on_recovered(self, recovered: Recovered) -> None:
        """All is settled after an outage."""
        self.outbox.on_recovered(recovered)

    def on_venue_status(self, status: MarketStatus, received_ns: int) -> None:
        """The leader's word, and news from the other."""
        news = self.pair.is_news(status)
        if news or self.leads:
            self.outbox.on_venue_status(status, received_ns)


class StandbyPair:
    """The two connections of one shard. `on_lead(new, old, cause)` is called when the lead changes."""

    def __init__(
        self, shard: Shard, on_lead: Callable[[MarketDataMachine, MarketDataMachine, str], None], note: Note
    ) -> None:
        self._shard = shard
        self._on_lead = on_lead
        self._note = note
        self.seats = (Seat(self, f"md.{shard.index}"), Seat(self, f"md.{shard.index}.b"))
        self.leader = self.seats[0]
        #: Symbol -> the book as clients hold it, until the leader's own is as new; and when that is given up.
        self.behind: dict[str, Subscription] = {}
        self._until_ns = 0
        self._shared: SharedFeeds | None = None
        self._venue_status: MarketStatus | None = None
        self._told: dict[Topic, StreamState] = {}
        self.takeovers = 0

    @property
    def standby(self) -> Seat:
        """The one that does not publish."""
        return self.seats[1] if self.leader is self.seats[0] else self.seats[0]

    def shared(self, streams: Streams, outbox: Outbox) -> SharedFeeds:
        """Made for the first of the two; `outbox` publishes whoever leads."""
        if self._shared is None:
            instruments = dict(self._shard.instruments)
            recovery = Recovery(lambda recovered: self.leader.on_recovered(recovered))
            self._shared = SharedFeeds(instruments, recovery, TradeFeed(streams, outbox, instruments, recovery))
        return self._shared

    def is_news(self, status: MarketStatus) -> bool:
        """Whether neither of the two has said so last."""
        before, self._venue_status = self._venue_status, status
        return before != status

    # --- what is said of the standby ------------------------------------------------------------------------------

    def with_standby(self, event: Event) -> Event:
        """A leader's StreamStatus, with the other's state of the same subscription."""
        if not isinstance(event, StreamStatus):
            return event
        machine = self.standby.machine
        for topic, subscription in machine.subscriptions.topics.items():
            if topic.channel.value == event.channel and topic.symbol == event.symbol:
                self._told[topic] = subscription.state
                return msgspec.structs.replace(event, standby=subscription.state)
        return event

    def on_standby_status(self, event: StreamStatus) -> None:
        """The other's book came or went: the leader's status is told again, with that."""
        topic = next((each for each in self._topics(event) if self._told.get(each) is not event.state), None)
        if topic is None or (event.state is not StreamState.LIVE and self._told.get(topic) is not StreamState.LIVE):
            return
        machine = self.leader.machine
        subscription = machine.subscriptions.topics.get(topic)
        if subscription is not None:
            machine.watch.states.tell(subscription, machine.books.now_ns)

    def _topics(self, event: StreamStatus) -> list[Topic]:
        machine = self.standby.machine
        return [
            topic
            for topic in machine.subscriptions.topics
            if topic.channel is Channel.BOOK and event.channel == Channel.BOOK.value and topic.symbol == event.symbol
        ]

    # --- who leads ------------------------------------------------------------------------------------------------

    def on_open(self, seat: Seat, now_ns: int) -> None:
        """One of them is connected: it leads where the other is not."""
        if seat is not self.leader and not self.leader.machine.is_open:
            self._hand_over("the other connection is down", now_ns)

    def on_failing(self, seat: Seat, cause: str, now_ns: int) -> None:
        """A connection is lost, and its machine does not know yet: hand over while its books still say what clients hold."""
        if seat is self.leader and self._can_lead(self.standby, now_ns):
            self._hand_over(cause, now_ns)

    def on_timer(self, now_ns: int) -> None:
        """A leader that is down, or late, is replaced when the other can lead; a book that does not catch up is stale."""
        if not self.leader.machine.is_open and self._can_lead(self.standby, now_ns):
            self._hand_over("the other connection is down", now_ns)
        elif self._is_late(self.leader) and not self._is_late(self.standby) and self._can_lead(self.standby, now_ns):
            self._hand_over("what the other connection brings is late", now_ns)
        if self.behind and now_ns >= self._until_ns:
            for symbol in list(self.behind):
                self._give_up(symbol)

    @staticmethod
    def _can_lead(seat: Seat, now_ns: int) -> bool:
        return seat.machine.is_open and now_ns - seat.machine.last_frame_ns <= FRESH_NS

    @staticmethod
    def _is_late(seat: Seat) -> bool:
        return seat.machine.watch.lag.is_late

    def _hand_over(self, cause: str, now_ns: int) -> None:
        old, new = self.leader.machine, self.standby.machine
        for symbol in list(self.behind):
            self._give_up(symbol)  # two failures within a second: honest is better than clever
        self.leader = self.standby
        self.takeovers += 1
        old.is_standby, new.is_standby = True, False
        self._until_ns = now_ns + CATCH_UP_NS
        self._on_lead(new, old, cause)
        for symbol, subscription in new.books.of_symbol.items():
            self._take_book(old.books.of_symbol.get(symbol), subscription)
        self._take_rest(old, new)
        for topic, subscription in new.subscriptions.topics.items():
            before = old.subscriptions.topics.get(topic)
            if before is None or (before.state, before.reason) != (subscription.state, subscription.reason):
                new.watch.states.tell(subscription, now_ns)
        new.candles.on_close()  # candles that closed meanwhile are fetched, as after any outage

    def _take_book(self, old: Subscription | None, new: Subscription) -> None:
        symbol = new.topic.symbol or ""
        was_live = old is not None and old.state is StreamState.LIVE
        if new.state is StreamState.LIVE and was_live and old is not None:
            self.behind[symbol] = held = _copy_of(old)
            self._note({symbol: held})
            self._catch_up(symbol, None)
        elif new.state is StreamState.LIVE:
            self._publish_snapshot(new)
        elif was_live:
            self._publish_stale(symbol, "the standby has no book of it")

    def _take_rest(self, old: MarketDataMachine, new: MarketDataMachine) -> None:
        """Tickers, and best prices where no book is kept: what only the new leader has heard."""
        publish = self.leader.outbox.publish
        for symbol, update in new.watch.held.tickers():
            before = old.watch.held.ticker(symbol)
            if before != update and (before is None or (update.venue_time_ns or 0) >= (before.venue_time_ns or 0)):
                publish(update)
        for symbol, top in new.tops.last.items():
            if old.tops.last.get(symbol) != top:
                publish(top)
        for symbol in [symbol for symbol in old.tops.last if symbol not in new.tops.last]:
            reason, kind = StaleReason.DISCONNECT, UpdateType.STALE
            publish(TopOfBook(symbol=symbol, update_type=kind, reason=reason, origin=Origin.GATEWAY))

    # --- books that catch up --------------------------------------------------------------------------------------

    def on_behind(self, event: Event, received_ns: int | None) -> None:
        """The leader has news of a book that is not as new as what clients hold."""
        if not isinstance(event, MarketByPriceUpdate):
            if not isinstance(event, TopOfBook):
                self.leader.outbox.publish(event, received_ns)
            return
        if event.update_type is UpdateType.STALE:
            self._settle(event.symbol)
            self.leader.outbox.publish(event, received_ns)
        else:
            self._catch_up(event.symbol, received_ns)

    def _catch_up(self, symbol: str, received_ns: int | None) -> None:
        held, book = self.behind[symbol].book, self.leader.machine.books.of_symbol[symbol].book
        assert held is not None
        assert book is not None
        if held.venue_time_ns is not None and (book.venue_time_ns or 0) < held.venue_time_ns:
            return
        self._settle(symbol)
        if held.rule != book.rule or book.rule.continuity is not Continuity.NONE:
            # Other decimals, or numbers of messages that a difference does not have.
            self._publish_snapshot(self.leader.machine.books.of_symbol[symbol])
            return
        change = difference(held, book)
        if change is not None:
            self.leader.outbox.publish(change, received_ns)
            self.leader.outbox.publish(top_of(book), received_ns)

    def _settle(self, symbol: str) -> None:
        del self.behind[symbol]
        subscription = self.leader.machine.books.of_symbol.get(symbol)
        if subscription is not None:
            self._note({symbol: subscription})

    def _give_up(self, symbol: str) -> None:
        subscription = self.leader.machine.books.of_symbol.get(symbol)
        if subscription is None:
            del self.behind[symbol]
            return
        self._settle(symbol)
        self._publish_stale(symbol, "the standby's book did not catch up")
        if subscription.state is StreamState.LIVE:
            self._publish_snapshot(subscription)

    def _publish_snapshot(self, subscription: Subscription) -> None:
        assert subscription.book is not None
        self.leader.outbox.publish(subscription.book.snapshot())
        self.leader.outbox.publish(top_of(subscription.book))

    def _publish_stale(self, symbol: str, detail: str) -> None:
        reason, kind = StaleReason.DISCONNECT, UpdateType.STALE
        self.leader.outbox.publish(
            MarketByPriceUpdate(symbol=symbol, update_type=kind, reason=reason, detail=detail, origin=Origin.GATEWAY)
        )
        self.leader.outbox.publish(TopOfBook(symbol=symbol, update_type=kind, reason=reason, origin=Origin.GATEWAY))


def _copy_of(subscription: Subscription) -> Subscription:
    """A live subscription as it is now: what a late client is told until the difference is out."""
    assert subscription.book is not None
    held = Subscription(subscription.topic)
    held.state = StreamState.LIVE
    held.book = OrderBook(subscription.book.symbol, subscription.book.rule)
    held.book.apply(subscription.book.snapshot())
    return held
