"""Book, trades, ticker, candles and instruments tell one story."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal

import pytest


@pytest.fixture(scope="module")
def told(drive):
    driver = drive(pairs=2, rate=400, seed=3)
    connection = driver.open()
    symbols = ["BTC/USD", "ETH/USD"]
    for channel in ("book", "trade", "ticker", "ohlc"):
        driver.subscribe(connection, channel, symbols)
    driver.subscribe(connection, "instrument")
    return driver, connection, driver.run(6)


def test_trades_are_numbered_and_are_the_truth(told, of_channel) -> None:
    driver, _, frames = told
    snapshot, *updates = [
        message for message in of_channel(frames, "trade") if message["data"][0]["symbol"] == "BTC/USD"
    ]
    assert snapshot["type"] == "snapshot"
    assert len(snapshot["data"]) == 50
    rows = [row for message in (snapshot, *updates) for row in message["data"]]
    ids = [int(row["trade_id"]) for row in rows]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert any(len(message["data"]) > 1 for message in updates), "no sweep"
    truth = driver.simulator.trades("BTC/USD")
    assert [(int(row["trade_id"]), row["price"], row["qty"], row["side"]) for row in rows] == [
        (trade.trade_id, trade.price, trade.quantity, trade.side) for trade in truth
    ]
    assert list(rows[0]) == ["symbol", "side", "price", "qty", "ord_type", "trade_id", "timestamp"]


def test_the_ticker_is_the_book_and_the_sum_of_the_trades(told, of_channel) -> None:
    _, _, frames = told
    rows = [message["data"][0] for message in of_channel(frames, "ticker") if message["data"][0]["symbol"] == "BTC/USD"]
    trades = [row for message in of_channel(frames, "trade", "update") for row in message["data"]]
    trades = [row for row in trades if row["symbol"] == "BTC/USD"]
    first, last = rows[0], rows[-1]
    assert Decimal(last["volume"]) - Decimal(first["volume"]) == sum(Decimal(row["qty"]) for row in trades)
    assert int(last["trades"]) - int(first["trades"]) == len(trades)
    assert last["last"] == trades[-1]["price"]
    assert Decimal(last["low"]) <= min(Decimal(row["price"]) for row in trades)
    assert Decimal(last["high"]) >= max(Decimal(row["price"]) for row in trades)


def test_the_ticker_shows_the_best_levels_of_its_moment(drive, of_channel) -> None:
    driver = drive(pairs=1, rate=200)
    connection = driver.open()
    driver.subscribe(connection, "ticker", ["BTC/USD"], event_trigger="bbo")
    for _ in range(30):
        messages = of_channel(driver.run(0.1), "ticker")
        book = driver.simulator.book("BTC/USD", 1)
        if messages:
            row = messages[-1]["data"][0]
            assert ((row["bid"], row["bid_qty"]), (row["ask"], row["ask_qty"])) == (book.bids[0], book.asks[0])


def test_a_trade_takes_its_quantity_out_of_the_book(told, of_channel, read) -> None:
    """Each trade row's price is the price of a level that the book message before it lowered."""
    _, _, frames = told
    messages = [read(frame) for frame in frames]
    checked = 0
    for before, message in itertools.pairwise(messages):
        if message.get("channel") == "trade" and message.get("type") == "update" and before.get("channel") == "book":
            row = message["data"][0]
            if before["data"][0]["symbol"] != row["symbol"]:
                continue
            side = "asks" if row["side"] == "buy" else "bids"
            assert row["price"] in {level["price"] for level in before["data"][0][side]}
            checked += 1
    assert checked > 20


def test_candles_count_the_trades(told, of_channel) -> None:
    _driver, _, frames = told
    last = of_channel(frames, "ohlc", "update")[-1]["data"][0]
    begin = last["interval_begin"][:16]
    symbol = last["symbol"]
    trades = [row for message in of_channel(frames, "trade") for row in message["data"] if row["symbol"] == symbol]
    inside = [row for row in trades if row["timestamp"].startswith(begin)]
    assert int(last["trades"]) == len(inside)
    assert Decimal(last["volume"]) == sum(Decimal(row["qty"]) for row in inside)
    assert last["close"] == inside[-1]["price"]


def test_instruments_and_asset_pairs_agree(told) -> None:
    from gwcore.rest import HttpRequest

    driver, _, frames = told
    frame = next(frame for frame in frames if frame.startswith(b'{"channel":"instrument"'))
    data = json.loads(frame, parse_float=str)["data"]
    body = driver.simulator.http(HttpRequest(method="GET", url="/0/public/AssetPairs"), driver.now).body
    rest = json.loads(body)["result"]
    for pair in data["pairs"]:
        row = rest["XXBTZUSD" if pair["symbol"] == "BTC/USD" else "XETHZUSD"]
        assert (row["pair_decimals"], row["lot_decimals"]) == (pair["price_precision"], pair["qty_precision"])
        assert row["tick_size"] == str(pair["price_increment"])
    assert {asset["id"] for asset in data["assets"]} == {"BTC", "ETH", "USD"}


def test_activity_is_skewed_and_many_pairs_are_cheap(drive) -> None:
    driver = drive(pairs=1500, rate=300)
    driver.open()
    driver.run(1)
    markets = driver.simulator.feed._markets
    assert "BTC/USD" in markets
    assert len(markets) < 300, "quiet markets are not made before they are needed"
    assert len(driver.simulator.feed.listing.pairs) == 1500


def test_the_rate_is_that_of_messages(drive, of_channel) -> None:
    driver = drive(pairs=20, rate=300)
    connection = driver.open()
    symbols = list(driver.simulator.feed.listing.pairs)
    for channel in ("book", "trade", "ticker"):
        driver.subscribe(connection, channel, symbols)
    driver.run(1)
    frames = driver.run(10)
    count = sum(len(of_channel(frames, channel, "update")) for channel in ("book", "trade", "ticker"))
    assert 2500 < count < 3500


def test_exponent_increments_are_an_option(drive) -> None:
    driver = drive(pairs=12, exponents=True, rate=0)
    connection = driver.open()
    driver.subscribe(connection, "instrument")
    frame = next(frame for frame in driver.run(0) if frame.startswith(b'{"channel":"instrument"'))
    assert b'"qty_increment":1e-08' in frame
    assert b'"price_increment":0.1,' in frame
