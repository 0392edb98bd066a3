"""MarketGuard: judges every request for orders before it leaves: halts, rates, the market's state, users' limits. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, Protocol

from gwcore.book import OrderBook
from gwcore.engine.orders import market_rules
from gwcore.engine.orders.halts import Halts
from gwcore.engine.orders.message_rate import MessageRate
from gwcore.engine.orders.ports import OrderView, Refusal, Requester
from gwcore.engine.orders.user_limits import UserLimits, Wanted
from gwcore.model import (
    CancelAllAfter,
    CancelAllOrders,
    CancelOrder,
    CancelOrders,
    CreateOrder,
    ModifyOrder,
    OrderError,
    OrderRequest,
    OrderType,
    OrderUpdate,
    PriceType,
    Side,
    TradingStatus,
)
from gwcore.settings import UserSettings

#: Requests that take orders away: they pass halts and rates.
_EXITS: Final = (CancelOrder, CancelOrders, CancelAllOrders, CancelAllAfter)
_NANOSECONDS: Final = 1_000_000_000
#: Orders that become market orders at a price that is known.
_STOPS: Final = frozenset({OrderType.STOP_LOSS, OrderType.TAKE_PROFIT})
#: Codes of what it refuses.
GUARDED: Final = (
    OrderError.MARKET_CLOSED,
    OrderError.BOOK_NOT_LIVE,
    OrderError.USER_LIMIT,
    OrderError.PRICE_BAND,
    OrderError.MESSAGE_RATE,
    OrderError.HALTED,
)


class MarketView(Protocol):
    """What the guard looks at of the market."""

    def status(self, symbol: str | None) -> TradingStatus:
        """Of one market; None: of the venue."""
        ...

    def live_book(self, symbol: str) -> OrderBook | None:
        """The book; None where it is not LIVE."""
        ...


class MarketGuard:
    """Implements `OrderGuard`. `on_ban(user, until)`: a user asked too often; times are monotonic ns."""

    def __init__(
        self,
        users: Mapping[str, UserSettings],
        market: MarketView,
        halts: Halts,
        on_ban: Callable[[str, float], None] = lambda user, seconds: None,
    ) -> None:
        self.halts = halts
        self._market = market
        self._on_ban = on_ban
        self.refused: Counter[OrderError] = Counter()
        self._limits: dict[str, UserLimits] = {}
        self._rates: dict[str, MessageRate] = {}
        self._ban_s: dict[str, float] = {}
        self.set_users(users)

    def set_users(self, users: Mapping[str, UserSettings]) -> None:
        """These are the users from now on; what was counted of those who stay, and their bans, go on."""
        self._limits = {name: UserLimits(user) for name, user in users.items()}
        kept: dict[str, MessageRate] = {}
        for name, user in users.items():
            if user.messages_per_s is not None:
                per_s, burst = user.messages_per_s, user.messages_burst
                rate = self._rates.get(name) or MessageRate(
                    per_s, burst=burst, ban_after=user.ban_after, ban_s=user.ban_s
                )
                rate.configure(per_s, burst=burst, ban_after=user.ban_after, ban_s=user.ban_s)
                kept[name] = rate
            self._ban_s[name] = user.ban_s
        self._rates = kept

    # --- OrderGuard ---------------------------------------------------------------------------------------------------

    def check_request(self, account: str, request: OrderRequest, requester: Requester, now_ns: int) -> Refusal | None:
        """See `OrderGuard`. Halts are judged where the symbol is known."""
        rate = self._rates.get(requester.user)
        is_within = rate is None or self._is_within(rate, requester.user, now_ns)
        if isinstance(request, _EXITS) or not requester.user:
            return None
        if rate is not None and not is_within:
            return self._count(self._too_often(rate, now_ns))
        return None

    def check_create(self, request: CreateOrder, requester: Requester, view: OrderView) -> Refusal | None:
        """See `OrderGuard`."""
        symbol = request.symbol
        refusal = (
            market_rules.check_create(request, self._market.status(None), "the venue")
            or market_rules.check_create(request, self._market.status(symbol), symbol)
            or self._halted(requester.user, request.account, symbol)
        )
        limits = self._limits.get(requester.user)
        if refusal is None and limits is not None:
            price = request.price if request.price_type is PriceType.STATIC else None
            if price is None and request.order_type in _STOPS and request.stop_price_type is PriceType.STATIC:
                price = request.stop_price  # once it is reached the order trades at the market: there, or beyond
            wanted = Wanted(
                symbol=symbol,
                side=request.side,
                quantity=None if request.quantity is None else Decimal(request.quantity),
                price=None if price is None else Decimal(price),
                cash=None if request.cash_quantity is None else Decimal(request.cash_quantity),
                waits=request.stop_price is not None,
            )
            refusal = self._check_limits(limits, wanted, requester.user, view)
        return refusal and self._count(refusal)

    def check_modify(
        self, request: ModifyOrder, order: OrderUpdate, requester: Requester, view: OrderView
    ) -> Refusal | None:
        """See `OrderGuard`."""
        symbol = order.symbol or ""
        refusal = (
            market_rules.check_modify(request, order, self._market.status(None), "the venue")
            or market_rules.check_modify(request, order, self._market.status(symbol), symbol)
            or self._halted(requester.user, request.account, symbol)
        )
        limits = self._limits.get(requester.user)
        if refusal is None and limits is not None and order.side is not None:
            price = _static(request.price, request.price_type, order.price, order.price_type)
            if price is None and order.order_type in _STOPS:
                price = _static(request.stop_price, request.stop_price_type, order.stop_price, order.stop_price_type)
            quantity = request.quantity if request.quantity is not None else order.quantity
            wanted = Wanted(
                symbol=symbol,
                side=order.side,
                quantity=None if quantity is None else Decimal(quantity),
                price=None if price is None else Decimal(price),
                instead_of=request.order_id,
                filled=Decimal(order.traded_quantity or 0),
                waits=order.stop_price is not None,
            )
            refusal = self._check_limits(limits, wanted, requester.user, view)
        return refusal and self._count(refusal)

    def check_turn(self, user: str, account: str, symbol: str) -> Refusal | None:
        """See `OrderGuard`."""
        refusal = self._halted(user, account, symbol)
        return refusal and self._count(refusal)

    # --- parts --------------------------------------------------------------------------------------------------------

    def _halted(self, user: str, account: str, symbol: str) -> Refusal | None:
        halt = self.halts.of(user, account, symbol) if user else None
        if halt is None:
            return None
        return Refusal(OrderError.HALTED, f"{halt.words()} is halted ({halt.reason}): cancels pass; ask the operator")

    def _is_within(self, rate: MessageRate, user: str, now_ns: int) -> bool:
        was = rate.banned_until_ns
        is_within = rate.take(now_ns)
        if rate.banned_until_ns != was:
            self._on_ban(user, self._ban_s[user])
        return is_within

    @staticmethod
    def _too_often(rate: MessageRate, now_ns: int) -> Refusal:
        left_s = (rate.banned_until_ns - now_ns) / _NANOSECONDS
        if left_s > 0:
            return Refusal(
                OrderError.MESSAGE_RATE, f"you asked too often, again and again: only cancels pass for {left_s:.0f} s"
            )
        return Refusal(OrderError.MESSAGE_RATE, "you ask more often than you may: send fewer requests a second")

    def _check_limits(self, limits: UserLimits, wanted: Wanted, user: str, view: OrderView) -> Refusal | None:
        book = self._market.live_book(wanted.symbol)
        if book is None and (limits.needs_live_book or limits.band_percent is not None):
            text = f"the book of {wanted.symbol} is not LIVE, and your orders need one: wait for it"
            return Refusal(OrderError.BOOK_NOT_LIVE, text)
        if limits.band_percent is not None and book is not None and not wanted.waits:
            refusal = _outside_band(wanted, book, limits.band_percent)
            if refusal is not None:
                return refusal
        if wanted.price is None and book is not None:
            wanted = wanted._replace(price=_worst_price(wanted, book, limits.band_percent))
        return limits.check(user, wanted, view)

    def _count(self, refusal: Refusal) -> Refusal:
        self.refused[refusal.error] += 1
        return refusal


def _static(asked: str | None, kind: PriceType, known: str | None, known_kind: PriceType | None) -> str | None:
    """The price that an order has after a change; None: it has none, or a distance."""
    price, its_kind = (asked, kind) if asked is not None else (known, known_kind or PriceType.STATIC)
    return price if its_kind is PriceType.STATIC else None


def _middle(book: OrderBook) -> Decimal | None:
    bid, ask = book.best_bid, book.best_ask
    if bid is None or ask is None:
        return None
    return (Decimal(bid.price) + Decimal(ask.price)) / 2


def _outside_band(wanted: Wanted, book: OrderBook, percent: Decimal) -> Refusal | None:
    middle = _middle(book)
    if middle is None:
        return Refusal(
            OrderError.BOOK_NOT_LIVE, f"the book of {wanted.symbol} has one side only: no price band can be kept"
        )
    if wanted.price is None:
        return None
    away = wanted.price - middle if wanted.side is Side.BUY else middle - wanted.price
    allowed = middle * percent / 100
    if away <= allowed:
        return None
    share = f"{away / middle * 100:.2f} % through the middle of the book, {middle:f}"
    text = f"{wanted.price:f} is {share}; {percent:f} % is your limit"
    return Refusal(OrderError.PRICE_BAND, text)


def _worst_price(wanted: Wanted, book: OrderBook, percent: Decimal | None) -> Decimal | None:
    """Of an order without a price of its own: the level that its quantity reaches, or (a band is set) the band's end."""
    levels = book.asks() if wanted.side is Side.BUY else book.bids()
    if not levels:
        return None
    left, price = wanted.quantity or Decimal(0), Decimal(levels[0].price)
    if wanted.cash is not None:
        return price  # the best one, at which the cash comes to the most
    for level in levels:
        price = Decimal(level.price)
        left -= Decimal(level.quantity)
        if left <= 0:
            break
    middle = _middle(book)
    if percent is not None and middle is not None:
        edge = middle * (100 + percent if wanted.side is Side.BUY else 100 - percent) / 100
        price = max(price, edge) if wanted.side is Side.BUY else min(price, edge)
    return price
