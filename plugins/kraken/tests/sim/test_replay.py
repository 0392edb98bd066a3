"""A recording is played as the issue says: bytes, pace, joining, dropping, instruments, end."""

from __future__ import annotations

import json

import pytest
from gw_sim_kraken.market.replay import ReplayFeed
from gw_sim_kraken.settings import SimKrakenSettings

from gwcore.capture import frame_line
from gwcore.rest import HttpRequest
from gwcore.testing.fixtures import fixture_path, requires_fixtures

STREAMS = {
    "ws-v2-book-btcusd-d10-2023-first-half": ("BTC/USD", 10, 255),
    "ws-v2-book-btcusd-d10-2026": ("BTC/USD", 10, 29),
    "ws-v2-book-minagbp-d25-resubscribe": ("MINA/GBP", 25, 19),
}


def content(name: str) -> bytes:
    return fixture_path(f"kraken-spot/{name}.jsonl").read_bytes()


def raw_books(data: bytes) -> list[bytes]:
    """Book frames as they stand in the lines, cut out by hand."""
    found = []
    for line in data.splitlines():
        for mark in (b'"frame":', b'"message":'):
            if mark in line:
                line = line[line.index(mark) + len(mark) : -1]
        if line.startswith(b'{"channel":"book"'):
            found.append(line)
    return found


@pytest.fixture
def play(drive):
    def make(data: bytes, instruments: bytes = b"", **settings):
        chosen = SimKrakenSettings(latency=False, **settings)
        return drive(ReplayFeed(chosen, data, instruments), **settings)

    return make


def books_of(frames: list[bytes]) -> list[bytes]:
    return [frame for frame in frames if frame.startswith(b'{"channel":"book"')]


@requires_fixtures
@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("speed", [0.0, 1.0, 50.0])
def test_bytes_are_passed_through(play, name: str, speed: float) -> None:
    symbol, depth, count = STREAMS[name]
    data = content(name)
    driver = play(data, speed=speed)
    connection = driver.open()
    driver.run(5)
    driver.subscribe(connection, "book", [symbol], depth=depth)
    assert books_of(driver.run(60)) == raw_books(data)
    assert len(raw_books(data)) == count
    book = driver.books[connection, symbol]
    assert book.wrong == 0
    truth = driver.simulator.book(symbol, depth)
    assert (book.best("bids"), book.best("asks")) == (list(truth.bids), list(truth.asks))


@requires_fixtures
def test_it_is_paced_by_receive_time_and_speed(play) -> None:
    data = content("ws-v2-book-btcusd-d10-2026")
    lines = [json.loads(line) for line in data.splitlines()]
    times = [line["rx_ns"] for line in lines if line.get("frame", {}).get("channel") == "book"]
    span_s = (times[-1] - times[0]) / 1e9
    for speed in (1.0, 4.0):
        driver = play(data, speed=speed)
        connection = driver.open()
        driver.subscribe(connection, "book", ["BTC/USD"])
        early = books_of(driver.run(span_s / speed - 0.001))
        assert len(early) == len(times) - 1
        assert len(books_of(driver.run(0.002))) == 1


def update(number: int, stamp: str = "") -> bytes:
    row = {"symbol": "ABC/USD", "price": 1, "qty": 2, "trade_id": number, "side": "buy", "ord_type": "limit"}
    if stamp:
        row["timestamp"] = f"2026-01-01T00:00:{stamp}Z"
    return json.dumps({"channel": "trade", "type": "update", "data": [row]}).encode()


def test_pace_by_time_stamp_else_evenly(play) -> None:
    stamped = b"\n".join([update(1, "00"), update(2, "01.5"), update(3, "01.0"), update(4, "04")])
    plain = b"\n".join([update(number) for number in range(1, 5)])
    for data, settings, counts in (
        (stamped, {}, [1, 2, 0, 0, 1]),
        (plain, {"replay_spacing_s": 1.0}, [1, 1, 1, 1, 0]),
    ):
        driver = play(data, **settings)
        connection = driver.open()
        driver.run(1)
        driver.subscribe(connection, "trade", ["ABC/USD"])
        seen = [sum(b'"trade"' in frame and b"update" in frame for frame in driver.run(0.6))]
        seen += [sum(b'"trade", "type"' in frame for frame in driver.run(1)) for _ in range(4)]
        assert seen == counts


def shown(driver, connection: int, seconds: float = 0.0) -> str:
    """What the exchange's clock shows by the answer to a ping, after some seconds."""
    driver.run(seconds)
    driver.send(connection, "ping")
    (answer,) = [frame for frame in driver.run(0.0) if b'"pong"' in frame]
    return json.loads(answer)["time_out"]


def test_its_clock_shows_the_time_of_the_recording(play) -> None:
    data = b"\n".join([update(1, "00"), update(2, "01.5"), update(3, "04")])
    for speed, times in (
        (1.0, ["00", "00", "02", "05"]),
        (2.0, ["00", "00", "04", "10"]),
        (0.0, ["00", "04", "04", "04"]),
    ):
        driver = play(data, speed=speed)
        connection = driver.open()
        seen = [shown(driver, connection, 3.0)]
        driver.subscribe(connection, "trade", ["ABC/USD"])
        seen += [shown(driver, connection, seconds) for seconds in (0.0, 2.0, 3.0)]
        assert [time[:19] for time in seen] == [f"2026-01-01T00:00:{time}" for time in times]
    driver = play(update(1))
    assert not shown(driver, driver.open()).startswith("2026-01-01")  # nothing tells when that was


@requires_fixtures
def test_it_starts_at_the_first_subscription_and_heartbeats_go_on_after_it(play, of_channel) -> None:
    driver = play(content("ws-v2-book-btcusd-d10-2026"), speed=0.0)
    connection = driver.open()
    driver.subscribe(connection, "instrument")
    driver.subscribe(connection, "ticker", ["BTC/USD"])
    assert not books_of(driver.run(10))
    driver.subscribe(connection, "book", ["BTC/USD"])
    assert len(books_of(driver.run(1))) == 29
    frames = driver.run(100)
    assert len(of_channel(frames, "heartbeat")) == len(frames) == 100
    assert not driver.closed


@requires_fixtures
def test_who_comes_later_joins_the_running_recording(play, read) -> None:
    data = content("ws-v2-book-btcusd-d10-2023-first-half")
    driver = play(data, speed=1.0)
    first, second = driver.open(), driver.open()
    driver.subscribe(first, "book", ["BTC/USD"])
    driver.run(8)
    driver.subscribe(second, "book", ["BTC/USD"])
    driver.send(first, "unsubscribe", {"channel": "book", "symbol": ["BTC/USD"], "depth": 10})
    driver.subscribe(first, "book", ["BTC/USD"])
    frames = books_of(driver.run(0))
    made = [frame for frame in frames if b'"snapshot"' in frame]
    assert len(made) == 2
    assert made[0] == made[1]
    played = raw_books(data)[: driver.simulator.feed.played]
    row, last = read(made[0])["data"][0], read(played[-1])["data"][0]
    assert (row["checksum"], row["timestamp"]) == (last["checksum"], last["timestamp"])
    driver.run(30)
    for connection in (first, second):
        assert driver.books[connection, "BTC/USD"].wrong == 0
        assert driver.books[connection, "BTC/USD"].best("asks") == list(driver.simulator.book("BTC/USD", 10).asks)


@requires_fixtures
def test_the_ack_alone_while_the_recordings_checksums_do_not_hold(play) -> None:
    lines = raw_books(content("ws-v2-book-btcusd-d10-2023-first-half"))
    del lines[1]  # what follows does not fit any more
    driver = play(b"\n".join(lines), speed=1.0)
    first, second = driver.open(), driver.open()
    driver.subscribe(first, "book", ["BTC/USD"])
    driver.run(5)
    before = driver.books[first, "BTC/USD"].wrong
    assert before > 0
    driver.subscribe(second, "book", ["BTC/USD"])
    frames = driver.run(0.001)
    assert any(b'"method":"subscribe"' in frame for frame in frames)
    assert not [frame for frame in books_of(frames) if b'"snapshot"' in frame]


@requires_fixtures
def test_one_book_frame_can_be_withheld_from_clients(play) -> None:
    data = content("ws-v2-book-btcusd-d10-2026")
    driver = play(data, speed=1.0, drop=5)
    connection = driver.open()
    driver.subscribe(connection, "book", ["BTC/USD"])
    want = raw_books(data)
    frames = books_of(driver.run(60))
    assert frames == want[:4] + want[5:]
    assert driver.books[connection, "BTC/USD"].wrong > 0
    driver.send(connection, "unsubscribe", {"channel": "book", "symbol": ["BTC/USD"], "depth": 10})
    driver.subscribe(connection, "book", ["BTC/USD"])
    driver.run(1)
    assert driver.books[connection, "BTC/USD"].wrong == 0


@requires_fixtures
def test_instruments_come_from_the_files_own_digits(play, read) -> None:
    driver = play(content("ws-v2-book-minagbp-d25-resubscribe"))
    body = driver.simulator.http(HttpRequest(method="GET", url="/0/public/AssetPairs"), driver.now).body
    row = json.loads(body)["result"]["MINAGBP"]
    assert (row["wsname"], row["pair_decimals"], row["lot_decimals"], row["tick_size"]) == ("MINA/GBP", 4, 8, "0.0001")
    connection = driver.open()
    driver.subscribe(connection, "instrument")
    frame = next(frame for frame in driver.run(0) if b'"instrument","type":"snapshot"' in frame)
    assert [pair["symbol"] for pair in read(frame)["data"]["pairs"]] == ["MINA/GBP"]


@requires_fixtures
def test_instruments_come_from_a_file_with_their_rows_untouched(play, read) -> None:
    snapshot = fixture_path("kraken-spot/ws-v2-instrument-snapshot.json").read_bytes()
    driver = play(content("ws-v2-book-btcusd-d10-2026"), snapshot)
    body = driver.simulator.http(HttpRequest(method="GET", url="/0/public/AssetPairs"), driver.now).body
    rows = json.loads(body)["result"]
    assert len(rows) == 683
    assert rows["XDGUSD"]["wsname"] == "XDG/USD"
    assert rows["XETHXXBT"]["tick_size"] == "0.00001"
    connection = driver.open()
    driver.subscribe(connection, "instrument")
    frame = next(frame for frame in driver.run(0) if b'"instrument","type":"snapshot"' in frame)
    assert read(frame)["data"] == read(snapshot)["data"]
    pair = snapshot[snapshot.index(b'"symbol": "BTC/USD"') :]
    assert pair[: pair.index(b"}")] in frame


@requires_fixtures
def test_only_the_recorded_depth_can_be_had(play) -> None:
    driver = play(content("ws-v2-book-minagbp-d25-resubscribe"))
    connection = driver.open()
    driver.subscribe(connection, "book", ["MINA/GBP"], depth=10)
    assert any(b'"Subscription depth not supported"' in frame for frame in driver.run(0))


def test_lines_that_are_no_frames_are_skipped_and_broken_ones_named() -> None:
    settings = SimKrakenSettings(replay="x.jsonl")
    data = b'{"captured_at":"now"}\n\n{"dir":"tx","frame":{"method":"ping"}}\n[0,{"a":1},"book-10"]\n' + update(1)
    assert ReplayFeed(settings, data)._recording.skipped == 3
    with pytest.raises(ValueError, match=r"x\.jsonl:2: not JSON"):
        ReplayFeed(settings, update(1) + b"\n{oops")
    with pytest.raises(ValueError, match="no market data frame"):
        ReplayFeed(settings, b'{"captured_at":"now"}')
    with pytest.raises(ValueError, match=r"no instrument snapshot frame"):
        ReplayFeed(settings, update(1), b"{}")


def test_at_full_speed_it_comes_in_portions(play) -> None:
    data = b"\n".join(update(number) for number in range(1, 2001))
    driver = play(data, speed=0.0)
    connection = driver.open()
    driver.subscribe(connection, "trade", ["ABC/USD"])
    sizes = []
    while driver.simulator.feed.next_ns() is not None or not sizes:
        sizes.append(len(driver.simulator.advance(driver.now)))
    assert sum(sizes) >= 2000
    assert max(sizes) < 600


# --- captures of the gateway ------------------------------------------------------------------------------------------

SNAPSHOT = (
    b'{"channel":"book","type":"snapshot","data":[{"symbol":"ABC/USD","bids":[{"price":1.0,"qty":2.0}],'
    b'"asks":[{"price":1.1,"qty":2.0}],"checksum":5}]}'
)
UNREADABLE = (
    b'{"channel":"book","type":"update","data":[{"symbol":7,"bids":"none"}]}',
    b'{"channel":"book","type":"update","data":[{"symbol":"ABC/USD","bids":[{"price":"NaN","qty":1}]}]}',
    b'{"channel":"book","type":"update","data":[]}',
    b'{"channel":"ohlc","type":"update","data":[]}',
    b'{"channel":"trade","type":"update","data":[{"symbol":"ABC/USD","price":"NaN"}]}',
    b'{"channel":"surprise","type":"update","data":[{"answer":42}]}',
    b'{"channel":"book","type":"dance","data":[{"symbol":"ABC/USD"}]}',
    b'{"channel":"book","type":"upd',
    b"\x00\xff not text",
    b"[]",
)


def captured(*frames: bytes) -> bytes:
    lines = [b'{"capture":{"format":1,"reason":"CHECKSUM"}}\n']
    for number, frame in enumerate(frames):
        lines.append(frame_line(number * 1_000_000, "md.0", "rx", frame, synthetic=number == 0))
    lines.append(frame_line(99_000_000, "md.0", "tx", b'{"method":"ping"}'))
    return b"".join(lines)


def heard(driver, depth: int = 10, until_s: int = 5) -> list[bytes]:
    """What one client is sent, unread: the driver's own client would stumble over what can't be read."""
    simulator, now_ns = driver.simulator, driver.now
    number = simulator.open("/v2", now_ns)
    request = {"method": "subscribe", "params": {"channel": "book", "symbol": ["ABC/USD"], "depth": depth}}
    simulator.receive(number, json.dumps(request).encode(), now_ns)
    return [frame for step in range(until_s * 100) for _, frame, _ in simulator.advance(now_ns + step * 10_000_000)]


def test_a_capture_is_played_with_what_cant_be_read(play) -> None:
    frames = heard(play(captured(SNAPSHOT, *UNREADABLE)))
    assert [frame for frame in frames if frame in (SNAPSHOT, *UNREADABLE)] == [SNAPSHOT, *UNREADABLE]


def test_other_recordings_are_not_played_with_what_cant_be_read(play) -> None:
    lines = [SNAPSHOT, *(b'{"rx_ns":%d,"frame":%b}' % (number, raw) for number, raw in enumerate(UNREADABLE[5:6]))]
    assert not set(heard(play(b"\n".join(lines)))) & set(UNREADABLE)


def test_a_capture_waits_for_who_wants_its_books(play, of_channel) -> None:
    instruments = b'{"channel":"instrument","type":"snapshot","data":{"assets":[],"pairs":[{"symbol":"ABC/USD",\
"price_precision":3,"qty_precision":8}]}}'
    driver = play(captured(instruments, SNAPSHOT))
    connection = driver.open()
    driver.subscribe(connection, "instrument")
    assert not books_of(driver.run(5))
    driver.subscribe(connection, "book", ["ABC/USD"])
    assert books_of(driver.run(5)) == [SNAPSHOT]
    body = driver.simulator.http(HttpRequest(method="GET", url="/0/public/AssetPairs"), driver.now).body
    assert json.loads(body)["result"]["ABCUSD"]["pair_decimals"] == 3


def test_the_depth_is_learnt_from_the_ack_a_capture_opens_with(play) -> None:
    ack = b'{"method":"subscribe","result":{"channel":"book","depth":100,"snapshot":true,"symbol":"ABC/USD"},"success":true}'
    driver = play(captured(ack, SNAPSHOT))
    assert driver.simulator.feed.accepts_depth("ABC/USD", 100)
    assert not driver.simulator.feed.accepts_depth("ABC/USD", 10)


def test_a_capture_without_any_frame_is_refused_by_name() -> None:
    settings = SimKrakenSettings(replay="x.frames.jsonl")
    with pytest.raises(ValueError, match=r"x\.frames\.jsonl: no market data frame"):
        ReplayFeed(settings, captured(b"[]"))
