"""The Kraken venue as the conformance cards see it: recordings of its simulator, the shared fixtures where they are, and the
simulator itself. Read by `test_conformance.py` and by `gw conform kraken`."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from gw_sim_kraken.plugin import SPEC as SIMULATOR
from gw_sim_kraken.tiers import FEES, fee_step
from gw_venue_kraken.account import KrakenAccountOptions
from gw_venue_kraken.market_data import KrakenMarketData
from gw_venue_kraken.plugin import SPEC
from gw_venue_kraken.settings import KrakenSettings

from gwcore.model import Channel, Instrument, MarketByPriceUpdate
from gwcore.numbers import decimals_of
from gwcore.testing.conformance import AccountCase, RecordedFrame, Recording, VenueCase
from gwcore.testing.fixtures import FixturesMissing, fixture_path, received_frames
from gwcore.venue import Shard, Topic

#: Recorded books of the real venue: file, symbol, depth. They stay outside the repository (see gwcore.testing.fixtures).
FIXTURES = (
    ("ws-v2-book-btcusd-d10-2023-first-half.jsonl", "BTC/USD", 10),
    ("ws-v2-book-btcusd-d10-2026.jsonl", "BTC/USD", 10),
    ("ws-v2-book-minagbp-d25-resubscribe.jsonl", "MINA/GBP", 25),
)
#: Frames that the venue has elsewhere, or may have one day.
UNKNOWN = (
    b'{"surprise":{"answer":42}}',
    b'["surprise",42]',
    b'{"channel":"surprise","type":"update","data":[{"symbol":"BTC/USD","answer":42}]}',
    b'{"method":"surprise","success":true,"req_id":1}',
)
SPACING_NS = 10_000_000
MARKET = {"pairs": 4, "rate": 120.0, "deep_pairs": 1}


def case_for(kind: str, name: str) -> VenueCase | None:
    """The case of the venue kraken."""
    if (kind, name) != ("venue", "kraken"):
        return None
    return VenueCase(
        SPEC,
        recordings=Path(__file__).with_name("data"),
        simulator=SIMULATOR,
        simulator_settings=MARKET,
        more_recordings=tuple(fixtures()),
        unknown_frames=UNKNOWN,
        accounts=AccountCase(
            simulator_settings={"pairs": 2, "rate": 1.0, "accounts": 1},
            credentials=lambda simulator: next(iter(simulator.credentials().values())),
            fill=lambda simulator, count: simulator.act("fills", count=count, maker=True)["exec_ids"],
            fills=lambda simulator: [fill["exec_id"] for fill in simulator.account()["fills"]],
            revoke=lambda simulator: simulator.fault("revoke_key"),
            fees=fees,
            options=KrakenAccountOptions(tier="pro"),
            token_s=900.0,
        ),
    )


def fees(simulator: Any) -> dict[str, tuple[str, str]]:
    """Maker and taker of the simulator's step for what its account traded; all its markets are alike."""
    step = FEES[fee_step(Decimal(simulator.account()["volume_usd"]))]
    return dict.fromkeys(simulator.feed.listing.pairs, (str(step.maker), str(step.taker)))


def fixtures() -> Iterator[Recording]:
    """The recordings of the real venue that are there."""
    for file, symbol, depth in FIXTURES:
        try:
            path = fixture_path(f"kraken-spot/{file}")
        except FixturesMissing:
            continue
        frames = list(received_frames(path))
        yield Recording(
            name=file.removesuffix(".jsonl"),
            topics=(Topic(Channel.BOOK, symbol, depth),),
            frames=tuple(RecordedFrame(number * SPACING_NS, False, frame) for number, frame in enumerate(frames, 1)),
            instruments=(instrument(symbol, frames),),
        )


def instrument(symbol: str, frames: list[bytes]) -> Instrument:
    """By the recording's own digits: the recorded instrument list is older and has others for some pairs."""
    codec = KrakenMarketData(KrakenSettings(), Shard(index=0, group="public", topics=()))
    books = (each for frame in frames for each in codec.decode(frame, 0) if isinstance(each, MarketByPriceUpdate))
    first = next(books)
    levels = [*first.bids, *first.asks]
    price_decimals = max(decimals_of(level.price) for level in levels)
    quantity_decimals = max(decimals_of(level.quantity) for level in levels)
    base, _, quote = symbol.partition("/")
    return msgspec.structs.replace(
        Instrument(
            symbol=symbol,
            base=base,
            quote=quote,
            price_decimals=price_decimals,
            quantity_decimals=quantity_decimals,
            tick_size="0",
            lot_size="0",
        ),
        tick_size=f"{10**-price_decimals:.{price_decimals}f}",
        lot_size=f"{10**-quantity_decimals:.{quantity_decimals}f}",
    )
