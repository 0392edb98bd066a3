from __future__ import annotations

import pytest

from gwcore.model import Gap, MarketByPriceUpdate, StaleReason, StreamState, StreamStatus, TopOfBook, TradeSummary

BTC, ETH = "BTC/USD", "ETH/USD"


def state(bench, symbol):
    return bench.machine.books.of_symbol[symbol].state


def test_a_book_goes_live_with_its_snapshot(bench):
    b = bench(BTC).connect()
    assert b.book.sent == [b"hello", b"subscribe book BTC/USD"]
    assert state(b, BTC) is StreamState.SUBSCRIBING
    b.hear(ack=["book", BTC])
    assert state(b, BTC) is StreamState.PENDING_DATA
    b.live(BTC)
    assert state(b, BTC) is StreamState.LIVE
    snapshot = b.book.events[0]
    assert (snapshot.depth, snapshot.price_decimals, snapshot.quantity_decimals) == (10, 1, 2)
    assert isinstance(b.book.events[1], TopOfBook)


def test_a_snapshot_may_overtake_its_ack(bench):
    b = bench(BTC).connect()
    b.hear(book=BTC, type="SNAPSHOT", bids=[["9.9", "1.00"]], asks=[["10.0", "1.00"]], checksum=101)
    assert state(b, BTC) is StreamState.LIVE
    b.hear(ack=["book", BTC])
    assert state(b, BTC) is StreamState.LIVE


def test_updates_before_a_snapshot_are_not_published(bench):
    b = bench(BTC).connect().hear(ack=["book", BTC]).hear(book=BTC, bids=[["9.8", "1.00"]], checksum=201)
    assert b.book.events == []
    assert b.machine.books.dropped == 1


def test_a_bad_checksum_is_stale_at_once_and_heals_that_symbol_alone(bench):
    b = bench(BTC, ETH).connect().live(BTC).live(ETH)
    before = len(b.book.sent)
    b.hear(book=BTC, bids=[["9.8", "1.00"]], checksum=999)
    last = [e for e in b.book.events if isinstance(e, MarketByPriceUpdate)][-1]
    assert (last.update_type.value, last.reason) == ("STALE", StaleReason.CHECKSUM)
    assert isinstance(b.book.events[-1], TopOfBook)
    assert b.book.events[-1].update_type.value == "STALE"
    assert b.book.sent[before:] == [b"unsubscribe book BTC/USD"]
    # Mute until the new snapshot; the other symbol goes on.
    b.hear(book=BTC, bids=[["9.7", "1.00"]], checksum=201).hear(book=ETH, bids=[["9.8", "1.00"]], checksum=201)
    assert b.types(BTC) == ["SNAPSHOT", "STALE"]
    assert b.types(ETH) == ["SNAPSHOT", "INCREMENTAL"]
    b.hear(ack=["book", BTC], left=True)
    assert b.book.sent[-1] == b"subscribe book BTC/USD"
    b.live(BTC)
    assert b.types(BTC) == ["SNAPSHOT", "STALE", "SNAPSHOT"]
    assert b.book.closed == []


def test_a_late_snapshot_of_the_old_subscription_does_not_heal(bench):
    b = bench(BTC).connect().live(BTC).hear(book=BTC, bids=[["9.8", "1.00"]], checksum=999)
    b.hear(book=BTC, type="SNAPSHOT", bids=[["9.9", "1.00"]], asks=[["10.0", "1.00"]], checksum=101)
    assert b.types(BTC) == ["SNAPSHOT", "STALE"]


def test_repeated_failures_back_off_then_quarantine_with_slow_retries(bench):
    b = bench(BTC).connect().live(BTC)
    for failure in range(5):
        if failure:
            b.hear(ack=["book", BTC], left=True).live(BTC)
        b.hear(book=BTC, bids=[["9.8", "1.00"]], checksum=999)
        if failure < 4:
            b.wait(5)
    assert state(b, BTC) is StreamState.QUARANTINED
    sent = len(b.book.sent)
    for _ in range(5):  # heartbeats keep the connection alive
        b.wait(10).hear(book=ETH)
    assert len([f for f in b.book.sent[sent:] if f.startswith(b"unsub")]) == 0
    b.wait(10).hear(book=ETH).wait(1)
    assert b.book.sent[-1] == b"unsubscribe book BTC/USD"
    b.hear(ack=["book", BTC], left=True).live(BTC)
    assert state(b, BTC) is StreamState.LIVE


def test_many_bad_books_at_once_renew_the_connection(bench):
    symbols = [f"S{number}/USD" for number in range(10)]
    b = bench(*symbols).connect()
    for symbol in symbols:
        b.live(symbol)
    for symbol in symbols[:5]:
        b.hear(book=symbol, bids=[["9.8", "1.00"]], checksum=999)
    assert b.book.closed == ["renew: many books of this connection went bad at once"]


def test_a_disconnect_makes_each_live_book_stale_once(bench):
    b = bench(BTC, ETH).connect().live(BTC)
    b.machine.on_close("gone", b.now_ns)
    assert b.types(BTC) == ["SNAPSHOT", "STALE"]
    assert b.types(ETH) == []
    b.machine.on_close("gone", b.now_ns)
    assert b.types(BTC) == ["SNAPSHOT", "STALE"]
    b.connect().live(BTC)
    assert b.types(BTC) == ["SNAPSHOT", "STALE", "SNAPSHOT"]


def test_a_crossed_book_is_suspected_then_confirmed_by_a_fresh_snapshot(bench):
    b = bench(BTC).connect().live(BTC)
    b.hear(book=BTC, bids=[["10.5", "1.00"]], checksum=201)
    assert state(b, BTC) is StreamState.RESYNC
    b.hear(ack=["book", BTC], left=True).hear(ack=["book", BTC])
    b.hear(book=BTC, type="SNAPSHOT", bids=[["10.5", "1.00"]], asks=[["10.0", "1.00"]], checksum=101)
    assert state(b, BTC) is StreamState.LIVE
    b.hear(book=BTC, bids=[["10.6", "1.00"]], checksum=201)
    assert state(b, BTC) is StreamState.LIVE


def test_a_book_that_loses_a_side_is_suspected_but_a_thin_one_is_not(bench):
    b = bench(BTC, ETH).connect().live(BTC).hear(ack=["book", ETH])
    b.hear(book=ETH, type="SNAPSHOT", bids=[["9.9", "1.00"]], checksum=100)
    assert state(b, ETH) is StreamState.LIVE
    b.hear(book=BTC, asks=[["10.0", "0.00"]], checksum=100)
    assert b.machine.books.stale[StaleReason.EMPTY_SIDE] == 1
    assert state(b, BTC) is StreamState.RESYNC


def test_no_answer_and_no_snapshot_are_failures_that_are_tried_again(bench):
    b = bench(BTC, silence_s=1000.0, ping_s=None).connect()
    b.wait(10.5)
    assert b.book.sent[-1] == b"unsubscribe book BTC/USD"
    b.hear(ack=["book", BTC], left=True).hear(ack=["book", BTC]).wait(10.5)
    assert b.machine.books.of_symbol[BTC].reason is StaleReason.NO_SNAPSHOT


def test_an_unknown_symbol_is_rejected_and_said_so(bench):
    b = bench(BTC).connect().hear(refuse=["book", BTC], text="Currency pair not supported")
    assert state(b, BTC) is StreamState.REJECTED
    status = b.book.statuses[-1]
    assert isinstance(status, StreamStatus)
    assert status.detail == "Currency pair not supported"


def test_a_retryable_refusal_is_tried_again(bench):
    b = bench(BTC).connect().hear(refuse=["book", BTC], retryable=True).wait(1)
    assert b.book.sent[-1] == b"subscribe book BTC/USD"
    assert b.book.sent.count(b"subscribe book BTC/USD") == 2


def test_already_subscribed_is_left_and_joined_again(bench):
    b = bench(BTC).connect().hear(refuse=["book", BTC], duplicate=True)
    assert b.book.sent[-1] == b"unsubscribe book BTC/USD"


def test_a_refused_request_without_topics_means_all_of_it(bench):
    b = bench(BTC, ETH).connect().hear(refuse_request=1)
    assert state(b, BTC) is state(b, ETH) is StreamState.REJECTED


@pytest.mark.parametrize("bad", [b"not json", b'{"crash": 1}'])
def test_a_frame_that_does_not_decode_is_counted_and_harmless(bench, bad):
    b = bench(BTC).connect().live(BTC)
    b.machine.on_frame(bad, 1, b.now_ns)
    b.hear(book=BTC, bids=[["9.8", "1.00"]], checksum=201)
    assert b.types(BTC) == ["SNAPSHOT", "INCREMENTAL"]
    assert b.machine.undecodable + b.machine.plugin_errors == 1


def test_silence_closes_the_connection(bench):
    b = bench(BTC).connect().live(BTC).wait(14)
    assert b.book.closed == []
    b.wait(2)
    assert b.book.closed == ["silence: no frame for 15 s"]


def test_requests_are_paced_and_halved_when_throttled(bench):
    symbols = [f"S{number}/USD" for number in range(50)]
    b = bench(*symbols, topics_per_request=1, requests_per_s=10.0).connect()
    assert len(b.book.sent) <= 1 + 3
    b.wait(1)
    assert 10 <= len(b.book.sent) <= 1 + 13
    sent = len(b.book.sent)
    b.hear(slow_down=1).wait(2)
    assert len(b.book.sent) - sent <= 7


def test_new_decimals_make_the_book_stale_and_heal_it(bench, instrument):
    b = bench(BTC).connect().live(BTC)
    b.machine.on_instrument(instrument(BTC, price_decimals=2), is_matching=True, now_ns=b.now_ns)
    assert b.machine.books.stale[StaleReason.PRECISION] == 1
    b.machine.on_burst_end(b.now_ns)
    assert b.book.sent[-1] == b"unsubscribe book BTC/USD"


def test_a_market_that_stops_matching_is_stale_without_healing_until_it_starts(bench):
    b = bench(BTC).connect().live(BTC)
    sent = len(b.book.sent)
    b.machine.on_venue_matching(False, {}, b.now_ns)
    b.machine.on_burst_end(b.now_ns)
    assert b.types(BTC) == ["SNAPSHOT", "STALE"]
    assert len(b.book.sent) == sent
    b.machine.on_venue_matching(True, {}, b.now_ns)
    b.machine.on_burst_end(b.now_ns)
    assert b.book.sent[-1] == b"unsubscribe book BTC/USD"
    b.hear(ack=["book", BTC], left=True).live(BTC)
    assert state(b, BTC) is StreamState.LIVE


def test_trades_come_once_and_a_jump_is_a_gap(bench):
    b = bench(BTC, channels=("book", "trade")).connect()
    b.hear(trades=[1, 2, 3], symbol=BTC, type="SNAPSHOT").hear(trades=[3, 4], symbol=BTC).hear(trades=[7], symbol=BTC)
    ids = [t.trade_id for e in b.book.events if isinstance(e, TradeSummary) for t in e.trades]
    assert ids == ["1", "2", "3", "4", "7"]
    gaps = [e for e in b.book.events if isinstance(e, Gap)]
    assert [(g.state.value, g.first_trade_id, g.last_trade_id) for g in gaps] == [
        ("OPEN", "5", "6"),
        ("LOST", "5", "6"),
    ]
    assert b.machine.trades.duplicates == 1


def test_symbols_come_and_go_while_running(bench, instrument, topic):
    b = bench(BTC).connect().live(BTC)
    b.machine.add([topic("book", ETH)], {ETH: instrument(ETH)}, b.now_ns)
    b.machine.on_burst_end(b.now_ns)
    assert b.book.sent[-1] == b"subscribe book ETH/USD"
    b.machine.remove(BTC, b.now_ns)
    b.machine.on_burst_end(b.now_ns)
    assert b.types(BTC)[-1] == "STALE"
    assert b.book.sent[-1] == b"unsubscribe book BTC/USD"
    b.hear(ack=["book", BTC], left=True)
    assert BTC not in {t.symbol for t in b.machine.subscriptions.topics}


def test_a_rejected_symbol_is_asked_for_again_rarely(bench):
    b = bench(BTC, silence_s=1000.0, ping_s=None).connect().hear(refuse=["book", BTC], text="not supported")
    b.wait(59)
    assert b.book.sent.count(b"subscribe book BTC/USD") == 1
    b.wait(2).live(BTC)
    assert state(b, BTC) is StreamState.LIVE


def test_new_decimals_of_a_book_that_is_not_live_are_no_second_stale(bench, instrument):
    b = bench(BTC).connect().live(BTC).hear(book=BTC, bids=[["9.8", "1.00"]], checksum=999)
    b.machine.on_instrument(instrument(BTC, price_decimals=2), is_matching=True, now_ns=b.now_ns)
    assert b.types(BTC) == ["SNAPSHOT", "STALE"]


def test_what_does_not_decode_is_told_to_whoever_listens(bench):
    b = bench(BTC).connect().live(BTC)
    told: list[str] = []
    b.machine.on_undecodable = told.append
    b.machine.on_frame(b"not json", 1, b.now_ns)
    b.machine.on_frame(b'{"crash": 1}', 1, b.now_ns)
    assert len(told) == 2


def test_only_the_answer_to_the_last_ping_measures_the_way(bench):
    b = bench(BTC, silence_s=1000.0, ping_s=30.0).connect().live(BTC)
    b.machine._codec.ping = lambda request_id: b"ping %d" % request_id
    b.hear(pong=1)
    assert b.machine.round_trip_ns is None  # nobody asked
    b.wait(31)
    assert b.book.sent[-1] == b"ping 2"
    b.hear(pong=7)
    assert b.machine.round_trip_ns is None  # another one's
    b.hear(pong=2)
    assert b.machine.round_trip_ns is not None
