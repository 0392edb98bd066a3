"""Downtime, blanked and old books, planned maintenance, and faults of requests, as a client sees them on the wire."""

from __future__ import annotations

import json

import pytest
from gw_sim_kraken.faults.fault_list import FAULTS
from gw_sim_kraken.plugin import SPEC
from gw_sim_kraken.texts import second_text

from gwcore.simulator import Refusal

SYMBOL = "BTC/USD"
OTHER = "ETH/USD"


@pytest.fixture
def live(drive):
    """One client of book, trade and ticker on two pairs."""
    driver = drive(pairs=2, rate=100)
    driver.connection = driver.open()
    for channel in ("book", "trade", "ticker"):
        driver.subscribe(driver.connection, channel, [SYMBOL, OTHER])
    driver.run(1)
    driver.fault = driver.simulator.fault
    driver.book = lambda symbol=SYMBOL: driver.books[driver.connection, symbol]
    return driver


def in_step(driver, symbol=SYMBOL) -> bool:
    book, truth = driver.book(symbol), driver.simulator.book(symbol, 10)
    return book.best("bids") == list(truth.bids) and book.best("asks") == list(truth.asks)


def errors(frames: list[bytes]) -> list[str]:
    replies = [json.loads(frame) for frame in frames if b'"method"' in frame]
    return [reply["error"] for reply in replies if "error" in reply]


def test_every_fault_is_in_the_list(live) -> None:
    assert set(FAULTS) == set(live.simulator._switch.names)
    assert SPEC.faults is FAULTS


# --- downtime -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [True, False])
def test_downtime_on_open_sockets_is_silence(live, of_channel, said) -> None:
    live.fault("downtime", said=said)
    frames = live.run(3)
    systems = [message["data"][0]["system"] for message in of_channel(frames, "status")]
    assert systems == (["maintenance"] if said else [])
    assert len(of_channel(frames, "heartbeat")) == 3
    assert not any(of_channel(frames, channel) for channel in ("book", "trade", "ticker"))
    live.fault("downtime", on=False)
    frames = live.run(2)
    assert [message["data"][0]["system"] for message in of_channel(frames, "status")] == (["online"] if said else [])
    assert {message["data"][0]["symbol"] for message in of_channel(frames, "book", "snapshot")} == {SYMBOL, OTHER}
    assert in_step(live)
    assert live.book().wrong == 0


def test_downtime_without_heartbeats_and_with_refused_connects(live) -> None:
    live.fault("downtime", heartbeats=False, said=False, connects=503)
    assert live.run(3) == []
    assert live.simulator.open("/v2", live.now) == Refusal(503, b"")
    live.fault("restore")
    assert live.run(3)
    assert isinstance(live.simulator.open("/v2", live.now), int)


@pytest.mark.parametrize("sockets", ["close", "abort"])
def test_downtime_can_close_the_sockets(live, of_channel, sockets) -> None:
    live.fault("downtime", sockets=sockets)
    live.run(0.1)
    assert live.closed == {live.connection: sockets == "abort"}
    live.connection = live.open()
    live.subscribe(live.connection, "book", [SYMBOL])
    frames = live.run(2)
    assert of_channel(frames, "status")[0]["data"][0]["system"] == "maintenance"
    assert any(b'"method":"subscribe"' in frame for frame in frames)
    assert not of_channel(frames, "book"), "acked, and fed when it is over"
    live.fault("downtime", on=False)
    live.run(1)
    assert in_step(live)


@pytest.mark.parametrize(
    ("books", "gone"), [("zeroed", {"bids", "asks"}), ("no_bids", {"bids"}), ("no_asks", {"asks"})]
)
def test_downtime_with_zeroed_or_one_sided_books(live, books, gone) -> None:
    live.fault("downtime", books=books)
    live.run(1)
    for symbol in (SYMBOL, OTHER):
        book = live.book(symbol)
        assert {side for side in ("bids", "asks") if not book.best(side)} == gone
        assert book.wrong == 0, "the checksum is that of what is left"
    live.fault("downtime", on=False)
    live.run(1)
    assert in_step(live)


def test_old_books_are_sent_again_after_downtime(live, of_channel) -> None:
    before = live.simulator.book(SYMBOL, 10)
    live.fault("downtime", trading=True, said=False, resend="old")
    live.run(5)
    live.fault("freeze")
    assert live.simulator.book(SYMBOL, 10).checksum != before.checksum, "the market went on unseen"
    live.fault("downtime", on=False)
    frames = live.run(0.1)
    assert {message["data"][0]["symbol"] for message in of_channel(frames, "book", "snapshot")} == {SYMBOL, OTHER}
    assert live.book().best("bids") == list(before.bids)
    assert live.book().wrong == 0
    live.fault("freeze", on=False)
    live.run(1)
    assert live.book().wrong > 0, "what follows does not fit"


def test_books_may_not_be_sent_again_after_downtime(live, of_channel) -> None:
    live.fault("downtime", trading=True, resend="none")
    live.run(5)
    live.fault("downtime", on=False)
    frames = live.run(1)
    assert not of_channel(frames, "book", "snapshot")
    assert live.book().wrong > 0


def test_downtime_is_checked(live) -> None:
    for options, said in (
        ({"sockets": "ajar"}, "no sockets='ajar'; there are: open, close, abort"),
        ({"books": "torn"}, "no books='torn'; there are: zeroed, no_bids, no_asks"),
        ({"resend": "twice"}, "no resend='twice'; there are: new, old, none"),
        ({"on": False}, "no downtime to end"),
    ):
        with pytest.raises(ValueError, match=said):
            live.fault("downtime", **options)
    live.fault("downtime")
    with pytest.raises(ValueError, match="down already"):
        live.fault("downtime")


# --- single books ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("snapshot", [True, False])
def test_a_blanked_book(live, snapshot) -> None:
    live.fault("freeze")
    live.fault("blank_book", symbol=SYMBOL, snapshot=snapshot)
    live.run(0.1)
    assert live.book().best("bids") == live.book().best("asks") == []
    assert live.book().wrong == 0
    assert in_step(live, OTHER)
    live.fault("freeze", on=False)
    live.run(1)
    assert live.book().wrong > 0
    with pytest.raises(ValueError, match="no sides 'left'"):
        live.fault("blank_book", sides="left")


def test_an_old_book_comes_later(live) -> None:
    old = live.simulator.book(SYMBOL, 10)
    live.fault("old_book", symbol=SYMBOL, after_s=2)
    live.run(1.9)
    assert in_step(live)
    live.fault("freeze")
    live.run(0.2)
    assert live.book().best("asks") == list(old.asks)
    assert live.book().wrong == 0
    assert in_step(live, OTHER)
    live.fault("old_book", symbol=OTHER, after_s=1)
    live.fault("restore")
    live.run(0.5)
    with pytest.raises(ValueError, match="after_s -1"):
        live.fault("old_book", symbol=SYMBOL, after_s=-1)


# --- maintenance ----------------------------------------------------------------------------------------------------------


def test_a_whole_maintenance(live, of_channel) -> None:
    begins_ns = live.simulator.venue_ns() + 2_000_000_000
    live.fault("maintenance", announce_s=2, down_s=3, cancel_only_s=2, post_only_s=2)
    frames = live.run(12)
    rows = [message["data"][0] for message in of_channel(frames, "status")]
    assert [(row["system"], row["upcoming_maintenance"]) for row in rows] == [
        ("online", [f"scheduled maintenance from {second_text(begins_ns)}"]),
        ("maintenance", []),
        ("cancel_only", []),
        ("post_only", []),
        ("online", []),
    ]
    assert of_channel(frames, "book", "snapshot")
    assert in_step(live)
    assert live.closed == {}


def test_a_maintenance_that_closes_the_sockets_and_one_that_is_called_off(live, of_channel) -> None:
    live.fault("maintenance", announce_s=5)
    live.run(1)
    live.fault("maintenance", announce_s=0, closes=True)
    live.run(1)
    assert live.connection in live.closed
    live.fault("restore")
    late = live.open()
    frames = live.run(30)
    assert [message["data"][0]["system"] for message in of_channel(frames, "status")] == ["online"]
    assert late in live.simulator.connections or late in live.closed
    with pytest.raises(ValueError, match="cancel_only: -1"):
        live.fault("maintenance", cancel_only_s=-1)


# --- requests -------------------------------------------------------------------------------------------------------------


def test_the_next_subscriptions_are_never_fed(live, of_channel) -> None:
    other = live.open()
    live.fault("unfed", channel="book", count=1)
    live.subscribe(other, "trade", [SYMBOL])
    live.subscribe(other, "book", [SYMBOL, OTHER])
    frames = live.run(2)
    assert sum(b'"method":"subscribe"' in frame for frame in frames) == 3
    assert (other, SYMBOL) not in live.books
    assert live.books[other, OTHER].updates
    assert in_step(live), "an older subscription is fed"
    live.fault("restore")
    live.run(1)
    assert (other, SYMBOL) not in live.books, "it was forgotten for good"
    live.send(other, "unsubscribe", {"channel": "book", "symbol": [SYMBOL], "depth": 10})
    live.subscribe(other, "book", [SYMBOL])
    live.run(1)
    assert live.books[other, SYMBOL].updates


def test_subscriptions_are_rejected_from_the_nth_on(live) -> None:
    live.fault("reject_from", number=2, text="EService:Busy")
    other = live.open()
    live.subscribe(other, "book", [SYMBOL, OTHER])
    assert errors(live.run(0.2)) == ["EService:Busy"]
    live.send(other, "unsubscribe", {"channel": "book", "symbol": [SYMBOL], "depth": 10})
    live.subscribe(other, "book", [OTHER])
    assert errors(live.run(0.2)) == []
    live.fault("reject_from", on=False)
    live.subscribe(other, "book", [SYMBOL])
    assert errors(live.run(0.2)) == []
    with pytest.raises(ValueError, match="number 0"):
        live.fault("reject_from", number=0)


@pytest.mark.parametrize("answer", ["error", "ignore"])
def test_a_rate_limit_from_the_nth_message_on(live, answer) -> None:
    live.fault("rate_limit", messages=3, window_s=2, answer=answer)

    def pongs_and_limits() -> tuple[int, int]:
        for number in range(5):
            live.send(live.connection, "ping", req_id=number)
        frames = live.run(0.1)
        return sum(b'"pong"' in frame for frame in frames), frames.count(b'{"Error":"Exceeded msg rate"}')

    assert pongs_and_limits() == (3, 2 if answer == "error" else 0)
    assert pongs_and_limits() == (0, 5 if answer == "error" else 0), "the window is not over"
    live.run(2)
    assert pongs_and_limits() == (3, 2 if answer == "error" else 0)
    live.fault("rate_limit", on=False)
    assert pongs_and_limits() == (5, 0)


def test_a_rate_limit_can_end_the_connection(live) -> None:
    live.fault("rate_limit", messages=0, answer="close")
    live.send(live.connection, "ping", req_id=1)
    assert b'{"Error":"Exceeded msg rate"}' in live.run(0.1)
    assert live.connection in live.closed


def test_a_rate_limit_without_a_window_never_ends(live) -> None:
    live.fault("rate_limit", messages=1, window_s=0)
    live.send(live.connection, "ping", req_id=1)
    live.run(60)
    live.send(live.connection, "ping", req_id=2)
    assert b'{"Error":"Exceeded msg rate"}' in live.run(0.1)
    for options, said in (({"answer": "shout"}, "no answer 'shout'"), ({"messages": -1}, "-1 messages")):
        with pytest.raises(ValueError, match=said):
            live.fault("rate_limit", **options)
