"""OrderTable: every order of one account as the venue last told it, its fills in order, each once.

The venue tells orders in deltas and in any order; what is published is whole. A fill waits while an earlier one of the same
order is missing (`held`): no fill is ever made from what an order says it traded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from gwcore.engine.accounts.fills import FillMemory
from gwcore.engine.orders.owners import Nobody, OrderOwners
from gwcore.model import Fill, OrderStatus, OrderUpdate, Origin, TradeUpdate, UpdateType

#: Orders that ended and are remembered, so that a late word on one of them is known for what it is.
DONE_MAX = 10_000
DONE = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})
_EARLY = frozenset({OrderStatus.PENDING, OrderStatus.WORKING})
_ZERO = Decimal(0)
_CHANGEABLE = ("quantity", "price", "stop_price", "display_quantity")
_KEPT = ("update_type", "origin", "order_status", "traded_quantity", "remaining_quantity", "external")


class Order:
    """One order."""

    __slots__ = ("changed_ns", "filled", "given_up", "held_ns", "pending", "update")

    def __init__(self, update: OrderUpdate) -> None:
        self.update = update  # all that is known
        self.filled = _ZERO  # quantity of the fills that were told
        self.pending: list[TradeUpdate] = []  # fills that were not told yet, one each
        self.given_up = _ZERO  # quantity whose fills did not come in time: they are waited for no more
        self.held_ns: int | None = None  # monotonic, since when fills are missing
        self.changed_ns = 0  # monotonic, when the stream last said something of it

    @property
    def is_done(self) -> bool:
        """Whether nothing more can happen to it, but fills that are late."""
        return self.update.order_status in DONE

    @property
    def missing(self) -> Decimal:
        """Quantity that the venue says was traded and no fill came for; negative: the fills are ahead."""
        traded = self.update.traded_quantity
        if traded is None:
            return _ZERO
        pending = sum((_quantity(each) for each in self.pending), _ZERO)
        return Decimal(traded) - self.filled - self.given_up - pending


class OrderTable:
    """The orders of one account. `memory` is what was told of fills, `owners` knows which orders are ours."""

    def __init__(self, account: str, memory: FillMemory, owners: OrderOwners | None = None) -> None:
        self._account = account
        self.memory = memory
        self._owners = owners or Nobody()
        self.orders: dict[str, Order] = {}
        self._done: dict[str, None] = {}  # ids of orders that ended, oldest first
        self._pending_ids: set[str] = set()
        self._held: dict[str, Order] = {}

    @property
    def held(self) -> Iterator[Order]:
        """Orders of which fills are missing; those that came meanwhile wait for them."""
        return iter(list(self._held.values()))

    @property
    def open_ids(self) -> tuple[str, ...]:
        """The venue's ids of orders that are not known to have ended."""
        return tuple(key for key, order in self.orders.items() if not order.is_done)

    # --- what was told before the start -------------------------------------------------------------------------------

    def recall_order(self, update: OrderUpdate) -> None:
        """An OrderUpdate as it stands in the journal."""
        if update.venue_order_id is not None:
            order = self.orders.get(update.venue_order_id)
            if order is None:
                order = self.orders[update.venue_order_id] = Order(update)
            order.update = update
            self._note_done(update.venue_order_id, order)

    def recall_trade(self, update: TradeUpdate) -> None:
        """A TradeUpdate as it stands in the journal."""
        for fill in update.fills:
            self.memory.add(fill)
            key = update.venue_order_id or ""
            order = self.orders.get(key)
            if order is None:
                order = self.orders[key] = Order(_unknown(self._account, update))
                self._note_done(key, order)
            order.filled += Decimal(fill.quantity)

    # --- news ---------------------------------------------------------------------------------------------------------

    def on_order(
        self, news: OrderUpdate, origin: Origin, now_ns: int, *, from_rest: bool = False
    ) -> OrderUpdate | None:
        """Merge; the whole update to publish, or None where nothing changed.

        `from_rest`: it may be old and has digits of its own, so of what is known it changes only that the order ended, or
        that more was traded.
        """
        key = news.venue_order_id
        if key is None:
            return None
        order, known = self._known(key, news.venue_client_id)
        if order is None:
            whole = _completed(msgspec.structs.replace(news, external=news.order_id is None, origin=origin))
            order = self.orders[key] = Order(whole)
        else:
            assert known is not None
            whole = merge(known, news, origin, fill_in=from_rest)
            if whole is known and known.order_status is not OrderStatus.UNKNOWN:
                self._owners.saw(whole)
            if whole is order.update:
                return None
            order.update = whole
        if not from_rest:
            order.changed_ns = now_ns
        self._note_done(key, order)
        self._owners.saw(whole)
        return whole

    def _known(self, key: str, client_id: str | None) -> tuple[Order | None, OrderUpdate | None]:
        """What is known of an order, by the one who placed it too where that is one of us."""
        order = self.orders.get(key)
        if order is not None and not order.update.external:
            return order, order.update
        claimed = self._owners.claim(key, client_id)
        if claimed is None:
            return order, None if order is None else order.update
        if order is None:
            order = self.orders[key] = Order(claimed)
            return order, msgspec.structs.replace(claimed)  # another object: whatever comes, it is news
        # It was taken for somebody else's until now.
        known = merge(claimed, order.update, order.update.origin)
        return order, msgspec.structs.replace(known, external=False)

    def adopt(self, key: str, facts: OrderUpdate, **changes: str | int | None) -> OrderUpdate | None:
        """An answer of the venue says that `key` is an order of ours, or changed it; the whole to publish, or None.

        `facts`: what is known of it without the table.
        """
        order, known = self._known(key, facts.venue_client_id)
        if order is None or known is None:
            order, known = Order(facts), msgspec.structs.replace(facts, venue_order_id=key)
            self.orders[key] = order
        whole = _completed(msgspec.structs.replace(known, **changes)) if changes else known
        order.update = whole
        self._note_done(key, order)
        return None if whole == facts else whole

    def on_trade(self, news: TradeUpdate, origin: Origin) -> str | None:
        """Keep the fills that are new until `release`; the id of the order they belong to, or None."""
        key = news.venue_order_id or ""
        found = None
        for fill in news.fills:
            if fill.trade_id in self._pending_ids or self.memory.had(fill, is_live=origin is Origin.VENUE):
                continue
            order = self._known(key, news.venue_client_id)[0]
            if order is None:
                # Nothing is known of it: fills are told as they come.
                order = self.orders[key] = Order(_unknown(self._account, news))
                self._note_done(key, order)
            known = order.update
            order.pending.append(
                TradeUpdate(
                    account=self._account,
                    venue_order_id=news.venue_order_id,
                    symbol=news.symbol or known.symbol,
                    side=news.side or known.side,
                    fills=(fill,),
                    origin=origin,
                    venue_time_ns=fill.venue_time_ns,
                )
            )
            self._pending_ids.add(fill.trade_id)
            found = key
        return found

    def release(self, keys: Iterable[str], now_ns: int, *, anyway: bool = False) -> list[TradeUpdate]:
        """Fills of these orders that may be told now, in order; they count as told. `anyway`: also where one is missing."""
        runs: list[tuple[int, int, TradeUpdate]] = []
        for key in dict.fromkeys(keys):
            order = self.orders.get(key)
            if order is None:
                continue
            if self._lacks(order):
                if not anyway:
                    order.held_ns = now_ns if order.held_ns is None else order.held_ns
                    self._held[key] = order
                    continue
                order.given_up += max(_ZERO, order.missing)
            self._held.pop(key, None)
            order.held_ns = None
            latest_ns = 0
            for number, update in enumerate(sorted(order.pending, key=_place)):
                latest_ns = max(latest_ns, update.venue_time_ns or 0)  # never before the one ahead of it in its order
                runs.append((latest_ns, number, update))
            order.pending = []
        runs.sort(key=lambda run: run[:2])
        for _, _, update in runs:
            fill = update.fills[0]
            self._pending_ids.discard(fill.trade_id)
            self.memory.add(fill)
            self.orders[update.venue_order_id or ""].filled += Decimal(fill.quantity)
        return [self._owned(update) for _, _, update in runs]

    def _owned(self, trade: TradeUpdate) -> TradeUpdate:
        """With whose order it is of, as is known by now."""
        known = self.orders[trade.venue_order_id or ""].update
        trade = msgspec.structs.replace(
            trade,
            order_id=known.order_id,
            symbol=trade.symbol or known.symbol,
            side=trade.side or known.side,
            user=known.user,
            strategy=known.strategy,
            venue_client_id=known.venue_client_id,
        )
        self._owners.told(trade)
        return trade

    def _lacks(self, order: Order) -> bool:
        """Whether fills are missing before those that came: by what the order traded, or since that is not known.

        Of an order that is older than the account's first start not all fills are told, so none is waited for.
        """
        update = order.update
        is_stray = update.external and update.order_status is OrderStatus.UNKNOWN
        if is_stray and self._owners.may_claim(update.symbol, update.side):
            return True  # it may prove to be of an order of ours that the venue did not name yet
        opened_ns, floor_ns = update.opened_ns, self.memory.floor_ns
        if opened_ns is not None and floor_ns is not None and opened_ns < floor_ns:
            return False
        if order.update.traded_quantity is None:
            return any(update.origin is not Origin.VENUE for update in order.pending)
        return order.missing > 0

    def _note_done(self, key: str, order: Order) -> None:
        if not order.is_done and order.update.order_status is not OrderStatus.UNKNOWN:
            self._done.pop(key, None)
            return
        self._done[key] = None
        while len(self._done) > DONE_MAX:
            oldest = next(iter(self._done))
            del self._done[oldest]
            if oldest not in self._held:
                self.orders.pop(oldest, None)


def merge(known: OrderUpdate, news: OrderUpdate, origin: Origin, *, fill_in: bool = False) -> OrderUpdate:
    """What is known with what the news say; `known` itself where they say nothing new. `fill_in`: only what was not known.

    An order that ended does not come back, and what was traded never becomes less, whatever arrives late. A reason is that of
    the report it came with: why an order was changed, or was in doubt, is not why it ended.
    """
    facts: dict[str, Any] = {
        name: value
        for name in news.__struct_fields__
        if name not in _KEPT and (value := getattr(news, name)) is not None and value != getattr(known, name)
    }
    status = news.order_status
    if fill_in:
        facts = {name: value for name, value in facts.items() if _fills_in(known, name, value, status)}
    late = known.order_status in DONE and status not in DONE
    traded = known.traded_quantity
    if news.traded_quantity is not None and (traded is None or Decimal(news.traded_quantity) >= Decimal(traded)):
        traded = news.traded_quantity if traded is None or Decimal(news.traded_quantity) != Decimal(traded) else traded
    if late or status is OrderStatus.UNKNOWN:
        status = known.order_status
    elif status is OrderStatus.PENDING and known.order_status is OrderStatus.WORKING:
        status = known.order_status  # two words of the venue changed places
    elif status in _EARLY and traded is not None and Decimal(traded) > 0:
        status = OrderStatus.PARTIALLY_FILLED
    if status is not known.order_status:
        facts["order_status"] = status
    if traded != known.traded_quantity:
        facts["traded_quantity"] = traded
    if late or not facts.keys() - {"venue_time_ns"}:
        return known
    if news.reason is None and known.order_status not in DONE:
        facts["reason"] = None
    whole = msgspec.structs.replace(known, **facts, origin=origin, update_type=UpdateType.INCREMENTAL)
    return _completed(whole)


def _fills_in(known: OrderUpdate, name: str, value: str, status: OrderStatus) -> bool:
    """Whether REST is believed about a field: where nothing was known, and in what a change may have made of an order that
    ended, since nothing can change there any more."""
    ours = getattr(known, name)
    if ours is None or name == "reason":
        return True
    return status in DONE and name in _CHANGEABLE and Decimal(ours) != Decimal(value)


def _completed(update: OrderUpdate) -> OrderUpdate:
    """With what is left, which the venue leaves to its readers."""
    if update.quantity is None:
        return update
    remaining = format(Decimal(update.quantity) - Decimal(update.traded_quantity or 0), "f")
    return msgspec.structs.replace(update, remaining_quantity=remaining)


def _quantity(update: TradeUpdate) -> Decimal:
    return sum((Decimal(fill.quantity) for fill in update.fills), _ZERO)


def _place(update: TradeUpdate) -> tuple[int, int]:
    fill: Fill = update.fills[0]
    number = fill.market_trade_id
    # The market numbers its trades; REST and stream write their times with different digits.
    return (int(number) if number is not None and number.isdigit() else 0, fill.venue_time_ns or 0)


def _unknown(account: str, news: TradeUpdate) -> OrderUpdate:
    return OrderUpdate(
        account=account,
        venue_order_id=news.venue_order_id,
        symbol=news.symbol,
        side=news.side,
        order_status=OrderStatus.UNKNOWN,
        external=True,
        venue_client_id=news.venue_client_id,
    )
