"""Instruments of a recording: from an `instrument` snapshot frame in a file, else from the recording's own digits."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from gw_sim_kraken.market.listing import Listing, Pair
from gw_sim_kraken.market.recording import Frame

_PRICES = ("price", "bid", "ask", "last", "open", "high", "low", "close")
_QUANTITIES = ("qty", "bid_qty", "ask_qty", "volume")


class _PairRow(msgspec.Struct):
    symbol: str
    price_precision: int
    qty_precision: int
    base: str = ""
    quote: str = ""
    status: str = "online"
    cost_precision: int = 8
    marginable: bool = False
    has_index: bool = False
    qty_min: Any = "0"
    cost_min: Any = "0"
    price_increment: Any = None
    position_limit_long: int = 0
    position_limit_short: int = 0


class _Data(msgspec.Struct):
    pairs: list[msgspec.Raw]
    assets: list[msgspec.Raw] = []


class _Snapshot(msgspec.Struct):
    data: _Data


_row_decoder = msgspec.json.Decoder(_PairRow, float_hook=str)


def read_instruments(content: bytes, name: str, listing: Listing) -> None:
    """Add all pairs of an `instrument` snapshot, rows kept as they are. Raises ValueError naming the file."""
    try:
        data = msgspec.json.decode(content, type=_Snapshot).data
        rows = [(_row_decoder.decode(raw), bytes(raw)) for raw in data.pairs]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{name}: no instrument snapshot frame ({error})") from None
    listing.raw_assets += [bytes(raw) for raw in data.assets]
    for row, raw in rows:
        base, _, quote = row.symbol.partition("/")
        listing.add(
            Pair(
                row.symbol,
                row.base or base,
                row.quote or quote,
                row.price_precision,
                row.qty_precision,
                row.cost_precision,
                _plain(row.qty_min),
                _plain(row.cost_min),
                status=row.status,
                marginable=row.marginable,
                has_index=row.has_index,
                position_limit_long=row.position_limit_long,
                position_limit_short=row.position_limit_short,
                increment=_plain(row.price_increment) if row.price_increment is not None else "",
                raw=raw,
            )
        )


def derive_instruments(frames: Iterable[Frame], listing: Listing) -> None:
    """Add a pair for each symbol that is not listed yet, with as many decimals as its frames show."""
    price: dict[str, int] = {}
    quantity: dict[str, int] = {}
    for frame in frames:
        for row in frame.data if isinstance(frame.data, list) else ():
            symbol = row.get("symbol") if isinstance(row, dict) else None
            if not isinstance(symbol, str) or symbol in listing.pairs or len(symbol.split("/")) != 2:
                continue
            for level in (row, *row.get("bids", ()), *row.get("asks", ())):
                _widen(price, symbol, level, _PRICES)
                _widen(quantity, symbol, level, _QUANTITIES)
    for symbol in price:
        base, _, quote = symbol.partition("/")
        qty_min = "0." + "0" * max(0, quantity.get(symbol, 8) - 1) + "1" if quantity.get(symbol, 8) else "1"
        listing.add(Pair(symbol, base, quote, price[symbol], quantity.get(symbol, 8), 8, qty_min, has_index=False))


def _widen(decimals: dict[str, int], symbol: str, row: Any, names: tuple[str, ...]) -> None:
    for name in names:
        value = row.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool):
            decimals[symbol] = max(decimals.get(symbol, 0), len(_plain(value).partition(".")[2]))


def _plain(value: Any) -> str:
    return format(Decimal(str(value)), "f")
