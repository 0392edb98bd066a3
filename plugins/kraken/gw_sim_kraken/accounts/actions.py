"""What others do with an account while a client looks on: orders from another interface, fills, deposits, keys.

POST /sim/do {"name": ..., options} and `gw sim do NAME KEY=VALUE` end here. An empty `account` means the first.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.accounts.amounts import AMOUNT_MAX, from_scaled, to_scaled
from gw_sim_kraken.accounts.api_key import PERMISSIONS, TRADING_PERMISSIONS
from gw_sim_kraken.accounts.truth import order_truth
from gw_sim_kraken.market.market import PairMarket
from gw_sim_kraken.market.matching import BUY, SELL
from gw_sim_kraken.market.seeded import SeededFeed
from gw_sim_kraken.orders.own_order import OwnOrder
from gw_sim_kraken.orders.request import AmendRequest, Close, OrderRefused, OrderRequest, PriceSpec
from gw_sim_kraken.orders.types import CLOSE_TYPES, LIMITED, PRICE_TYPES, REFERENCES, STP_TYPES, TRIGGERED
from gw_sim_kraken.texts import SECOND_NS

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

FILLS_MAX = 10_000
_SIDES = {"buy": BUY, "sell": SELL}


class AccountActions:
    """Finds an action by name, checks the options. Raises ValueError, also with Kraken's text of a refused order."""

    def __init__(self, exchange: SimulatedKraken) -> None:
        self._exchange = exchange
        self._table: dict[str, Callable[..., Any]] = {
            "order": self._order,
            "amend": self._amend,
            "restate": self._restate,
            "report_status": self._report_status,
            "cancel": self._cancel,
            "cancel_all": self._cancel_all,
            "fills": self._fills,
            "deposit": self._deposit,
            "withdraw": self._withdraw,
            "add_key": self._add_key,
        }

    def apply(self, name: str, options: dict[str, Any]) -> Any:
        """Do it; what it returns can be encoded as JSON."""
        call = self._table.get(name)
        if call is None:
            raise ValueError(f"no action {name!r}; there are: {', '.join(sorted(self._table))}")
        try:
            inspect.signature(call).bind(**options)
        except TypeError as error:
            known = ", ".join(inspect.signature(call).parameters)
            raise ValueError(f"action {name}: {error}; it has the options {known}") from None
        if not self._exchange.is_open:
            raise ValueError("the exchange has not opened yet: let time pass first (run_to)")
        try:
            return call(**options)
        except OrderRefused as refusal:
            raise ValueError(str(refusal)) from None

    def _order(
        self, symbol: str, side: str, quantity: Any = 0, price: Any = None, account: str = "", order_type: str = "",
        time_in_force: str = "GTC", expire_in_s: int = 0, post_only: bool = False, reduce_only: bool = False,
        leverage: int = 0, fee_in_base: bool = False, userref: int = 0, cl_ord_id: str = "", limit_type: str = "static",
        trigger: Any = None, trigger_type: str = "static", reference: str = "last", display: Any = None, cash: Any = None,
        stp: str = "cancel_newest", start_in_s: int = 0, close_type: str = "", close_price: Any = None,
        close_trigger: Any = None,
    ) -> dict[str, Any]:  # fmt: skip
        exchange = self._exchange
        close = None
        if close_type:
            limit, stop = _price(close_price, "static", "close_price"), _price(close_trigger, "static", "close_trigger")
            close = Close(order_type=close_type, limit=limit, trigger=stop)
            is_odd = (limit is None) is (close_type in LIMITED) or (stop is None) is (close_type in TRIGGERED)
            if close_type not in CLOSE_TYPES or is_odd:
                raise ValueError(
                    f"close_type {close_type!r:.40} is none with these prices: {', '.join(sorted(CLOSE_TYPES))}"
                )
        for name, value, known in (
            ("limit_type", limit_type, PRICE_TYPES), ("trigger_type", trigger_type, PRICE_TYPES),
            ("reference", reference, REFERENCES), ("stp", stp, STP_TYPES),
        ):  # fmt: skip
            if value not in known:
                raise ValueError(f"no {name} {value!r:.40}; there are: {', '.join(sorted(known))}")
        if side not in _SIDES:
            raise ValueError(f"no side {side!r}: buy or sell")
        limit_price = _price(price, limit_type, "price")
        request = OrderRequest(
            symbol=symbol,
            side=_SIDES[side],
            order_type=order_type or ("market" if price is None else "limit"),
            quantity=_amount(quantity, "quantity") if cash is None else Decimal(0),
            cash=None if cash is None else _amount(cash, "cash"),
            limit_price=None if limit_price is None else limit_price.value,
            limit_type=limit_type,
            trigger=_price(trigger, trigger_type, "trigger"),
            reference=reference,
            display=None if display is None else _amount(display, "display"),
            close=close,
            stp=stp,
            start_ns=exchange.now_ns + start_in_s * SECOND_NS if start_in_s else 0,
            time_in_force="GTD" if expire_in_s else time_in_force,
            expire_ns=exchange.now_ns + expire_in_s * SECOND_NS if expire_in_s else 0,
            post_only=post_only,
            reduce_only=reduce_only,
            leverage=leverage,
            fee_in_base=fee_in_base,
            cl_ord_id=cl_ord_id,
            userref=userref,
        )
        owner = exchange.accounts.get(account)
        order = exchange.order_desk.place(owner, request, exchange.now_ns, limited=False)
        assert order is not None, "it was not only to be checked"
        return order_truth(order)

    def _amend(self, order_id: str, quantity: Any = None, price: Any = None, account: str = "") -> dict[str, Any]:
        owner, order = self._found(account, order_id)
        request = AmendRequest(
            quantity=None if quantity is None else _amount(quantity, "quantity"),
            limit_price=None if price is None else _amount(price, "price"),
        )
        self._exchange.order_desk.amend(owner, order, request, self._exchange.now_ns, limited=False)
        return order_truth(order)

    def _restate(
        self, order_id: str, quantity: Any = None, price: Any = None, account: str = "", reason: str = "Restated"
    ) -> dict[str, Any]:
        """The engine changes an order by itself."""
        owner, order = self._found(account, order_id)
        request = AmendRequest(
            quantity=None if quantity is None else _amount(quantity, "quantity"),
            limit_price=None if price is None else _amount(price, "price"),
        )
        self._exchange.order_desk.amend(
            owner, order, request, self._exchange.now_ns, limited=False, restated=reason or "Restated"
        )
        return order_truth(order)

    def _report_status(self, order_id: str, account: str = "") -> dict[str, Any]:
        """A report of the kind `status`, of an order of which nothing changed that others show."""
        owner, order = self._found(account, order_id)
        self._exchange.streams.report(owner, order, "status", self._exchange.now_ns)
        return order_truth(order)

    def _cancel(self, order_id: str, account: str = "", reason: str = "User requested") -> dict[str, Any]:
        owner, order = self._found(account, order_id)
        self._exchange.order_desk.cancel(owner, order, self._exchange.now_ns, reason=reason, limited=False)
        return order_truth(order)

    def _cancel_all(self, account: str = "") -> dict[str, Any]:
        exchange = self._exchange
        return {"count": exchange.order_desk.cancel_all(exchange.accounts.get(account), exchange.now_ns)}

    def _fills(
        self, count: int = 1, symbol: str = "", account: str = "", side: str = "both", maker: bool = False
    ) -> dict[str, Any]:
        """Exactly `count` fills at once: of as many market orders, or (maker) of one resting order that is hit as often."""
        exchange = self._exchange
        if not 0 < count <= FILLS_MAX or side not in ("both", *_SIDES):
            raise ValueError(f"fills: count is 1 to {FILLS_MAX}, side is buy, sell or both")
        owner, market = exchange.accounts.get(account), self._market(symbol)
        before = len(owner.fills)
        if maker:
            self._hit(owner, market, count, _SIDES.get(side, BUY))
        else:
            for number in range(count):
                self._take(owner, market, _SIDES.get(side, number % 2))
        made = list(owner.fills)[before:]
        return {"exec_ids": [fill.exec_id for fill in made], "orders": len({fill.order.order_id for fill in made})}

    def _take(self, owner: Account, market: PairMarket, side: int) -> None:
        """One market order that the first resting order fills alone."""
        resting = market.engine.would_meet(side, None)
        if resting is None:
            raise ValueError(f"{market.pair.symbol} has nothing on the other side")
        quantity = min(self._smallest(market), resting.quantity)
        request = OrderRequest(
            symbol=market.pair.symbol,
            side=side,
            order_type="market",
            quantity=from_scaled(quantity, market.pair.qty_precision),
        )
        self._exchange.order_desk.place(owner, request, self._exchange.now_ns, limited=False)

    def _hit(self, owner: Account, market: PairMarket, count: int, side: int) -> None:
        """One order at the best price; the crowd takes what is ahead of it, then the order in `count` pieces."""
        exchange, pair, engine = self._exchange, market.pair, market.engine
        best = engine.sides[side].best()
        if best is None:
            raise ValueError(f"{pair.symbol} has no price to join")
        piece, ahead = self._smallest(market), best.quantity
        request = OrderRequest(
            symbol=pair.symbol,
            side=side,
            order_type="limit",
            quantity=from_scaled(piece * count, pair.qty_precision),
            limit_price=from_scaled(best.price, pair.price_precision),
        )
        exchange.order_desk.place(owner, request, exchange.now_ns, limited=False)
        name = "sell" if side == BUY else "buy"
        for number, quantity in enumerate((ahead, *[piece] * count)):
            touch = market.best()
            taken = (name, "market", engine.market(1 - side, quantity))
            exchange.publish(market.emit(exchange.now_ns + number, touch, taken))

    def _deposit(self, asset: str, amount: Any, account: str = "") -> dict[str, Any]:
        return self._transfer("deposit", asset, _amount(amount, "amount"), account)

    def _withdraw(self, asset: str, amount: Any, account: str = "") -> dict[str, Any]:
        return self._transfer("withdrawal", asset, -_amount(amount, "amount"), account)

    def _transfer(self, kind: str, asset: str, amount: Decimal, account: str) -> dict[str, Any]:
        exchange = self._exchange
        if asset not in exchange.feed.listing.assets:
            raise ValueError(f"no asset {asset!r} is listed here: use the v2 name")
        owner = exchange.accounts.get(account)
        entry = exchange.accounts.settlement.transfer(owner, kind, asset, amount, exchange.now_ns)
        return {"ledger_id": entry.ledger_id, "balance": format(entry.balance, "f")}

    def _add_key(self, account: str = "", permissions: str = "", nonce_window: int = 0) -> dict[str, Any]:
        """A further key; this answer alone shows its secret."""
        accounts = self._exchange.accounts
        chosen = frozenset(permissions.split(",")) if permissions else TRADING_PERMISSIONS
        if not chosen <= set(PERMISSIONS):
            raise ValueError(f"permissions are words of: {', '.join(PERMISSIONS)}")
        key = accounts.add_key(accounts.get(account).name, permissions=chosen)
        key.nonce_window = nonce_window
        return {"key": key.public, "secret": key.secret}

    def _found(self, account: str, order_id: str) -> tuple[Account, OwnOrder]:
        owner = self._exchange.accounts.get(account)
        order = owner.find_order(order_id)
        if order is None:
            raise ValueError(f"{owner.name} has no order {order_id!r:.40}")
        return owner, order

    def _market(self, symbol: str) -> PairMarket:
        feed = self._exchange.feed
        assert isinstance(feed, SeededFeed), "there are no accounts beside a recording"
        name = symbol or next(iter(feed.listing.pairs))
        if name not in feed.listing.pairs:
            raise ValueError(f"no symbol {name!r} is listed here")
        return feed.market(name)

    @staticmethod
    def _smallest(market: PairMarket) -> int:
        """The smallest order that meets both minimums, scaled."""
        pair, best = market.pair, market.engine.bids.best() or market.engine.asks.best()
        price = from_scaled(best.price, pair.price_precision) if best is not None else Decimal(1)
        smallest = max(Decimal(pair.qty_min), Decimal(pair.cost_min) / price)
        return max(1, to_scaled(smallest, pair.qty_precision) + 1)


def _price(value: Any, kind: str, name: str) -> PriceSpec | None:
    """A price, or an offset with its sign; a text keeps its digits."""
    if value is None:
        return None
    sign = -1 if kind != "static" and str(value).startswith("-") else 1
    return PriceSpec(sign * _amount(str(value).removeprefix("-") if kind != "static" else value, name), kind)


def _amount(value: Any, name: str) -> Decimal:
    """A number from JSON or text; texts keep their digits."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{name} {value!r:.40} is no number") from None
    if not amount.is_finite() or not 0 < amount <= AMOUNT_MAX:
        raise ValueError(f"{name} {value!r:.40} is not above 0 and at most {AMOUNT_MAX}")
    return amount
