"""A paper exchange beside a made-up market: one symbol, a book that the test changes, a clock that the test moves."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from gwcore.model import (
    CreateOrder,
    FundsUpdate,
    Instrument,
    MarketByPriceUpdate,
    ModifyOrder,
    OrderType,
    OrderUpdate,
    PriceLevel,
    Side,
    Trade,
    TradeSummary,
    TradeUpdate,
    UpdateType,
)
from gwcore.paper.desk import PaperDesk
from gwcore.paper.exchange import PaperExchange
from gwcore.paper.market import Sides
from gwcore.paper.messages import PaperAnswer, PaperNews, PaperRequest

INSTRUMENT = Instrument(
    symbol="BTC/USD",
    base="BTC",
    quote="USD",
    price_decimals=1,
    quantity_decimals=8,
    cost_decimals=5,
    tick_size="0.1",
    lot_size="0.00000001",
    taker_fees=(("0", "0.40"),),
    maker_fees=(("0", "0.25"),),
)


def levels(*pairs: tuple[str, str]) -> tuple[PriceLevel, ...]:
    return tuple(PriceLevel(price=price, quantity=quantity) for price, quantity in pairs)


class Stage:
    """One account, one market."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000
        self.book = Sides(levels(("99.0", "1"), ("98.0", "2")), levels(("101.0", "1"), ("102.0", "2")), is_live=True)
        self.exchange = self.make({"USD": Decimal(1000), "BTC": Decimal(5)})
        self.desk = PaperDesk(self.exchange)
        self.said: list[PaperNews] = []
        self._numbers = 0

    def make(self, totals: dict[str, Decimal]) -> PaperExchange:
        return PaperExchange(
            "paper",
            totals,
            instrument=lambda symbol: INSTRUMENT if symbol == "BTC/USD" else None,
            book=lambda symbol: self.book,
        )

    def ask(self, **request: Any) -> list[PaperNews]:
        """Send a request and note what comes."""
        self.now_ns += 1_000
        self._numbers += 1
        return self.note(self.desk.receive(PaperRequest(request_id=self._numbers, **request), self.now_ns))

    def create(self, side: Side = Side.BUY, quantity: str = "1", **fields: Any) -> tuple[str, PaperAnswer]:
        """Place an order; its client id and the answer."""
        key = f"c{self._numbers + 1}"
        order = CreateOrder(
            account="paper",
            order_id=key,
            symbol=fields.pop("symbol", "BTC/USD"),
            side=side,
            order_type=fields.pop("order_type", OrderType.LIMIT if "price" in fields else OrderType.MARKET),
            quantity=quantity,
            **fields,
        )
        answer = self.ask(create=(order,), keys=(key,))[0]
        assert isinstance(answer, PaperAnswer)
        return key, answer

    def modify(self, key: str, **fields: Any) -> PaperAnswer:
        """Change an order."""
        answer = self.ask(modify=ModifyOrder(account="paper", order_id=key, **fields), keys=(key,))[0]
        assert isinstance(answer, PaperAnswer)
        return answer

    def set_book(self, bids: Sequence[tuple[str, str]], asks: Sequence[tuple[str, str]]) -> list[PaperNews]:
        """The market's book is this from now on; what changed is told as an update."""
        old, self.book = self.book, Sides(levels(*bids), levels(*asks), is_live=True)
        changed = [
            tuple(level for level in new if level not in before)
            + tuple(
                PriceLevel(price=level.price, quantity="0")
                for level in before
                if level.price not in {each.price for each in new}
            )
            for before, new in ((old.bids, self.book.bids), (old.asks, self.book.asks))
        ]
        update = MarketByPriceUpdate(
            symbol="BTC/USD", update_type=UpdateType.INCREMENTAL, bids=changed[0], asks=changed[1]
        )
        return self.note(self.exchange.on_event(update, self.now_ns))

    def trade(self, price: str, quantity: str, side: Side = Side.SELL) -> list[PaperNews]:
        """The market traded; `side` is the taker's."""
        trades = (Trade(price=price, quantity=quantity, side=side),)
        return self.note(self.exchange.on_event(TradeSummary(symbol="BTC/USD", trades=trades), self.now_ns))

    def note(self, news: list[PaperNews]) -> list[PaperNews]:
        self.said += news
        return news

    def fills(self) -> list[tuple[str, str, str]]:
        """(price, quantity, liquidity) of all fills so far."""
        return [
            (fill.price, fill.quantity, str(fill.liquidity and fill.liquidity.value))
            for each in self.said
            if isinstance(each, TradeUpdate)
            for fill in each.fills
        ]

    def order(self, key: str) -> OrderUpdate:
        """What was last said of an order."""
        return [each for each in self.said if isinstance(each, OrderUpdate) and each.venue_client_id == key][-1]

    def funds(self, asset: str) -> FundsUpdate:
        """What the account has."""
        (found,) = self.exchange.ledger.funds((asset,))
        return found


@pytest.fixture(scope="session")
def new_stage() -> type[Stage]:
    """Makes a stage each time it is called."""
    return Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()
