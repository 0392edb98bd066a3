"""Playback: records of the past become the news of a Fanout, byte for byte, and the state that a late client is told first.

Pure, and without a notion of speed: the runtime calls `play` when a record's time has come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from gwcore.book import BookRule, OrderBook
from gwcore.engine.clients.access import Access
from gwcore.engine.clients.fanout import Fanout, Identity
from gwcore.engine.clients.history import History, Scan
from gwcore.engine.clients.state import CurrentState
from gwcore.engine.market.subscription import Subscription
from gwcore.engine.publisher import Partition, Publisher
from gwcore.model import (
    Channel,
    Event,
    Gap,
    GapState,
    MarketByPriceUpdate,
    Record,
    StaleReason,
    StreamState,
    UpdateType,
    partition_class,
)
from gwcore.ports import Clock
from gwcore.settings import ClientSettings
from gwcore.venue import Topic
from gwcore.wire import decode_envelope

#: Cause of the notice that clients get between two runs of the recorded gateway.
CAUSE_NEW_RUN = "the gateway that was recorded ended here and began anew"


class PlaybackClock:
    """The time of the record played last; before the first one that of the clock behind it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.time_ns = 0

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return self.time_ns or self._clock.now_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds of the clock behind it."""
        return self._clock.monotonic_ns()


class _ReplayIds:
    """Partitions of which nothing was played yet belong to no recorded session."""

    def session_id(self) -> str:
        return "REPLAY"


class _NoJournal:
    """A playback publishes nothing of its own."""

    def append(self, record: Record) -> NoReturn:
        raise AssertionError("a playback never appends")


class _Book:
    """A book as the records tell it. The checksum is the venue's word: of the last message, over the book after it."""

    __slots__ = ("_checksum", "partition", "subscription")

    def __init__(self, symbol: str, partition: Partition) -> None:
        self.partition = partition
        self._checksum: int | None = None
        self.subscription = Subscription(Topic(Channel.BOOK, symbol))
        self.subscription.reason = StaleReason.NO_SNAPSHOT

    def apply(self, event: MarketByPriceUpdate) -> None:
        subscription = self.subscription
        self._checksum = event.checksum
        if event.update_type is UpdateType.STALE:
            self._end(event.reason or StaleReason.NO_SNAPSHOT, event.detail)
            return
        if event.update_type is UpdateType.SNAPSHOT:
            subscription.book = OrderBook(event.symbol, self._rule(event))
            subscription.state, subscription.reason, subscription.detail = StreamState.LIVE, None, None
        if subscription.state is StreamState.LIVE and subscription.book is not None:
            fault = subscription.book.apply(event)
            if fault is not None and fault.reason is not None:
                self._end(fault.reason, fault.detail)

    def _end(self, reason: StaleReason, detail: str | None) -> None:
        subscription = self.subscription
        subscription.state, subscription.reason, subscription.detail = StreamState.STALE, reason, detail
        subscription.book = None

    def _rule(self, event: MarketByPriceUpdate) -> BookRule:
        return BookRule(
            price_decimals=event.price_decimals or 0,
            quantity_decimals=event.quantity_decimals or 0,
            depth=event.depth,
            checksum=lambda bids, asks: self._checksum,  # type: ignore[arg-type, return-value]
        )


class Playback:
    """One playing of a recording. `fanout` is what transports serve; `wake` is called when it has something to flush."""

    def __init__(
        self,
        *,
        identity: Identity,
        scan: Scan,
        settings: ClientSettings,
        clock: Clock,
        wake: Callable[[], None],
        access: Access | None = None,
    ) -> None:
        self._clock = PlaybackClock(clock)
        self._history = History(scan)
        self._state = CurrentState()
        self._publisher = Publisher(
            venue=identity.venue,
            source=identity.source,
            clock=self._clock,
            ids=_ReplayIds(),
            journal=_NoJournal(),
            on_record=lambda record, event, partition: None,
        )
        self._books: dict[str, _Book] = {}
        self.records = 0  # played to clients
        self.fanout = Fanout(
            identity=identity,
            publisher=self._publisher,
            state=self._state,
            journal=self._history,
            settings=settings,
            clock=self._clock,
            wake=wake,
            access=access,
        )

    def prime(self, record: Record) -> None:
        """A record of before the beginning: it shapes the state and is told to nobody. Raises ProtocolError."""
        event, partition = self._take(record)
        self._state.note(event, partition)

    def begin(self) -> None:
        """All that was primed lies behind: a client that asks for everything from the start begins here."""
        for partition in self._publisher.partitions.values():
            partition.first_position = self._history.last_position(partition_class(partition.name)) + 1

    def play(self, record: Record) -> None:
        """A record becomes news. Raises ProtocolError where it is no event."""
        event, partition = self._take(record)
        if not partition.first_position:
            partition.first_position = record.position
        self.records += 1
        self.fanout.on_record(record, event, partition)

    def _take(self, record: Record) -> tuple[Event, Partition]:
        event = decode_envelope(record.payload).event
        self._clock.time_ns = record.published_ns
        partition = self._partition(record)
        partition.sequence = record.sequence
        self._history.note(record)
        if type(event) is MarketByPriceUpdate:
            book = self._books.get(event.symbol)
            # From run to run a symbol may move to another partition.
            if book is None or book.partition is not partition:
                book = self._books[event.symbol] = _Book(event.symbol, partition)
                self._state.note_books({event.symbol: book.subscription}, partition)
            book.apply(event)
        return event, partition

    def _partition(self, record: Record) -> Partition:
        known = self._publisher.partitions.get(record.partition)
        if known is not None and known.session_id == record.session_id:
            return known
        if known is not None and known.sequence:
            self._end_session(known)
        fresh = self._publisher.partitions[record.partition] = Partition(record.partition, record.session_id)
        return fresh

    def _end_session(self, old: Partition) -> None:
        """The next record is of another run. Nobody may take a book of the last run for live: its clients were cut then."""
        notice = self._publisher.private_record(
            old,
            Gap(
                state=GapState.LOST,
                cause=CAUSE_NEW_RUN,
                partition=old.name,
                session_id=old.session_id,
                first_sequence=old.sequence + 1,
            ),
        )
        for session in self.fanout.sessions:
            session.notify(notice)
        self._state.forget_partition(old.name)
        self._books = {symbol: book for symbol, book in self._books.items() if book.partition is not old}
