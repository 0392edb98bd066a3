"""The client against the gateway's own fan-out and journal, in memory: both sides of the protocol as they are."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from gwcore.client import BookState, Delivery, Session
from gwcore.engine.clients.fanout import Fanout, Identity
from gwcore.engine.clients.state import CurrentState
from gwcore.engine.publisher import Publisher
from gwcore.journal import Journal
from gwcore.model import Event, Gap
from gwcore.settings import ClientSettings, JournalSettings
from gwcore.testing.events import book_change, book_snapshot, book_stale, reference, top, trade
from gwcore.testing.memory_transport import MemoryTransport, Wire
from gwcore.testing.storage import MemoryStorage


class StillClock:
    def now_ns(self) -> int:
        return 1_767_225_600_000_000_000

    def monotonic_ns(self) -> int:
        return 0


class CountedIds:
    def __init__(self) -> None:
        self._numbers = count(1)

    def session_id(self) -> str:
        return f"S{next(self._numbers)}"


class Core:
    """Publisher, journal and fan-out; `turn` is the end of a loop turn."""

    def __init__(self, **settings: Any) -> None:
        clock = StillClock()
        self.journal = Journal(MemoryStorage(), clock, JournalSettings())
        self.publisher = Publisher(
            venue="toy",
            source="toy",
            clock=clock,
            ids=CountedIds(),
            journal=self.journal,
            on_record=lambda record, event, partition: self.fanout.on_record(record, event, partition),
        )
        self.woken = False
        self.fanout = Fanout(
            identity=Identity(version="0", venue="toy", environment="test", source="toy"),
            publisher=self.publisher,
            state=CurrentState(),
            journal=self.journal,
            settings=ClientSettings(**settings),
            clock=clock,
            wake=self._wake,
        )
        self.transport = MemoryTransport()
        self.transport.serve(self.fanout)

    def _wake(self) -> None:
        self.woken = True

    def publish(self, *events: Event, partition: str = "md.0") -> None:
        for event in events:
            self.publisher.publish(self.publisher.partition(partition), event)

    def turn(self, wire: Wire) -> list[Any]:
        """Everything that can move moves."""
        items = wire.pump()
        while self.woken:
            self.woken = False
            self.fanout.flush()
            items += wire.pump()
        return items


def connected(core: Core) -> tuple[Session, Wire]:
    session = Session(name="me", monotonic_ns=lambda: 0)
    wire = core.transport.attach(session)
    core.turn(wire)
    return session, wire


def deliveries(items: list[Any]) -> list[Delivery]:
    return [item for item in items if isinstance(item, Delivery)]


@pytest.mark.parametrize("number", [3, 1700])
def test_from_start_is_every_record_once(number: int) -> None:
    core = Core()
    core.publish(book_snapshot(), *[trade(trade_id=str(n)) for n in range(number)], book_change(bids=["100.1x1.00"]))
    session, wire = connected(core)
    session.subscribe(from_start=True)
    items = deliveries(core.turn(wire))
    core.publish(trade(), reference())
    items += deliveries(core.turn(wire))
    assert [item.envelope.header.sequence for item in items] == list(range(1, number + 5))
    assert session.gaps == 0
    book = session.books["BTC/USD"]
    assert (book.state, str(book.mid)) == (BookState.LIVE, "100.3")


def test_resume_goes_on_exactly_where_it_was() -> None:
    core = Core()
    session, wire = connected(core)
    session.subscribe()
    core.turn(wire)
    core.publish(book_snapshot(), trade(trade_id="1"))
    core.turn(wire)
    wire.cut()
    core.publish(trade(trade_id="2"), book_change(bids=["100.1x1.00"]), trade("ETH/USD"))
    wire = Wire(session, core.transport._link())
    items = deliveries(core.turn(wire))
    assert [item.envelope.header.sequence for item in items] == [3, 4, 5]
    assert session.gaps == 0
    assert str(session.books["BTC/USD"].mid) == "100.3"


def test_a_client_that_stalls_gets_a_gap_it_does_not_find_again() -> None:
    core = Core(buffer_bytes_max=20_000)
    session, wire = connected(core)
    session.subscribe(kinds=["market_by_price", "trade_summary"])
    core.turn(wire)
    core.publish(book_snapshot())
    core.turn(wire)
    wire.link.stall()
    for number in range(1500):
        core.publish(trade(trade_id=str(number)))
        core.fanout.flush()
    core.publish(book_stale())
    core.fanout.flush()
    wire.link.stall(False)
    items = deliveries(core.turn(wire))
    [gap] = [item.envelope.event for item in items if isinstance(item.envelope.event, Gap)]
    numbers = [item.envelope.header.sequence for item in items if item.envelope.header.sequence]
    assert numbers == list(range(2, (gap.first_sequence or 0)))
    assert gap.last_sequence == 1502
    assert session.gaps == 0
    assert session.books["BTC/USD"].state is BookState.STALE


def test_an_unknown_symbol_is_refused_in_words() -> None:
    core = Core()
    core.publish(reference("BTC/USD"), top())
    session, wire = connected(core)
    session.subscribe(symbols=["BTC/EUR"])
    [refusal] = core.turn(wire)
    assert refusal.code == "unknown_symbol"
    session.subscribe(symbols=["BTC/USD"])
    assert [item.envelope.event for item in deliveries(core.turn(wire))] == [reference("BTC/USD"), top()]


def test_two_subscriptions_survive_a_reconnect() -> None:
    core = Core()
    session, wire = connected(core)
    session.subscribe(symbols=["BTC/*"])
    session.subscribe(symbols=["ETH/*"])
    core.turn(wire)
    core.publish(book_snapshot(), book_snapshot("ETH/USD"))
    core.turn(wire)
    wire.cut()
    core.publish(trade(), trade("ETH/USD"))
    wire = Wire(session, core.transport._link())
    core.turn(wire)
    core.publish(book_change(), trade("ETH/USD"))
    core.turn(wire)
    assert session.fault is None
    assert len(session.subscriptions) == 2
    assert {book.state for book in session.books.values()} == {BookState.LIVE}
