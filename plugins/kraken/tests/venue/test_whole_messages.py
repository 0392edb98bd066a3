"""Whole messages, field by field, of frames of every channel: a field that is lost or swapped shows here. Data is made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from gw_venue_kraken.market import market_data
from gw_venue_kraken.market.feeds import NOTICE_LENGTH_MAX, NOTICES_MAX, read_tickers
from gw_venue_kraken.market.market_data import KrakenMarketData
from gw_venue_kraken.settings import KrakenSettings
from gw_venue_kraken.times import TimeReader

from gwcore.errors import DecodeError, Unsupported
from gwcore.model import (
    Bar,
    Channel,
    MarketByPriceUpdate,
    PriceLevel,
    Side,
    StatisticsUpdate,
    TimeSeriesUpdate,
    TopOfBook,
    Trade,
    TradeSummary,
    UpdateType,
)
from gwcore.ports import Endpoint
from gwcore.venue import Shard, Throttled, Topic, Unknown

AT = "2026-01-02T03:04:05.000006Z"
AT_NS = 1_767_323_045_000_006_000
MINUTE_NS = 60_000_000_000
LEVELS = {"bids": [{"price": 10.5, "qty": 1.25}, {"price": 10.4, "qty": 0.5}], "asks": [{"price": 11.5, "qty": 2.5}]}
BOOK_ROW = {"symbol": "AAA/USD", **LEVELS, "checksum": 7, "timestamp": AT}
TRADE_ROW = {
    "symbol": "AAA/USD",
    "side": "sell",
    "price": 10.5,
    "qty": 1.25,
    "ord_type": "market",
    "trade_id": 7,
    "timestamp": AT,
}
TICKER_ROW = {
    "symbol": "AAA/USD",
    "bid": 10.5,
    "bid_qty": 1.5,
    "ask": 10.6,
    "ask_qty": 2.5,
    "last": 10.55,
    "volume": 99.5,
    "vwap": 10.4,
    "low": 9.5,
    "high": 12.5,
    "change": -0.5,
    "change_pct": -0.17,
    "trades": 3,
    "timestamp": AT,
}
CANDLE_ROW = {
    "symbol": "AAA/USD",
    "open": 1.5,
    "high": 2.5,
    "low": 0.5,
    "close": 1.6,
    "trades": 3,
    "volume": 7.5,
    "vwap": 1.2,
    "interval_begin": "2026-01-02T03:04:00Z",
    "interval": 1,
}
CANDLE_NS = AT_NS - 5_000_006_000


def frame(channel: str, *rows: object, kind: str = "update", **other: object) -> bytes:
    said = {"channel": channel, "type": kind, **other, "data": list(rows)}
    return json.dumps(said, separators=(",", ":")).encode()


def decode(codec: KrakenMarketData, *args: Any, **other: Any) -> list[Any]:
    return list(codec.decode(frame(*args, **other), 0))


def decode_listing(codec: KrakenMarketData) -> None:
    """The venue lists AAA/USD with one and eight decimals."""
    names = {"symbol": "AAA/USD", "base": "AAA", "quote": "USD", "status": "online"}
    numbers = {"qty_precision": 8, "price_precision": 1, "qty_increment": 1e-08, "price_increment": 0.1, "qty_min": 1.5}
    listing = {"assets": [{"id": "AAA", "status": "enabled"}], "pairs": [names | numbers]}
    codec.decode(json.dumps({"channel": "instrument", "type": "snapshot", "data": listing}).encode(), 0)


def of_topics(*topics: Topic) -> KrakenMarketData:
    return KrakenMarketData(KrakenSettings(), Shard(index=3, group="public", topics=topics))


def book_message(**changes: Any) -> MarketByPriceUpdate:
    fields: dict[str, Any] = {
        "symbol": "AAA/USD",
        "update_type": UpdateType.INCREMENTAL,
        "bids": (PriceLevel("10.5", "1.25"), PriceLevel("10.4", "0.5")),
        "asks": (PriceLevel("11.5", "2.5"),),
        "checksum": 7,
        "venue_time_ns": AT_NS,
    }
    return MarketByPriceUpdate(**(fields | changes))


def bar(minute: int = 0, *, close: str = "1.6", confirmed: bool = False) -> Bar:
    return Bar(
        begin_time_ns=CANDLE_NS + minute * MINUTE_NS,
        open="1.5",
        high="2.5",
        low="0.5",
        close=close,
        volume="7.5",
        vwap="1.2",
        number_of_trades=3,
        confirmed=confirmed,
    )


def candle(minute: int = 0, **changes: object) -> dict[str, object]:
    return CANDLE_ROW | {"interval_begin": f"2026-01-02T03:0{4 + minute}:00Z"} | changes


# --- book -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left_out", [(), ("bids",), ("asks",)])
def test_a_plain_update_takes_the_short_way(
    left_out: Sequence[str], codec: KrakenMarketData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*rows: object) -> None:
        raise AssertionError("each number was checked on its own, which costs half of the pass")

    monkeypatch.setattr(market_data, "_levels", refuse)
    monkeypatch.setattr(market_data, "decimal_text", refuse)
    changes: dict[str, Any] = dict.fromkeys(left_out, ())
    assert decode(codec, "book", BOOK_ROW | {name: [] for name in left_out}) == [book_message(**changes)]


@pytest.mark.parametrize(
    ("channel", "row"), [("book", BOOK_ROW), ("trade", TRADE_ROW), ("ticker", TICKER_ROW), ("ohlc", CANDLE_ROW)]
)
def test_a_channel_named_at_the_start_of_its_frame_is_found_without_reading_it_twice(
    channel: str, row: dict[str, object], codec: KrakenMarketData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(frame: bytes) -> None:
        raise AssertionError("the frame was read for its channel alone")

    monkeypatch.setattr(market_data, "head_of", refuse)
    assert len(decode(codec, channel, row)) == 1


@pytest.mark.parametrize("number", ["1e-08", "1E-08"])
@pytest.mark.parametrize("place", [b"10.4", b"0.5"])
def test_an_exponent_of_a_later_level_is_written_out(number: str, place: bytes, codec: KrakenMarketData) -> None:
    [message] = codec.decode(frame("book", BOOK_ROW).replace(place, number.encode()), 0)
    level = message.bids[1]  # type: ignore[union-attr]
    assert "0.00000001" in (level.price, level.quantity)
    assert message.update_type is UpdateType.INCREMENTAL  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "changes", [{"bids": [{"price": "10.5", "qty": 1.25}, {"price": 10.4, "qty": 0.5}]}, {"new": 1}]
)
def test_the_long_way_ends_in_the_same_message(changes: dict[str, object], codec: KrakenMarketData) -> None:
    codec.subscribe([Topic(Channel.BOOK, "AAA/USD", 25)])
    decode_listing(codec)
    assert decode(codec, "book", BOOK_ROW | changes) == [book_message()]  # decimals and depth are a snapshot's


def test_several_rows_of_a_book_frame_are_several_messages(codec: KrakenMarketData) -> None:
    messages = decode(codec, "book", BOOK_ROW, BOOK_ROW | {"symbol": "BBB/USD"})
    assert messages == [book_message(), book_message(symbol="BBB/USD")]
    assert decode(codec, "book") == []


def test_the_depth_of_a_snapshot_is_what_its_symbol_is_subscribed_at(codec: KrakenMarketData) -> None:
    topics = [Topic(Channel.TRADE, "ZZZ/USD"), Topic(Channel.BOOK, "AAA/USD", 25), Topic(Channel.BOOK, "BBB/USD", 0)]
    codec.subscribe(topics)
    rows = [BOOK_ROW | {"symbol": name} for name in ("AAA/USD", "BBB/USD", "ZZZ/USD")]
    assert [each.depth for each in decode(codec, "book", *rows, kind="snapshot")] == [25, 10, None]
    codec.unsubscribe([Topic(Channel.STATUS), topics[0], topics[1]])
    assert [each.depth for each in decode(codec, "book", *rows, kind="snapshot")] == [None, 10, None]
    assert decode(codec, "book", BOOK_ROW, kind="snapshot") == [book_message(update_type=UpdateType.SNAPSHOT)]


def test_a_symbol_has_one_book_depth_on_a_connection(codec: KrakenMarketData) -> None:
    codec.subscribe([Topic(Channel.BOOK, "AAA/USD", 25)])
    with pytest.raises(Unsupported, match="AAA/USD at book depths 25 and 100 on one connection: use two"):
        codec.subscribe([Topic(Channel.BOOK, "BBB/USD", 100), Topic(Channel.BOOK, "AAA/USD", 100)])
    codec.subscribe([Topic(Channel.BOOK, "BBB/USD", 10)])  # of the refused request nothing was kept
    codec.subscribe([Topic(Channel.OHLC, "AAA/USD", 60), Topic(Channel.BOOK, "AAA/USD", 25)])


# --- the quieter channels ---------------------------------------------------------------------------------------------


def trade(**changes: Any) -> Trade:
    fields: dict[str, Any] = {
        "price": "10.5",
        "quantity": "1.25",
        "side": Side.SELL,
        "trade_id": "7",
        "order_type": "market",
        "venue_time_ns": AT_NS,
    }
    return Trade(**(fields | changes))


def summary(symbol: str, *trades: Trade, update_type: UpdateType = UpdateType.INCREMENTAL) -> TradeSummary:
    return TradeSummary(symbol=symbol, update_type=update_type, trades=trades, venue_time_ns=trades[-1].venue_time_ns)


def test_trades_whole(codec: KrakenMarketData) -> None:
    later = {"trade_id": 8, "side": "buy", "timestamp": "2026-01-02T03:04:06.000006Z"}
    rows = [TRADE_ROW, TRADE_ROW | later, TRADE_ROW | {"symbol": "BBB/USD"}, TRADE_ROW | {"symbol": "AAA/USD"}]
    second = trade(trade_id="8", side=Side.BUY, venue_time_ns=AT_NS + 1_000_000_000)
    assert decode(codec, "trade", *rows) == [
        summary("AAA/USD", trade(), second),
        summary("BBB/USD", trade()),
        summary("AAA/USD", trade()),
    ]
    assert decode(codec, "trade", TRADE_ROW, kind="snapshot") == [
        summary("AAA/USD", trade(), update_type=UpdateType.SNAPSHOT)
    ]
    assert decode(codec, "trade") == []


def test_a_trade_of_an_unknown_side_is_left_out_wherever_it_stands(codec: KrakenMarketData) -> None:
    odd = TRADE_ROW | {"side": "b" * 60}
    unknown = Unknown(f"trade side {'b' * 40!r} of AAA/USD")
    assert decode(codec, "trade", odd, TRADE_ROW, odd) == [summary("AAA/USD", trade()), unknown, unknown]
    assert decode(codec, "trade", odd | {"symbol": "S" * 60}) == [Unknown(f"trade side {'b' * 40!r} of {'S' * 40}")]


STATISTICS = StatisticsUpdate(
    symbol="AAA/USD",
    last_price="10.55",
    bid_price="10.5",
    bid_quantity="1.5",
    ask_price="10.6",
    ask_quantity="2.5",
    high_price="12.5",
    low_price="9.5",
    volume="99.5",
    vwap="10.4",
    change="-0.5",
    change_percent="-0.17",
    number_of_trades=3,
    venue_time_ns=AT_NS,
)
TOP = TopOfBook(
    symbol="AAA/USD",
    update_type=UpdateType.SNAPSHOT,
    bid_price="10.5",
    bid_quantity="1.5",
    ask_price="10.6",
    ask_quantity="2.5",
    venue_time_ns=AT_NS,
)


def test_tickers_whole(codec: KrakenMarketData) -> None:
    assert (
        decode(codec, "ticker", TICKER_ROW) == read_tickers(frame("ticker", TICKER_ROW), TimeReader()) == [STATISTICS]
    )
    assert decode(codec, "ticker", {"symbol": "AAA/USD"}) == [StatisticsUpdate(symbol="AAA/USD")]


@pytest.mark.parametrize("channel", [Channel.TICKER, Channel.TRADE])
def test_where_no_book_is_kept_tickers_are_best_prices_too(channel: Channel) -> None:
    bare = of_topics(Topic(channel, "AAA/USD"))
    assert decode(bare, "ticker", TICKER_ROW) == [STATISTICS, TOP]
    assert b'"event_trigger":"bbo"' in bare.subscribe([Topic(Channel.TICKER, "AAA/USD")])[0].frame
    with_books = of_topics(Topic(channel, "AAA/USD"), Topic(Channel.BOOK, "BBB/USD", 10))
    assert decode(with_books, "ticker", TICKER_ROW) == [STATISTICS]


def series(*bars: Bar, symbol: str = "AAA/USD", interval_s: int = 60, **changes: Any) -> TimeSeriesUpdate:
    fields: dict[str, Any] = {"update_type": UpdateType.INCREMENTAL, "venue_time_ns": AT_NS}
    return TimeSeriesUpdate(symbol=symbol, interval_s=interval_s, bars=bars, **(fields | changes))


def test_candles_whole_and_each_series_by_itself(codec: KrakenMarketData) -> None:
    rows = [candle(), candle(interval=5), candle(symbol="BBB/USD"), candle(close=1.7)]
    assert decode(codec, "ohlc", *rows, timestamp=AT) == [
        series(bar(), bar(close="1.7")),
        series(bar(), interval_s=300),
        series(bar(), symbol="BBB/USD"),
    ]
    # What ends is confirmed as it was last told.
    assert decode(codec, "ohlc", candle(1), timestamp=AT) == [series(bar(close="1.7", confirmed=True), bar(1))]
    assert decode(codec, "ohlc", candle(1, interval=5)) == [
        series(bar(confirmed=True), bar(1), interval_s=300, venue_time_ns=None)
    ]


def test_a_candle_that_comes_again_in_a_frame_is_confirmed_once(codec: KrakenMarketData) -> None:
    rows = [candle(), candle(close=1.7), candle(1), candle(2)]
    assert decode(codec, "ohlc", *rows, timestamp=AT) == [
        series(bar(), bar(close="1.7", confirmed=True), bar(1, confirmed=True), bar(2))
    ]
    assert decode(codec, "ohlc", candle(1), timestamp=AT) == [series(bar(1))]  # one that is late ends nothing


def test_a_snapshot_of_candles_starts_anew(codec: KrakenMarketData) -> None:
    decode(codec, "ohlc", candle())
    whole = series(bar(1, confirmed=True), bar(2), update_type=UpdateType.SNAPSHOT)
    assert decode(codec, "ohlc", candle(1), candle(2), kind="snapshot", timestamp=AT) == [whole]
    assert decode(codec, "ohlc", candle(3), timestamp=AT) == [series(bar(2, confirmed=True), bar(3))]


def test_a_series_that_is_left_is_forgotten_and_no_other(codec: KrakenMarketData) -> None:
    decode(codec, "ohlc", candle(), candle(interval=5))
    left = [Topic(Channel.STATUS), Topic(Channel.OHLC, "BBB/USD", 60), Topic(Channel.OHLC, "AAA/USD", 60)]
    codec.unsubscribe(left)
    assert decode(codec, "ohlc", candle(1), candle(1, interval=5), timestamp=AT) == [
        series(bar(1)),
        series(bar(confirmed=True), bar(1), interval_s=300),
    ]


@pytest.mark.parametrize("missing", ["interval_begin", "open", "high", "low", "close"])
def test_a_candle_without_prices_is_unknown_and_spoils_no_other(missing: str, codec: KrakenMarketData) -> None:
    odd = {name: value for name, value in candle(symbol="B" * 60).items() if name != missing}
    assert decode(codec, "ohlc", odd, candle(), timestamp=AT) == [
        series(bar()),
        Unknown(f"ohlc row of {'B' * 40} without prices"),
    ]


def test_a_candle_without_trades_has_no_volume(codec: KrakenMarketData) -> None:
    bare = {name: value for name, value in candle().items() if name not in ("volume", "vwap", "trades")}
    [message] = decode(codec, "ohlc", bare)
    assert (message.bars[0].volume, message.bars[0].vwap, message.bars[0].number_of_trades) == ("0", None, None)


def test_announcements_are_bounded(codec: KrakenMarketData) -> None:
    notices = ["n" * 2 * NOTICE_LENGTH_MAX, *["x"] * 2 * NOTICES_MAX]
    [message] = decode(codec, "status", {"system": "online", "upcoming_maintenance": notices})
    assert len(message.upcoming_maintenance) == NOTICES_MAX
    assert len(message.upcoming_maintenance[0]) == NOTICE_LENGTH_MAX


# --- what nobody knows, and what the connection is --------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["book", "trade", "ticker", "ohlc"])
def test_an_unknown_type_is_named(channel: str, codec: KrakenMarketData) -> None:
    assert decode(codec, channel, kind="d" * 60) == [Unknown(f"{channel} frame of type {'d' * 40!r}")]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (b"[" + b"1," * 100 + b"1]", Unknown("frame b'[" + "1," * 39 + "1'")),
        (b'{"channel":"executions"}', Unknown("channel 'executions'")),
        (b'{"channel":"%s"}' % (b"c" * 99), Unknown(f"channel {'c' * 80!r}")),
        (b'{"Error":"Exceeded msg RATE%s"}' % (b"!" * 99), Throttled("Exceeded msg RATE" + "!" * 63)),
        (b'{"Error":"No such %s"}' % (b"t" * 99), Unknown(f"error {'No such ' + 't' * 72!r}")),
        (b'{"nothing":"%s"}' % (b"n" * 99), Unknown("frame b'{" + '"nothing":"' + "n" * 68 + "'")),
    ],
)
def test_what_nobody_knows_is_named_and_cut(said: bytes, message: object, codec: KrakenMarketData) -> None:
    assert list(codec.decode(said, 0)) == [message]


@pytest.mark.parametrize(
    ("channel", "row"), [("book", BOOK_ROW), ("trade", TRADE_ROW), ("ticker", TICKER_ROW), ("ohlc", CANDLE_ROW)]
)
def test_another_order_of_keys_changes_nothing(
    channel: str, row: dict[str, object], make_codec: Callable[..., KrakenMarketData]
) -> None:
    turned = json.dumps({"data": [row], "type": "update", "channel": channel}).encode()
    for said in (turned, b" " + turned, b"\n" + frame(channel, row)):
        assert list(make_codec().decode(said, 0)) == decode(make_codec(), channel, row)


def test_a_frame_that_can_not_be_read_says_its_length_and_why(codec: KrakenMarketData) -> None:
    with pytest.raises(DecodeError, match=r"^frame of 9 bytes can't be read: .+"):
        codec.decode(b'{"channel', 0)


def test_where_to_connect_and_what_to_say_first() -> None:
    codec = KrakenMarketData(
        KrakenSettings(ws_public_url="wss://here.example", frame_bytes_max=4096),
        Shard(index=0, group="public", topics=()),
    )
    with pytest.raises(StopIteration) as ended:
        next(codec.endpoint())
    assert ended.value.value == Endpoint(url="wss://here.example", frame_bytes_max=4096, protocol_ping_s=None)
    assert codec.open() == ()
