"""Fuzz targets of what a venue sends: frames and REST answers of the Kraken plugin, and the order book.

A target takes any bytes and raises where a property does not hold; errors that the contract names are caught in it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import msgspec
from gw_venue_kraken.market.market_data import KrakenMarketData
from gw_venue_kraken.market.symbols import KrakenSymbols
from gw_venue_kraken.settings import KrakenSettings
from gw_venue_kraken.venue import KrakenStreams

from gwcore.book import BookRule, OrderBook
from gwcore.errors import DecodeError, VenueError
from gwcore.model import MarketByPriceUpdate, PriceLevel, UpdateType
from gwcore.numbers import unscaled
from gwcore.rest import HttpResponse
from gwcore.testing.conformance.flows import run_flow
from gwcore.venue import Shard

INSTRUMENT = (
    b'{"channel":"instrument","type":"snapshot","data":{"assets":[{"id":"BTC","status":"enabled"}],"pairs":[{"symbol":'
    b'"BTC/USD","base":"BTC","quote":"USD","status":"online","qty_precision":8,"price_precision":1,"qty_increment":1e-08,'
    b'"price_increment":0.1,"qty_min":1.0,"cost_min":0.50}]}}'
)
#: What is decoded after a frame that was refused: the answers depend on all that a codec remembers.
PROBES = (
    INSTRUMENT.replace(b'"snapshot"', b'"update"'),
    b'{"channel":"instrument","type":"update","data":{"assets":[{"id":"BTC","status":"withdrawalonly"}],"pairs":[]}}',
    b'{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[{"price":10.5,"qty":1.00000000}],"asks":[],'
    b'"checksum":1,"timestamp":"2026-01-02T03:04:05.000006Z"}]}',
    b'{"channel":"ohlc","type":"update","timestamp":"2026-01-02T03:04:05.123456789Z","data":[{"symbol":"BTC/USD","open":1.0,'
    b'"high":2.0,"low":0.5,"close":1.5,"trades":3,"volume":7.00000000,"vwap":1.2,"interval_begin":'
    b'"2026-01-02T03:04:00.000000000Z","interval":1,"timestamp":"2026-01-02T03:05:00.000000Z"}]}',
)
_NUMBER = frozenset("0123456789.-")
_SETTINGS = KrakenSettings()


def _codec() -> KrakenMarketData:
    codec = KrakenMarketData(_SETTINGS, Shard(index=0, group="public", topics=()))
    codec.decode(INSTRUMENT, 0)
    return codec


INSTRUMENTS: Sequence[Any] = next(
    iter(KrakenMarketData(_SETTINGS, Shard(index=0, group="public", topics=())).decode(INSTRUMENT, 0))
).instruments  # type: ignore[union-attr]


def kraken_frame(data: bytes) -> None:
    """Any frame: DecodeError, and then the codec is as it was; or messages whose numbers are wire text."""
    codec = _codec()
    try:
        messages = codec.decode(data, 0)
    except DecodeError:
        fresh = _codec()
        for probe in PROBES:
            assert codec.decode(probe, 0) == fresh.decode(probe, 0), "part of a refused frame was used"
        return
    for message in messages:
        if isinstance(message, msgspec.Struct):
            msgspec.json.encode(message)  # else it could not be published
        for levels in (getattr(message, "bids", ()), getattr(message, "asks", ())):
            for level in levels:
                assert set(level.price + level.quantity) <= _NUMBER, level


def kraken_rest(data: bytes) -> None:
    """Any body of REST: a VenueError, or what was asked for. The first byte says which call is answered."""
    body, which = data[1:], data[:1]

    def answer(request: Any) -> HttpResponse:
        return HttpResponse(status=200, headers={"content-type": "application/json"}, body=body)

    streams = KrakenStreams(_SETTINGS)
    instrument = INSTRUMENTS[0]
    found: Sequence[object]
    try:
        if which < b"\x80":
            found = run_flow(KrakenSymbols(_SETTINGS).discover(), answer)
        elif which < b"\xa0":
            msgspec.json.encode(run_flow(streams.server_time(), answer))
            return
        elif which < b"\xc0":
            found = run_flow(streams.trades_after(instrument, 1, 0, 2**63), answer)
        else:
            found = run_flow(streams.candles_since(instrument, 60, 0), answer)
        for one in found:
            msgspec.json.encode(one)
    except VenueError:
        return


class _NaiveSide:
    """A dictionary, sorted when it is read."""

    def __init__(self, sign: int, depth: int) -> None:
        self.levels: dict[int, int] = {}
        self._sign, self._depth = sign, depth

    def best(self) -> list[tuple[int, int]]:
        return sorted(self.levels.items(), key=lambda item: item[0] * self._sign)

    def cut(self) -> None:
        self.levels = dict(self.best()[: self._depth])


def book(data: bytes) -> None:
    """Any changes at any depth: the book is what a naive one is. Five bytes a change: what, price, quantity."""
    depth = (1, 2, 10, 25, 100, 500, 1000)[data[0] % 7] if data else 10
    real = OrderBook("A/B", BookRule(price_decimals=1, quantity_decimals=3, depth=depth))
    naive = (_NaiveSide(-1, depth), _NaiveSide(1, depth))
    pending: tuple[list[PriceLevel], list[PriceLevel]] = ([], [])
    kind = UpdateType.SNAPSHOT
    for start in range(1, len(data) - 4, 5):
        what, price, quantity = struct.unpack_from(">BHH", data, start)
        side = what & 1
        amount = quantity if what & 2 else 0
        pending[side].append(PriceLevel(unscaled(price, 1), unscaled(amount, 3)))
        if amount:
            naive[side].levels[price] = amount
        else:
            naive[side].levels.pop(price, None)
        if not what & 4:
            continue
        update = MarketByPriceUpdate(symbol="A/B", update_type=kind, bids=tuple(pending[0]), asks=tuple(pending[1]))
        assert real.apply(update) is None
        pending, kind = ([], []), UpdateType.INCREMENTAL
        if what & 24 == 24:
            kind = UpdateType.SNAPSHOT
        for side_, mine in ((naive[0], real.bids()), (naive[1], real.asks())):
            side_.cut()
            expected = [PriceLevel(unscaled(p, 1), unscaled(q, 3)) for p, q in side_.best()]
            assert mine == expected, (mine, expected)
        if kind is UpdateType.SNAPSHOT:
            naive[0].levels.clear()
            naive[1].levels.clear()
