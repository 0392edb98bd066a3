"""Each fault is seen by a client, each lasting one ends, and an unknown one is answered with those there are."""

from __future__ import annotations

import itertools
import json

import pytest

from gwcore.rest import HttpRequest
from gwcore.simulator import Refusal

SYMBOL = "BTC/USD"


@pytest.fixture
def live(drive):
    """One client of book, trade, ticker and instrument on two quiet-running pairs."""
    driver = drive(pairs=2, rate=100)
    driver.connection = driver.open()
    for channel in ("book", "trade", "ticker"):
        driver.subscribe(driver.connection, channel, ["BTC/USD", "ETH/USD"])
    driver.subscribe(driver.connection, "instrument")
    driver.run(1)
    driver.fault = driver.simulator.fault
    driver.book = lambda symbol=SYMBOL: driver.books[driver.connection, symbol]
    return driver


def in_step(driver, symbol=SYMBOL) -> bool:
    book, truth = driver.book(symbol), driver.simulator.book(symbol, 10)
    return book.best("bids") == list(truth.bids) and book.best("asks") == list(truth.asks)


def heal(driver, symbol=SYMBOL) -> None:
    driver.send(driver.connection, "unsubscribe", {"channel": "book", "symbol": [symbol], "depth": 10})
    driver.subscribe(driver.connection, "book", [symbol])
    driver.run(0.5)


def test_unknown_names_options_and_symbols_are_refused(live) -> None:
    with pytest.raises(
        ValueError,
        match=r"no fault 'earthquake'; there are: blank_book, close, close_after, corrupt_level, .*wrong_checksum",
    ):
        live.fault("earthquake")
    with pytest.raises(ValueError, match=r"has no option 'colour'; it has: symbol, count"):
        live.fault("drop_update", colour="red")
    with pytest.raises(ValueError, match="no symbol 'NO/PE' is listed"):
        live.fault("drop_update", symbol="NO/PE")
    with pytest.raises(ValueError, match="needs the option symbol"):
        live.fault("starve")


@pytest.mark.parametrize("name", ["corrupt_level", "wrong_checksum", "drop_update"])
def test_book_faults_break_one_symbol_until_it_is_subscribed_again(live, name) -> None:
    assert live.book().wrong == 0
    assert SYMBOL in live.fault(name, symbol=SYMBOL)
    live.run(0.6)
    assert live.book().wrong > 0
    assert live.book("ETH/USD").wrong == 0
    heal(live)
    live.run(0.5)
    assert live.book().wrong == 0
    assert in_step(live)


def test_a_corrupt_level_keeps_the_true_checksum(live, of_channel) -> None:
    live.fault("corrupt_level", symbol=SYMBOL)
    live.fault("silence", channel="book", symbol="ETH/USD")
    while not live.book().wrong:
        last = of_channel(live.run(0.02), "book", "update")
    truth = live.simulator.book(SYMBOL, 10)
    assert str(truth.checksum) == last[-1]["data"][0]["checksum"]
    assert not in_step(live)


def test_a_fault_until_restored_spoils_snapshots_too(live) -> None:
    live.fault("wrong_checksum", symbol=SYMBOL, count=-1, snapshots=True)
    heal(live)
    assert live.book().wrong == live.book().updates + 1
    live.fault("wrong_checksum", symbol=SYMBOL, on=False)
    heal(live)
    assert live.book().wrong == 0


def test_a_duplicate_comes_twice(live) -> None:
    live.fault("duplicate_update", symbol=SYMBOL)
    frames = [frame for frame in live.run(1) if b'"book"' in frame and b'"BTC/USD"' in frame]
    assert sum(one == two for one, two in itertools.pairwise(frames)) == 1


def test_silence_is_that_of_its_channel_and_heartbeats_go_on(live, of_channel) -> None:
    live.fault("silence", channel="book", symbol=SYMBOL)
    frames = live.run(3)
    assert {message["data"][0]["symbol"] for message in of_channel(frames, "book")} == {"ETH/USD"}
    assert any(message["data"][0]["symbol"] == SYMBOL for message in of_channel(frames, "trade"))
    live.fault("silence")
    frames = live.run(3)
    assert len(of_channel(frames, "heartbeat")) == len(frames) == 3
    live.fault("restore")
    assert of_channel(live.run(1), "book")


def test_heartbeats_stop(live, of_channel) -> None:
    live.fault("stop_heartbeats")
    assert not of_channel(live.run(3), "heartbeat")
    live.fault("stop_heartbeats", on=False)
    assert of_channel(live.run(3), "heartbeat")


def test_starving_acks_and_never_feeds(live, of_channel) -> None:
    live.fault("starve", symbol=SYMBOL)
    live.send(live.connection, "unsubscribe", {"channel": "book", "symbol": [SYMBOL], "depth": 10})
    live.subscribe(live.connection, "book", [SYMBOL])
    frames = live.run(2)
    assert any(b'"method":"subscribe"' in frame for frame in frames)
    assert {message["data"][0]["symbol"] for message in of_channel(frames, "book")} == {"ETH/USD"}
    live.fault("starve", symbol=SYMBOL, on=False)
    live.run(1)
    assert in_step(live)


def test_rejected_subscriptions(live) -> None:
    live.fault("reject", symbol=SYMBOL, text="EService:Busy")
    other = live.open()
    live.subscribe(other, "book", [SYMBOL, "ETH/USD"])
    replies = [json.loads(frame) for frame in live.run(0.1) if b'"method"' in frame]
    assert sorted(reply.get("error", "") for reply in replies) == ["", "EService:Busy"]


@pytest.mark.parametrize("abort", [True, False])
def test_close(live, abort) -> None:
    other = live.open()
    live.fault("close", connection=live.connection, abort=abort)
    live.run(0.1)
    assert live.closed == {live.connection: abort}
    assert other in live.simulator.connections


def test_refused_connects(live) -> None:
    live.fault("refuse", count=2, status=403)
    assert [live.simulator.open("/v2", live.now) for _ in range(2)] == [Refusal(403), Refusal(403)]
    assert isinstance(live.simulator.open("/v2", live.now), int)


@pytest.mark.parametrize("locked", [True, False])
def test_a_crossed_book_has_right_checksums(live, locked) -> None:
    live.fault("cross", symbol=SYMBOL, locked=locked)
    live.run(0.5)
    bid, ask = float(live.book().best("bids")[0][0]), float(live.book().best("asks")[0][0])
    assert bid == ask if locked else bid > ask
    assert in_step(live)
    assert live.book().wrong == 0
    live.fault("cross", symbol=SYMBOL, on=False)
    live.run(1)
    assert in_step(live)
    assert float(live.book().best("bids")[0][0]) < float(live.book().best("asks")[0][0])


def test_an_empty_side(live) -> None:
    live.fault("empty_side", symbol=SYMBOL, side="asks")
    live.run(0.5)
    assert live.book().best("asks") == []
    assert live.book().wrong == 0
    live.fault("restore")
    live.run(0.5)
    assert len(live.book().best("asks")) == 10
    assert in_step(live)


def test_a_change_of_precision(live, of_channel) -> None:
    live.fault("precision", symbol=SYMBOL, price_precision=3)
    frames = live.run(1)
    (update,) = of_channel(frames, "instrument", "update")
    assert [(row["symbol"], row["price_precision"]) for row in update["data"]["pairs"]] == [(SYMBOL, "3")]
    rows = [message["data"][0] for message in of_channel(frames, "book", "update")]
    levels = [level for row in rows if row["symbol"] == SYMBOL for level in row["bids"] + row["asks"]]
    assert {len(level["price"].partition(".")[2]) for level in levels} == {3}
    heal(live)
    live.run(1)
    assert in_step(live)
    live.fault("precision", symbol=SYMBOL, on=False)
    heal(live)
    live.run(1)
    assert in_step(live)
    assert live.simulator.feed.listing.pairs[SYMBOL].price_precision == 1


def test_modes_of_the_exchange(live, of_channel) -> None:
    live.fault("status", system="maintenance")
    frames = live.run(2)
    assert [message["data"][0]["system"] for message in of_channel(frames, "status")] == ["maintenance"]
    assert not of_channel(frames, "book")
    live.fault("status", system="cancel_only")
    frames = live.run(1)
    assert of_channel(frames, "book", "snapshot"), "books start again after downtime"
    assert not of_channel(frames, "trade")
    live.fault("status", system="post_only")
    assert not of_channel(live.run(1), "trade")
    live.fault("status", system="online")
    assert of_channel(live.run(2), "trade")
    assert in_step(live)
    with pytest.raises(ValueError, match="no system status 'asleep'"):
        live.fault("status", system="asleep")


def test_maintenance_can_close_the_sockets(drive) -> None:
    driver = drive(pairs=1, rate=0, maintenance_closes=True)
    connection = driver.open()
    driver.simulator.fault("status", system="maintenance")
    driver.run(0.1)
    assert connection in driver.closed


def test_pair_status_and_new_listings(live, of_channel) -> None:
    live.fault("pair_status", symbol=SYMBOL, status="delisted")
    live.fault("list_pair", symbol="NEW/USD")
    frames = live.run(1)
    rows = [row for message in of_channel(frames, "instrument") for row in message["data"]["pairs"]]
    assert [(row["symbol"], row["status"]) for row in rows] == [(SYMBOL, "delisted"), ("NEW/USD", "online")]
    assert {message["data"][0]["symbol"] for message in of_channel(frames, "book")} == {"ETH/USD"}
    live.subscribe(live.connection, "book", ["NEW/USD"])
    live.run(1)
    assert in_step(live, "NEW/USD")


def test_http_failures(live) -> None:
    def get():
        return live.simulator.http(HttpRequest(method="GET", url="/0/public/Time"), live.now)

    live.fault("http", status=502, count=1)
    assert (get().status, b"<html>" in get().body) == (502, False)
    live.fault("http", status=429, body="empty")
    assert (get().status, get().body) == (429, b"")
    live.fault("http", error="EService:Unavailable", path="/Time")
    assert (get().status, json.loads(get().body)) == (200, {"error": ["EService:Unavailable"]})
    live.fault("http", on=False)
    assert json.loads(get().body)["error"] == []


def test_frames_that_nobody_knows(live, read) -> None:
    live.fault("freeze")
    live.fault("unknown_channel")
    assert any(b'"surprise"' in frame for frame in live.run(0.1))
    live.fault("malformed", count=5)
    broken = 0
    for frame in live.run(0.1):
        try:
            read(frame)
        except ValueError:
            broken += 1
    assert broken >= 2


def test_a_frozen_market_stands_still_and_goes_on(live, of_channel) -> None:
    live.fault("freeze")
    assert not of_channel(live.run(3), "book")
    assert in_step(live)
    live.fault("freeze", on=False)
    assert 0 < len(of_channel(live.run(1), "book")) < 200, "the pause is not caught up"


def test_a_book_fault_of_a_depth_takes_only_what_that_depth_is_told_of(drive) -> None:
    live = drive(pairs=1, rate=200.0)
    shallow, deep = live.open(), live.open()
    live.subscribe(deep, "book", [SYMBOL], depth=100)
    live.run(0.2)
    live.simulator.fault("drop_update", symbol=SYMBOL, depth=10)
    live.run(0.3)
    assert live.books[deep, SYMBOL].updates
    assert not live.books[deep, SYMBOL].wrong
    assert live.simulator.faults.books
    live.subscribe(shallow, "book", [SYMBOL], depth=10)
    live.run(0.3)
    assert not live.simulator.faults.books
