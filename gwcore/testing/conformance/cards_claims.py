"""Card P50: what a venue claims it can do is seen to be done, and what is seen to be done is claimed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from gwcore.book import Continuity
from gwcore.errors import VenueError
from gwcore.model import (
    Bar,
    MarketByOrderUpdate,
    MarketByPriceUpdate,
    MarketStatus,
    StatisticsUpdate,
    TimeSeriesUpdate,
    TopOfBook,
    Trade,
    TradeSummary,
)
from gwcore.rest import HttpFlow
from gwcore.testing.conformance.card import Card, require
from gwcore.testing.conformance.cards_decode import sample
from gwcore.testing.conformance.flows import run_flow
from gwcore.testing.conformance.stage import Stage
from gwcore.testing.conformance.tape import decode_tape
from gwcore.testing.conformance.venue_case import VenueCase
from gwcore.venue import InstrumentUpdate, Shard, Support

T = TypeVar("T")

#: Which message shows which ability.
_SHOWN_BY: dict[type, Support] = {
    InstrumentUpdate: Support.REFERENCE_DATA,
    MarketStatus: Support.MARKET_STATUS,
    TopOfBook: Support.TOP_OF_BOOK,
    MarketByPriceUpdate: Support.MARKET_BY_PRICE,
    MarketByOrderUpdate: Support.MARKET_BY_ORDER,
    TradeSummary: Support.TRADE_SUMMARY,
    StatisticsUpdate: Support.STATISTICS,
    TimeSeriesUpdate: Support.TIME_SERIES,
}
#: Shown by the cards of accounts and of orders.
_ELSEWHERE = frozenset({Support.ACCOUNT, Support.FEES, Support.ORDERS})


def check_claims(case: VenueCase) -> None:
    """What is claimed is seen somewhere. What is seen and not claimed is noted."""
    seen: dict[Support, str] = {}
    for source in case.sources():
        stage = sample(case, source)
        if stage.exchanges and stage.instruments:
            seen.setdefault(Support.REFERENCE_DATA, source.name)  # discovered; not every venue has a channel for it
        trades: list[tuple[str, Trade]] = []
        bars: list[tuple[str, int, Bar]] = []
        for tape in stage.tapes():
            for _, message in decode_tape(case.streams(), tape):
                for support in _shown(case, tape.shard, message):
                    seen.setdefault(support, source.name)
                if isinstance(message, TradeSummary):
                    trades += [(message.symbol, trade) for trade in message.trades]
                elif isinstance(message, TimeSeriesUpdate):
                    bars += [(message.symbol, message.interval_s, bar) for bar in message.bars]
        if _tells_trades(stage, trades):
            seen.setdefault(Support.TRADE_HISTORY, source.name)
        if _tells_bars(stage, bars):
            seen.setdefault(Support.CANDLE_HISTORY, source.name)
    unseen = sorted(each.value for each in case.spec.supports - seen.keys() - _ELSEWHERE)
    names = ", ".join(source.name for source in case.sources())
    require(not unseen, f"claimed and not seen in {names}: {', '.join(unseen)}")
    for support in sorted(seen.keys() - case.spec.supports):
        case.notes.warn(f"{support.value} is seen in {seen[support]} and not claimed")


def _shown(case: VenueCase, shard: Shard, message: object) -> Iterator[Support]:
    support = _SHOWN_BY.get(type(message))
    if support is not None:
        yield support
    if isinstance(message, MarketByPriceUpdate):
        yield Support.TOP_OF_BOOK  # the core takes it from the book
        instrument = shard.instruments.get(message.symbol)
        rule = case.streams().book_rule(instrument, case.depth()) if instrument is not None else None
        if rule is not None and message.checksum is not None and (rule.checksum or rule.text_checksum):
            yield Support.BOOK_CHECKSUM
        if rule is not None and rule.continuity is not Continuity.NONE and message.venue_sequence is not None:
            yield Support.BOOK_SEQUENCE


def _tells_trades(stage: Stage, trades: list[tuple[str, Trade]]) -> bool:
    """Whether the trades between two that were seen can be asked for. Raises what the plugin raises beside VenueError."""
    ask = getattr(stage.case.streams(), "trades_after", None)
    by_symbol: dict[str, list[Trade]] = {}
    for symbol, trade in trades:
        if trade.trade_id is not None and trade.trade_id.isdecimal() and trade.venue_time_ns is not None:
            by_symbol.setdefault(symbol, []).append(trade)
    for symbol, known in by_symbol.items():
        first, last = known[0], known[-1]
        if ask is not None and first.trade_id != last.trade_id and symbol in stage.instruments:
            first_id, last_id = int(first.trade_id or 0), int(last.trade_id or 0)
            flow: HttpFlow[list[Trade]] = ask(stage.instruments[symbol], first_id, first.venue_time_ns, last_id)
            found = _ask(stage, flow)
            if found and all(first_id < int(trade.trade_id or 0) <= last_id for trade in found):
                return True
    return False


def _tells_bars(stage: Stage, bars: list[tuple[str, int, Bar]]) -> bool:
    """Whether candles since one that was seen can be asked for. None need be closed yet: an answer is enough."""
    ask = getattr(stage.case.streams(), "candles_since", None)
    for symbol, interval_s, bar in bars:
        if ask is not None and symbol in stage.instruments:
            flow: HttpFlow[list[Bar]] = ask(stage.instruments[symbol], interval_s, bar.begin_time_ns)
            return _ask(stage, flow) is not None
    return False


def _ask(stage: Stage, flow: HttpFlow[list[T]]) -> list[T] | None:
    try:
        return run_flow(flow, stage.http)
    except VenueError:
        return None


CARDS = (
    Card(id="VEN-P50", law="every claimed ability is seen in a recording or from the simulator", check=check_claims),
)
