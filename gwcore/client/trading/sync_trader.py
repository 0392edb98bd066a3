"""SyncTrader: a Trader's calls for programs without asyncio. Orders and outcomes change on the client's own thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from gwcore.client.trading.order_forms import Number
from gwcore.client.trading.outcome import Order, Outcome
from gwcore.client.trading.trader import ANSWER_TIMEOUT_S, Trader
from gwcore.model import CreateOrder, Side

T = TypeVar("T")


class SyncTrader:
    """Blocking calls of `Trader`; made by `SyncClient.trader`. Raises as it does."""

    def __init__(
        self,
        trader: Trader,
        wait: Callable[[Coroutine[Any, Any, Any]], Any],
        call: Callable[[Callable[[Any], Any]], Any],
    ) -> None:
        self._trader = trader
        self._wait = wait
        self._call = call  # on the client's thread

    @property
    def account(self) -> str:
        """The account."""
        return self._trader.account

    @property
    def user(self) -> str:
        """Whom the gateway takes this client for."""
        return self._trader.user

    def orders(self) -> list[Order]:
        """As `Trader.orders`."""
        found: list[Order] = self._call(lambda _: self._trader.orders())
        return found

    def order(self, order_id: str) -> Order | None:
        """As `Trader.order`."""
        return self._trader.order(order_id)

    def doubts(self) -> list[Outcome]:
        """As `Trader.doubts`."""
        found: list[Outcome] = self._call(lambda _: self._trader.doubts())
        return found

    def form(self, symbol: str, side: Side | str, *, order_id: str | None = None, **fields: Any) -> CreateOrder:
        """As `Trader.form`."""
        return self._trader.form(symbol, side, order_id=order_id, **fields)

    def create(
        self,
        symbol: str,
        side: Side | str,
        quantity: Number | None = None,
        price: Number | None = None,
        *,
        order_id: str | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
        **fields: Any,
    ) -> Outcome:
        """As `Trader.create`."""
        return self._one(
            self._trader.create(symbol, side, quantity, price, order_id=order_id, timeout_s=timeout_s, **fields)
        )

    def send(self, form: CreateOrder, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Outcome:
        """As `Trader.send`."""
        return self._one(self._trader.send(form, timeout_s=timeout_s))

    def create_batch(self, forms: Sequence[CreateOrder], *, timeout_s: float = ANSWER_TIMEOUT_S) -> list[Outcome]:
        """As `Trader.create_batch`."""
        return self._several(self._trader.create_batch(forms, timeout_s=timeout_s))

    def modify(
        self,
        order: Order | str,
        *,
        quantity: Number | None = None,
        price: Number | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
        **fields: Any,
    ) -> Outcome:
        """As `Trader.modify`."""
        return self._one(self._trader.modify(order, quantity=quantity, price=price, timeout_s=timeout_s, **fields))

    def cancel(self, order: Order | str, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Outcome:
        """As `Trader.cancel`."""
        return self._one(self._trader.cancel(order, timeout_s=timeout_s))

    def cancel_batch(self, orders: Sequence[Order | str], *, timeout_s: float = ANSWER_TIMEOUT_S) -> list[Outcome]:
        """As `Trader.cancel_batch`."""
        return self._several(self._trader.cancel_batch(orders, timeout_s=timeout_s))

    def cancel_all(
        self,
        symbol: str | None = None,
        side: Side | str | None = None,
        *,
        strategy: str | None = None,
        user: str | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> Outcome:
        """As `Trader.cancel_all`."""
        return self._one(self._trader.cancel_all(symbol, side, strategy=strategy, user=user, timeout_s=timeout_s))

    def cancel_all_after(self, seconds: int, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Outcome:
        """As `Trader.cancel_all_after`."""
        return self._one(self._trader.cancel_all_after(seconds, timeout_s=timeout_s))

    def settle(self, outcome: Outcome, *, timeout_s: float | None = None) -> bool:
        """As `Trader.settle`."""
        return bool(self._wait(self._trader.settle(outcome, timeout_s=timeout_s)))

    def ended(self, order: Order, *, timeout_s: float | None = None) -> bool:
        """As `Trader.ended`."""
        return bool(self._wait(self._trader.ended(order, timeout_s=timeout_s)))

    def _one(self, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        outcome: Outcome = self._wait(work)
        return outcome

    def _several(self, work: Coroutine[Any, Any, list[Outcome]]) -> list[Outcome]:
        outcomes: list[Outcome] = self._wait(work)
        return outcomes
