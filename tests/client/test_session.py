"""Session: the client's side without I/O, on a wire in memory."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gwcore.client import BookNotLive, BookState, Delivery, Level, RequestRefused, Session
from gwcore.model import StaleReason
from gwcore.testing.client_port import SmallPort
from gwcore.testing.events import book_change, book_snapshot, book_stale, trade
from gwcore.testing.memory_transport import MemoryTransport, Wire
from gwcore.wire import (
    RequestError,
    SnapshotEnd,
    Subscribe,
    Subscribed,
    Welcome,
    frame_event,
    frame_message,
)


def events_of(items: list[Any]) -> list[Any]:
    return [item.envelope.event for item in items if isinstance(item, Delivery)]


def test_state_first_then_news_with_the_bytes_as_received(stage: Any) -> None:
    stage.port.publish(book_snapshot(), trade())
    items = stage.subscribe(symbols=["BTC/*"])
    assert [type(item) for item in items] == [Subscribed, Delivery, SnapshotEnd]
    [record] = stage.port.publish(book_change(bids=["100.1x1.00"]))
    [delivery] = stage.wire.pump()
    assert isinstance(delivery, Delivery)
    assert delivery.payload == record.payload
    assert stage.session.books["BTC/USD"].best_bid == Level(Decimal("100.1"), Decimal(1))


@pytest.mark.parametrize("chunk_bytes", [1, 7, 100])
def test_pieces_make_no_difference(stage: Any, chunk_bytes: int) -> None:
    stage.port.publish(book_snapshot())
    stage.session.subscribe()
    items = stage.wire.pump(chunk_bytes)
    stage.port.publish(book_change(bids=["100.1x1.00"]), trade())
    items += stage.wire.pump(chunk_bytes)
    assert len(events_of(items)) == 3


def test_what_is_subscribed_before_there_is_a_connection_is_asked_then() -> None:
    port, transport = SmallPort(), MemoryTransport()
    transport.serve(port)
    port.publish(book_snapshot(), trade())
    session = Session()
    session.subscribe(from_start=True)
    items = transport.attach(session).pump()
    assert len(events_of(items)) == 2
    assert sum(isinstance(request, Subscribe) for request in port.sessions[0].requests) == 1
    assert session.books["BTC/USD"].state is BookState.LIVE


def test_a_refused_subscription_is_forgotten(stage: Any) -> None:
    [refusal] = stage.subscribe(symbols=["NONE/SUCH"])
    assert isinstance(refusal, RequestError)
    assert not stage.session.subscriptions
    assert stage.session.fault is None


def test_a_snapshot_cut_in_the_middle_does_not_count(stage: Any) -> None:
    stage.port.publish(book_snapshot(), book_snapshot("ETH/USD"))
    stage.session.subscribe()
    stage.wire.link.receive(stage.session.bytes_to_send())
    stage.session.on_bytes(stage.wire.link.take(900))
    stage.wire.cut()
    assert stage.session.token == {}


def test_stale_says_why(stage: Any) -> None:
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


def test_a_book_nobody_heard_of_is_unknown(stage: Any) -> None:
    with pytest.raises(BookNotLive, match="UNKNOWN"):
        _ = stage.session.books["BTC/USD"].best_ask


def test_disconnect_makes_every_book_stale_and_resume_brings_them_back(stage: Any) -> None:
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
    assert len(events_of(items)) == 2
    assert {book.state for book in books.values()} == {BookState.LIVE}
    assert str(books["BTC/USD"].mid) == "100.3"
    assert stage.session.gaps == 0


def test_while_the_past_is_replayed_no_book_is_live(stage: Any) -> None:
    stage.port.publish(book_snapshot(), book_change(bids=["100.1x1.00"]))
    stage.session.subscribe(from_start=True)
    stage.wire.link.receive(stage.session.bytes_to_send())
    data = stage.wire.link.take()
    end = len(frame_message(SnapshotEnd(request_id=1)))
    stage.session.on_bytes(data[:-end])
    assert stage.session.books["BTC/USD"].reason.startswith("REPLAY")
    stage.session.on_bytes(data[-end:])
    assert str(stage.session.books["BTC/USD"].mid) == "100.3"


def test_a_book_the_new_gateway_does_not_have_stays_stale(stage: Any) -> None:
    stage.subscribe()
    stage.port.publish(book_snapshot())
    stage.wire.pump()
    stage.port.restart("S2")
    stage.wire.pump()
    stage.port.publish(trade())
    stage.again()
    assert stage.session.books["BTC/USD"].state is BookState.STALE


def test_a_new_process_resumes_from_a_token_and_asks_for_the_books_it_lacks(stage: Any) -> None:
    stage.port.publish(book_snapshot(), trade(), book_change(bids=["100.1x1.00"]))
    items = stage.subscribe(resume={"md.0": ("S1", 1)})
    news = [event for event in events_of(items) if event == trade() or event == book_change(bids=["100.1x1.00"])]
    assert len(news) == 2
    assert str(stage.session.books["BTC/USD"].mid) == "100.3"
    assert stage.session.gaps == 0


def test_several_subscriptions_come_back_together(stage: Any) -> None:
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


def test_a_refused_resume_is_a_fault(stage: Any) -> None:
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


def test_a_snapshot_asked_for_is_marked_and_does_not_feed_books_nobody_follows(stage: Any) -> None:
    stage.port.publish(book_snapshot(), trade())
    request_id = stage.session.snapshot(symbols=["BTC/USD"])
    items = stage.wire.pump()
    assert [item.request_id for item in items if isinstance(item, Delivery)] == [request_id]
    assert items[-1] == SnapshotEnd(request_id=request_id, sessions={"md.0": ("S1", 2)})
    assert stage.session.books["BTC/USD"].state is BookState.UNKNOWN


def test_unsubscribing_ends_the_books(stage: Any) -> None:
    subscription = stage.session.subscribe()
    stage.wire.pump()
    stage.port.publish(book_snapshot())
    stage.wire.pump()
    stage.session.unsubscribe(subscription)
    assert stage.session.books["BTC/USD"].reason == "UNSUBSCRIBED"


@pytest.mark.parametrize("data", [b"\0\0\0\x02X{", b"\0\0\0\x03E{}", b"\0\0\0\x03C{}", b"\xff\xff\xff\xff"])
def test_garbage_is_a_fault_and_loses_nothing_before_it(stage: Any, data: bytes) -> None:
    stage.subscribe()
    [record] = stage.port.publish(trade())
    items = stage.session.on_bytes(frame_event(record.payload) + data + frame_event(record.payload))
    assert events_of(items) == [trade()]
    assert stage.session.fault is not None


def test_an_older_increment_behind_a_snapshot_is_not_applied_again(stage: Any) -> None:
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


def test_a_book_whose_subscription_was_cut_in_the_middle_waits_for_its_snapshot(stage: Any) -> None:
    stage.subscribe(symbols=["BTC/*"])
    stage.port.publish(book_snapshot())
    stage.wire.pump()
    stage.session.subscribe(symbols=["ETH/*"])  # not answered before the connection breaks
    stage.wire.cut()
    stage.wire = Wire(stage.session, stage.transport._link())
    stage.wire.link.receive(stage.session.bytes_to_send())
    stage.session.on_bytes(stage.wire.link.take())  # welcome
    assert stage.session.books["BTC/USD"].state.value == "STALE"
    stage.wire.pump()
    assert stage.session.books["BTC/USD"].state.value == "LIVE"
