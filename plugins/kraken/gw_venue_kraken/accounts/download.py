"""What an account has, asked for by REST (API sheet §2.6): all pages of it. Pure: flows, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from gw_venue_kraken.accounts import private_messages as wire
from gw_venue_kraken.accounts import private_rest as rest
from gw_venue_kraken.accounts.fees import account_fees
from gw_venue_kraken.rest_names import RestNames
from gw_venue_kraken.settings import KrakenSettings
from gwcore.errors import DecodeError, VenueRejected
from gwcore.model import FeesUpdate, FundsUpdate, Instrument, OrderUpdate, TradeUpdate
from gwcore.rest import HttpFlow
from gwcore.venue import Account, AccountSnapshot, Known

T = TypeVar("T")

#: Rows of a page of ClosedOrders and TradesHistory (§2.6), and ids in one QueryOrders.
PAGE_ROWS = 50
QUERY_ORDERS_MAX = 50
#: Pages of one list; more would take hours of the account's own rate limit.
PAGES_MAX = 2_000
#: The currency that TradeBalance answers in (§2.6).
BALANCE_ASSET_ID = "ZUSD"


class Download:
    """The REST side of one account."""

    def __init__(self, settings: KrakenSettings, account: Account, names: RestNames) -> None:
        self._settings = settings
        self._account = account
        self._names = names

    def call(
        self, method: str, decode: Callable[[msgspec.Raw], T], parameters: Mapping[str, str] | None = None
    ) -> HttpFlow[T]:
        """One private call, decoded. Raises VenueError."""
        return rest.call(self._settings.rest_url, self._account.signer, method, decode, parameters or {})

    def funds(self) -> HttpFlow[Sequence[FundsUpdate]]:
        """What is held, and what of it is on hold. Raises VenueError."""
        if not self._names.are_known:
            yield from self._names.learn(self._settings)
        balances = yield from self.call("BalanceEx", wire.rest_balances_of)
        try:
            return rest.funds(self._account.name, balances, self._names)
        except (ValueError, ArithmeticError) as error:
            raise DecodeError(f"BalanceEx: {error}") from None

    def fees(self, instruments: Sequence[Instrument]) -> HttpFlow[Sequence[FeesUpdate]]:
        """What is paid in these pairs. Raises VenueError."""
        if not self._names.are_known:
            yield from self._names.learn(self._settings)

        def ask(pairs: str) -> HttpFlow[wire.RestTradeVolume]:
            return self.call("TradeVolume", wire.trade_volume_of, {"pair": pairs})

        return (yield from account_fees(self._account.name, instruments, ask, self._names))

    def run(self, known: Known) -> HttpFlow[AccountSnapshot]:
        """Everything. Raises VenueError."""
        if not self._names.are_known:
            yield from self._names.learn(self._settings)
        try:
            return (yield from self._all(known))
        except (ValueError, ArithmeticError) as error:
            raise DecodeError(f"download: {error}") from None

    def _all(self, known: Known) -> HttpFlow[AccountSnapshot]:
        name, names = self._account.name, self._names
        open_orders = (yield from self.call("OpenOrders", wire.open_orders_of)).open
        ended = yield from self._closed(known.since_ns)
        lost = [order_id for order_id in known.orders if order_id not in open_orders and order_id not in ended]
        ended |= yield from self._query(lost)
        trades = yield from self._trades(known.since_ns, open_orders | ended)
        balances = yield from self.call("BalanceEx", wire.rest_balances_of)
        positions = yield from self.call("OpenPositions", wire.positions_of, {"docalcs": "true"})
        balance = yield from self.call("TradeBalance", wire.trade_balance_of, {"asset": BALANCE_ASSET_ID})
        return AccountSnapshot(
            orders=self._orders(open_orders),
            closed=self._orders(ended),
            trades=trades,
            funds=tuple(rest.funds(name, balances, names)),
            positions=tuple(rest.positions(name, positions.values(), names)),
            balance=rest.trade_balance(name, balance, names.asset(BALANCE_ASSET_ID)),
        )

    def _orders(self, orders: Mapping[str, wire.RestOrder]) -> tuple[OrderUpdate, ...]:
        return tuple(rest.order_update(self._account.name, key, order, self._names) for key, order in orders.items())

    def _closed(self, since_ns: int) -> HttpFlow[dict[str, wire.RestOrder]]:
        found: dict[str, wire.RestOrder] = {}
        offset = 0
        for _ in range(PAGES_MAX):
            parameters = {"start": _start(since_ns), "closetime": "close", "ofs": str(offset)}
            page = yield from self.call("ClosedOrders", wire.closed_orders_of, parameters)
            found |= page.closed
            offset += len(page.closed)
            if _is_last(len(page.closed), offset, page.count):
                return found
        raise DecodeError(f"ClosedOrders: more than {PAGES_MAX} pages")

    def _query(self, order_ids: Sequence[str]) -> HttpFlow[dict[str, wire.RestOrder]]:
        """Orders by id; those that are open are left out: the list of open ones is older, or they came back."""
        found: dict[str, wire.RestOrder] = {}
        batches = [order_ids[first : first + QUERY_ORDERS_MAX] for first in range(0, len(order_ids), QUERY_ORDERS_MAX)]
        while batches:
            batch = batches.pop()
            try:
                found |= yield from self.call("QueryOrders", wire.orders_of, {"txid": ",".join(batch)})
            except VenueRejected:
                # One that REST does not have (yet) spoils the whole request: the others are found by halving it.
                if len(batch) > 1:
                    batches += [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
        return {key: order for key, order in found.items() if order.status not in ("open", "pending")}

    def _trades(self, since_ns: int, orders: Mapping[str, wire.RestOrder]) -> HttpFlow[tuple[TradeUpdate, ...]]:
        """Newest first; a trade made meanwhile moves the pages back, so that rows come twice and none is missed."""
        found: dict[str, TradeUpdate] = {}
        offset = 0
        for _ in range(PAGES_MAX):
            parameters = {"type": "all", "start": _start(since_ns), "ofs": str(offset)}
            page = yield from self.call("TradesHistory", wire.trades_of, parameters)
            for trade_id, trade in page.trades.items():
                order = orders.get(trade.ordertxid or "")
                found[trade_id] = rest.trade_update(self._account.name, trade_id, trade, self._names, order)
            offset += len(page.trades)
            if _is_last(len(page.trades), offset, page.count):
                return tuple(found.values())
        raise DecodeError(f"TradesHistory: more than {PAGES_MAX} pages")


def _is_last(rows: int, offset: int, count: int | None) -> bool:
    """`count` is of all pages; without it a short page is the last."""
    return not rows or (offset >= count if count is not None else rows < PAGE_ROWS)


def _start(since_ns: int) -> str:
    """Whole seconds below: the venue leaves out what is exactly at `start` (§2.6)."""
    return str(max(0, since_ns // 1_000_000_000 - 1))
