"""The quieter public channels, translated: trade, ticker, ohlc, status (API sheet §4.10, §4.7, §4.11, §4.5).

The book is in `market_data`. Each function takes a raw frame and returns its messages; for one it
can't read it raises ValueError or msgspec's errors.
"""

from __future__ import annotations

from gw_venue_kraken.accounts.notices import begins_ns
from gw_venue_kraken.market.messages import CandleRow, TickerRow, TradeRow, candle_of, status_of, ticker_of, trade_of
from gw_venue_kraken.names import trading_status
from gw_venue_kraken.times import TimeReader
from gwcore.model import (
    Bar,
    MarketStatus,
    Side,
    StatisticsUpdate,
    TimeSeriesUpdate,
    TopOfBook,
    Trade,
    TradeSummary,
    TradingStatus,
    UpdateType,
)
from gwcore.numbers import decimal_text, optional_text, optional_texts
from gwcore.venue import MarketDataMessage, Unknown

UPDATE_TYPES = {"snapshot": UpdateType.SNAPSHOT, "update": UpdateType.INCREMENTAL}
_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
#: What each mode of the exchange lets happen: create, modify, cancel, matching (§3.8).
_ALLOWED = {
    TradingStatus.ONLINE: (True, True, True, True),
    TradingStatus.POST_ONLY: (True, True, True, False),
    TradingStatus.CANCEL_ONLY: (False, False, True, False),
    TradingStatus.MAINTENANCE: (False, False, False, False),
}
_NOT_KNOWN = (None, None, None, None)
#: Longest text kept of an announcement whose shape the sheet does not know, and how many of them.
NOTICE_LENGTH_MAX = 500
NOTICES_MAX = 20


def unknown_type(channel: str, word: str) -> Unknown:
    """A frame of a known channel that is neither a snapshot nor an update."""
    return Unknown(f"{channel} frame of type {word[:40]!r}")


def read_trades(frame: bytes, times: TimeReader) -> list[MarketDataMessage]:
    """One TradeSummary for each run of rows of one symbol; several rows of one taker order are normal."""
    message = trade_of(frame)
    update_type = UPDATE_TYPES.get(message.type)
    if update_type is None:
        return [unknown_type("trade", message.type)]
    result: list[MarketDataMessage] = []
    rows = message.data
    first = 0
    for index in range(1, len(rows) + 1):
        if index == len(rows) or rows[index].symbol != rows[first].symbol:
            result.extend(_trade_summary(rows[first:index], update_type, times))
            first = index
    return result


def _trade_summary(rows: list[TradeRow], update_type: UpdateType, times: TimeReader) -> list[MarketDataMessage]:
    trades: list[Trade] = []
    unknown: list[MarketDataMessage] = []
    for row in rows:
        side = _SIDES.get(row.side)
        if side is None:
            # Its missing trade id shows as a gap of the symbol, which is what it is.
            unknown.append(Unknown(f"trade side {row.side[:40]!r} of {row.symbol[:40]}"))
            continue
        trades.append(
            Trade(
                price=decimal_text(row.price),
                quantity=decimal_text(row.qty),
                side=side,
                trade_id=str(row.trade_id),
                order_type=row.ord_type,
                venue_time_ns=times.read(row.timestamp),
            )
        )
    if not trades:
        return unknown
    return [
        TradeSummary(
            symbol=rows[0].symbol,
            update_type=update_type,
            trades=tuple(trades),
            venue_time_ns=trades[-1].venue_time_ns,
        ),
        *unknown,
    ]


def read_tickers(frame: bytes, times: TimeReader, *, with_tops: bool = False) -> list[MarketDataMessage]:
    """One StatisticsUpdate a row. Updates are whole rows too, so each is a SNAPSHOT of the figures.

    `with_tops`: no book is kept, so each row is a TopOfBook as well.
    """
    message = ticker_of(frame)
    if message.type not in UPDATE_TYPES:
        return [unknown_type("ticker", message.type)]
    statistics = [_statistics(row, times) for row in message.data]
    if not with_tops:
        return [*statistics]
    return [each for figures in statistics for each in (figures, _top(figures))]


def _top(figures: StatisticsUpdate) -> TopOfBook:
    return TopOfBook(
        symbol=figures.symbol,
        update_type=UpdateType.SNAPSHOT,
        bid_price=figures.bid_price,
        bid_quantity=figures.bid_quantity,
        ask_price=figures.ask_price,
        ask_quantity=figures.ask_quantity,
        venue_time_ns=figures.venue_time_ns,
    )


def _statistics(row: TickerRow, times: TimeReader) -> StatisticsUpdate:
    last, bid, bid_qty, ask, ask_qty, high, low, volume, vwap, change, change_percent = optional_texts(
        (
            row.last,
            row.bid,
            row.bid_qty,
            row.ask,
            row.ask_qty,
            row.high,
            row.low,
            row.volume,
            row.vwap,
            row.change,
            row.change_pct,
        )
    )
    return StatisticsUpdate(
        symbol=row.symbol,
        last_price=last,
        bid_price=bid,
        bid_quantity=bid_qty,
        ask_price=ask,
        ask_quantity=ask_qty,
        high_price=high,
        low_price=low,
        volume=volume,
        vwap=vwap,
        change=change,
        change_percent=change_percent,
        number_of_trades=row.trades,
        venue_time_ns=times.read(row.timestamp) if row.timestamp is not None else None,
    )


def read_status(frame: bytes) -> list[MarketStatus]:
    """One MarketStatus without symbol a row. What the venue announces is kept as text: its shape is not documented."""
    result: list[MarketStatus] = []
    for row in status_of(frame).data:
        status = trading_status(row.system)
        create, modify, cancel, matching = _ALLOWED.get(status, _NOT_KNOWN)
        notices = [bytes(raw).decode() for raw in row.upcoming_maintenance]
        notices += [f"emergency: {bytes(raw).decode()}" for raw in row.emergency]
        result.append(
            MarketStatus(
                status=status,
                venue_status=row.system,
                can_create=create,
                can_modify=modify,
                can_cancel=cancel,
                is_matching=matching,
                upcoming_maintenance=tuple(notice[:NOTICE_LENGTH_MAX] for notice in notices[:NOTICES_MAX]),
                maintenance_ns=begins_ns(row.upcoming_maintenance[:NOTICES_MAX]),
            )
        )
    return result


class Candles:
    """The ohlc channel of one connection. It remembers the forming candle of each series: Kraken marks no close, a candle
    is closed when a later one begins."""

    __slots__ = ("_forming", "_times")

    def __init__(self, times: TimeReader) -> None:
        self._times = times
        self._forming: dict[tuple[str, int], Bar] = {}

    def forget(self, symbol: str, interval_s: int) -> None:
        """Drop what is remembered of a series that ends: one entry a subscribed series and no more."""
        self._forming.pop((symbol, interval_s), None)

    def read(self, frame: bytes) -> list[MarketDataMessage]:
        """One TimeSeriesUpdate a series of the frame; rows without prices are Unknown."""
        message = candle_of(frame)
        update_type = UPDATE_TYPES.get(message.type)
        if update_type is None:
            return [unknown_type("ohlc", message.type)]
        sent_ns = self._times.read(message.timestamp) if message.timestamp is not None else None
        unknown: list[MarketDataMessage] = []
        series: dict[tuple[str, int], list[Bar]] = {}
        for row in message.data:
            bar = self._bar(row)
            if bar is None:
                unknown.append(Unknown(f"ohlc row of {row.symbol[:40]} without prices"))
            else:
                series.setdefault((row.symbol, row.interval * 60), []).append(bar)
        updates: list[MarketDataMessage] = [
            TimeSeriesUpdate(
                symbol=symbol,
                interval_s=interval_s,
                update_type=update_type,
                bars=tuple(self._confirm((symbol, interval_s), bars, update_type)),
                venue_time_ns=sent_ns,
            )
            for (symbol, interval_s), bars in series.items()
        ]
        return [*updates, *unknown]

    def _confirm(self, key: tuple[str, int], bars: list[Bar], update_type: UpdateType) -> list[Bar]:
        forming = self._forming.get(key) if update_type is UpdateType.INCREMENTAL else None
        result: list[Bar] = []
        for bar in bars:
            if forming is not None and bar.begin_time_ns > forming.begin_time_ns:
                if result and result[-1].begin_time_ns == forming.begin_time_ns:
                    result.pop()
                result.append(_confirmed(forming))
            result.append(bar)
            forming = bar
        if forming is not None:
            self._forming[key] = forming
        return result

    def _bar(self, row: CandleRow) -> Bar | None:
        if row.interval_begin is None or row.open is None or row.high is None or row.low is None or row.close is None:
            return None
        return Bar(
            begin_time_ns=self._times.read(row.interval_begin),
            open=decimal_text(row.open),
            high=decimal_text(row.high),
            low=decimal_text(row.low),
            close=decimal_text(row.close),
            volume=decimal_text(0 if row.volume is None else row.volume),
            vwap=optional_text(row.vwap),
            number_of_trades=row.trades,
        )


def _confirmed(bar: Bar) -> Bar:
    return Bar(
        begin_time_ns=bar.begin_time_ns,
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume,
        vwap=bar.vwap,
        number_of_trades=bar.number_of_trades,
        confirmed=True,
    )
