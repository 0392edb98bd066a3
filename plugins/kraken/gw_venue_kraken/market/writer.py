"""Frames as Kraken would write them, made from what we know: the opening of a capture (API sheet §4.2, §4.6, §4.8).

Numbers are written in the digits that came; what was never told is left out, never made up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from gw_venue_kraken import names
from gwcore.model import Instrument, MarketByPriceUpdate, PriceLevel
from gwcore.venue import Frame

_V2_ASSET_STATUS = {ours: theirs for theirs, ours in names.ASSET_STATUS.items()}
_WORD_OF_STATUS = {status: word for word, status in names.TRADING_STATUS.items()}


def instrument_frame(instruments: Iterable[Instrument]) -> Frame:
    """An `instrument` snapshot of these pairs and of the assets they are made of."""
    pairs, assets = [], {}
    for instrument in instruments:
        pairs.append(_object(_pair(instrument)))
        for role, name in (("base", instrument.base), ("quote", instrument.quote)):
            status = getattr(instrument, f"{role}_status")
            if status is not None:
                decimals = getattr(instrument, f"{role}_decimals")
                row: dict[str, str | None] = {
                    "id": _text(name),
                    "status": _text(_V2_ASSET_STATUS.get(status, status)),
                    "precision": None if decimals is None else str(decimals),
                    "margin_rate": getattr(instrument, f"{role}_margin_rate"),
                }
                if name == instrument.base and instrument.multiplier is not None:
                    row["multiplier"] = instrument.multiplier
                if name == instrument.base and instrument.base_class is not None:
                    row["class"] = _text(instrument.base_class)
                assets[name] = _object(row)
    data = f'{{"assets":[{",".join(assets.values())}],"pairs":[{",".join(pairs)}]}}'
    return f'{{"channel":"instrument","type":"snapshot","data":{data}}}'.encode()


def _pair(instrument: Instrument) -> dict[str, str | None]:
    """A pair row: name -> JSON text; None: not known."""
    flags = {None: None, True: "true", False: "false"}
    return {
        "symbol": _text(instrument.symbol),
        "base": _text(instrument.base),
        "quote": _text(instrument.quote),
        "status": _text(instrument.venue_status or _WORD_OF_STATUS.get(instrument.status, "online")),
        "qty_precision": str(instrument.quantity_decimals),
        "qty_increment": instrument.lot_size,
        "price_precision": str(instrument.price_decimals),
        "cost_precision": None if instrument.cost_decimals is None else str(instrument.cost_decimals),
        "marginable": flags[instrument.marginable],
        "has_index": flags[instrument.has_index],
        "cost_min": instrument.min_cost,
        "margin_initial": instrument.margin_initial,
        "position_limit_long": instrument.position_limit_long,
        "position_limit_short": instrument.position_limit_short,
        "tick_size": instrument.tick_size,
        "price_increment": instrument.tick_size,
        "qty_min": instrument.min_quantity,
        "execution_venue": None
        if instrument.execution_venue is None
        else _text(instrument.execution_venue.replace("_", "-")),
    }


def snapshot_frames(book: MarketByPriceUpdate) -> Sequence[Frame]:
    """The ack of a book's subscription, which names the depth, and the snapshot."""
    symbol = _text(book.symbol)
    ack = (
        f'{{"method":"subscribe","result":{{"channel":"book","depth":{book.depth},"snapshot":true,"symbol":{symbol}}},'
        f'"success":true}}'
    )
    row = {
        "symbol": symbol,
        "bids": _levels(book.bids),
        "asks": _levels(book.asks),
        "checksum": None if book.checksum is None else str(book.checksum),
        "timestamp": None if book.venue_time_ns is None else _text(stamp(book.venue_time_ns)),
    }
    return ack.encode(), f'{{"channel":"book","type":"snapshot","data":[{_object(row)}]}}'.encode()


def stamp(time_ns: int) -> str:
    """Nanoseconds since the epoch as RFC 3339, in UTC: six digits, or nine where six would lose some."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    fraction = f"{rest_ns:09}" if rest_ns % 1000 else f"{rest_ns // 1000:06}"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction}Z"


def _levels(levels: Sequence[PriceLevel]) -> str:
    rows = [_object({"price": level.price, "qty": level.quantity}) for level in levels]
    return f"[{','.join(rows)}]"


def _object(members: Mapping[str, str | None]) -> str:
    rows = [f"{_text(key)}:{value}" for key, value in members.items() if value is not None]
    return "{" + ",".join(rows) + "}"


def _text(value: str) -> str:
    return msgspec.json.encode(value).decode()
