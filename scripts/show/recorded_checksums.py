"""Replays what was recorded of Kraken through codec and book, prints the figures, fails where one is not as it should be."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gw_venue_kraken.market.checksum import level_text, text_checksum
from gw_venue_kraken.settings import KrakenSettings
from gw_venue_kraken.venue import KrakenStreams

from gwcore.book import BookRule, OrderBook
from gwcore.errors import GatewayError
from gwcore.model import Instrument, MarketByPriceUpdate, PriceLevel, UpdateType
from gwcore.numbers import decimals_of, scaled
from gwcore.testing.fixtures import FixturesMissing, fixture_path, received_frames
from gwcore.venue import Shard, Unknown

VENUE = KrakenStreams(KrakenSettings())
#: Recording, depth, and how many book messages it has.
STREAMS = (
    ("ws-v2-book-btcusd-d10-2023-first-half.jsonl", 10, 255),
    ("ws-v2-book-btcusd-d10-2026.jsonl", 10, 29),
    ("ws-v2-book-minagbp-d25-resubscribe.jsonl", 25, 19),
)
OTHERS = (
    "ws-v2-control-and-private-2026.jsonl",
    "ws-v2-kraken-async-rs.jsonl",
    "ws-v2-kraken-net.jsonl",
    "docs-ws-v2-examples.jsonl",
    "docs-guides-examples.jsonl",
)
INSTRUMENTS = "ws-v2-instrument-snapshot.json"
VECTORS = "checksum-vectors.json"


def codec() -> Any:
    """A codec of a new connection that knows no instrument."""
    return VENUE.market_data(Shard(index=0, group="public", topics=()))


def rule_by_digits(update: MarketByPriceUpdate, depth: int) -> BookRule:
    """The book's rule, with the decimals that the recording itself has."""
    levels = [*update.bids, *update.asks]
    instrument = Instrument(
        symbol=update.symbol,
        base="",
        quote="",
        price_decimals=max(decimals_of(level.price) for level in levels),
        quantity_decimals=max(decimals_of(level.quantity) for level in levels),
        tick_size="1",
        lot_size="1",
    )
    return VENUE.book_rule(instrument, depth)


def replay(path: Path, depth: int) -> tuple[int, int]:
    """Checksums that held, and book messages there were."""
    decoder, book, held, count = codec(), None, 0, 0
    for frame in received_frames(path):
        for update in decoder.decode(frame, 0):
            if isinstance(update, MarketByPriceUpdate):
                count += 1
                book = book or OrderBook(update.symbol, rule_by_digits(update, depth))
                held += book.apply(update) is None and book.checksum() == update.checksum
    return held, count


def through_the_book(case: dict[str, Any]) -> bool:
    """Whether a published v2 case comes out of the book as it should."""
    sides = {side: tuple(PriceLevel(*level) for level in case[side]) for side in ("bids", "asks")}
    update = MarketByPriceUpdate(
        symbol="A/B", update_type=UpdateType.SNAPSHOT, checksum=case["checksum"], bids=sides["bids"], asks=sides["asks"]
    )
    return OrderBook("A/B", rule_by_digits(update, 10)).apply(update) is None


def by_the_rule(case: dict[str, Any]) -> bool:
    """Whether a published v1 case comes out of the checksum functions alone: its texts are its own (sheet §5.3)."""
    texts = {
        side: b"".join(level_text(*(scaled(text, decimals_of(text)) for text in level)) for level in case[side])
        for side in ("bids", "asks")
    }
    return bool(text_checksum(texts["bids"], texts["asks"]) == case["checksum"])


def decode_all(frames: Iterable[bytes]) -> tuple[int, int, int]:
    """Frames that decoded, that were counted as unknown, and that raised."""
    decoder = codec()
    decoded = unknown = raised = 0
    for frame in frames:
        try:
            messages = decoder.decode(frame, 0)
        except GatewayError as error:
            raised += 1
            print(f"  raised: {error}: {frame[:120]!r}")
            continue
        if any(isinstance(message, Unknown) for message in messages):
            unknown += 1
        else:
            decoded += 1
    return decoded, unknown, raised


def main() -> int:
    """Prints one line a figure; 0 when all hold."""
    good = True
    for name, depth, expected in STREAMS:
        held, count = replay(fixture_path(f"kraken-spot/{name}"), depth)
        good &= held == count == expected
        print(f"checksums equal {held}/{count} (expected {expected})  {name}")
    cases = json.loads(fixture_path(f"kraken-spot/{VECTORS}").read_bytes())
    for protocol, check in (("ws-v2 book", through_the_book), ("ws-v1 book", by_the_rule)):
        mine = [case for case in cases if case["protocol"] == protocol]
        equal = sum(check(case) for case in mine)
        good &= equal == len(mine) > 0
        print(f"vectors {equal}/{len(mine)}  {protocol} of {VECTORS}")
    frames = [fixture_path(f"kraken-spot/{INSTRUMENTS}").read_bytes()]
    for name in (*(stream[0] for stream in STREAMS), *OTHERS):
        frames.extend(received_frames(fixture_path(f"kraken-spot/{name}")))
    decoded, unknown, raised = decode_all(frames)
    good &= raised == 0 and decoded > 0
    print(f"frames {len(frames)}: decoded {decoded}, unknown {unknown}, raised {raised}")
    print("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FixturesMissing as error:
        sys.exit(f"cannot be shown: {error}")
