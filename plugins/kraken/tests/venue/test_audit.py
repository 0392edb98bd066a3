"""unknown_fields: silent about all that was ever recorded of the public channels, and it names what is new."""

from __future__ import annotations

import pytest
from gw_venue_kraken.market.audit import UNKNOWN_MAX, unknown_fields

from gwcore.errors import DecodeError
from gwcore.testing.fixtures import fixture_path, received_frames, requires_fixtures

PUBLIC = ("book", "trade", "ticker", "ohlc", "status", "heartbeat", "instrument")


@requires_fixtures
@pytest.mark.parametrize(
    "name", ["ws-v2-book-btcusd-d10-2026.jsonl", "ws-v2-control-and-private-2026.jsonl", "ws-v2-kraken-async-rs.jsonl"]
)
def test_nothing_recorded_on_public_channels_is_new(name: str) -> None:
    frames = [
        frame
        for frame in received_frames(fixture_path(f"kraken-spot/{name}"))
        if any(b'{"channel":"%b"' % channel.encode() in frame[:40] for channel in PUBLIC)
    ]
    assert frames
    assert [found for frame in frames for found in unknown_fields(frame)] == []


@requires_fixtures
def test_the_recorded_instrument_snapshot_holds_nothing_new() -> None:
    assert unknown_fields(fixture_path("kraken-spot/ws-v2-instrument-snapshot.json").read_bytes()) == ()


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            b'{"channel":"book","type":"update","data":[{"symbol":"A","bids":[{"price":1,"qty":2,"n":3}]}]}',
            ["book.data[].bids[].n"],
        ),
        (
            b'{"channel":"book","seq":1,"type":"update","data":[{"x":1},{"x":2},{"y":1}]}',
            ["book.seq", "book.data[].x", "book.data[].y"],
        ),
        (
            b'{"channel":"instrument","type":"snapshot","data":{"assets":[],"pairs":[{"halted":1}]}}',
            ["instrument.data.pairs[].halted"],
        ),
        (b'{"channel":"surprise","data":[]}', ["channel 'surprise'"]),
        (b'{"channel":["book"]}', ["channel ['book']"]),
        (b'{"method":"subscribe","success":true,"result":{"channel":"book","new":1}}', ["reply.result.new"]),
        (b'{"method":"dance"}', ["reply to 'dance'"]),
        (b'{"Error":"x"}', ["frame with 'Error'"]),
        (b"[1,2]", ["a frame that is no object"]),
        (b'{"channel":"heartbeat"}', []),
        (b"{oops", []),
        (b"\xff", []),
    ],
)
def test_what_is_new_is_named(frame: bytes, expected: list[str]) -> None:
    assert list(unknown_fields(frame)) == expected


def test_what_is_named_is_bounded() -> None:
    rows = b",".join(b'{"k%d":1}' % number for number in range(500))
    found = unknown_fields(b'{"channel":"trade","type":"update","data":[%b]}' % rows)
    assert len(found) == UNKNOWN_MAX
    assert len(unknown_fields(b'{"channel":"trade","%b":1}' % (b"x" * 500))[0]) < 60


def test_server_time() -> None:
    from gw_venue_kraken.settings import KrakenSettings
    from gw_venue_kraken.venue import KrakenStreams

    from gwcore.rest import HttpResponse

    def ask(body: bytes) -> object:
        flow = KrakenStreams(KrakenSettings()).server_time()
        assert next(flow).url == "https://api.kraken.com/0/public/Time"
        try:
            flow.send(HttpResponse(status=200, body=body))
        except StopIteration as stop:
            return stop.value
        raise AssertionError("it asks for more")

    body = b'{"error":[],"result":{"unixtime":1762820224,"rfc1123":"Tue, 11 Nov 25 00:17:04 +0000"}}'
    assert ask(body) == (1_762_820_224_000_000_000, 1_000_000_000)
    with pytest.raises(DecodeError, match="Time"):
        ask(b'{"error":[],"result":{"unixtime":"late"}}')
