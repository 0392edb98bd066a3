"""The data clocks: what is silent is found, what is only quiet stays live, and where nobody can be asked it is made anew."""

from __future__ import annotations

import pytest

from gwcore.errors import VenueUnavailable
from gwcore.model import (
    MarketByPriceUpdate,
    StaleReason,
    StatisticsUpdate,
    StreamState,
    StreamStatus,
    TopOfBook,
    UpdateType,
)
from gwcore.venue import Topic

BTC, ETH = "BTC/USD", "ETH/USD"
HELD = {"bid_price": "9.9", "bid_quantity": "1.00", "ask_price": "10.0", "ask_quantity": "1.00"}


class ProbedCodec:
    """The toy codec with a second way to the venue."""

    def __init__(self, codec):
        self._codec = codec
        self.probed: list[list[Topic]] = []

    def __getattr__(self, name):
        return getattr(self._codec, name)

    def probe(self, topics):
        self.probed.append(list(topics))
        return iter(())


@pytest.fixture
def make(bench):
    def make(*symbols, probed=True, channels=("book",), **group):
        b = bench(*symbols, channels=channels, silence_s=10_000.0, ping_s=None, **group).connect()
        if probed:
            b.codec = ProbedCodec(b.machine._codec)
            b.machine.watch.quiet.on_open(b.codec)
        for symbol in symbols:
            b.live(symbol)
        return b

    return make


def top(symbol=BTC, **changes):
    return TopOfBook(symbol=symbol, update_type=UpdateType.SNAPSHOT, **(HELD | changes))


def answer(b, *messages):
    _, done = b.book.asked.pop()
    done(messages[0] if messages and isinstance(messages[0], Exception) else list(messages), b.now_ns)


def state(b, symbol=BTC):
    return b.machine.books.of_symbol[symbol].state


def test_a_quiet_book_that_the_venue_confirms_is_never_stale(make):
    b = make(BTC)
    for _ in range(60):  # an hour, one question a minute
        b.wait(60.5)
        answer(b, top())
    assert b.types(BTC) == ["SNAPSHOT"]
    assert state(b) is StreamState.LIVE
    assert b.machine.watch.quiet.outcomes["confirmed"] == 60
    assert b.book.sent == [b"hello", b"subscribe book BTC/USD"]


def test_a_book_that_the_venue_contradicts_is_silent_within_a_second_of_its_threshold(make):
    b = make(BTC).wait(60)
    assert len(b.book.asked) == 1
    answer(b, top(bid_price="9.8"))
    assert state(b) is StreamState.LIVE  # the change may be on its way
    b.wait(1)
    stale = [event for event in b.book.events if isinstance(event, MarketByPriceUpdate)][-1]
    assert (stale.update_type, stale.reason) == (UpdateType.STALE, StaleReason.SILENCE)
    assert state(b) is StreamState.RESYNC
    status = [event for event in b.book.statuses if isinstance(event, StreamStatus)][-1]
    assert status.age_ns is not None


def test_a_change_that_was_on_its_way_clears_the_doubt(make):
    b = make(BTC).wait(60)
    answer(b, top(bid_price="9.8", bid_quantity="2.00"))
    b.hear(book=BTC, bids=[["9.9", "0.00"], ["9.8", "2.00"]], checksum=101).wait(2)
    assert b.types(BTC) == ["SNAPSHOT", "INCREMENTAL"]
    assert b.machine.watch.quiet.outcomes["data came"] == 1


def test_data_keeps_a_book_from_being_probed(make):
    b = make(BTC)
    for number in range(20):
        b.wait(30).hear(book=BTC, bids=[["9.9", f"{number + 1}.00"]], checksum=101)
    assert b.book.asked == []


def test_one_question_covers_all_that_are_quiet_for_half_their_time(make):
    b = make(BTC, ETH).wait(20).hear(book=ETH, bids=[["9.9", "2.00"]], checksum=101).wait(40.5)
    assert [topic.symbol for topic in b.codec.probed[0]] == [BTC, ETH]
    answer(b, top(), top(ETH, bid_quantity="2.00"))
    b.wait(30)
    assert len(b.codec.probed) == 1


def test_without_an_answer_the_book_is_made_anew_and_stays_live_where_nothing_changed(make):
    b = make(BTC).wait(60)
    answer(b, VenueUnavailable("REST is down"))
    b.machine.on_burst_end(b.now_ns)
    assert b.book.sent[-1] == b"unsubscribe book BTC/USD"
    b.hear(ack=["book", BTC], left=True)
    b.live(BTC)
    assert b.types(BTC) == ["SNAPSHOT"]
    assert state(b) is StreamState.LIVE
    assert not [
        status
        for status in b.book.statuses
        if status.state is not StreamState.LIVE and b.book.statuses.index(status) > 1
    ]
    assert b.machine.watch.quiet.outcomes["confirmed by a snapshot"] == 1


def test_made_anew_with_another_book_it_was_silent(make):
    b = make(BTC, probed=False).wait(60).hear(ack=["book", BTC], left=True).hear(ack=["book", BTC])
    b.hear(book=BTC, type="SNAPSHOT", bids=[["9.8", "1.00"]], asks=[["10.0", "1.00"]], checksum=101)
    assert b.types(BTC) == ["SNAPSHOT", "STALE", "SNAPSHOT"]
    assert b.machine.books.stale[StaleReason.SILENCE] == 1
    assert state(b) is StreamState.LIVE


def test_made_anew_and_not_fed_it_is_stale_when_the_snapshot_is_overdue(make):
    b = make(BTC, probed=False).wait(60).hear(ack=["book", BTC], left=True).hear(ack=["book", BTC])
    assert state(b) is StreamState.LIVE
    b.wait(10.5)
    assert b.types(BTC) == ["SNAPSHOT", "STALE"]
    assert state(b) is StreamState.RESYNC


def test_made_anew_and_refused_it_is_stale(make):
    b = make(BTC, probed=False).wait(60).hear(ack=["book", BTC], left=True).hear(refuse=["book", BTC], text="gone")
    assert b.types(BTC) == ["SNAPSHOT", "STALE"]
    assert state(b) is StreamState.REJECTED


def test_a_venue_that_can_not_unsubscribe_is_left_alone(make):
    b = make(BTC, probed=False, can_unsubscribe=False).wait(600)
    assert b.book.closed == []
    assert state(b) is StreamState.LIVE
    assert b.machine.watch.quiet.outcomes["can't be probed"] > 0


def test_a_probe_without_an_answer_is_given_up(make):
    b = make(BTC).wait(66)
    assert b.machine.watch.quiet.outcomes["failed"] == 1
    assert b.book.sent[-1] == b"unsubscribe book BTC/USD"


def test_an_answer_after_the_connection_was_lost_changes_nothing(make):
    b = make(BTC).wait(60)
    b.machine.on_close("gone", b.now_ns)
    answer(b, top(bid_price="9.8"))
    b.wait(5)
    assert b.machine.books.stale == {StaleReason.DISCONNECT: 1}


def test_a_market_that_is_not_online_is_not_probed(make):
    b = make(BTC)
    b.machine.on_venue_matching(False, {}, b.now_ns)
    b.wait(300)
    assert b.book.asked == []


def test_silent_trades_are_subscribed_again_and_say_so(make):
    b = make(BTC, channels=("book", "trade")).hear(ack=["trade", BTC]).hear(symbol=BTC, trades=[1], price="10.0")
    for _ in range(4):  # one question a minute for the book; from half the trades' time on it is about them too
        b.wait(60.5)
        answer(b, top(), StatisticsUpdate(symbol=BTC, last_price="10.1"))
    b.wait(1)
    statuses = [each for each in b.book.statuses if isinstance(each, StreamStatus) and each.channel == "trade"]
    assert [(each.state, each.reason) for each in statuses[-2:]] == [
        (StreamState.STALE, StaleReason.SILENCE),
        (StreamState.RESYNC, StaleReason.SILENCE),
    ]
    assert state(b) is StreamState.LIVE  # its book has nothing to do with it


def test_a_venue_that_only_answers_pings_is_dead_if_it_sends_heartbeats(bench):
    b = bench(BTC, silence_s=20.0, ping_s=None, has_heartbeats=True).connect().live(BTC)
    for _ in range(2):
        b.wait(4).hear(pong=1)
    assert b.book.closed == []
    b.wait(3)
    assert b.book.closed == ["silence: nothing but answers to our pings for 10 s"]


def test_a_venue_without_heartbeats_may_be_quiet_for_long(bench):
    b = bench(BTC, silence_s=20.0, ping_s=None).connect().live(BTC)
    for _ in range(10):
        b.wait(5).hear(pong=1)
    assert b.book.closed == []


def test_a_connection_that_accepts_all_and_feeds_nothing_is_replaced(bench):
    symbols = [f"S{number}/USD" for number in range(6)]
    b = bench(*symbols, silence_s=1000.0, ping_s=None).connect()
    for symbol in symbols:
        b.hear(ack=["book", symbol])
    b.wait(11)
    assert b.book.closed == ["renew: many books of this connection went bad at once"]


def test_one_symbol_that_is_not_fed_disturbs_no_other(bench):
    symbols = [f"S{number}/USD" for number in range(6)]
    b = bench(*symbols, silence_s=1000.0, ping_s=None).connect()
    for symbol in symbols[1:]:
        b.live(symbol)
    b.hear(ack=["book", symbols[0]]).wait(50)
    assert b.book.closed == []
    assert {b.types(symbol)[-1] for symbol in symbols[1:]} == {"SNAPSHOT"}
