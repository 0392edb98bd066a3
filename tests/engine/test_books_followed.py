"""Books that wait for a snapshot, are verified, held or left, told whole: each event with all its fields, in order."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gwcore.book import Continuity
from gwcore.engine.market.books import OLD_SNAPSHOT_PAUSE_NS, OLD_SNAPSHOTS_MAX
from gwcore.engine.market.subscription import BUFFER_MESSAGES_MAX, FETCHES_MAX, Phase
from gwcore.model import MarketByPriceUpdate, StaleReason, StreamState, UpdateType


def _load(name: str) -> Any:
    # Test folders are no packages: what they share is loaded by its path.
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


said = _load("transcript")
GOOD = said.GOOD
HEARD_NS = said.HEARD_NS
SECOND = said.SECOND
BTC = said.BTC
ETH = said.ETH
again = said.again
going = said.going
levels = said.levels
lost = said.lost
news = said.news
snapshot = said.snapshot
stale = said.stale
status = said.status
subscription = said.subscription
top = said.top
update = said.update


# --- numbered books and what waits for them ---------------------------------------------------------------------------


def fetching(bench: Any, **more: Any) -> Any:
    """A venue whose snapshots are fetched; updates wait for them."""
    b = bench(BTC, silence_s=10_000.0, ping_s=None, continuity=Continuity.PLUS_ONE, **more).connect()
    b.machine._codec.snapshot = lambda topic: ("snapshot", topic)
    return b.hear(ack=["book", BTC])


def fetched(b: Any, sequence: int = 5, **changes: Any) -> Any:
    fields: dict[str, Any] = {
        "symbol": BTC,
        "update_type": UpdateType.SNAPSHOT,
        "bids": levels(("9.9", "1.00")),
        "asks": levels(("10.0", "2.00")),
        "checksum": 101,
        "venue_sequence": sequence,
    }
    b.machine.on_fetched(subscription(b).topic, [MarketByPriceUpdate(**(fields | changes))], b.now_ns)
    return b


def test_updates_wait_for_a_snapshot_that_is_fetched(bench: Any) -> None:
    b = fetching(bench)
    assert b.book.log[-1] == ("fetch", subscription(b).topic, ("snapshot", subscription(b).topic))
    for number, checksum in ((5, 999), (6, 201), (7, 301)):  # the first one is in the snapshot
        b.hear(book=BTC, bids=[[f"9.{number}", "1.00"]], checksum=checksum, sequence=number)
    assert (b.machine.books.dropped, b.types(BTC)) == (0, [])
    news(b)
    fetched(b)
    whole = snapshot(bids=levels(("9.9", "1.00"), ("9.7", "1.00"), ("9.6", "1.00")), checksum=301, venue_sequence=7)
    assert [entry[:2] for entry in news(b)] == [status(StreamState.LIVE), whole[:2], top()[:2]]
    assert subscription(b).buffer is None
    b.hear(book=BTC, bids=[["9.5", "1.00"]], checksum=401, sequence=8)
    assert b.types(BTC) == ["SNAPSHOT", "INCREMENTAL"]


def test_a_fetched_snapshot_is_published_as_heard_now(bench: Any) -> None:
    b = fetching(bench)
    news(b)
    fetched(b)
    live, whole, best = news(b)
    assert live == status(StreamState.LIVE)
    assert whole == ("publish", snapshot(venue_sequence=5)[1], 0)
    assert best == ("publish", top()[1], 0)


def test_a_snapshot_older_than_what_waits_is_fetched_again_and_nothing_is_lost(bench: Any) -> None:
    b = fetching(bench).hear(book=BTC, bids=[["9.6", "1.00"]], checksum=201, sequence=7)
    news(b)
    fetched(b)  # as of 5: 6 is missing between the two
    assert (news(b), subscription(b).phase, len(subscription(b).buffer)) == ([], Phase.WAIT, 1)
    b.hear(book=BTC, bids=[["9.5", "1.00"]], checksum=301, sequence=8)
    b.wait(OLD_SNAPSHOT_PAUSE_NS / SECOND)
    assert news(b)[-1] == ("fetch", subscription(b).topic, ("snapshot", subscription(b).topic))
    fetched(b, 6)
    whole = snapshot(bids=levels(("9.9", "1.00"), ("9.6", "1.00"), ("9.5", "1.00")), checksum=301, venue_sequence=8)
    assert [entry[:2] for entry in news(b)] == [status(StreamState.LIVE), whole[:2], top()[:2]]
    assert (b.machine.books.stale, subscription(b).old_snapshots, list(subscription(b).failures)) == ({}, 0, [])


@pytest.mark.parametrize("by", ["a late message", "a late connection", "silence", "decimals"])
def test_no_fetched_snapshot_sets_clients_back_behind_what_they_had(bench: Any, by: str) -> None:
    b = fetched(fetching(bench))
    books = b.machine.books
    books.late_after_ns = 5 * SECOND
    late_s = 6 if by == "a late message" else 0
    b.hear(book=BTC, bids=[["9.7", "1.00"]], checksum=201, sequence=6, time_s=b.now_ns / SECOND - late_s)
    if by == "a late connection":
        books.be_late(subscription(b), "late")
    elif by == "silence":
        books.lose(subscription(b), StaleReason.SILENCE, "no data")
        subscription(b).is_late = True  # what lost it matters no more: it is asked for anew
    elif by == "decimals":
        instrument = msgspec.structs.replace(b.machine.instruments[BTC], quantity_decimals=3)
        b.machine.on_instrument(instrument, is_matching=True, now_ns=b.now_ns)
    b.wait(6)
    assert b.book.log[-1][0] == "fetch"
    fetched(b, 5)  # what is fetched may be a cache's; 6 was seen, and would be missing
    assert (subscription(b).state, subscription(b).phase) == (StreamState.PENDING_DATA, Phase.WAIT)
    b.wait(OLD_SNAPSHOT_PAUSE_NS / SECOND)
    fetched(b, 6)
    assert subscription(b).state is StreamState.LIVE


def test_a_hole_among_what_waited_is_a_fault_once_no_newer_snapshot_helps(bench: Any) -> None:
    b = fetching(bench).hear(book=BTC, bids=[["9.6", "1.00"]], checksum=201, sequence=7)
    b.hear(book=BTC, bids=[["9.5", "1.00"]], checksum=201, sequence=6)
    for _ in range(OLD_SNAPSHOTS_MAX):
        fetched(b)
        b.wait(OLD_SNAPSHOT_PAUSE_NS / SECOND)
    news(b)
    fetched(b)
    assert news(b)[0] == status(
        StreamState.RESYNC, StaleReason.SEQUENCE_GAP, "expected to follow 5, got 7", resubscribes=1
    )
    assert b.machine.books.stale == {StaleReason.SEQUENCE_GAP: 1}
    assert (subscription(b).phase, subscription(b).buffer) == (Phase.DATA, [])  # fetched anew, on the same subscription


@pytest.mark.parametrize("can_unsubscribe", [True, False])
def test_a_gap_is_healed_by_a_fetched_snapshot_alone(bench: Any, can_unsubscribe: bool) -> None:
    b = fetched(fetching(bench, can_unsubscribe=can_unsubscribe))
    news(b)
    for failures in range(1, FETCHES_MAX + 2):
        b.hear(book=BTC, bids=[["9.6", "1.00"]], checksum=201, sequence=100 * failures)
        b.wait(1.0)
        sent = [entry for entry in news(b) if entry[0] in ("send", "close")]
        left = failures > FETCHES_MAX and can_unsubscribe
        assert bool(sent) is left, (failures, sent)
        if not left:
            assert subscription(b).phase is Phase.DATA
            assert b.machine.books.of_symbol[BTC].state is StreamState.PENDING_DATA
            fetched(b, 6)
            assert subscription(b).state is StreamState.PENDING_DATA  # a later one was seen
            b.wait(OLD_SNAPSHOT_PAUSE_NS / SECOND)
            fetched(b, 100 * failures)
            assert subscription(b).state is StreamState.LIVE


def test_what_is_silent_is_not_healed_by_a_snapshot(bench: Any) -> None:
    b = fetched(fetching(bench, can_unsubscribe=False))
    b.machine.watch._on_silent(subscription(b), "nothing comes")
    assert news(b)[-1][0] == "close"


def test_a_snapshot_nobody_waits_for_does_not_set_a_book_back(bench: Any) -> None:
    b = fetched(fetching(bench)).hear(book=BTC, bids=[["9.6", "1.00"]], checksum=201, sequence=6)
    news(b)
    fetched(b)
    assert news(b) == []
    assert b.machine.books.of_symbol[BTC].book.venue_sequence == 6


def test_what_waits_is_bounded(bench: Any) -> None:
    b = fetching(bench)
    said = MarketByPriceUpdate(symbol=BTC, update_type=UpdateType.INCREMENTAL)
    for _ in range(BUFFER_MESSAGES_MAX):
        b.machine.books.on_book(said, HEARD_NS)
    assert len(subscription(b).buffer) == BUFFER_MESSAGES_MAX
    news(b)
    b.machine.books.on_book(said, HEARD_NS)
    reason, detail = StaleReason.NO_SNAPSHOT, "too many updates before the snapshot"
    assert [entry[0] for entry in b.book.log[-3:]] == ["status", "status", "fetch"]  # a snapshot fetched anew is enough
    assert news(b)[0] == status(StreamState.RESYNC, reason, detail, resubscribes=1)
    assert (list(subscription(b).failures), subscription(b).buffer) == ([b.now_ns], [])
    assert b.machine.books.dropped == 0


def test_an_update_that_the_snapshot_covers_is_dropped_in_silence(bench: Any) -> None:
    b = fetched(fetching(bench))
    news(b)
    b.hear(book=BTC, bids=[["9.5", "1.00"]], checksum=999, sequence=5)
    assert news(b) == []
    b.hear(book=BTC, bids=[["9.5", "1.00"]], checksum=201, sequence=7)
    assert news(b)[:2] == stale(StaleReason.SEQUENCE_GAP, "expected to follow 5, got 7")


# --- verified: a live book subscribed anew ----------------------------------------------------------------------------


def verifying(b: Any) -> Any:
    """Nothing came for a minute and nobody can be asked: it is subscribed anew, live meanwhile."""
    b.wait(60).hear(ack=["book", BTC], left=True).hear(ack=["book", BTC])
    assert subscription(b).verifying
    news(b)
    return b


def test_the_same_book_again_is_no_news(bench: Any) -> None:
    b = verifying(going(bench)).hear(book=BTC, type="SNAPSHOT", **GOOD)
    assert news(b) == []
    assert (subscription(b).verifying, subscription(b).phase) == (False, Phase.ON)
    assert b.machine.watch.quiet.outcomes["confirmed by a snapshot"] == 1


@pytest.mark.parametrize("changes", [{"bids": [["9.9", "7.00"]]}, {"asks": [["10.0", "7.00"]]}])
def test_another_book_is_silence_and_then_that_book(bench: Any, changes: dict[str, Any]) -> None:
    b = verifying(going(bench)).hear(book=BTC, type="SNAPSHOT", **(GOOD | changes))
    detail = "no data came, and the venue holds something else"
    told = news(b)
    assert told[:2] == stale(StaleReason.SILENCE, detail)
    kinds = [(entry[1].state, entry[1].reason, entry[1].detail) for entry in told if entry[0] == "status"]
    assert kinds == [(StreamState.STALE, StaleReason.SILENCE, detail), (StreamState.LIVE, None, None)]
    shown = {name: levels(*map(tuple, value)) for name, value in changes.items()}  # type: ignore[arg-type]
    assert told[-2] == snapshot(**shown)
    assert told[-1][2] == HEARD_NS


def test_a_bad_snapshot_while_it_is_verified_is_a_fault(bench: Any) -> None:
    b = verifying(going(bench)).hear(book=BTC, type="SNAPSHOT", **(GOOD | {"checksum": 999}))
    assert news(b)[:2] == stale(StaleReason.CHECKSUM, "venue says 999, book gives 101")
    assert subscription(b).state is StreamState.RESYNC


def test_updates_while_it_is_verified_go_on(bench: Any) -> None:
    b = verifying(going(bench)).hear(book=BTC, bids=[["9.8", "1.00"]], checksum=201)
    assert news(b) == [update(bids=levels(("9.8", "1.00")), checksum=201)]


@pytest.mark.parametrize(("sequence", "good"), [(4, True), (5, True), (6, False)])
def test_a_snapshot_that_numbers_show_to_be_older_confirms_too(bench: Any, sequence: int, good: bool) -> None:
    b = fetched(fetching(bench))
    subscription(b).verifying = True
    subscription(b).phase = Phase.DATA
    news(b)
    fetched(b, sequence, bids=levels(("9.9", "7.00")))
    assert (news(b) == []) is good


# --- the instrument, the venue, the end -------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"price_decimals": 2}, {"quantity_decimals": 3}])
def test_other_decimals_are_told_and_the_next_book_has_them(
    bench: Any, instrument: Any, changes: dict[str, int]
) -> None:
    b = going(bench, time_s=5)
    found = subscription(b)
    found.low2 = found.high2 = found.middle2 = 7
    b.machine.on_instrument(instrument(BTC, **changes), is_matching=True, now_ns=b.now_ns)
    b.machine.on_burst_end(b.now_ns)
    assert news(b) == lost(StaleReason.PRECISION, "the instrument's decimals changed")
    assert (found.low2, found.high2, found.middle2, found.newest_ns) == (0, 0, 0, 5 * SECOND)
    again(b)
    assert news(b)[1] == snapshot(**changes)


def test_another_tick_size_is_told(bench: Any, instrument: Any) -> None:
    b = going(bench)
    changed = instrument(BTC, tick_size="0.5")
    b.machine.on_instrument(changed, is_matching=True, now_ns=b.now_ns)
    assert news(b)[:2] == stale(StaleReason.PRECISION, "the tick size was 0.1 and is 0.5")
    b.machine.on_burst_end(b.now_ns)
    again(b)
    news(b)
    b.machine.on_instrument(changed, is_matching=True, now_ns=b.now_ns)  # it is the known one now
    b.machine.on_instrument(instrument(ETH, tick_size="0.5"), is_matching=False, now_ns=b.now_ns)  # nobody follows it
    assert news(b) == []


def test_another_tick_size_of_a_book_that_is_not_live_is_only_remembered(bench: Any, instrument: Any) -> None:
    b = going(bench).hear(book=BTC, bids=[["9.8", "1.00"]], checksum=999)
    news(b)
    b.machine.on_instrument(instrument(BTC, tick_size="0.5"), is_matching=True, now_ns=b.now_ns)
    assert news(b) == []


def held(b: Any) -> list[tuple[Any, ...]]:
    reason = StaleReason.VENUE_STATUS
    return [*stale(reason, "the market is not online"), status(StreamState.STALE, reason)]


def test_a_market_that_is_not_online_is_told_once_and_comes_back(bench: Any, instrument: Any) -> None:
    b = going(bench)
    for _ in range(2):
        b.machine.on_instrument(instrument(BTC), is_matching=False, now_ns=b.now_ns)
        b.machine.on_burst_end(b.now_ns)
    assert news(b) == held(b)
    assert b.machine.books.stale == {StaleReason.VENUE_STATUS: 1}
    b.machine.on_instrument(instrument(BTC), is_matching=True, now_ns=b.now_ns)
    b.machine.on_burst_end(b.now_ns)
    assert news(b) == [("send", b"unsubscribe book BTC/USD")]
    assert list(subscription(b).failures) == []
    again(b)
    assert news(b) == [status(StreamState.LIVE, resubscribes=1), snapshot(), top()]


def test_a_venue_that_is_not_online_holds_all_and_each_pair_has_its_own_say(bench: Any, instrument: Any) -> None:
    b = going(bench)
    b.machine.on_venue_matching(False, {BTC: True}, b.now_ns)
    assert news(b) == held(b)
    b.machine.on_instrument(instrument(BTC), is_matching=True, now_ns=b.now_ns)  # of no use while the venue is down
    assert subscription(b).held
    b.machine.on_venue_matching(True, {BTC: False}, b.now_ns)
    assert subscription(b).held
    assert news(b) == []
    b.machine.on_venue_matching(True, {}, b.now_ns)
    b.machine.on_burst_end(b.now_ns)
    assert not subscription(b).held
    assert news(b) == [("send", b"unsubscribe book BTC/USD")]


def test_a_snapshot_of_a_market_that_is_not_online_is_not_shown(bench: Any) -> None:
    b = bench(BTC, silence_s=10_000.0, ping_s=None).connect()
    b.machine.on_venue_matching(False, {}, b.now_ns)
    b.hear(ack=["book", BTC])
    news(b)
    b.hear(book=BTC, type="SNAPSHOT", **GOOD)
    assert news(b) == [status(StreamState.STALE, StaleReason.VENUE_STATUS)]
    assert not subscription(b).book.has_snapshot
    assert (subscription(b).phase, subscription(b).since_ns) == (Phase.ON, b.now_ns)


def test_a_book_that_is_left_says_so_first(bench: Any) -> None:
    b = going(bench)
    b.machine.books.remove(ETH)
    assert news(b) == []
    b.machine.books.remove(BTC)
    assert news(b) == stale(StaleReason.UNSUBSCRIBED, "no longer subscribed")
    assert b.machine.books.of_symbol == {}
    b.machine.books.remove(BTC)
    assert news(b) == []


def test_a_lost_connection_is_told_with_its_cause(bench: Any) -> None:
    b = going(bench, time_s=5)
    b.machine.on_close("gone", b.now_ns)
    assert news(b) == [
        *stale(StaleReason.DISCONNECT, "gone"),
        status(StreamState.STALE, StaleReason.DISCONNECT, "gone"),
    ]
    assert subscription(b).newest_ns == 5 * SECOND


def test_all_live_books_of_a_connection_that_is_not_to_be_trusted_are_stale(bench: Any) -> None:
    b = going(bench)
    for _ in range(2):
        b.machine.books.mark_all(StaleReason.SEQUENCE_GAP, "numbers jumped")
    reason = StaleReason.SEQUENCE_GAP
    assert news(b) == [*stale(reason, "numbers jumped"), status(StreamState.STALE, reason, "numbers jumped")]


def test_silence_is_told_with_what_showed_it(bench: Any) -> None:
    b = going(bench)
    b.machine.books.silent(subscription(b), "a probe says otherwise")
    b.machine.on_burst_end(b.now_ns)
    assert news(b) == lost(StaleReason.SILENCE, "a probe says otherwise")


def test_a_new_connection_forgets_how_many_went_bad(bench: Any) -> None:
    symbols = [f"S{number}/USD" for number in range(8)]
    b = bench(*symbols).connect()
    for symbol in symbols:
        b.live(symbol)
    for symbol in symbols[:4]:
        b.hear(book=symbol, bids=[["9.8", "1.00"]], checksum=999)
    b.machine.on_close("gone", b.now_ns)
    b.connect().live(symbols[4]).hear(book=symbols[4], bids=[["9.8", "1.00"]], checksum=999)
    assert b.book.closed == []


def test_a_book_has_the_depth_it_is_subscribed_at(bench: Any) -> None:
    b = bench(BTC)
    assert subscription(b).book.rule == replace(subscription(b).book.rule, depth=10, price_decimals=1)
    assert (subscription(b).book.symbol, b.machine.books._ticks) == (BTC, {BTC: "0.1"})
