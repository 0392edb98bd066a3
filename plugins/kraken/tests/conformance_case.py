"""The Kraken venue as the conformance cards see it: recordings of its simulator, the shared fixtures where they are, and the
simulator itself. Read by `test_conformance.py` and by `gw conform kraken`."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from gw_sim_kraken.accounts.tiers import FEES, fee_step
from gw_sim_kraken.plugin import SPEC as SIMULATOR
from gw_venue_kraken.accounts.account import KrakenAccountOptions
from gw_venue_kraken.market.market_data import KrakenMarketData
from gw_venue_kraken.plugin import SPEC
from gw_venue_kraken.settings import KrakenSettings

from gwcore.model import Channel, Instrument, MarketByPriceUpdate
from gwcore.numbers import decimals_of
from gwcore.rest import HttpRequest
from gwcore.testing.conformance import AccountCase, OrderCase, RecordedFrame, Recording, VenueCase
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
TIMES = {"time_in": "2026-01-21T12:33:34.457870Z", "time_out": "2026-01-21T12:33:34.460575Z"}
#: Texts of the API sheet (§2.2, §4.3) that an order may meet; the second group proves nothing.
ERRORS = (
    "EGeneral:Invalid arguments",
    "EGeneral:Invalid arguments:volume",
    "EGeneral:Invalid arguments:volume minimum not met",
    "EGeneral:Invalid arguments:Index unavailable",
    "EGeneral:Temporary lockout",
    "EGeneral:Permission denied",
    "EGeneral:Unknown method",
    "EAPI:Invalid key",
    "EAPI:Invalid signature",
    "EAPI:Invalid nonce",
    "EAPI:Rate limit exceeded",
    "EAPI:Bad request",
    "EAPI:Feature disabled",
    "EQuery:Unknown asset pair",
    "EQuery:Unknown asset",
    "EService: Throttled: 1700000000",
    "EService:Market in cancel_only mode",
    "EService:Market in post_only mode",
    "EService:Market in limit_only mode",
    "EService:Deadline elapsed",
    "EOrder:Cannot open opposing position",
    "EOrder:Cannot open position",
    "EOrder:Margin allowance exceeded",
    "EOrder:Margin level too low",
    "EOrder:Margin position size exceeded",
    "EOrder:Insufficient margin",
    "EOrder:Insufficient funds",
    "EOrder:Order minimum not met",
    "EOrder:Cost minimum not met",
    "EOrder:Tick size check failed",
    "EOrder:Invalid price:XXBTZEUR price can only be specified up to 1 decimals.",
    "EOrder:Orders limit exceeded",
    "EOrder:Rate limit exceeded",
    "EOrder:Domain rate limit exceeded",
    "EOrder:Positions limit exceeded",
    "EOrder:Scheduled orders limit exceeded",
    "EOrder:Unknown position",
    "EOrder:Reduce only:Non-PC",
    "EOrder:Reduce only:No position exists",
    "EOrder:Unknown order",
    "EOrder:Invalid order",
    "EOrder:Post only order",
    "EOrder:Trading agreement required",
    "EAccount:Invalid permissions",
    "EAuth:Account temporary disabled",
    "EAuth:Account unconfirmed",
    "EAuth:Failed",
    "EAuth:Rate limit exceeded",
    "EAuth:Too many requests",
    "ESession:Invalid session",
    "ETrade:Invalid request",
    "ETrade:Locked",
    "EBM:limit exceeded:CAL",
    "Currency pair not supported XBT/USD",
    "Malformed request",
    "Unsupported event",
    "Unsupported field: 'price' for the given msg type: add order",
    "Token(s) not found",
    "Private data and trading are unavailable on this endpoint. Try ws-auth.kraken.com",
    "Cash_order_qty field must be a number_float",
    "Limit_price field must be a number_float",
    "EGeneral:Internal error:91",
    "EService:Unavailable",
    "EService:Busy",
    "EOrder:Reduce only:Position is closed",
    "EDatabase:Internal error",
)
DOUBTFUL = ERRORS[-5:]
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
        orders=OrderCase(
            errors=ERRORS,
            doubtful=DOUBTFUL,
            taken=taken,
            refused=refused,
            told=told,
            rest_taken=lambda: b'{"error":[],"result":{"descr":{"order":"buy"},"txid":["OUF4EM-FRGI2-MQMWZD"]}}',
            rest_refused=lambda text: msgspec.json.encode({"error": [text]}),
            preliminary=names_of,
            options=KrakenAccountOptions(tier="pro"),
        ),
    )


def taken(request_id: int, client_id: str) -> bytes:
    """The reply to `add_order` that was recorded, with other ids (API sheet §4.14)."""
    result = {"cl_ord_id": client_id, "order_id": "OXZPAJ-ONWQU-KMAMPL"}
    return msgspec.json.encode(
        {"method": "add_order", "req_id": request_id, "result": result, "success": True, **TIMES}
    )


def refused(request_id: int, text: str) -> bytes:
    """A reply that says no (§4.3)."""
    reply = {"error": text, "method": "add_order", "req_id": request_id, "success": False}
    return msgspec.json.encode({**reply, **TIMES})


def told(client_id: str) -> bytes:
    """An execution report. The id is kept as 128 bits (§3.5), and told as a UUID here."""
    dashed = "-".join((client_id[:8], client_id[8:12], client_id[12:16], client_id[16:20], client_id[20:]))
    row = {"order_id": "OXZPAJ-ONWQU-KMAMPL", "cl_ord_id": dashed, "exec_type": "new", "order_status": "new"}
    return msgspec.json.encode(
        {"channel": "executions", "type": "update", "data": [{**row, "timestamp": TIMES["time_out"]}]}
    )


def names_of(request: HttpRequest) -> bytes | None:
    """What a margin order by REST asks first: the greatest leverage."""
    pair = {"altname": "XBTUSD", "wsname": "XBT/USD", "leverage_buy": [2, 5], "leverage_sell": [2]}
    answers: dict[str, Any] = {"Assets": {"XXBT": {"altname": "XBT"}}, "AssetPairs": {"XXBTZUSD": pair}}
    name = request.url.rpartition("/0/public/")[2]
    return msgspec.json.encode({"error": [], "result": answers[name]}) if name in answers else None


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
