"""REST endpoints with market data. Prices carry at least five decimals here, Depth volumes three (sheet 2.5)."""

from __future__ import annotations

from decimal import Decimal
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import msgspec

from gw_sim_kraken.market.candles import INTERVALS, ROWS_MAX
from gw_sim_kraken.market.frames import Candle, Trade
from gw_sim_kraken.market.listing import Pair
from gw_sim_kraken.texts import SECOND_NS, number_text

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

_PRICE_DECIMALS = 5
_TRADES_MAX = 1000
_DEPTH_MAX = 500
#: A `since` below this is in seconds, otherwise in nanoseconds.
_SECONDS_MAX = 10**12
_DAY_NS = 86_400 * SECOND_NS


class ApiError(Exception):
    """The text that goes into the envelope's `error`."""


def ticker(exchange: SimulatedKraken, query: dict[str, str]) -> Any:
    """Ticker: of all pairs, or of those asked for."""
    listing = exchange.feed.listing
    if "pair" not in query:
        return {pair.rest_key: _ticker_row(exchange, pair) for pair in listing.pairs.values()}
    chosen = [_pair(exchange, {"pair": name}) for name in query["pair"].split(",")]
    return {key: _ticker_row(exchange, pair) for key, pair in chosen}


def depth(exchange: SimulatedKraken, query: dict[str, str]) -> Any:
    """Depth: levels with the time of the book's last change."""
    key, pair = _pair(exchange, query)
    count = _number(query, "count", 100)
    if not 1 <= count <= _DEPTH_MAX:
        raise ApiError("EGeneral:Invalid arguments:count")
    book = exchange.feed.book(pair.symbol, count)
    second = book.changed_ns // SECOND_NS

    def rows(levels: Any) -> list[list[Any]]:
        return [[_wide(price), str(Decimal(quantity).quantize(Decimal("0.001"))), second] for price, quantity in levels]

    return {key: {"asks": rows(book.asks), "bids": rows(book.bids)}}


def trades(exchange: SimulatedKraken, query: dict[str, str]) -> Any:
    """Trades after `since` (nanoseconds, or seconds), oldest first; without it the latest ones."""
    key, pair = _pair(exchange, query)
    count = _number(query, "count", _TRADES_MAX)
    if not 1 <= count <= _TRADES_MAX:
        raise ApiError("EGeneral:Invalid arguments:count")
    history = exchange.feed.trades(pair.symbol)
    if "since" in query:
        since = _number(query, "since", 0)
        since_ns = since if since >= _SECONDS_MAX else since * SECOND_NS
        rows = _after(history, since_ns)[:count]
    else:
        since_ns, rows = exchange.now_ns, list(history[-count:])
    last_ns = rows[-1].time_ns if rows else since_ns
    return {key: [_trade_row(trade) for trade in rows], "last": str(last_ns)}


def ohlc(exchange: SimulatedKraken, query: dict[str, str]) -> Any:
    """OHLC: the last candle is still forming; intervals without trades are there, empty."""
    key, pair = _pair(exchange, query)
    interval = _number(query, "interval", 1)
    if interval not in INTERVALS:
        raise ApiError("EGeneral:Invalid arguments:interval")
    rows = _filled(exchange.feed.candles(pair.symbol, interval), interval, exchange.now_ns)
    since_ns = _number(query, "since", 0) * SECOND_NS
    chosen = [_candle_row(candle, pair) for candle in rows if candle.begin_ns > since_ns or not since_ns]
    last = rows[-2].begin_ns // SECOND_NS if len(rows) > 1 else 0
    return {key: chosen, "last": last}


def _pair(exchange: SimulatedKraken, query: dict[str, str]) -> tuple[str, Pair]:
    name = query.get("pair", "")
    pair = exchange.feed.listing.find(name)
    if pair is None:
        raise ApiError("EQuery:Unknown asset pair" if name else "EGeneral:Invalid arguments")
    # A name with a slash comes back as the key it was asked with.
    return (name if "/" in name else pair.rest_key), pair


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default)).partition(".")[0]
    if not (text.isascii() and text.isdigit()):
        raise ApiError(f"EGeneral:Invalid arguments:{name}")
    return int(text)


def _wide(price: str) -> str:
    head, _, tail = price.partition(".")
    return f"{head}.{tail.ljust(_PRICE_DECIMALS, '0')}"


def _after(history: Any, since_ns: int) -> list[Trade]:
    newest_first = takewhile(lambda trade: trade.time_ns > since_ns, reversed(history))
    return list(newest_first)[::-1]


def _trade_row(trade: Trade) -> list[Any]:
    seconds, rest_ns = divmod(trade.time_ns, SECOND_NS)
    time = msgspec.Raw(f"{seconds}.{rest_ns // 100:07d}".encode())
    return [_wide(trade.price), trade.quantity, time, trade.side[0], trade.order_type[0], "", trade.trade_id]


def _ticker_row(exchange: SimulatedKraken, pair: Pair) -> dict[str, Any]:
    book = exchange.feed.book(pair.symbol, 1)
    history = exchange.feed.trades(pair.symbol)
    day = exchange.feed.day(pair.symbol)
    figures = day.figures()
    today = day.since(exchange.now_ns - exchange.now_ns % _DAY_NS)
    opening, volume, notional, count, low, high = today

    def price(value: int) -> str:
        return _wide(number_text(value, pair.price_precision))

    def quantity(value: int) -> str:
        return number_text(value, pair.qty_precision)

    def best(levels: Any) -> list[str]:
        for level_price, level_quantity in levels:
            lot = Decimal(level_quantity).quantize(Decimal("0.001"))
            return [_wide(level_price), str(max(1, int(lot))), str(lot)]
        return [price(0), "0", "0.000"]

    last = [_wide(history[-1].price), history[-1].quantity] if history else [price(0), quantity(0)]
    return {
        "a": best(book.asks),
        "b": best(book.bids),
        "c": last,
        "v": [quantity(volume), quantity(figures.volume)],
        "p": [price(notional // volume if volume else figures.last), price(figures.vwap)],
        "t": [count, figures.trades],
        "l": [price(low), price(figures.low)],
        "h": [price(high), price(figures.high)],
        "o": price(opening),
    }


def _filled(candles: Any, interval: int, now_ns: int) -> list[Candle]:
    """With the empty intervals between the first candle and now."""
    interval_ns = interval * 60 * SECOND_NS
    by_begin = {candle.begin_ns: candle for candle in candles}
    current_ns = now_ns - now_ns % interval_ns
    begin_ns = max(min(by_begin, default=current_ns), current_ns - (ROWS_MAX - 1) * interval_ns)
    rows: list[Candle] = []
    close = 0
    while begin_ns <= current_ns:
        candle = by_begin.get(begin_ns) or Candle(begin_ns, close, close, close, close, 0, 0, 0)
        close = candle.close
        rows.append(candle)
        begin_ns += interval_ns
    return rows


def _candle_row(candle: Candle, pair: Pair) -> list[Any]:
    decimals = pair.price_precision
    prices = [number_text(price, decimals) for price in (candle.open, candle.high, candle.low, candle.close)]
    vwap = number_text(candle.vwap, decimals) if candle.trades else "0.0"
    volume = number_text(candle.volume, pair.qty_precision)
    return [candle.begin_ns // SECOND_NS, *prices, vwap, volume, candle.trades]
