"""Publisher: gives every event its place in a partition and encodes it, once (law 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gwcore.histogram import LatencyHistogram
from gwcore.model import (
    EVENT_TYPES,
    KIND_OF_TYPE,
    SCHEMA_VERSION,
    Envelope,
    Event,
    Header,
    OrderAck,
    OrderUpdate,
    Record,
    TradeUpdate,
    UpdateType,
)
from gwcore.ports import Clock, Ids
from gwcore.wire import encode

#: Events that belong to an account.
_OF_ACCOUNTS = frozenset(kind for kind in EVENT_TYPES if "account" in kind.__struct_fields__)
#: Events about an order, which belong to the user who placed it.
_OWNED = frozenset((OrderAck, OrderUpdate, TradeUpdate))
# A named tuple made by its own constructor costs twice as much.
_new_record = tuple.__new__


class Appender(Protocol):
    """The part of the journal a publisher needs."""

    def append(self, record: Record) -> int:
        """Buffer a record; returns its position."""
        ...


class Topic:
    """What a subscriber to one kind and symbol (or account), of orders one user's, sees of a partition."""

    __slots__ = ("kind", "sequence")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.sequence = 0  # of the last event


class Partition:
    """One ordered stream of events under one session id: one holder's tenure of it."""

    __slots__ = ("epoch", "first_position", "holds", "name", "released", "sequence", "session_id", "topics")

    def __init__(self, name: str, session_id: str, epoch: int = 1) -> None:
        self.name = name
        self.session_id = session_id
        self.epoch = epoch
        self.sequence = 0  # of the last event
        self.first_position = 0  # journal position of the first event; 0 before it
        self.topics: dict[tuple[type[Event], str | None, str | None], Topic] = {}
        self.holds = False  # clients get its events when these are durable
        self.released = 0  # sequence of the last one they got, where it holds

    @property
    def visible(self) -> int:
        """Sequence of the last event that clients may know of."""
        return self.released if self.holds else self.sequence


class Publisher:
    """Turns events into records: header, one encoding, journal, then whoever listens. Knows no client and no sink."""

    def __init__(
        self,
        *,
        venue: str,
        source: str,
        clock: Clock,
        ids: Ids,
        journal: Appender,
        on_record: Callable[[Record, Event, Partition], None],
    ) -> None:
        self._venue = venue
        self._source = source
        self._now_ns = clock.now_ns
        self._ids = ids
        self._append = journal.append
        self._on_record = on_record
        self.partitions: dict[str, Partition] = {}
        self.events = 0  # published since the start
        self.bytes = 0  # of their payloads
        self.latency = LatencyHistogram()  # receipt to publication
        self.venue_latency = LatencyHistogram()  # the venue's time stamp to receipt: holds both clocks' offset

    def events_of_kind(self) -> dict[str, int]:
        """Events published since the start, by kind."""
        counts: dict[str, int] = {}
        for partition in self.partitions.values():
            for topic in partition.topics.values():
                counts[topic.kind] = counts.get(topic.kind, 0) + topic.sequence
        return counts

    def partition(self, name: str) -> Partition:
        """The partition `name`, with a new session on first use."""
        partition = self.partitions.get(name)
        if partition is None:
            partition = self.partitions[name] = Partition(name, self._ids.session_id())
            partition.holds = name.startswith("ex.")
        return partition

    def publish(self, partition: Partition, event: Event, received_ns: int | None = None) -> None:
        """Number, encode, journal and hand on one event. Synchronous and never fails."""
        event_type = type(event)
        symbol: str | None = getattr(event, "symbol", None)
        account: str | None = event.account if event_type in _OF_ACCOUNTS else None  # type: ignore[union-attr]
        user: str | None = event.user if event_type in _OWNED else None  # type: ignore[union-attr]
        key = (event_type, account if symbol is None else symbol, user)
        topic = partition.topics.get(key)
        if topic is None:
            topic = partition.topics[key] = Topic(KIND_OF_TYPE[event_type])
        topic.sequence = topic_sequence = topic.sequence + 1
        partition.sequence = sequence = partition.sequence + 1
        published_ns = self._now_ns()
        payload = encode(
            Envelope(
                header=Header(
                    v=SCHEMA_VERSION,
                    venue=self._venue,
                    source=self._source,
                    partition=partition.name,
                    session_id=partition.session_id,
                    epoch=partition.epoch,
                    sequence=sequence,
                    topic_sequence=topic_sequence,
                    received_ns=received_ns,
                    published_ns=published_ns,
                ),
                event=event,
            )
        )
        update_type: UpdateType | None = getattr(event, "update_type", None)
        record = _new_record(
            Record,
            (
                partition.name,
                partition.session_id,
                sequence,
                topic.kind,
                symbol,
                account,
                update_type,
                published_ns,
                payload,
                0,
            ),
        )
        position = self._append(record)
        if not partition.first_position:
            partition.first_position = position
        if partition.holds:
            record = record._replace(position=position)
        self.events += 1
        self.bytes += len(payload)
        # One in sixteen is enough for a histogram, and a sixteenth of its cost.
        if received_ns is not None and not sequence & 15:
            self.latency.observe(published_ns - received_ns)
            venue_time_ns = getattr(event, "venue_time_ns", None)
            if venue_time_ns is not None:
                self.venue_latency.observe(received_ns - venue_time_ns)
        self._on_record(record, event, partition)

    def private_record(self, partition: Partition, event: Event) -> Record:
        """An event for one client: no number, not journalled, `after_sequence` says what it contains already."""
        published_ns = self._now_ns()
        payload = encode(
            Envelope(
                header=Header(
                    v=SCHEMA_VERSION,
                    venue=self._venue,
                    source=self._source,
                    partition=partition.name,
                    session_id=partition.session_id,
                    epoch=partition.epoch,
                    after_sequence=partition.visible,
                    published_ns=published_ns,
                ),
                event=event,
            )
        )
        return Record(
            partition.name,
            partition.session_id,
            0,
            KIND_OF_TYPE[type(event)],
            getattr(event, "symbol", None),
            getattr(event, "account", None),
            getattr(event, "update_type", None),
            published_ns,
            payload,
        )
