"""What single frames mean, and that broken ones end in DecodeError. The data is made up."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from gw_venue_kraken.market.market_data import KrakenMarketData
from gw_venue_kraken.settings import KrakenSettings
from gw_venue_kraken.times import time_ns
from hypothesis import given, settings
from hypothesis import strategies as st

from gwcore.errors import DecodeError
from gwcore.model import (
    Bar,
    Channel,
    MarketByPriceUpdate,
    MarketStatus,
    PriceLevel,
    TimeSeriesUpdate,
    TradeSummary,
    TradingStatus,
    UpdateType,
)
from gwcore.venue import Pong, Shard, Throttled, Topic, Unknown

BOOK = (
    b'{"channel":"book","type":"update","data":[{"symbol":"AAA/USD","bids":[{"price":10.50,"qty":0.00000000}],'
    b'"asks":[{"price":11.0,"qty":2.50000000},{"price":11.5,"qty":0.10000000}],"checksum":4294967295,'
    b'"timestamp":"2026-01-02T03:04:05.000006Z"}]}'
)
TRADE = (
    b'{"channel":"trade","type":"update","data":[{"symbol":"AAA/USD","side":"sell","price":10.5,"qty":1.00000000,'
    b'"ord_type":"market","trade_id":7,"timestamp":"2026-01-02T03:04:05.000006Z"},{"symbol":"AAA/USD","side":"buy",'
    b'"price":10.6,"qty":2.00000000,"ord_type":"limit","trade_id":8,"timestamp":"2026-01-02T03:04:06.000006Z"}]}'
)
TICKER = (
    b'{"channel":"ticker","type":"update","data":[{"symbol":"AAA/USD","bid":10.5,"bid_qty":1.00000000,"ask":10.6,'
    b'"ask_qty":2.00000000,"last":10.5,"volume":99.00000000,"vwap":10.4,"low":9.0,"high":12.0,"change":-0.5,'
    b'"change_pct":-0.17,"trades":3,"timestamp":"2026-01-02T03:04:05.000006Z"}]}'
)
CANDLE = (
    b'{"channel":"ohlc","type":"update","timestamp":"2026-01-02T03:04:05.123456789Z","data":[{"symbol":"AAA/USD",'
    b'"open":1.0,"high":2.0,"low":0.5,"close":1.5,"trades":3,"volume":7.00000000,"vwap":1.2,'
    b'"interval_begin":"2026-01-02T03:04:00.000000000Z","interval":1,"timestamp":"2026-01-02T03:05:00.000000Z"}]}'
)
INSTRUMENT = (
    b'{"channel":"instrument","type":"snapshot","data":{"assets":[{"id":"AAA","status":"enabled"}],"pairs":['
    b'{"symbol":"AAA/USD","base":"AAA","quote":"USD","status":"online","qty_precision":8,"price_precision":1,'
    b'"qty_increment":1e-08,"price_increment":0.1,"qty_min":1.0,"cost_min":0.50}]}}'
)
ACK = (
    b'{"method":"subscribe","req_id":1,"result":{"channel":"book","depth":10,"snapshot":true,"symbol":"AAA/USD"},'
    b'"success":true,"time_in":"2026-01-02T03:04:05.000006Z","time_out":"2026-01-02T03:04:05.000007Z"}'
)
REFUSAL = b'{"error":"Already subscribed","method":"subscribe","req_id":1,"success":false,"symbol":"AAA/USD"}'
STATUS = b'{"channel":"status","type":"update","data":[{"system":"online","connection_id":18125794168470749634}]}'
SAMPLES = [BOOK, TRADE, TICKER, CANDLE, INSTRUMENT, ACK, REFUSAL, STATUS, b'{"channel":"heartbeat"}']
SECOND_NS = 1_000_000_000
AT_NS = 1_767_323_045_000_006_000  # 2026-01-02T03:04:05.000006Z


def one(codec: KrakenMarketData, frame: bytes | dict[str, Any]) -> Any:
    [message] = codec.decode(json.dumps(frame).encode() if isinstance(frame, dict) else frame, 0)
    return message


def test_a_book_update_keeps_order_and_digits(codec: KrakenMarketData) -> None:
    assert one(codec, BOOK) == MarketByPriceUpdate(
        symbol="AAA/USD",
        update_type=UpdateType.INCREMENTAL,
        bids=(PriceLevel("10.50", "0.00000000"),),
        asks=(PriceLevel("11.0", "2.50000000"), PriceLevel("11.5", "0.10000000")),
        checksum=4294967295,
        venue_time_ns=AT_NS,
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (b"1e-08", "0.00000001"),
        (b"1.50E-3", "0.00150"),
        (b"5", "5"),
        (b"0", "0"),
        (b'"7.5"', "7.5"),
        (b"0.123456789012345678901", "0.123456789012345678901"),
        (b"9007199254740993.5", "9007199254740993.5"),
    ],
)
def test_numbers_of_every_form_leave_as_plain_text(number: bytes, text: str, codec: KrakenMarketData) -> None:
    assert one(codec, BOOK.replace(b"10.50", number)).bids[0].price == text
    assert one(codec, BOOK.replace(b"2.50000000", number)).asks[0].quantity == text


@pytest.mark.parametrize(
    "number", [b'"5."', b'".5"', b'"1,5"', b"true", b"null", b"[]", b"1e999", b'""', b'"\xd9\xa5"']
)
def test_numbers_that_are_none_spoil_the_frame(number: bytes, codec: KrakenMarketData) -> None:
    with pytest.raises(DecodeError):
        codec.decode(BOOK.replace(b"10.50", number), 0)


def test_an_added_field_changes_nothing(codec: KrakenMarketData) -> None:
    added = BOOK.replace(b'"checksum"', b'"new":{"deep":["e"]},"checksum"')
    assert one(codec, added) == one(codec, BOOK)
    assert one(codec, BOOK.replace(b',"timestamp":"2026-01-02T03:04:05.000006Z"', b"")).venue_time_ns is None


def test_trades_of_a_sweep_stay_together(codec: KrakenMarketData) -> None:
    message = one(codec, TRADE)
    assert message.update_type is UpdateType.INCREMENTAL
    assert [(each.trade_id, each.side.value, each.price) for each in message.trades] == [
        ("7", "SELL", "10.5"),
        ("8", "BUY", "10.6"),
    ]
    assert message.venue_time_ns == AT_NS + SECOND_NS
    assert one(codec, TRADE.replace(b'"update"', b'"snapshot"')).update_type is UpdateType.SNAPSHOT


def test_trades_of_two_symbols_are_two_messages(codec: KrakenMarketData) -> None:
    first, second = codec.decode(TRADE.replace(b"AAA/USD", b"BBB/USD", 1), 0)
    assert isinstance(first, TradeSummary)
    assert isinstance(second, TradeSummary)
    assert (first.symbol, second.symbol) == ("BBB/USD", "AAA/USD")


def test_an_unknown_trade_side_leaves_that_trade_out(codec: KrakenMarketData) -> None:
    summary, unknown = codec.decode(TRADE.replace(b'"sell"', b'"both"'), 0)
    assert isinstance(summary, TradeSummary)
    assert [each.trade_id for each in summary.trades] == ["8"]
    assert isinstance(unknown, Unknown)


def test_a_candle_is_confirmed_when_a_later_one_begins(codec: KrakenMarketData) -> None:
    first = one(codec, CANDLE)
    assert isinstance(first, TimeSeriesUpdate)
    assert (first.interval_s, first.venue_time_ns) == (60, AT_NS - 6000 + 123456789)
    assert first.bars[0].begin_time_ns == AT_NS - 6000 - 5 * SECOND_NS
    again = one(codec, CANDLE.replace(b'"close":1.5', b'"close":1.6'))
    assert [bar.confirmed for bar in again.bars] == [False]
    later = one(codec, CANDLE.replace(b"03:04:00.000000000", b"03:05:00.000000000"))
    assert [(bar.close, bar.confirmed) for bar in later.bars] == [("1.6", True), ("1.5", False)]
    codec.unsubscribe([Topic(Channel.OHLC, "AAA/USD", 60)])
    fresh = one(codec, CANDLE.replace(b"03:04:00.000000000", b"03:06:00.000000000"))
    assert [bar.confirmed for bar in fresh.bars] == [False]


def test_all_but_the_last_candle_of_a_snapshot_are_confirmed(codec: KrakenMarketData) -> None:
    frame = json.loads(CANDLE)
    rows = [frame["data"][0] | {"interval_begin": f"2026-01-02T03:0{minute}:00Z"} for minute in range(3)]
    message = one(codec, frame | {"type": "snapshot", "data": rows})
    assert [bar.confirmed for bar in message.bars] == [True, True, False]
    assert all(isinstance(bar, Bar) for bar in message.bars)
    assert [bar.begin_time_ns // SECOND_NS % 3600 for bar in message.bars] == [0, 60, 120]


@pytest.mark.parametrize(
    ("word", "status", "allowed"),
    [
        ("online", TradingStatus.ONLINE, (True, True, True, True)),
        ("post_only", TradingStatus.POST_ONLY, (True, True, True, False)),
        ("cancel_only", TradingStatus.CANCEL_ONLY, (False, False, True, False)),
        ("maintenance", TradingStatus.MAINTENANCE, (False, False, False, False)),
        ("dreaming", TradingStatus.UNKNOWN, (None, None, None, None)),
    ],
)
def test_the_venue_status_and_what_it_allows(
    word: str, status: TradingStatus, allowed: tuple[bool | None, ...], codec: KrakenMarketData
) -> None:
    message = one(codec, STATUS.replace(b"online", word.encode()))
    assert isinstance(message, MarketStatus)
    assert (message.symbol, message.status, message.venue_status) == (None, status, word)
    assert (message.can_create, message.can_modify, message.can_cancel, message.is_matching) == allowed


def test_announcements_are_kept_as_text(codec: KrakenMarketData) -> None:
    row = {"system": "online", "upcoming_maintenance": [{"at": 1}, "soon"], "emergency": ["x"]}
    message = one(codec, {"channel": "status", "data": [row]})
    assert message.upcoming_maintenance == ('{"at": 1}', '"soon"', 'emergency: "x"')


@pytest.mark.parametrize(
    ("notices", "begins"),
    [
        (["soon"], None),
        ([{"at": 1}, None, 5, [[]]], None),
        ([{"begin": "2030-01-01"}], None),
        (["from 2030-01-01T10:00:00Z to 2030-01-01T11:00:00Z"], "2030-01-01T10:00:00Z"),
        ([{"start_time": "2030-01-02T00:00:00+02:00", "created": "2029-01-01T00:00:00Z"}], "2030-01-01T22:00:00Z"),
        ([{"window": {"end": "2030-01-02T00:00:00Z", "begin": "2030-01-01T00:00:00Z"}}], "2030-01-01T00:00:00Z"),
        ([{"start": "2031-01-01T00:00:00Z"}, {"x": ["2030-01-01T00:00:00Z"]}], "2030-01-01T00:00:00Z"),
        (["2030-13-45T99:99:99Z"], None),
    ],
)
def test_announced_maintenance_begins_when_a_whole_time_says_so(
    notices: list[Any], begins: str | None, codec: KrakenMarketData
) -> None:
    message = one(codec, {"channel": "status", "data": [{"system": "online", "upcoming_maintenance": notices}]})
    assert message.maintenance_ns == (None if begins is None else time_ns(begins))


def test_instrument_updates_change_only_what_they_name(codec: KrakenMarketData) -> None:
    [first] = one(codec, INSTRUMENT).instruments
    assert (first.tick_size, first.lot_size, first.min_quantity, first.min_cost) == ("0.1", "0.00000001", "1", "0.5")
    news = {"assets": [{"id": "AAA", "status": "withdrawalonly"}], "pairs": []}
    update = one(codec, {"channel": "instrument", "type": "update", "data": news})
    assert update.update_type is UpdateType.INCREMENTAL
    [changed] = update.instruments
    assert (changed.base_status, changed.quote_status, changed.status) == (
        "withdrawal_only",
        None,
        TradingStatus.ONLINE,
    )
    same = codec.decode(json.dumps({"channel": "instrument", "type": "update", "data": news}).encode(), 0)
    assert list(same) == []


def test_a_pair_row_that_can_not_be_read_stays_one_bad_row(codec: KrakenMarketData) -> None:
    codec.decode(INSTRUMENT, 0)
    frame = json.loads(INSTRUMENT)
    good = frame["data"]["pairs"][0]
    frame["data"]["pairs"] = [good | {"price_precision": "x"}, good | {"symbol": "BBB/USD", "status": "fresh"}]
    update, unknown = codec.decode(json.dumps(frame).encode(), 0)
    assert [(each.symbol, each.status) for each in update.instruments] == [  # type: ignore[union-attr]
        ("AAA/USD", TradingStatus.UNKNOWN),
        ("BBB/USD", TradingStatus.UNKNOWN),
    ]
    assert isinstance(unknown, Unknown)
    frame["data"]["pairs"] = [{"name": "without symbol"}]
    with pytest.raises(DecodeError):
        codec.decode(json.dumps(frame).encode(), 0)


def test_a_snapshot_says_its_depth_and_decimals(codec: KrakenMarketData) -> None:
    codec.decode(INSTRUMENT, 0)
    codec.subscribe([Topic(Channel.BOOK, "AAA/USD", 25)])
    message = one(codec, BOOK.replace(b'"update"', b'"snapshot"'))
    assert (message.update_type, message.depth) == (UpdateType.SNAPSHOT, 25)
    assert (message.price_decimals, message.quantity_decimals) == (1, 8)


def test_small_talk(codec: KrakenMarketData) -> None:
    assert list(codec.decode(b'{"channel":"heartbeat"}', 0)) == []
    assert list(codec.decode(b'{ "channel" : "heartbeat", "more": 1 }', 0)) == []
    assert one(codec, b'{"method":"pong","req_id":101,"time_in":"x","time_out":"y"}') == Pong(101)
    assert one(codec, b'{"Error":"Exceeded msg rate"}') == Throttled("Exceeded msg rate")
    assert json.loads(codec.ping(7)) == {"method": "ping", "req_id": 7}


@pytest.mark.parametrize(
    "frame",
    [
        b'{"channel":"executions","type":"snapshot","data":[],"sequence":1}',
        b'{"channel":"book","type":"digest","data":[]}',
        b'{"channel":"bookish","type":"update","data":[]}',
        b'{"channel":"trade","type":"digest","data":[]}',
        b'{"channel":"ticker","type":"digest","data":[]}',
        b'{"channel":"ohlc","type":"digest","data":[]}',
        b'{"channel":"instrument","type":"digest","data":{}}',
        b'{"Error":"Something else"}',
        b'{"method":"add_order","success":false,"error":"EOrder:Insufficient funds"}',
        b'{"method":"subscribe","params":{"channel":"book"}}',
        b'{"nothing":"known"}',
        b"{}",
        b'[336,{"a":[]},"book-10","XBT/USD"]',
        b"7",
    ],
)
def test_well_formed_frames_nobody_knows(frame: bytes, codec: KrakenMarketData) -> None:
    message = one(codec, frame)
    assert isinstance(message, Unknown)
    assert 0 < len(message.what) <= 260


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b'{"channel":"book"',
        b'{"channel":"book","type":"update","data":{}}',
        b'{"channel":"heartbeat"',
        BOOK.replace(b"AAA", b"A\xffA"),
        BOOK.replace(b"4294967295", b"-1.5"),
        BOOK.replace(b"4294967295", b"null"),
        BOOK.replace(b"03:04:05.000006", b"03:04:61.000006"),
        BOOK.replace(b"2026-01-02", b"2026-13-02"),
        b'{"channel":' + b"[" * 100_000,
        b'{"channel":"book","x":' + b"[" * 100_000,
        b"[" * 100_000,
        TRADE.replace(b'"trade_id":7', b'"trade_id":"7"'),
        STATUS.replace(b'"online"', b"7"),
        ACK.replace(b'"req_id":1', b'"req_id":"1"'),
    ],
)
def test_broken_frames_are_decode_errors(frame: bytes, codec: KrakenMarketData) -> None:
    with pytest.raises(DecodeError):
        codec.decode(frame, 0)


@settings(max_examples=400, deadline=None)
@given(
    sample=st.sampled_from(SAMPLES),
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=4),
)
def test_mutated_frames_raise_nothing_but_decode_errors(sample: bytes, edits: list[tuple[int, int, bytes]]) -> None:
    codec = KrakenMarketData(KrakenSettings(), Shard(index=0, group="public", topics=()))
    frame = bytearray(sample)
    for place, removed, added in edits:
        frame[place : place + removed] = added
    try:
        messages = codec.decode(bytes(frame), 0)
    except DecodeError:
        return
    for message in messages:
        for levels in (getattr(message, "bids", ()), getattr(message, "asks", ())):
            for level in levels:
                assert set(level.price + level.quantity) <= set("0123456789.-")


def test_a_codec_that_is_let_go_is_gone_without_the_collector(make_codec: Callable[..., KrakenMarketData]) -> None:
    codec = make_codec()
    for frame in (BOOK, TRADE, b" " + BOOK):
        assert codec.decode(frame, 1)
    gone = weakref.ref(codec)
    gc.disable()
    try:
        del codec
        assert gone() is None
    finally:
        gc.enable()
