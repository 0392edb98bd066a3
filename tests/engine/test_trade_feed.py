from __future__ import annotations

from typing import Any

import pytest

from gwcore.engine.market import trade_feed
from gwcore.engine.market.recovery import Recovery
from gwcore.engine.market.trade_feed import TradeFeed
from gwcore.errors import DecodeError, VenueRejected, VenueUnavailable
from gwcore.model import Gap, Origin, Side, Trade, TradeSummary, UpdateType

BTC, ETH = "BTC/USD", "ETH/USD"
SECOND = 1_000_000_000


def trade(number: int, time_ns: int | None = None) -> Trade:
    time_ns = number * SECOND if time_ns is None else time_ns
    return Trade(price="1.0", quantity="1.00", side=Side.BUY, trade_id=str(number), venue_time_ns=time_ns)


class Limits:
    trade_ids_contiguous = True


class Deaf:
    """Streams of a venue that tells no past trades."""

    limits = Limits()


class Telling(Deaf):
    """Streams of one that does; a flow here is just the question."""

    def trades_after(self, instrument: Any, trade_id: int, venue_time_ns: int, until_id: int) -> Any:
        return (trade_id, venue_time_ns, until_id)


class Feed:
    """A feed, what it published, and its questions to be answered by hand."""

    def __init__(self, streams: Any, notebook: Any) -> None:
        self.book = notebook
        self.recovered: list[Any] = []
        self.recovery = Recovery(self.recovered.append)
        self.feed = TradeFeed(streams, notebook, {BTC: "btc", ETH: "eth"}, self.recovery)  # type: ignore[dict-item]
        self.feed.add(BTC)
        self.feed.add(ETH)

    def hear(self, *ids: int, symbol: str = BTC, snapshot: bool = False) -> Feed:
        update_type = UpdateType.SNAPSHOT if snapshot else UpdateType.INCREMENTAL
        trades = tuple(trade(number) for number in ids)
        self.feed.on_trades(TradeSummary(symbol=symbol, update_type=update_type, trades=trades), 7)
        return self

    def answer(self, result: Any, now_ns: int = 0) -> Any:
        flow, done = self.book.asked.pop(0)
        done(result, now_ns)
        return flow

    @property
    def course(self) -> list[str]:
        """What a client sees, in order: b1 is a trade filled in, OPEN:2-3 a gap."""
        found = []
        for event in self.book.events:
            if isinstance(event, Gap):
                found.append(f"{event.state.value}:{event.first_trade_id}-{event.last_trade_id}")
            else:
                mark = {Origin.BACKFILL: "b", Origin.VENUE: ""}[event.origin]
                found += [mark + str(each.trade_id) for each in event.trades]
        return found


@pytest.fixture
def make(bench):
    notebook = type(bench().book)
    return lambda streams=None: Feed(streams or Telling(), notebook())


def test_a_gap_is_filled_before_what_came_after_it(make):
    f = make().hear(1, 2, snapshot=True).hear(6, 7).hear(8)
    assert f.course == ["1", "2", "OPEN:3-5"]
    assert f.feed.held == 3
    assert f.answer([trade(3), trade(4)]) == (2, 2 * SECOND, 5)
    assert f.answer([trade(5)]) == (4, 4 * SECOND, 5)
    assert f.course == ["1", "2", "OPEN:3-5", "b3", "b4", "b5", "CLOSED:3-5", "6", "7", "8"]
    assert (f.feed.held, f.feed.backfilled, f.feed.lost) == (0, 3, 0)
    assert f.hear(9).course[-1] == "9"


def test_only_the_symbol_with_the_gap_waits(make):
    f = make().hear(1).hear(1, symbol=ETH).hear(3).hear(2, symbol=ETH)
    assert f.course == ["1", "1", "OPEN:2-2", "2"]


def test_the_bounds_of_a_gap_have_their_times(make):
    f = make().hear(1).hear(4)
    gap = f.book.events[-1]
    assert (gap.from_ns, gap.to_ns, gap.channel) == (SECOND, 4 * SECOND, "trade")


def test_a_snapshot_after_a_reconnect_dedupes_and_reveals_the_gap(make):
    f = make().hear(1, 2, 3, snapshot=True).hear(2, 3, 4, snapshot=True)
    assert f.course == ["1", "2", "3", "4"]
    assert f.book.events[-1].update_type is UpdateType.INCREMENTAL
    assert f.feed.duplicates == 2
    f.hear(6, 7, snapshot=True)
    f.answer([trade(5)])
    assert f.course[4:] == ["OPEN:5-5", "b5", "CLOSED:5-5", "6", "7"]
    assert all(event.update_type is not UpdateType.SNAPSHOT for event in f.book.events[1:] if hasattr(event, "trades"))


def test_without_a_trade_in_it_an_outage_is_no_gap(make):
    f = make().hear(1, 2, snapshot=True).hear(1, 2, snapshot=True)
    assert f.course == ["1", "2"]
    assert f.book.asked == []


def test_two_jumps_in_one_message_are_two_gaps_one_after_the_other(make):
    f = make().hear(1).hear(3, 5)
    assert f.course == ["1", "OPEN:2-2"]
    f.answer([trade(2)])
    assert f.course == ["1", "OPEN:2-2", "b2", "CLOSED:2-2", "3", "OPEN:4-4"]
    f.answer([trade(4)])
    assert f.course[-3:] == ["b4", "CLOSED:4-4", "5"]


def test_what_the_venue_does_not_tell_is_lost_at_once(make):
    f = make(Deaf()).hear(1).hear(4)
    assert f.course == ["1", "OPEN:2-3", "LOST:2-3", "4"]
    assert f.feed.lost == 2


def test_many_jumps_without_history_need_no_stack(make):
    f = make(Deaf()).hear(1).hear(*range(3, 4000, 2))
    assert f.course[-3:] == ["OPEN:3998-3998", "LOST:3998-3998", "3999"]
    assert f.feed.held == 0


def test_failed_tries_are_repeated_later_and_end_as_lost(make):
    f = make().hear(1).hear(3)
    now_ns = 0
    for _ in range(trade_feed.TRIES_MAX - 1):
        f.answer(VenueUnavailable("down"), now_ns)
        assert f.book.asked == []
        now_ns = f.feed.next_ns()
        f.feed.on_timer(now_ns - 1)
        assert f.book.asked == []
        f.feed.on_timer(now_ns)
    assert 30 * SECOND < now_ns < 120 * SECOND
    f.hear(4)
    f.answer(VenueUnavailable("down"), now_ns)
    assert f.course == ["1", "OPEN:2-2", "LOST:2-2", "3", "4"]
    assert f.book.events[-3].cause == "down"


def test_a_try_that_brings_something_counts_anew(make):
    f = make().hear(1).hear(9)
    for number in range(2, 8):
        for _ in range(trade_feed.TRIES_MAX - 1):
            f.answer([], 0)
            f.feed.on_timer(f.feed.next_ns())
        f.answer([trade(number)])
    f.answer([trade(8)])
    assert f.course[-3:] == ["b8", "CLOSED:2-8", "9"]


@pytest.mark.parametrize(
    "error", [VenueRejected("no such pair", text=""), VenueUnavailable("locked out", retry_after_s=900.0)]
)
def test_what_will_not_work_soon_is_not_waited_for(make, error):
    f = make().hear(1).hear(3)
    f.answer(error)
    assert f.course == ["1", "OPEN:2-2", "LOST:2-2", "3"]


def test_the_venue_may_ask_for_patience(make):
    f = make().hear(1).hear(3)
    f.answer(VenueUnavailable("slow down", retry_after_s=20.0), SECOND)
    assert f.feed.next_ns() == 21 * SECOND


def test_a_hole_in_the_history_is_lost_and_the_rest_is_not(make):
    f = make().hear(1).hear(9)
    page = [trade(2), trade(3), trade(6), trade(7), trade(8)]
    f.answer(page)
    for _ in range(trade_feed.TRIES_MAX - 1):
        f.answer(page[2:], 0)
        if f.feed.next_ns() is not None:
            f.feed.on_timer(f.feed.next_ns())
    f.answer(page[2:], 0)
    assert f.course == ["1", "OPEN:2-8", "b2", "b3", "LOST:4-5", "b6", "b7", "b8", "CLOSED:6-8", "9"]


def test_a_history_that_can_not_be_read_is_tried_again(make):
    f = make().hear(1).hear(3)
    f.answer(DecodeError("no Kraken envelope"))
    assert f.feed.next_ns() is not None


def test_trades_beyond_the_gap_in_a_page_are_left_to_the_stream(make):
    f = make().hear(1).hear(3)
    f.answer([trade(1), trade(2), trade(3), trade(4)])
    assert f.course == ["1", "OPEN:2-2", "b2", "CLOSED:2-2", "3"]


def test_long_pages_are_several_events(make):
    f = make().hear(1).hear(252)
    f.answer([trade(number) for number in range(2, 252)])
    sizes = [len(event.trades) for event in f.book.events if getattr(event, "origin", None) is Origin.BACKFILL]
    assert sizes == [100, 100, 50]


def test_with_too_many_trades_behind_it_a_gap_is_lost(make, monkeypatch):
    monkeypatch.setattr(trade_feed, "HELD_TRADES_MAX", 3)
    f = make().hear(1).hear(3).hear(4).hear(5)
    assert f.course == ["1", "OPEN:2-2"]
    f.hear(6)
    assert f.course == ["1", "OPEN:2-2", "LOST:2-2", "3", "4", "5", "6"]
    f.answer([trade(2)])  # too late: not published a second time
    assert f.course[-1] == "6"


def test_the_end_of_a_subscription_or_of_the_gateway_leaves_no_gap_open(make):
    f = make().hear(1).hear(3, 5)
    f.feed.remove(BTC)
    assert f.course == ["1", "OPEN:2-2", "LOST:2-2", "3", "OPEN:4-4", "LOST:4-4", "5"]
    f = make().hear(1).hear(3)
    f.feed.close("the gateway stops")
    assert f.course == ["1", "OPEN:2-2", "LOST:2-2", "3"]
    f.answer([trade(2)])
    assert f.course[-1] == "3"


def test_ids_that_begin_anew_are_said_and_not_taken_for_duplicates(make):
    f = make().hear(100, 101)
    later = TradeSummary(symbol=BTC, trades=(trade(1, 200 * SECOND), trade(2, 201 * SECOND)))
    f.feed.on_trades(later, 7)
    assert f.course == ["100", "101", "LOST:None-None", "1", "2"]
    assert f.book.events[-1].update_type is UpdateType.SNAPSHOT
    assert f.feed.duplicates == 0
    f.hear(1)  # an old one again, as old as it was
    assert f.feed.duplicates == 1


def test_a_recovery_waits_for_each_symbol_and_each_gap_and_tells_what_it_cost(make):
    f = make().hear(1).hear(1, symbol=ETH)
    f.recovery.begin(f.feed.on_open(), 0)
    f.hear(1, symbol=ETH, snapshot=True)
    assert f.recovered == []
    f.hear(4, snapshot=True)
    assert f.recovered == []
    f.answer([trade(2), trade(3)])
    assert f.recovered == [(2, 0, 0, 0)]


def test_a_recovery_that_takes_too_long_is_told_with_what_is_open(make):
    f = make().hear(1).hear(1, symbol=ETH)
    f.recovery.begin(f.feed.on_open(), 0)
    f.hear(3)
    f.recovery.on_timer(f.recovery.next_ns())
    assert f.recovered == [(0, 0, 0, 2)]  # ETH did not come, the gap of BTC is open
    assert f.recovery.next_ns() is None
