"""Market data frames as Kraken prints them (sheet 4.6-4.11): key order, fixed-width numbers, one row a book frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gw_sim_kraken.market.listing import Pair
from gw_sim_kraken.texts import number_text, signed_text, time_text, time_text_ns


class Trade(NamedTuple):
    """One trade in the market's list. Price and quantity are wire text."""

    trade_id: int
    side: str  # of the taker
    price: str
    quantity: str
    order_type: str
    time_ns: int


class Day(NamedTuple):
    """The 24-hour figures beside the best levels. Scaled integers; the change is signed, its percentage in 1/100."""

    last: int
    volume: int
    vwap: int
    low: int
    high: int
    change: int
    change_hundredths: int
    trades: int


class Candle(NamedTuple):
    """One interval. Scaled integers."""

    begin_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    vwap: int
    trades: int


def levels_json(levels: Iterable[tuple[int, int]], pair: Pair) -> str:
    """Levels as JSON text, without the brackets."""
    price_decimals, qty_decimals = pair.price_precision, pair.qty_precision
    return ",".join(
        [
            f'{{"price":{number_text(price, price_decimals)},"qty":{number_text(quantity, qty_decimals)}}}'
            for price, quantity in levels
        ]
    )


def book_frame(
    kind: str,
    pair: Pair,
    bids: Iterable[tuple[int, int]],
    asks: Iterable[tuple[int, int]],
    checksum: int,
    time_ns: int,
) -> bytes:
    """A book snapshot or update."""
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{pair.symbol}","bids":[{levels_json(bids, pair)}],'
        f'"asks":[{levels_json(asks, pair)}],"checksum":{checksum},"timestamp":"{time_text(time_ns)}"}}]}}'
    ).encode()


def trade_frame(kind: str, symbol: str, trades: Sequence[Trade]) -> bytes:
    """Trades, oldest first."""
    rows = ",".join(
        f'{{"symbol":"{symbol}","side":"{trade.side}","price":{trade.price},"qty":{trade.quantity},'
        f'"ord_type":"{trade.order_type}","trade_id":{trade.trade_id},"timestamp":"{time_text(trade.time_ns)}"}}'
        for trade in trades
    )
    return f'{{"channel":"trade","type":"{kind}","data":[{rows}]}}'.encode()


def ticker_frame(
    kind: str, pair: Pair, bid: tuple[int, int] | None, ask: tuple[int, int] | None, day: Day, time_ns: int
) -> bytes:
    """One full ticker row; an empty side reads 0."""
    price_decimals, qty_decimals = pair.price_precision, pair.qty_precision
    bid_price, bid_qty = bid or (0, 0)
    ask_price, ask_qty = ask or (0, 0)
    return (
        f'{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{pair.symbol}",'
        f'"bid":{number_text(bid_price, price_decimals)},"bid_qty":{number_text(bid_qty, qty_decimals)},'
        f'"ask":{number_text(ask_price, price_decimals)},"ask_qty":{number_text(ask_qty, qty_decimals)},'
        f'"last":{number_text(day.last, price_decimals)},"volume":{number_text(day.volume, qty_decimals)},'
        f'"vwap":{number_text(day.vwap, price_decimals)},"low":{number_text(day.low, price_decimals)},'
        f'"high":{number_text(day.high, price_decimals)},"change":{signed_text(day.change, price_decimals)},'
        f'"change_pct":{signed_text(day.change_hundredths, 2)},"trades":{day.trades},'
        f'"timestamp":"{time_text(time_ns)}"}}]}}'
    ).encode()


def ohlc_frame(kind: str, pair: Pair, interval: int, candles: Iterable[Candle], time_ns: int) -> bytes:
    """Candles of `interval` minutes; the deprecated inner `timestamp` is the interval's end."""
    price_decimals, qty_decimals = pair.price_precision, pair.qty_precision
    rows = ",".join(
        f'{{"symbol":"{pair.symbol}","open":{number_text(candle.open, price_decimals)},'
        f'"high":{number_text(candle.high, price_decimals)},"low":{number_text(candle.low, price_decimals)},'
        f'"close":{number_text(candle.close, price_decimals)},"trades":{candle.trades},'
        f'"volume":{number_text(candle.volume, qty_decimals)},"vwap":{number_text(candle.vwap, price_decimals)},'
        f'"interval_begin":"{time_text_ns(candle.begin_ns)}","interval":{interval},'
        f'"timestamp":"{time_text(candle.begin_ns + interval * 60_000_000_000)}"}}'
        for candle in candles
    )
    return f'{{"channel":"ohlc","type":"{kind}","timestamp":"{time_text_ns(time_ns)}","data":[{rows}]}}'.encode()


def status_frame(system: str, connection_id: int | None, upcoming: Sequence[str] = ()) -> bytes:
    """The exchange's status; the first frame of a connection carries its id. The shape of what is upcoming is not known:
    texts here."""
    connection = f',"connection_id":{connection_id}' if connection_id is not None else ""
    maintenance = ",".join(f'"{text}"' for text in upcoming)
    return (
        f'{{"channel":"status","type":"update","data":[{{"version":"2.0.10","system":"{system}",'
        f'"api_version":"v2"{connection},"upcoming_maintenance":[{maintenance}],"emergency":[]}}]}}'
    ).encode()


HEARTBEAT = b'{"channel":"heartbeat"}'
