"""Asks REST Ticker (API sheet §2.5) how quiet markets stand: best prices for books, the last price for trades and tickers.

One request for many pairs. Volumes have three decimals there, which the engine's comparison allows for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gw_venue_kraken.envelope import public_request, result_of
from gwcore.errors import DecodeError
from gwcore.model import Channel, Instrument, StatisticsUpdate, TopOfBook, UpdateType
from gwcore.numbers import decimal_text
from gwcore.rest import HttpFlow
from gwcore.venue import MarketDataMessage, Topic

_MALFORMED = (msgspec.MsgspecError, ValueError, RecursionError, IndexError)


class TickerRow(msgspec.Struct, gc=False):
    """`{"a":["84001.90000","1","1.000"],"b":["84001.80000","2","2.310"],"c":["84001.90000","0.00123000"],...}`"""

    a: list[object]
    b: list[object]
    c: list[object]


_rows_of = msgspec.json.Decoder(dict[str, TickerRow], float_hook=str).decode


def probe(
    rest_url: str, topics: Sequence[Topic], instruments: Mapping[str, Instrument], *, pace: str
) -> HttpFlow[Sequence[MarketDataMessage]]:
    """The flow of `Prober.probe`. A market the answer does not have is left out. Raises what `result_of` raises."""
    symbols = list(dict.fromkeys(topic.symbol for topic in topics if topic.symbol is not None))
    response = yield public_request(rest_url, "Ticker", {"pair": ",".join(symbols)}, pace=pace)
    try:
        rows = _rows_of(result_of(response, "Ticker"))
        found: list[MarketDataMessage] = []
        for symbol in symbols:
            row = rows.get(symbol) or rows.get(_key(instruments.get(symbol)))
            if row is not None:
                found += [_top(symbol, row), StatisticsUpdate(symbol=symbol, last_price=_number(row.c, 0))]
    except _MALFORMED as error:
        raise DecodeError(f"Ticker: {error!s:.200}") from None
    wants_books = any(topic.channel is Channel.BOOK for topic in topics)
    return found if wants_books else [each for each in found if isinstance(each, StatisticsUpdate)]


def _key(instrument: Instrument | None) -> str:
    return (instrument.venue_symbol if instrument is not None else None) or ""


def _top(symbol: str, row: TickerRow) -> TopOfBook:
    bid, ask = _level(row.b), _level(row.a)
    return TopOfBook(
        symbol=symbol,
        update_type=UpdateType.SNAPSHOT,
        bid_price=bid[0],
        bid_quantity=bid[1],
        ask_price=ask[0],
        ask_quantity=ask[1],
    )


def _level(row: list[object]) -> tuple[str | None, str | None]:
    """Price and lot volume; a side without orders has the price zero."""
    price = _number(row, 0)
    return (None, None) if price is None else (price, decimal_text(row[2]))


def _number(row: list[object], index: int) -> str | None:
    text = decimal_text(row[index])
    return text if text.strip("0.") else None
