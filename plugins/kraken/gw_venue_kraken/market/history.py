"""Public trades and candles of the past, from REST Trades and OHLC (API sheet §2.5), in the digits of the v2 channels."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gw_venue_kraken.envelope import public_request, result_of
from gw_venue_kraken.settings import KrakenSettings
from gwcore.errors import DecodeError
from gwcore.model import Bar, Instrument, Side, Trade
from gwcore.numbers import decimal_text
from gwcore.rest import HttpFlow, HttpResponse

#: Rows in a page of trades, and requests for one page: the second only where one microsecond filled the first.
PAGE_ROWS = 1_000
REQUESTS_MAX = 2
#: v2 prints microseconds and may have rounded them; `since` excludes, and what comes twice is left out by its id.
SLACK_NS = 1_000
SECOND_NS = 1_000_000_000
_SIDES = {"b": Side.BUY, "s": Side.SELL}
_ORDER_TYPES = {"m": "market", "l": "limit"}
_MALFORMED = (msgspec.MsgspecError, ValueError, RecursionError)


class TradeRow(msgspec.Struct, array_like=True, gc=False):
    """`["83930.30000","0.00044780",1790359841.1382287,"b","l","",109116693]`. Prices have five decimals or more here."""

    price: object
    volume: object
    time: object
    side: str
    type: str
    misc: str
    trade_id: int


class CandleRow(msgspec.Struct, array_like=True, gc=False):
    """`[1790359800,"84001.9","84010.0","83990.1","84000.0","84002.2","1.20450000",33]`"""

    time: int
    open: object
    high: object
    low: object
    close: object
    vwap: object
    volume: object
    count: int


_answer_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_trades_of = msgspec.json.Decoder(list[TradeRow], float_hook=str).decode
_candles_of = msgspec.json.Decoder(list[CandleRow], float_hook=str).decode


class History:
    """Flows over the public REST host. Every request keeps the pace of its pair."""

    def __init__(self, settings: KrakenSettings) -> None:
        self._url = settings.rest_url

    def trades_after(
        self, instrument: Instrument, trade_id: int, venue_time_ns: int, until_id: int
    ) -> HttpFlow[Sequence[Trade]]:
        """One page of `TradeHistory.trades_after`. Raises what `result_of` raises, and DecodeError."""
        since = str(max(0, venue_time_ns - SLACK_NS))
        trades: list[Trade] = []
        for _ in range(REQUESTS_MAX):
            parameters = {**_market(instrument), "since": since, "count": str(PAGE_ROWS)}
            response = yield public_request(self._url, "Trades", parameters, pace=instrument.symbol)
            rows, last = _read(response, "Trades")
            try:
                page = [row for row in _trades_of(rows) if trade_id < row.trade_id <= until_id]
                trades = [_trade(row, instrument) for row in page]
                count = len(msgspec.json.decode(rows))
            except _MALFORMED as error:
                raise DecodeError(f"Trades of {instrument.symbol}: {error!s:.200}") from None
            if trades or count < PAGE_ROWS or last is None:
                break
            # A full page of what is known already: go on behind it.
            since = last
        return trades

    def candles_since(self, instrument: Instrument, interval_s: int, begin_time_ns: int) -> HttpFlow[Sequence[Bar]]:
        """`CandleHistory.candles_since`. The last row is the candle still forming; empty intervals are left out, as in v2."""
        begin_s = begin_time_ns // SECOND_NS
        parameters = {
            **_market(instrument),
            "interval": str(max(1, interval_s // 60)),
            "since": str(max(0, begin_s - 1)),
        }
        response = yield public_request(self._url, "OHLC", parameters, pace=instrument.symbol)
        rows, _ = _read(response, "OHLC")
        try:
            return [_bar(row) for row in _candles_of(rows)[:-1] if row.time >= begin_s and row.count]
        except _MALFORMED as error:
            raise DecodeError(f"OHLC of {instrument.symbol}: {error!s:.200}") from None


def _market(instrument: Instrument) -> dict[str, str]:
    """What names the market: v2's symbol will do, but tokenized stocks are looked for among currencies unless told."""
    market = {"pair": instrument.symbol}
    if instrument.base_class == "tokenized_asset":
        market["asset_class"] = instrument.base_class
    return market


def _read(response: HttpResponse, what: str) -> tuple[msgspec.Raw, str | None]:
    """The rows and `last`. The rows' key is one of the market's names; nobody says which."""
    try:
        answer = _answer_of(result_of(response, what))
        last = msgspec.json.decode(answer.pop("last")) if "last" in answer else None
    except _MALFORMED as error:
        raise DecodeError(f"{what}: {error!s:.200}") from None
    if len(answer) != 1:
        raise DecodeError(f"{what}: {len(answer)} markets in the answer to a question about one")
    (rows,) = answer.values()
    return rows, str(last) if last is not None else None


def _trade(row: TradeRow, instrument: Instrument) -> Trade:
    side = _SIDES.get(row.side)
    if side is None:
        raise ValueError(f"a trade with side {row.side!r:.20}")
    return Trade(
        price=_cut(decimal_text(row.price), instrument.price_decimals),
        quantity=_cut(decimal_text(row.volume), instrument.quantity_decimals),
        side=side,
        trade_id=str(row.trade_id),
        order_type=_ORDER_TYPES.get(row.type, row.type or None),
        venue_time_ns=_time_ns(decimal_text(row.time)),
    )


def _bar(row: CandleRow) -> Bar:
    return Bar(
        begin_time_ns=row.time * SECOND_NS,
        open=decimal_text(row.open),
        high=decimal_text(row.high),
        low=decimal_text(row.low),
        close=decimal_text(row.close),
        volume=decimal_text(row.volume),
        vwap=decimal_text(row.vwap),
        number_of_trades=row.count,
        confirmed=True,
    )


def _cut(text: str, decimals: int) -> str:
    """REST's extra zeros off: the same trade reads the same whichever way it came. Digits are never cut."""
    head, _, tail = text.partition(".")
    if len(tail) <= decimals or tail[decimals:].strip("0"):
        return text
    return f"{head}.{tail[:decimals]}" if decimals else head


def _time_ns(seconds: str) -> int:
    head, _, tail = seconds.partition(".")
    return int(head) * SECOND_NS + int(tail[:9].ljust(9, "0"))
