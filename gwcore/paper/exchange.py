"""PaperExchange: one paper account: its orders in every market, its money, and what it says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from gwcore.model import (
    CreateOrder,
    Event,
    Fill,
    FundsUpdate,
    Instrument,
    Liquidity,
    MarketByPriceUpdate,
    ModifyOrder,
    OrderError,
    OrderStatus,
    OrderType,
    TimeInForce,
    TradeSummary,
    TradeUpdate,
    UpdateType,
)
from gwcore.paper.ledger import PaperLedger, money, paid_with
from gwcore.paper.market import Match, PaperMarket, Sides
from gwcore.paper.messages import PaperNews, PaperSnapshot
from gwcore.paper.order import TRIGGERED, PaperOrder
from gwcore.paper.records import PaperFact, PaperRecords, PaperRefused

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTerms:
    """What trading costs where the instrument does not say. Percent."""

    maker_fee: Decimal = Decimal("0.25")
    taker_fee: Decimal = Decimal("0.40")


class PaperExchange:
    """One account. `instrument` and `book` look at the gateway's market data; times are ns since the epoch.

    Everything returns what the account is told, in order; `take_facts` gives what has to be durable before it is told.
    """

    def __init__(
        self,
        account: str,
        totals: Mapping[str, Decimal],
        *,
        instrument: Callable[[str], Instrument | None],
        book: Callable[[str], Sides],
        terms: PaperTerms | None = None,
    ) -> None:
        self.account = account
        self._instrument = instrument
        self._book = book
        self._terms = terms or PaperTerms()
        self.ledger = PaperLedger(account, totals)
        self._markets: dict[str, PaperMarket] = {}
        self.records = PaperRecords()
        self._cancel_at_ns: int | None = None
        self._facts: list[PaperFact] = [PaperFact(totals=dict(totals))]
        self._now_ns = 0

    # --- what outlives the process ------------------------------------------------------------------------------------

    def take_facts(self) -> list[PaperFact]:
        """What happened since the last call."""
        facts, self._facts = self._facts, []
        return facts

    def restore(self, fact: PaperFact) -> None:
        """A fact of an earlier process, in order; before any market."""
        if fact.totals is not None:
            self.ledger.totals.update(fact.totals)
        self.records.restore(fact)

    def restored(self) -> None:
        """All facts are in: what is open stands in its market again."""
        self._facts = []
        for order in self.records.open.values():
            order.hold = _ZERO  # the ledger knows of none yet; `snapshot` tells it, when the instruments are known
            self._market(order.symbol).restore(order)

    def facts(self) -> list[PaperFact]:
        """All that is known, to begin a log anew with."""
        return [PaperFact(totals=dict(self.ledger.totals)), *self.records.facts()]

    def snapshot(self) -> PaperSnapshot:
        """All that is open, and the money."""
        for order in self.records.open.values():  # from before a restart: now their instruments are known
            self._hold(order, self._instrument(order.symbol))
        return PaperSnapshot(orders=self.records.open_orders(), funds=self.ledger.funds())

    # --- creating -----------------------------------------------------------------------------------------------------

    def create(self, create: CreateOrder, client_id: str, now_ns: int) -> tuple[PaperOrder | None, list[PaperNews]]:
        """Place one; None where it was only checked. Raises PaperRefused."""
        self._now_ns = now_ns
        instrument = self._known(create.symbol)
        if create.quantity is None:
            raise PaperRefused(OrderError.INVALID_QUANTITY, "a paper order needs a quantity")
        if client_id in self.records.open:
            raise PaperRefused(OrderError.DUPLICATE_ORDER_ID, f"there is an open paper order {client_id} already")
        order = PaperOrder(
            number=self.records.numbers + 1,
            venue_order_id=f"PAPER-{self.records.numbers + 1:08}",
            client_id=client_id,
            request=create,
            quantity=Decimal(create.quantity),
            price=None if create.price is None else Decimal(create.price),
            stop_price=None if create.stop_price is None else Decimal(create.stop_price),
            opened_ns=self._now_ns,
            changed_ns=self._now_ns,
        )
        book = self._book(create.symbol)
        takes = not order.waits and (order.price is None or create.time_in_force in (TimeInForce.IOC, TimeInForce.FOK))
        if takes and not book.is_live:
            raise PaperRefused(
                OrderError.BOOK_NOT_LIVE, f"the book of {create.symbol} is not live, so nothing can trade"
            )
        self._check_funds(order, instrument, book)
        if create.validate_only:
            return None, []
        self.records.numbers += 1
        self.records.open[client_id] = order
        self._hold(order, instrument)
        news: list[PaperNews] = [order.update()]
        if order.waits:
            self._market(order.symbol).wait(order)
        else:
            news += self._meet(order, book)
        self._note(order)
        return order, [*news, *self._funds_of(order)]

    def _meet(self, order: PaperOrder, book: Sides) -> list[PaperNews]:
        """A new, modified or triggered order meets the market's book; what is left of it rests."""
        market, request = self._market(order.symbol), order.request
        if request.post_only and next(market.available(order, book), None) is not None:
            return self._end(order, OrderStatus.CANCELED, "Post only order")
        if request.time_in_force is TimeInForce.FOK:
            there = sum((quantity for _, quantity in market.available(order, book)), _ZERO)
            if there < order.remaining:
                return self._end(order, OrderStatus.CANCELED, "Fill or kill: not enough in the book")
        news: list[PaperNews] = []
        for match in market.take(order, book) if book.is_live else ():
            news += self._fill(match)
        if not order.is_open:
            return news
        if order.price is None or request.time_in_force is TimeInForce.IOC:
            return [*news, *self._end(order, OrderStatus.CANCELED, "Nothing more in the book")]
        market.rest(order, book)
        return news

    # --- changing -----------------------------------------------------------------------------------------------------

    def modify(self, order: PaperOrder, modify: ModifyOrder, now_ns: int) -> list[PaperNews]:
        """Change one in place. Raises PaperRefused."""
        self._now_ns = now_ns
        instrument, market = self._known(order.symbol), self._market(order.symbol)
        quantity = order.quantity if modify.quantity is None else Decimal(modify.quantity)
        price = order.price if modify.price is None else Decimal(modify.price)
        if modify.price is not None and order.price is None:
            raise PaperRefused(OrderError.INVALID_PRICE, "a market order has no price")
        wanted = msgspec.structs.replace(order, quantity=quantity, price=price)
        if modify.stop_price is not None:
            wanted.stop_price = Decimal(modify.stop_price)
        book = self._book(order.symbol)
        if quantity > order.filled:
            self._check_funds(wanted, instrument, book, less=order.hold)
        if modify.post_only and next(market.available(wanted, book), None) is not None:
            raise PaperRefused(OrderError.POST_ONLY, "at that price it would take")
        keeps_place = price == order.price and quantity <= order.quantity
        ahead = order.ahead
        market.remove(order)
        order.quantity, order.price, order.stop_price = quantity, price, wanted.stop_price
        order.changed_ns = self._now_ns
        if quantity <= order.filled:
            order.quantity = max(quantity, order.filled)
            return self.cancel(order, now_ns)
        self._hold(order, instrument)
        news: list[PaperNews] = [order.update()]
        if order.waits:
            market.wait(order)
        elif keeps_place:
            market.rest(order, book)
            order.ahead = ahead
        else:
            news += self._meet(order, book)
        self._note(order)
        return [*news, *self._funds_of(order)]

    def cancel(self, order: PaperOrder, now_ns: int, reason: str = "User requested") -> list[PaperNews]:
        """Cancel one that is open."""
        self._now_ns = now_ns
        return [*self._end(order, OrderStatus.CANCELED, reason), *self._funds_of(order)]

    def cancel_all_after(self, seconds: int, now_ns: int) -> None:
        """Arm the dead-man timer; 0 disarms."""
        self._cancel_at_ns = now_ns + seconds * 1_000_000_000 if seconds else None

    def _end(self, order: PaperOrder, status: OrderStatus, reason: str | None) -> list[PaperNews]:
        self._market(order.symbol).remove(order)
        order.status, order.reason, order.changed_ns = status, reason, self._now_ns
        self._hold(order, self._instrument(order.symbol))
        self.records.close(order)
        self._note(order)
        return [order.update()]

    def _fill(self, match: Match) -> list[PaperNews]:
        order, instrument = match.order, self._known(match.order.symbol)
        cost = money(match.price * match.quantity, instrument)
        fee = money(cost * self._fee_percent(instrument, is_maker=match.is_maker) / 100, instrument)
        self.ledger.settle(order.side, instrument, match.quantity, cost, fee)
        order.filled += match.quantity
        order.cost += cost
        order.changed_ns = self._now_ns
        order.status = OrderStatus.PARTIALLY_FILLED
        fill = Fill(
            trade_id=f"PAPER-T-{self.records.trades + 1:08}",
            price=format(match.price, "f"),
            quantity=format(match.quantity, "f"),
            cost=format(cost, "f"),
            liquidity=Liquidity.MAKER if match.is_maker else Liquidity.TAKER,
            fees=((instrument.quote, format(fee, "f")),),
            venue_time_ns=self._now_ns,
            market_trade_id=str(self.records.trades + 1),
        )
        trade = TradeUpdate(
            account=self.account,
            venue_order_id=order.venue_order_id,
            symbol=order.symbol,
            side=order.side,
            fills=(fill,),
            venue_time_ns=self._now_ns,
        )
        self.records.keep_fill(trade)
        self._facts.append(PaperFact(fill=trade))
        if order.remaining <= 0:
            return [trade, *self._end(order, OrderStatus.FILLED, None)]
        self._hold(order, instrument)
        self._note(order)
        return [trade, order.update()]

    # --- the market and the clock -------------------------------------------------------------------------------------

    def wants(self, symbol: str | None) -> bool:
        """Whether news of a market matter here."""
        market = self._markets.get(symbol or "")
        return market is not None and not market.is_empty

    def on_event(self, event: Event, now_ns: int) -> list[PaperNews]:
        """News of a market that `wants` said yes to; others are wasted time."""
        self._now_ns = now_ns
        if isinstance(event, MarketByPriceUpdate):
            market = self._market(event.symbol)
            matches = market.on_book(event, self._book(event.symbol))
            return self._settle(matches)
        if isinstance(event, TradeSummary) and event.update_type is UpdateType.INCREMENTAL:
            market, news = self._market(event.symbol), []
            for trade in event.trades:
                news += self._settle(market.on_trade(trade))
                for order in market.triggered():
                    news += [*self._meet(order, self._book(order.symbol)), *self._funds_of(order)]
                    self._note(order)
            return news
        return []

    def _settle(self, matches: Sequence[Match]) -> list[PaperNews]:
        news: list[PaperNews] = []
        for match in matches:
            if match.order.is_open:
                news += [*self._fill(match), *self._funds_of(match.order)]
        return news

    def next_ns(self) -> int | None:
        """When `on_timer` has something to do."""
        times = [order.request.expire_time_ns for order in self.records.open.values() if order.request.expire_time_ns]
        return min([*times, *([self._cancel_at_ns] if self._cancel_at_ns is not None else [])], default=None)

    def on_timer(self, now_ns: int) -> list[PaperNews]:
        """Orders whose time is over, and the dead-man timer."""
        self._now_ns = now_ns
        news: list[PaperNews] = []
        for order in list(self.records.open.values()):
            expires_ns = order.request.expire_time_ns
            if expires_ns is not None and expires_ns <= now_ns:
                news += [*self._end(order, OrderStatus.EXPIRED, None), *self._funds_of(order)]
        if self._cancel_at_ns is not None and self._cancel_at_ns <= now_ns:
            self._cancel_at_ns = None
            for order in list(self.records.open.values()):
                news += self.cancel(order, now_ns, "Cancel all after")
        return news

    # --- money --------------------------------------------------------------------------------------------------------

    def _needs(self, order: PaperOrder, instrument: Instrument, book: Sides | None = None) -> Decimal:
        """What an open order holds of the asset it pays with."""
        if not order.is_open or order.remaining <= 0:
            return _ZERO
        if paid_with(order.side, instrument) == instrument.base:
            return order.remaining
        price = order.price if order.price is not None else order.stop_price
        if order.price is None and not order.waits:
            levels = book.asks if book is not None else ()
            price = Decimal(levels[0].price) if levels else _ZERO
        fee = self._fee_percent(instrument, is_maker=False)
        return money(order.remaining * (price or _ZERO) * (100 + fee) / 100, instrument)

    def _check_funds(self, order: PaperOrder, instrument: Instrument, book: Sides, *, less: Decimal = _ZERO) -> None:
        asset, needed = paid_with(order.side, instrument), self._needs(order, instrument, book)
        free = self.ledger.available(asset) + less
        if needed > free:
            raise PaperRefused(
                OrderError.INSUFFICIENT_FUNDS, f"the paper account has {free:f} {asset} free, and this needs {needed:f}"
            )

    def _hold(self, order: PaperOrder, instrument: Instrument | None) -> None:
        if instrument is not None:
            self.ledger.hold(order, instrument, self._needs(order, instrument))

    def _fee_percent(self, instrument: Instrument, *, is_maker: bool) -> Decimal:
        tiers = instrument.maker_fees if is_maker else instrument.taker_fees
        if tiers:
            return Decimal(tiers[0][1])
        return self._terms.maker_fee if is_maker else self._terms.taker_fee

    def _funds_of(self, order: PaperOrder) -> tuple[FundsUpdate, ...]:
        instrument = self._known(order.symbol)
        self._facts.append(PaperFact(totals=dict(self.ledger.totals)))
        return self.ledger.funds((instrument.base, instrument.quote), self._now_ns)

    # --- small things -------------------------------------------------------------------------------------------------

    def _known(self, symbol: str) -> Instrument:
        instrument = self._instrument(symbol)
        if instrument is None:
            raise PaperRefused(OrderError.UNKNOWN_SYMBOL, f"{symbol} is not subscribed by this gateway")
        return instrument

    def _market(self, symbol: str) -> PaperMarket:
        return self._markets.setdefault(symbol, PaperMarket())

    def _note(self, order: PaperOrder) -> None:
        self._facts.append(PaperFact(order=msgspec.structs.replace(order)))


def order_types() -> frozenset[OrderType]:
    """What the paper exchange can match."""
    return frozenset({OrderType.MARKET, OrderType.LIMIT, *TRIGGERED})
