"""Trades and candles of the past, from REST bodies as the sheet and the recordings have them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from gw_venue_kraken.plugin import SPEC

from gwcore.errors import DecodeError, VenueRejected, VenueUnavailable
from gwcore.model import Instrument
from gwcore.rest import HttpResponse
from gwcore.testing.fixtures import fixture_path, requires_fixtures

BTC = Instrument(
    symbol="BTC/USD", base="BTC", quote="USD", price_decimals=1, quantity_decimals=8, tick_size="0.1", lot_size="1e-8"
)
STREAMS = SPEC.streams(SPEC.settings())


def body(result: Any = None, error: list[str] | None = None) -> HttpResponse:
    answer = {"error": error} if error else {"error": [], "result": result}
    return HttpResponse(status=200, body=json.dumps(answer).encode())


def row(number: int, time: str = "1790359841.1382287", side: str = "b", kind: str = "l") -> list[Any]:
    return ["83930.30000", "0.00044780", float(time), side, kind, "", number]


def drive(flow: Any, *responses: HttpResponse) -> tuple[Any, list[dict[str, Any]]]:
    """The flow's result, and the query of each request."""
    asked = []
    request = next(flow)
    for response in responses:
        parts = urlsplit(request.url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        asked.append({**query, "path": parts.path, "pace": request.pace})
        try:
            request = flow.send(response)
        except StopIteration as stop:
            return stop.value, asked
    raise AssertionError(f"one more request: {request.url}")


def test_a_page_of_trades_reads_like_the_stream() -> None:
    flow = STREAMS.trades_after(BTC, 100, 1_790_359_841_000_000_000, 102)
    rows = [row(100), row(101), row(102, side="s", kind="m"), row(103)]
    trades, asked = drive(flow, body({"BTC/USD": rows, "last": "1790359841138228746"}))
    assert asked == [
        {
            "path": "/0/public/Trades",
            "pair": "BTC/USD",
            "since": "1790359840999999000",  # a microsecond earlier: v2 may have rounded
            "count": "1000",
            "pace": "BTC/USD",
        }
    ]
    assert [(t.trade_id, t.price, t.quantity, t.side.value, t.order_type) for t in trades] == [
        ("101", "83930.3", "0.00044780", "BUY", "limit"),
        ("102", "83930.3", "0.00044780", "SELL", "market"),
    ]
    assert trades[0].venue_time_ns == 1_790_359_841_138_228_700


def test_a_full_page_of_known_trades_is_followed_by_the_next() -> None:
    flow = STREAMS.trades_after(BTC, 5_000, 1, 5_001)
    full = body({"XXBTZUSD": [row(number) for number in range(4_001, 5_001)], "last": "77"})
    trades, asked = drive(flow, full, body({"XXBTZUSD": [row(5_001)], "last": "78"}))
    assert [trade.trade_id for trade in trades] == ["5001"]
    assert [query["since"] for query in asked] == ["0", "77"]


def test_nothing_new_is_an_empty_page() -> None:
    trades, _ = drive(STREAMS.trades_after(BTC, 5, 1, 9), body({"BTC/USD": [row(5)], "last": "1"}))
    assert trades == []


def test_digits_are_never_cut() -> None:
    one = ["83930.30010", "0.000447801", 1.5, "b", "l", "", 2]
    ((trade,), _) = drive(STREAMS.trades_after(BTC, 1, 1, 2), body({"BTC/USD": [one], "last": "1"}))
    assert (trade.price, trade.quantity, trade.venue_time_ns) == ("83930.30010", "0.000447801", 1_500_000_000)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (body(error=["EAPI:Rate limit exceeded"]), VenueUnavailable),
        (body(error=["EQuery:Unknown asset pair"]), VenueRejected),
        (HttpResponse(status=502, body=b"<html>"), VenueUnavailable),
        (body({"BTC/USD": [["1"]], "last": "1"}), DecodeError),
        (body({"BTC/USD": [row(2, side="x")], "last": "1"}), DecodeError),
        (body({"BTC/USD": [], "ETH/USD": [], "last": "1"}), DecodeError),
        (body({"last": "1"}), DecodeError),
        (body([]), DecodeError),
    ],
)
@pytest.mark.parametrize("name", ["trades", "candles"])
def test_answers_that_are_none_say_so(response: HttpResponse, error: type[Exception], name: str) -> None:
    flow = STREAMS.trades_after(BTC, 1, 1, 2) if name == "trades" else STREAMS.candles_since(BTC, 60, 60)
    if name == "candles" and b'"x"' in response.body:
        pytest.skip("candles have no side")
    with pytest.raises(error):
        drive(flow, response)


def test_candles_are_closed_ones_that_had_trades() -> None:
    rows = [
        [60, "1.0", "1.2", "0.9", "1.1", "1.05", "3.50000000", 4],
        [120, "1.1", "1.1", "1.1", "1.1", "0.0", "0.00000000", 0],
        [180, "1.1", "1.3", "1.1", "1.3", "1.2", "1.00000000", 1],
        [240, "1.3", "1.3", "1.3", "1.3", "1.3", "1.00000000", 1],
    ]
    bars, asked = drive(STREAMS.candles_since(BTC, 300, 60_000_000_000), body({"BTC/USD": rows, "last": 180}))
    assert asked == [{"path": "/0/public/OHLC", "pair": "BTC/USD", "interval": "5", "since": "59", "pace": "BTC/USD"}]
    assert [each.begin_time_ns // 10**9 for each in bars] == [60, 180]
    assert all(each.confirmed for each in bars)
    assert (bars[0].vwap, bars[0].volume, bars[0].number_of_trades) == ("1.05", "3.50000000", 4)


@requires_fixtures
def test_the_recorded_bodies_are_read() -> None:
    found = 0
    for line in fixture_path("kraken-spot/rest-public-2026-09.jsonl").read_bytes().splitlines():
        entry = json.loads(line)
        response = HttpResponse(status=200, body=json.dumps(entry["body"]).encode())
        if entry["path"].startswith("/0/public/Trades") and entry["body"].get("result"):
            trades, _ = drive(STREAMS.trades_after(BTC, 0, 1, 2**62), response)
            assert trades
            assert len(trades[0].price.partition(".")[2]) == 1
            found += 1
        elif entry["path"].startswith("/0/public/OHLC") and entry["body"].get("result"):
            bars, _ = drive(STREAMS.candles_since(BTC, 60, 0), response)
            assert bars
            found += 1
    assert found >= 2
