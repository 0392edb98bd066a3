"""HeldData: what clients were told last, per subscription, in the form a probe would say it; and whether more has come.

Kept for the data clocks (`quiet`). One dictionary entry a symbol; nothing here is published.
"""

from __future__ import annotations

from collections.abc import Mapping

from gwcore.engine.market.subscription import Subscription
from gwcore.model import Channel, StatisticsUpdate, TopOfBook, TradeSummary, UpdateType


class LastOf:
    """The last event of one symbol on one channel, and how many there were."""

    __slots__ = ("count", "event")

    def __init__(self) -> None:
        self.count = 0
        self.event: StatisticsUpdate | TradeSummary | None = None


class HeldData:
    """Implements `quiet.Feeds` for books, trades and tickers of one connection."""

    def __init__(self, books: Mapping[str, Subscription]) -> None:
        self._books = books
        self._trades: dict[str, LastOf] = {}
        self._tickers: dict[str, LastOf] = {}

    def on_trades(self, summary: TradeSummary) -> None:
        """Trades came."""
        last = self._trades.get(summary.symbol)
        if last is None:
            last = self._trades[summary.symbol] = LastOf()
        last.count += 1
        if summary.trades:
            last.event = summary

    def on_statistics(self, update: StatisticsUpdate) -> None:
        """A ticker came."""
        last = self._tickers.get(update.symbol)
        if last is None:
            last = self._tickers[update.symbol] = LastOf()
        last.count += 1
        last.event = update

    def ticker(self, symbol: str) -> StatisticsUpdate | None:
        """The last ticker of a symbol."""
        last = self._tickers.get(symbol)
        return last.event if last is not None and isinstance(last.event, StatisticsUpdate) else None

    def tickers(self) -> list[tuple[str, StatisticsUpdate]]:
        """The last ticker of each symbol."""
        return [(symbol, update) for symbol in self._tickers if (update := self.ticker(symbol)) is not None]

    def remove(self, symbol: str) -> None:
        """Forget a symbol."""
        self._trades.pop(symbol, None)
        self._tickers.pop(symbol, None)

    def mark(self, subscription: Subscription) -> object:
        """Another number whenever data came."""
        if subscription.book is not None:
            return subscription.book.updates
        last = self._last(subscription)
        return last.count if last is not None else 0

    def held(self, subscription: Subscription) -> TopOfBook | StatisticsUpdate | None:
        """Best prices of a book; of trades and tickers the last price."""
        symbol, book = subscription.topic.symbol or "", subscription.book
        if book is not None:
            bid, ask = book.best_bid, book.best_ask
            return TopOfBook(
                symbol=symbol,
                update_type=UpdateType.SNAPSHOT,
                bid_price=bid.price if bid is not None else None,
                bid_quantity=bid.quantity if bid is not None else None,
                ask_price=ask.price if ask is not None else None,
                ask_quantity=ask.quantity if ask is not None else None,
            )
        last = self._last(subscription)
        event = last.event if last is not None else None
        if isinstance(event, TradeSummary):
            return StatisticsUpdate(symbol=symbol, last_price=event.trades[-1].price)
        return event

    def _last(self, subscription: Subscription) -> LastOf | None:
        of_channel = self._trades if subscription.topic.channel is Channel.TRADE else self._tickers
        return of_channel.get(subscription.topic.symbol or "")
