"""The recorded frames: every checksum holds, and nothing raises."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from gw_venue_kraken.market.checksum import level_text, text_checksum
from gw_venue_kraken.market.market_data import KrakenMarketData
from gw_venue_kraken.settings import KrakenSettings
from gw_venue_kraken.venue import KrakenStreams

from gwcore.book import BookRule, OrderBook
from gwcore.model import Instrument, MarketByPriceUpdate, PriceLevel, UpdateType
from gwcore.numbers import decimals_of
from gwcore.testing.fixtures import fixture_path, fixtures_dir, received_frames, requires_fixtures
from gwcore.venue import Unknown

pytestmark = requires_fixtures

STREAMS = [
    ("ws-v2-book-btcusd-d10-2023-first-half.jsonl", 10, 255),
    ("ws-v2-book-btcusd-d10-2026.jsonl", 10, 29),
    ("ws-v2-book-minagbp-d25-resubscribe.jsonl", 25, 19),
]
FRAMES = sorted(
    path.name
    for path in (fixtures_dir() / "kraken-spot").glob("*.jsonl")
    if path.name.startswith("ws-v2-") or path.name.startswith(("docs-ws-v2", "docs-guides"))
)


def digits_rule(first: MarketByPriceUpdate, depth: int) -> BookRule:
    """A rule by the stream's own digits: the old instrument list has other decimals for some pairs."""
    levels = [*first.bids, *first.asks]
    instrument = Instrument(
        symbol=first.symbol,
        base="",
        quote="",
        price_decimals=max(decimals_of(each.price) for each in levels),
        quantity_decimals=max(decimals_of(each.quantity) for each in levels),
        tick_size="1",
        lot_size="1",
    )
    return KrakenStreams(KrakenSettings()).book_rule(instrument, depth)


@pytest.mark.parametrize(("name", "depth", "count"), STREAMS)
def test_every_checksum_of_a_recorded_book_holds(name: str, depth: int, count: int, codec: KrakenMarketData) -> None:
    book: OrderBook | None = None
    checked = 0
    for frame in received_frames(fixture_path(f"kraken-spot/{name}")):
        for message in codec.decode(frame, 0):
            if isinstance(message, MarketByPriceUpdate):
                if book is None:
                    book = OrderBook(message.symbol, digits_rule(message, depth))
                assert book.apply(message) is None
                assert book.checksum() == message.checksum
                checked += 1
    assert checked == count


def vectors() -> list[dict[str, Any]]:
    path = fixtures_dir() / "kraken-spot" / "checksum-vectors.json"
    return json.loads(path.read_bytes()) if path.is_file() else []


@pytest.mark.parametrize(
    "case", [case for case in vectors() if "level3" not in case["protocol"]], ids=lambda case: case["name"]
)
def test_published_checksums(case: dict[str, Any]) -> None:
    """v1 cases too: the rule is the same, over v1's own texts (§5.3)."""
    update = MarketByPriceUpdate(
        symbol="A/B",
        update_type=UpdateType.SNAPSHOT,
        bids=tuple(PriceLevel(*each) for each in case["bids"]),
        asks=tuple(PriceLevel(*each) for each in case["asks"]),
        checksum=case["checksum"],
    )
    book = OrderBook("A/B", digits_rule(update, 10))
    assert book.apply(update) is None
    texts = {
        side: b"".join(
            level_text(int(price.replace(".", "")), int(quantity.replace(".", ""))) for price, quantity in case[side]
        )
        for side in ("bids", "asks")
    }
    assert (texts["asks"] + texts["bids"]).decode() == case["checksum_string"]
    assert text_checksum(texts["bids"], texts["asks"]) == case["checksum"]


def v1_book(name: str, depth: int) -> tuple[int, int]:
    """Replays a v1 recording through the same rule and book; returns how many checksums there were and how many held."""
    books: dict[str, OrderBook] = {}
    count = good = 0
    for line in fixture_path(f"kraken-spot/{name}").read_bytes().splitlines():
        row = json.loads(line)
        frame = row.get("message", row.get("frame")) if isinstance(row, dict) else row
        if not isinstance(frame, list):
            continue
        update, found = v1_update(frame)
        if update.update_type is UpdateType.SNAPSHOT:
            books[update.symbol] = OrderBook(update.symbol, digits_rule(update, depth))
        assert books[update.symbol].apply(update) is None
        if found is not None:
            count += 1
            good += books[update.symbol].checksum() == found
    return count, good


def v1_update(frame: list[Any]) -> tuple[MarketByPriceUpdate, int | None]:
    parts: dict[str, Any] = {}
    for part in frame[1:-2]:
        parts |= part
    sides = {
        side: tuple(PriceLevel(row[0], row[1]) for row in parts.get(side, parts.get(side + "s", ()))) for side in "ab"
    }
    return (
        MarketByPriceUpdate(
            symbol=frame[-1],
            update_type=UpdateType.SNAPSHOT if "as" in parts else UpdateType.INCREMENTAL,
            bids=sides["b"],
            asks=sides["a"],
        ),
        int(parts["c"]) if "c" in parts else None,
    )


def test_v1_recording_by_the_same_rule() -> None:
    assert v1_book("ws-v1-book-xbtusd-d10-2023-first-half.jsonl", 10) == (478, 478)


@pytest.mark.parametrize("name", FRAMES)
def test_every_recorded_frame_decodes_or_is_unknown(name: str, codec: KrakenMarketData) -> None:
    frames = list(received_frames(fixture_path(f"kraken-spot/{name}")))
    assert frames
    for frame in frames:
        for message in codec.decode(frame, 0):
            assert not isinstance(message, Unknown) or len(message.what) <= 260


def test_key_order_and_blanks_change_nothing(make_codec: Callable[..., KrakenMarketData]) -> None:
    """The fast way and the slow way give the same messages."""
    for name, _, _ in STREAMS:
        fast, slow = make_codec(), make_codec()
        for frame in received_frames(fixture_path(f"kraken-spot/{name}")):
            wrapped = b" " + msgspec.json.format(frame, indent=1)
            assert [*slow.decode(wrapped, 0)] == [*fast.decode(frame, 0)]


def test_the_recorded_instrument_list(codec: KrakenMarketData) -> None:
    frame = fixture_path("kraken-spot/ws-v2-instrument-snapshot.json").read_bytes()
    [update] = codec.decode(frame, 0)
    assert update.update_type is UpdateType.SNAPSHOT  # type: ignore[union-attr]
    found = {each.symbol: each for each in update.instruments}  # type: ignore[union-attr]
    assert len(found) == 683
    assert sum(each.price_decimals == 0 for each in found.values()) == 7
    assert {each.status.value for each in found.values()} == {"ONLINE", "REDUCE_ONLY", "CANCEL_ONLY"}
    btc = found["BTC/USD"]
    assert (btc.base, btc.quote, btc.aliases) == ("BTC", "USD", ("XBT/USD",))
    assert (btc.price_decimals, btc.tick_size, btc.quantity_decimals, btc.lot_size) == (1, "0.1", 8, "0.00000001")
    assert (btc.base_status, btc.quote_status, btc.marginable) == ("enabled", "enabled", True)
    for each in found.values():
        assert "e" not in each.tick_size.lower()
        assert decimals_of(each.tick_size) == each.price_decimals
        assert decimals_of(each.lot_size) == each.quantity_decimals
