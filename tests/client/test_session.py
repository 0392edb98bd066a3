"""Session: the client's side without I/O, on a wire in memory."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gwcore.book import BookRule
from gwcore.client import BookNotLive, BookState, Delivery, Level, RequestRefused, Session
from gwcore.client.session import HEAL_TRIES_MAX, LOCAL_SOURCE
from gwcore.model import Gap, MarketByPriceUpdate, StaleReason
from gwcore.testing.client_port import SmallPort
from gwcore.testing.events import book_change, book_snapshot, book_stale, top, trade
from gwcore.testing.memory_transport import MemoryTransport, Wire
from gwcore.wire import (
    Goodbye,
    RequestError,
    ServerMessage,
    SnapshotEnd,
    SnapshotRequest,
    Subscribe,
    Subscribed,
    Welcome,
    frame_event,
    frame_message,
)


class Stage:
    """A port, a session and the wire between them."""

    def __init__(self, **options: Any) -> None:
        self.port = SmallPort()
        self.transport = MemoryTransport()
        self.transport.serve(self.port)
        self.now_ns = 0
        self.session = Session(name="me", monotonic_ns=lambda: self.now_ns, **options)
        self.wire = self.transport.attach(self.session)
        assert isinstance(self.wire.pump()[0], Welcome)

    def again(self) -> list[Any]:
        """A new connection."""
        self.wire = Wire(self.session, self.transport._link())
        return self.wire.pump()

    def subscribe(self, **options: Any) -> list[Any]:
        self.session.subscribe(**options)
        return self.wire.pump()


def events(items: list[Any]) -> list[Any]:
    return [item.envelope.event for item in items if isinstance(item, Delivery)]


def messages(items: list[Any]) -> list[ServerMessage]:
    return [item for item in items if not isinstance(item, Delivery)]


def test_state_first_then_news_with_the_bytes_as_received() -> None:
    stage = Stage()
    stage.port.publish(book_snapshot(), trade())
    items = stage.subscribe(symbols=["BTC/*"])
    assert [type(item) for item in items] == [Subscribed, Delivery, SnapshotEnd]
    [record] = stage.port.publish(book_change(bids=["100.1x1.00"]))
    [delivery] = stage.wire.pump()
    assert isinstance(delivery, Delivery)
    assert delivery.payload == record.payload
    assert stage.session.books["BTC/USD"].best_bid == Level(Decimal("100.1"), Decimal(1))


@pytest.mark.parametrize("chunk_bytes", [1, 7, 100])
def test_pieces_make_no_difference(chunk_bytes: int) -> None:
    stage = Stage()
    stage.port.publish(book_snapshot())
    stage.session.subscribe()
    items = stage.wire.pump(chunk_bytes)
    stage.port.publish(book_change(bids=["100.1x1.00"]), trade())
    items += stage.wire.pump(chunk_bytes)
    assert len(events(items)) == 3


def test_what_is_subscribed_before_there_is_a_connection_is_asked_then() -> None:
    port, transport = SmallPort(), MemoryTransport()
    transport.serve(port)
    port.publish(book_snapshot(), trade())
    session = Session()
    session.subscribe(from_start=True)
    items = transport.attach(session).pump()
    assert len(events(items)) == 2
    assert sum(isinstance(request, Subscribe) for request in port.sessions[0].requests) == 1
    assert session.books["BTC/USD"].state is BookState.LIVE


def test_a_refused_subscription_is_forgotten() -> None:
    stage = Stage()
    [refusal] = stage.subscribe(symbols=["NONE/SUCH"])
    assert isinstance(refusal, RequestError)
    assert not stage.session.subscriptions
    assert stage.session.fault is None


def test_the_token_follows_news_and_whole_snapshots() -> None:
    stage = Stage()
    stage.port.publish(book_snapshot(), trade())
    stage.session.subscribe()
    assert stage.session.token == {}
    stage.wire.pump()
    assert stage.session.token == {"md.0": ("S1", 2)}
    stage.port.publish(trade())
    stage.wire.pump()
    assert stage.session.token == {"md.0": ("S1", 3)}


def test_a_snapshot_cut_in_the_middle_does_not_count() -> None:
    stage = Stage()
    stage.port.publish(book_snapshot(), book_snapshot("ETH/USD"))
    stage.session.subscribe()
    stage.wire.link.receive(stage.session.bytes_to_send())
    stage.session.on_bytes(stage.wire.link.take(900))
    stage.wire.cut()
    assert stage.session.token == {}


def test_a_hole_in_a_topic_is_handed_out_before_the_event_behind_it() -> None:
    stage = Stage()
    stage.subscribe(kinds=["trade_summary"])
    stage.port.publish(trade(trade_id="1"))
    stage.port.sessions, sessions = [], stage.port.sessions
    stage.port.publish(trade(trade_id="2"), trade(trade_id="3"))
    stage.port.sessions = sessions
    stage.port.publish(trade(trade_id="4"))
    items = stage.wire.pump()
    first, gap, last = items
    assert isinstance(gap, Delivery)
    assert gap.payload == b""
    assert gap.envelope.header.source == LOCAL_SOURCE
    assert gap.envelope.event == Gap(
        cause="CLIENT_TOPIC_SEQUENCE",
        partition="md.0",
        session_id="S1",
        symbol="BTC/USD",
        channel="trade_summary",
        dropped=2,
    )
    assert events([first, last]) == [trade(trade_id="1"), trade(trade_id="4")]
    assert stage.session.gaps == 1


def test_a_hole_in_a_partition_is_found_by_who_takes_everything() -> None:
    stage = Stage()
    stage.subscribe()
    stage.port.publish(book_snapshot(), trade("BTC/USD"))
    stage.port.sessions, sessions = [], stage.port.sessions
    stage.port.publish(trade("NEW/USD"))
    stage.port.sessions = sessions
    stage.port.publish(trade("OLD/USD"))
    gap = events(stage.wire.pump())[2]
    assert (gap.cause, gap.first_sequence, gap.last_sequence) == ("CLIENT_SEQUENCE", 3, 3)


def test_filters_make_no_holes() -> None:
    stage = Stage()
    stage.subscribe(symbols=["ETH/*"])
    for _ in range(3):
        stage.port.publish(trade("BTC/USD"), trade("ETH/USD"), top("BTC/USD"))
    assert len(events(stage.wire.pump())) == 3
    assert stage.session.gaps == 0


def test_subscribing_to_more_later_makes_no_holes() -> None:
    stage = Stage()
    stage.port.publish(trade("BTC/USD"), trade("BTC/USD"))
    stage.subscribe(symbols=["ETH/*"], from_start=True)
    stage.port.publish(trade("ETH/USD"), trade("BTC/USD"), trade("ETH/USD"))
    stage.subscribe()
    stage.port.publish(trade("BTC/USD"), trade("ETH/USD"))
    stage.wire.pump()
    assert stage.session.gaps == 0


def test_unsubscribing_and_coming_back_makes_no_holes() -> None:
    stage = Stage()
    subscription = stage.session.subscribe(symbols=["BTC/*"])
    stage.session.subscribe(symbols=["ETH/*"])
    stage.wire.pump()
    stage.port.publish(trade())
    stage.session.unsubscribe(subscription)
    stage.wire.pump()
    stage.port.publish(trade(), trade())
    stage.subscribe(symbols=["BTC/*"])
    stage.port.publish(trade())
    assert len(events(stage.wire.pump())) == 1
    assert stage.session.gaps == 0


def test_a_replay_from_the_start_must_begin_at_one() -> None:
    stage = Stage()
    stage.port.publish(trade(), trade(), trade())
    del stage.port.history[0]
    items = stage.subscribe(from_start=True)
    assert next(type(event) for event in events(items)) is Gap
    assert stage.session.gaps == 1


def test_a_gap_the_gateway_announced_is_not_found_again() -> None:
    stage = Stage()
    stage.port.pending_max = 3
    stage.subscribe()
    stage.port.publish(book_snapshot())
    stage.wire.pump()
    [small] = stage.port.sessions
    small.pause()
    for _ in range(10):
        stage.port.publish(book_change(bids=["100.1x1.00"]))
    small.resume()
    stage.port.publish(book_change(bids=["100.2x1.00"]))
    items = stage.wire.pump()
    assert [type(event).__name__ for event in events(items)] == ["Gap", "MarketByPriceUpdate", "MarketByPriceUpdate"]
    assert stage.session.gaps == 0
    assert stage.session.books["BTC/USD"].state is BookState.LIVE
    assert len(stage.session.books["BTC/USD"].bids()) == 4


def test_between_an_announced_gap_and_its_snapshot_the_book_is_stale() -> None:
    stage = Stage()
    stage.subscribe()
    stage.port.publish(book_snapshot())
    stage.wire.pump()
    gap = stage.port.private(
        Gap(cause="SLOW", partition="md.0", session_id="S1", first_sequence=2, last_sequence=3), "md.0"
    )
    stage.session.on_bytes(frame_event(gap.payload))
    with pytest.raises(BookNotLive, match="GAP: SLOW"):
        _ = stage.session.books["BTC/USD"].mid
    assert stage.session.bytes_to_send() == b""  # its snapshot comes by itself


def test_a_book_with_a_hole_heals_by_a_snapshot_of_its_own() -> None:
    stage = Stage()
    stage.subscribe(kinds=["market_by_price"])
    stage.port.publish(book_snapshot(), book_snapshot("ETH/USD"))
    stage.wire.pump()
    stage.port.sessions, sessions = [], stage.port.sessions
    stage.port.publish(book_change(bids=["100.1x1.00"]))
    stage.port.sessions = sessions
    stage.port.publish(book_change(bids=["100.2x1.00"]))
    stage.session.on_bytes(stage.wire.link.take())
    book = stage.session.books["BTC/USD"]
    assert (book.state, book.reason) == (BookState.STALE, "SEQUENCE_GAP: 1 events missing")
    assert stage.session.books["ETH/USD"].state is BookState.LIVE
    stage.wire.pump()
    assert book.state is BookState.LIVE
    assert [str(level.price) for level in book.bids(2)] == ["100.2", "100.1"]
    assert stage.session.heals == 1
    assert isinstance(sessions[0].requests[-1], SnapshotRequest)


def test_healing_gives_up_at_its_limit() -> None:
    # This client is told to hold prices without decimals, so no snapshot will ever do.
    stage = Stage(book_rule=lambda snapshot: BookRule(price_decimals=0, quantity_decimals=2, depth=10))
    stage.subscribe(kinds=["market_by_price"])
    stage.port.publish(book_snapshot())
    stage.wire.pump()
    assert stage.session.heals == HEAL_TRIES_MAX
    assert stage.session.books["BTC/USD"].reason.startswith("PRECISION")


def test_stale_says_why() -> None:
    stage = Stage()
    stage.subscribe()
    stage.port.publish(book_snapshot(), book_stale(reason=StaleReason.CROSSED), book_change(bids=["1.0x1.00"]))
    stage.wire.pump()
    book = stage.session.books["BTC/USD"]
    stage.now_ns = 3_000_000_000
    with pytest.raises(BookNotLive) as caught:
        book.bids()
    assert (caught.value.state, caught.value.reason, caught.value.age_s) == ("STALE", "CROSSED", 3.0)
    assert book.peek().bids() == []
    stage.port.publish(book_snapshot())
    stage.wire.pump()
    assert book.state is BookState.LIVE


def test_a_book_nobody_heard_of_is_unknown() -> None:
    stage = Stage()
    with pytest.raises(BookNotLive, match="UNKNOWN"):
        _ = stage.session.books["BTC/USD"].best_ask


def test_disconnect_makes_every_book_stale_and_resume_brings_them_back() -> None:
    stage = Stage()
    stage.subscribe()
    stage.port.publish(book_snapshot(), book_snapshot("ETH/USD"))
    stage.wire.pump()
    stage.wire.cut("cable")
    books = stage.session.books
    assert {book.reason for book in books.values()} == {"DISCONNECT: cable"}
    assert str(books["BTC/USD"].peek().mid) == "100.25"
    stage.port.publish(book_change(bids=["100.1x1.00"]), trade())
    items = stage.again()
    assert stage.port.sessions[-1].requests[-1] == Subscribe(request_id=1, resume={"md.0": ("S1", 2)})
    assert len(events(items)) == 2
    assert {book.state for book in books.values()} == {BookState.LIVE}
    assert str(books["BTC/USD"].mid) == "100.3"
    assert stage.session.gaps == 0


def test_while_the_past_is_replayed_no_book_is_live() -> None:
    stage = Stage()
    stage.port.publish(book_snapshot(), book_change(bids=["100.1x1.00"]))
    stage.session.subscribe(from_start=True)
    stage.wire.link.receive(stage.session.bytes_to_send())
    data = stage.wire.link.take()
    end = len(frame_message(SnapshotEnd(request_id=1)))
    stage.session.on_bytes(data[:-end])
    assert stage.session.books["BTC/USD"].reason.startswith("REPLAY")
    stage.session.on_bytes(data[-end:])
    assert str(stage.session.books["BTC/USD"].mid) == "100.3"


def test_a_gateway_that_started_anew_announces_the_gap() -> None:
    stage = Stage()
    stage.subscribe()
    stage.port.publish(book_snapshot(), trade())
    stage.wire.pump()
    stage.port.restart("S2")
    assert isinstance(stage.wire.pump()[-1], Goodbye)
    stage.port.publish(book_snapshot(bids=["99.0x1.00"]))
    assert [type(event) for event in events(stage.again())] == [Gap, MarketByPriceUpdate]
    stage.port.publish(trade())
    stage.wire.pump()
    assert stage.session.gaps == 0
    assert str(stage.session.books["BTC/USD"].best_bid.price) == "99.0"  # type: ignore[union-attr]
    assert stage.session.token == {"md.0": ("S2", 2)}


def test_a_book_the_new_gateway_does_not_have_stays_stale() -> None:
    stage = Stage()
    stage.subscribe()
    stage.port.publish(book_snapshot())
    stage.wire.pump()
    stage.port.restart("S2")
    stage.wire.pump()
    stage.port.publish(trade())
    stage.again()
    assert stage.session.books["BTC/USD"].state is BookState.STALE


def test_a_new_process_resumes_from_a_token_and_asks_for_the_books_it_lacks() -> None:
    stage = Stage()
    stage.port.publish(book_snapshot(), trade(), book_change(bids=["100.1x1.00"]))
    items = stage.subscribe(resume={"md.0": ("S1", 1)})
    news = [event for event in events(items) if event == trade() or event == book_change(bids=["100.1x1.00"])]
    assert len(news) == 2
    assert str(stage.session.books["BTC/USD"].mid) == "100.3"
    assert stage.session.gaps == 0


def test_several_subscriptions_come_back_together() -> None:
    stage = Stage()
    stage.subscribe(symbols=["BTC/*"])
    stage.subscribe(symbols=["ETH/*"])
    stage.port.publish(book_snapshot(), book_snapshot("ETH/USD"))
    stage.wire.pump()
    stage.wire.cut()
    stage.again()
    first, second = stage.port.sessions[-1].requests[-2:]
    assert isinstance(first, Subscribe)
    assert isinstance(second, Subscribe)
    assert (first.resume, second.resume) == ({"md.0": ("S1", 2)}, None)
    assert {book.state for book in stage.session.books.values()} == {BookState.LIVE}


def test_a_refused_resume_is_a_fault() -> None:
    stage = Stage()
    stage.subscribe()
    stage.port.publish(trade())
    stage.wire.pump()
    stage.wire.cut()
    stage.session.on_open()
    stage.session.on_bytes(
        frame_message(
            Welcome(version="", venue="", environment="", source="", client_id="", heartbeat_s=1, sessions={})
        )
    )
    stage.session.on_bytes(frame_message(RequestError(request_id=1, code="no", text="no")))
    assert isinstance(stage.session.fault, RequestRefused)


def test_a_snapshot_asked_for_is_marked_and_does_not_feed_books_nobody_follows() -> None:
    stage = Stage()
    stage.port.publish(book_snapshot(), trade())
    request_id = stage.session.snapshot(symbols=["BTC/USD"])
    items = stage.wire.pump()
    assert [item.request_id for item in items if isinstance(item, Delivery)] == [request_id]
    assert items[-1] == SnapshotEnd(request_id=request_id)
    assert stage.session.books["BTC/USD"].state is BookState.UNKNOWN


def test_unsubscribing_ends_the_books() -> None:
    stage = Stage()
    subscription = stage.session.subscribe()
    stage.wire.pump()
    stage.port.publish(book_snapshot())
    stage.wire.pump()
    stage.session.unsubscribe(subscription)
    assert stage.session.books["BTC/USD"].reason == "UNSUBSCRIBED"


@pytest.mark.parametrize("data", [b"\0\0\0\x02X{", b"\0\0\0\x03E{}", b"\0\0\0\x03C{}", b"\xff\xff\xff\xff"])
def test_garbage_is_a_fault_and_loses_nothing_before_it(data: bytes) -> None:
    stage = Stage()
    stage.subscribe()
    [record] = stage.port.publish(trade())
    items = stage.session.on_bytes(frame_event(record.payload) + data + frame_event(record.payload))
    assert events(items) == [trade()]
    assert stage.session.fault is not None


def test_an_older_increment_behind_a_snapshot_is_not_applied_again() -> None:
    stage = Stage()
    stage.subscribe()
    stage.port.publish(book_snapshot())
    stage.wire.pump()
    [small] = stage.port.sessions
    small.pause()
    stage.port.publish(book_change(bids=["100.1x1.00"]), book_change(bids=["100.1x0.00"]))
    small._writer.write_events(stage.port.state(lambda kind, symbol: True))  # overtakes what waits
    small.resume()
    stage.wire.pump()
    assert str(stage.session.books["BTC/USD"].mid) == "100.25"
    assert stage.session.token == {"md.0": ("S1", 3)}
    assert stage.session.gaps == 0
