"""What a session makes of holes: found, handed out, told from those the gateway announced, and healed."""

from __future__ import annotations

from typing import Any

import pytest

from gwcore.book import BookRule
from gwcore.client import BookNotLive, BookState, Delivery
from gwcore.client.session import HEAL_TRIES_MAX, LOCAL_SOURCE
from gwcore.model import Gap, MarketByPriceUpdate
from gwcore.testing.events import book_change, book_snapshot, top, trade
from gwcore.wire import (
    Goodbye,
    SnapshotRequest,
    frame_event,
)


def events_of(items: list[Any]) -> list[Any]:
    return [item.envelope.event for item in items if isinstance(item, Delivery)]


def test_the_token_follows_news_and_whole_snapshots(stage: Any) -> None:
    stage.port.publish(book_snapshot(), trade())
    stage.session.subscribe()
    assert stage.session.token == {}
    stage.wire.pump()
    assert stage.session.token == {"md.0": ("S1", 2)}
    stage.port.publish(trade())
    stage.wire.pump()
    assert stage.session.token == {"md.0": ("S1", 3)}


def test_a_hole_in_a_topic_is_handed_out_before_the_event_behind_it(stage: Any) -> None:
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
    assert events_of([first, last]) == [trade(trade_id="1"), trade(trade_id="4")]
    assert stage.session.gaps == 1


def test_a_hole_in_a_partition_is_found_by_who_takes_everything(stage: Any) -> None:
    stage.subscribe()
    stage.port.publish(book_snapshot(), trade("BTC/USD"))
    stage.port.sessions, sessions = [], stage.port.sessions
    stage.port.publish(trade("NEW/USD"))
    stage.port.sessions = sessions
    stage.port.publish(trade("OLD/USD"))
    gap = events_of(stage.wire.pump())[2]
    assert (gap.cause, gap.first_sequence, gap.last_sequence) == ("CLIENT_SEQUENCE", 3, 3)


def test_filters_make_no_holes(stage: Any) -> None:
    stage.subscribe(symbols=["ETH/*"])
    for _ in range(3):
        stage.port.publish(trade("BTC/USD"), trade("ETH/USD"), top("BTC/USD"))
    assert len(events_of(stage.wire.pump())) == 3
    assert stage.session.gaps == 0


def test_subscribing_to_more_later_makes_no_holes(stage: Any) -> None:
    stage.port.publish(trade("BTC/USD"), trade("BTC/USD"))
    stage.subscribe(symbols=["ETH/*"], from_start=True)
    stage.port.publish(trade("ETH/USD"), trade("BTC/USD"), trade("ETH/USD"))
    stage.subscribe()
    stage.port.publish(trade("BTC/USD"), trade("ETH/USD"))
    stage.wire.pump()
    assert stage.session.gaps == 0


def test_unsubscribing_and_coming_back_makes_no_holes(stage: Any) -> None:
    subscription = stage.session.subscribe(symbols=["BTC/*"])
    stage.session.subscribe(symbols=["ETH/*"])
    stage.wire.pump()
    stage.port.publish(trade())
    stage.session.unsubscribe(subscription)
    stage.wire.pump()
    stage.port.publish(trade(), trade())
    stage.subscribe(symbols=["BTC/*"])
    stage.port.publish(trade())
    assert len(events_of(stage.wire.pump())) == 1
    assert stage.session.gaps == 0


def test_a_replay_from_the_start_must_begin_at_one(stage: Any) -> None:
    stage.port.publish(trade(), trade(), trade())
    del stage.port.history[0]
    items = stage.subscribe(from_start=True)
    assert next(type(event) for event in events_of(items)) is Gap
    assert stage.session.gaps == 1


def test_a_gap_the_gateway_announced_is_not_found_again(stage: Any) -> None:
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
    assert [type(event).__name__ for event in events_of(items)] == ["Gap", "MarketByPriceUpdate", "MarketByPriceUpdate"]
    assert stage.session.gaps == 0
    assert stage.session.books["BTC/USD"].state is BookState.LIVE
    assert len(stage.session.books["BTC/USD"].bids()) == 4


def test_between_an_announced_gap_and_its_snapshot_the_book_is_stale(stage: Any) -> None:
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


def test_a_book_with_a_hole_heals_by_a_snapshot_of_its_own(stage: Any) -> None:
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


def test_healing_gives_up_at_its_limit(make_stage: Any) -> None:
    # This client is told to hold prices without decimals, so no snapshot will ever do.
    stage = make_stage(book_rule=lambda snapshot: BookRule(price_decimals=0, quantity_decimals=2, depth=10))
    stage.subscribe(kinds=["market_by_price"])
    stage.port.publish(book_snapshot())
    stage.wire.pump()
    assert stage.session.heals == HEAL_TRIES_MAX
    assert stage.session.books["BTC/USD"].reason.startswith("PRECISION")


def test_a_gateway_that_started_anew_announces_the_gap(stage: Any) -> None:
    stage.subscribe()
    stage.port.publish(book_snapshot(), trade())
    stage.wire.pump()
    stage.port.restart("S2")
    assert isinstance(stage.wire.pump()[-1], Goodbye)
    stage.port.publish(book_snapshot(bids=["99.0x1.00"]))
    assert [type(event) for event in events_of(stage.again())] == [Gap, MarketByPriceUpdate]
    stage.port.publish(trade())
    stage.wire.pump()
    assert stage.session.gaps == 0
    assert str(stage.session.books["BTC/USD"].best_bid.price) == "99.0"  # type: ignore[union-attr]
    assert stage.session.token == {"md.0": ("S2", 2)}
