"""REST Ticker as a probe: what it says of quiet markets, and what it can't."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gw_venue_kraken.market.market_data import KrakenMarketData
from gw_venue_kraken.plugin import SPEC

from gwcore.errors import DecodeError, VenueUnavailable
from gwcore.model import Channel, Instrument, StatisticsUpdate, TopOfBook
from gwcore.rest import HttpResponse
from gwcore.venue import Shard, Topic

BTC = Instrument(
    symbol="BTC/USD",
    base="BTC",
    quote="USD",
    price_decimals=1,
    quantity_decimals=8,
    tick_size="0.1",
    lot_size="1e-8",
    venue_symbol="XXBTZUSD",
)
BOOK, TRADE, OTHER = (
    Topic(Channel.BOOK, "BTC/USD", 10),
    Topic(Channel.TRADE, "BTC/USD"),
    Topic(Channel.BOOK, "ETH/USD", 10),
)
ROW = {"a": ["84001.90000", "1", "1.000"], "b": ["84001.80000", "2", "2.310"], "c": ["84001.90000", "0.00123000"]}


def codec() -> KrakenMarketData:
    shard = Shard(index=3, group="public", topics=(BOOK, TRADE), instruments={"BTC/USD": BTC})
    return KrakenMarketData(SPEC.settings(), shard)


def ask(result: Any, *topics: Topic) -> tuple[Any, Any]:
    flow = codec().probe(topics)
    request = next(flow)
    body = result if isinstance(result, bytes) else json.dumps({"error": [], "result": result}).encode()
    with pytest.raises(StopIteration) as stop:
        flow.send(HttpResponse(status=200, body=body))
    return request, stop.value.value


def test_one_request_asks_for_each_symbol_once() -> None:
    request, found = ask({"BTC/USD": ROW, "ETH/USD": ROW}, BOOK, TRADE, OTHER)
    assert request.url.endswith("/0/public/Ticker?pair=BTC%2FUSD%2CETH%2FUSD")
    assert request.pace == "Ticker 3"
    assert [(type(each), each.symbol) for each in found] == [
        (TopOfBook, "BTC/USD"),
        (StatisticsUpdate, "BTC/USD"),
        (TopOfBook, "ETH/USD"),
        (StatisticsUpdate, "ETH/USD"),
    ]
    assert (found[0].bid_price, found[0].bid_quantity) == ("84001.80000", "2.310")
    assert (found[0].ask_price, found[0].ask_quantity) == ("84001.90000", "1.000")
    assert found[1].last_price == "84001.90000"


def test_the_answer_may_use_rests_own_key_and_leave_a_market_out() -> None:
    _, found = ask({"XXBTZUSD": ROW}, BOOK, OTHER)
    assert {each.symbol for each in found} == {"BTC/USD"}


def test_a_side_without_orders_has_no_price() -> None:
    _, found = ask({"BTC/USD": {**ROW, "a": ["0.00000", "0", "0.000"]}}, BOOK)
    assert (found[0].ask_price, found[0].ask_quantity) == (None, None)


@pytest.mark.parametrize(
    "body", [b'{"error":[],"result":{"BTC/USD":{"a":[],"b":[],"c":[]}}}', b'{"error":[],"result":7}']
)
def test_what_is_no_ticker_is_a_decode_error(body: bytes) -> None:
    flow = codec().probe([BOOK])
    next(flow)
    with pytest.raises(DecodeError):
        flow.send(HttpResponse(status=200, body=body))


def test_no_answer_is_the_flows_own_error() -> None:
    flow = codec().probe([BOOK])
    next(flow)
    with pytest.raises(VenueUnavailable):
        flow.send(HttpResponse(status=503, body=b"<html>"))
