"""Kinds of events by what they are about, for all who route or grant them without looking inside."""

from __future__ import annotations

from gwcore.model.account import FeesUpdate, FundsUpdate, PositionUpdate, TradeBalance
from gwcore.model.envelope import KIND_OF_TYPE, Event
from gwcore.model.market import (
    MarketByOrderUpdate,
    MarketByPriceUpdate,
    StatisticsUpdate,
    TimeSeriesUpdate,
    TopOfBook,
    TradeSummary,
)
from gwcore.model.orders import OrderAck, OrderUpdate, TradeUpdate
from gwcore.model.reference import MarketStatus, ReferenceData


def _kinds(*types: type[Event]) -> frozenset[str]:
    return frozenset(KIND_OF_TYPE[each] for each in types)


#: Of the market alone, and of no account.
MARKET_KINDS = _kinds(
    ReferenceData,
    MarketStatus,
    TopOfBook,
    MarketByPriceUpdate,
    MarketByOrderUpdate,
    TradeSummary,
    StatisticsUpdate,
    TimeSeriesUpdate,
)
#: Of one order, and so of who placed it.
OWNED_KINDS = _kinds(OrderAck, OrderUpdate, TradeUpdate)
#: Of an account alone.
ACCOUNT_KINDS = OWNED_KINDS | _kinds(FundsUpdate, PositionUpdate, TradeBalance, FeesUpdate)
