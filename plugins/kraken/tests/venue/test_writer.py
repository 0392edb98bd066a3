"""What we write as Kraken would is read back as what it was: instruments, books, checksums, times."""

from __future__ import annotations

import pytest
from gw_venue_kraken.market.instruments import Catalogue
from gw_venue_kraken.market.writer import instrument_frame, snapshot_frames, stamp
from gw_venue_kraken.settings import KrakenSettings
from gw_venue_kraken.times import time_ns
from gw_venue_kraken.venue import KrakenStreams

from gwcore.book import OrderBook
from gwcore.model import Channel, Instrument, MarketByPriceUpdate, PriceLevel, TradingStatus, UpdateType
from gwcore.testing.fixtures import fixture_path, received_frames, requires_fixtures
from gwcore.venue import Acknowledged, InstrumentUpdate, Shard, Topic

STREAMS = KrakenStreams(KrakenSettings())


def instruments_of(frame: bytes) -> tuple[Instrument, ...]:
    (update, *rest) = Catalogue({}).read(frame)
    assert isinstance(update, InstrumentUpdate)
    assert not rest
    return update.instruments


@requires_fixtures
def test_every_real_instrument_survives() -> None:
    recorded = fixture_path("kraken-spot/ws-v2-instrument-snapshot.json").read_bytes()
    instruments = instruments_of(recorded)
    assert len(instruments) == 683
    assert instruments_of(instrument_frame(instruments)) == instruments


def test_what_is_not_known_is_left_out() -> None:
    least = Instrument(
        symbol="A/B", base="A", quote="B", price_decimals=2, quantity_decimals=0, tick_size="0.01", lot_size="1"
    )
    frame = instrument_frame([least])
    assert b"null" not in frame
    assert b'"assets":[]' in frame
    (found,) = instruments_of(frame)
    assert (found.symbol, found.status, found.cost_decimals, found.min_cost) == (
        "A/B",
        TradingStatus.ONLINE,
        None,
        None,
    )


@requires_fixtures
@pytest.mark.parametrize(
    ("name", "symbol", "depth"),
    [
        ("ws-v2-book-btcusd-d10-2026", "BTC/USD", 10),
        ("ws-v2-book-minagbp-d25-resubscribe", "MINA/GBP", 25),
    ],
)
def test_a_book_anywhere_in_a_recording_survives(name: str, symbol: str, depth: int) -> None:
    recording = fixture_path(f"kraken-spot/{name}.jsonl")
    frames = [frame for frame in received_frames(recording) if frame.startswith(b'{"channel":"book"')]
    codec = STREAMS.market_data(Shard(index=0, group="public", topics=()))
    base, quote = symbol.split("/")
    digits = 1 if symbol == "BTC/USD" else 4
    instrument = Instrument(
        symbol=symbol, base=base, quote=quote, price_decimals=digits, quantity_decimals=8, tick_size="1", lot_size="1"
    )
    book = OrderBook(symbol, STREAMS.book_rule(instrument, depth))
    for frame in frames:
        (update,) = codec.decode(frame, 1)
        assert isinstance(update, MarketByPriceUpdate)
        assert book.apply(update) is None
        again = OrderBook(symbol, book.rule)
        ack, snapshot = STREAMS.snapshot_frames(book.snapshot())
        (said,) = codec.decode(snapshot, 1)
        assert isinstance(said, MarketByPriceUpdate)
        assert again.apply(said) is None
        assert again.snapshot() == book.snapshot()
        (answer,) = codec.decode(ack, 1)
        assert answer == Acknowledged((Topic(Channel.BOOK, symbol, depth),), None, False)


def test_a_book_without_checksum_and_time() -> None:
    book = MarketByPriceUpdate(
        symbol='Q"/B', update_type=UpdateType.SNAPSHOT, bids=(PriceLevel("1.10", "0.00000001"),), depth=10
    )
    _, snapshot = snapshot_frames(book)
    assert snapshot == (
        b'{"channel":"book","type":"snapshot","data":[{"symbol":"Q\\"/B","bids":[{"price":1.10,"qty":0.00000001}],"asks":[]}]}'
    )


@pytest.mark.parametrize("when", [0, 1, 1_786_000_000_123_456_000, 1_786_000_000_123_456_789, 999_999_999])
def test_times_come_back(when: int) -> None:
    assert time_ns(stamp(when)) == when
