"""OwnOrders: every order of ours in one account, by each of its names, and the numbers that were used up. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, Protocol

import msgspec

from gwcore.engine.orders.order import OwnOrder
from gwcore.engine.orders.ports import OpenOrder
from gwcore.model import OrderStatus, OrderUpdate, Side, TradeUpdate

#: Orders that ended and are remembered; of older ones only the id is.
DONE_MAX: Final = 10_000
#: Order ids remembered, of all accounts; beyond, the oldest may be used again.
IDS_MAX: Final = 200_000
#: Sums of what users traded that are kept, one for each user and symbol.
TRADED_MAX: Final = 100_000


class OrderOwners(Protocol):
    """Who knows which orders are ours."""

    def claim(self, venue_order_id: str | None, venue_client_id: str | None) -> OrderUpdate | None:
        """All that is known of an order of ours; None: it is none, as far as can be told."""
        ...

    def saw(self, whole: OrderUpdate) -> None:
        """The venue told of an order; this is all that is known of it now."""
        ...

    def told(self, trade: TradeUpdate) -> None:
        """Fills were told."""
        ...

    def may_claim(self, symbol: str | None, side: Side | None) -> bool:
        """Whether an order that nothing else is known of may prove to be ours, since the venue did not name ours yet."""
        ...


class Nobody:
    """Every order is somebody else's."""

    def claim(self, venue_order_id: str | None, venue_client_id: str | None) -> OrderUpdate | None:
        """None."""

    def saw(self, whole: OrderUpdate) -> None:
        """Nothing to note."""

    def told(self, trade: TradeUpdate) -> None:
        """Nothing to note."""

    def may_claim(self, symbol: str | None, side: Side | None) -> bool:
        """No."""
        return False


class OrderIds:
    """Ids that users used up: (user, order id), once each, over all accounts of one gateway."""

    def __init__(self, *, ids_max: int = IDS_MAX) -> None:
        self._ids_max = ids_max
        self._used: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._used)

    def is_used(self, user: str, order_id: str) -> bool:
        """Whether the user had an order of this id."""
        return f"{user}\0{order_id}" in self._used

    def use(self, user: str, order_id: str) -> None:
        """It is used from now on."""
        self._used[f"{user}\0{order_id}"] = None
        while len(self._used) > self._ids_max:
            del self._used[next(iter(self._used))]


class OwnOrders:
    """Implements `OrderOwners` and `OrderView`."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.orders: dict[tuple[str, str], OwnOrder] = {}  # (user, order id)
        self.touched: dict[OwnOrder, None] = {}  # the venue told of them since somebody looked
        self._by_client_id: dict[str, OwnOrder] = {}
        self._by_venue_id: dict[str, OwnOrder] = {}
        self._done: dict[OwnOrder, None] = {}  # oldest first
        self._traded: dict[tuple[str, str], Decimal] = {}
        self._unnamed: dict[OwnOrder, None] = {}  # the venue's id is not known
        self._live: dict[OwnOrder, None] = {}
        self._lacking: dict[OwnOrder, Decimal] = {}  # so much the venue says was traded, and no fill of it was told

    def add(self, order: OwnOrder) -> None:
        """A new order of ours."""
        self.orders[order.user, order.order_id] = order
        self._index(order)
        self.note(order, order.update)

    def _index(self, order: OwnOrder) -> None:
        if order.client_id is not None:
            self._by_client_id[order.client_id] = order
        if order.venue_order_id is not None:
            self._by_venue_id[order.venue_order_id] = order
            self._unnamed.pop(order, None)
        elif not order.is_done:
            self._unnamed[order] = None

    def remove(self, order: OwnOrder) -> None:
        """It never left."""
        self.orders.pop((order.user, order.order_id), None)
        self._by_client_id.pop(order.client_id or "", None)
        self._unnamed.pop(order, None)
        self._live.pop(order, None)
        self._lacking.pop(order, None)

    def recall(self, order: OwnOrder, update: OrderUpdate) -> None:
        """What the journal says of it next."""
        order.version = update.version or order.version
        if update.venue_order_id is not None:
            order.venue_order_id, order.was_seen = update.venue_order_id, True
            self._index(order)
        self.note(order, update)

    def foreign(self, update: OrderUpdate) -> OwnOrder:
        """An order that was placed elsewhere and is to be cancelled: known here from now until it ends."""
        key = update.venue_order_id or ""
        order = self._by_venue_id.get(key)
        if order is None:
            order = self._by_venue_id[key] = OwnOrder(update)
        return order

    def find(self, user: str, order_id: str) -> OwnOrder | None:
        """By the user's own id."""
        return self.orders.get((user, order_id))

    def of_venue(self, venue_order_id: str) -> OwnOrder | None:
        """By the venue's id."""
        return self._by_venue_id.get(venue_order_id)

    # --- what the venue says --------------------------------------------------------------------------------------

    def claim(self, venue_order_id: str | None, venue_client_id: str | None) -> OrderUpdate | None:
        """See `OrderOwners`. Afterwards the order is known by both names."""
        order = self._by_venue_id.get(venue_order_id or "") or self._by_client_id.get(venue_client_id or "")
        if order is None or order.is_foreign:
            return None
        if venue_order_id is not None and order.venue_order_id is None:
            order.venue_order_id = venue_order_id
            self._index(order)
        update = msgspec.structs.replace(order.update, venue_order_id=order.venue_order_id)
        if update.order_status is OrderStatus.REJECTED and not order.was_seen:
            # We took it for lost, or the venue said so: what it tells now is the truth.
            update = msgspec.structs.replace(update, order_status=OrderStatus.UNKNOWN, reason=None)
        return update

    def saw(self, whole: OrderUpdate) -> None:
        """See `OrderOwners`."""
        order = self._by_venue_id.get(whole.venue_order_id or "")
        if order is not None:
            order.was_seen = True
            self.note(order, whole)
            self.touched[order] = None

    def note(self, order: OwnOrder, whole: OrderUpdate) -> None:
        """This is known of it now."""
        order.update = whole
        self._note_lack(order)
        if order.is_foreign:
            if order.is_done:
                self._by_venue_id.pop(order.venue_order_id or "", None)
        elif order.is_done:
            self._unnamed.pop(order, None)
            self._live.pop(order, None)
            self._done[order] = None
            self.prune()
        else:
            self._done.pop(order, None)
            self._live[order] = None

    def _note_lack(self, order: OwnOrder) -> None:
        lack = Decimal(order.update.traded_quantity or 0) - order.told
        if lack > 0 and not order.is_foreign:
            self._lacking[order] = lack
        else:
            self._lacking.pop(order, None)

    def prune(self) -> None:
        """Forget orders that ended long ago, those with requests in doubt apart."""
        while len(self._done) > DONE_MAX:
            oldest = next(iter(self._done))
            del self._done[oldest]
            if not (oldest.doubts or oldest.active or oldest.waiting):
                self.remove(oldest)
                self._by_venue_id.pop(oldest.venue_order_id or "", None)

    def may_claim(self, symbol: str | None, side: Side | None) -> bool:
        """See `OrderOwners`."""
        return any(symbol in (None, order.symbol) and side in (None, order.update.side) for order in self._unnamed)

    def told(self, trade: TradeUpdate) -> None:
        """See `OrderOwners`."""
        if trade.user is None or trade.symbol is None or trade.side is None:
            return
        quantity = sum((Decimal(fill.quantity) for fill in trade.fills), Decimal(0))
        order = self.find(trade.user, trade.order_id or "")
        if order is not None:
            order.told += quantity
            self._note_lack(order)
        key = (trade.user, trade.symbol)
        if key in self._traded or len(self._traded) < TRADED_MAX:
            signed = quantity if trade.side is Side.BUY else -quantity
            self._traded[key] = self._traded.get(key, Decimal(0)) + signed

    # --- OrderView ------------------------------------------------------------------------------------------------

    def live(self) -> list[OwnOrder]:
        """Orders that are, or may be, open."""
        return list(self._live)

    @property
    def live_count(self) -> int:
        """How many are, or may be, open."""
        return len(self._live)

    def open_orders(self) -> Iterable[OpenOrder]:
        """See `OrderView`."""
        for order in self.live():
            update = order.update
            yield OpenOrder(
                order_id=order.order_id,
                user=order.user,
                symbol=order.symbol,
                side=update.side or Side.BUY,
                remaining=order.remaining_max(),
                price=None if update.price is None else Decimal(update.price),
            )

    def traded(self, user: str, symbol: str) -> Decimal:
        """See `OrderView`. What the venue says of an order counts before its fills are told."""
        found = self._traded.get((user, symbol), Decimal(0))
        for order, lack in self._lacking.items():
            if order.user == user and order.symbol == symbol:
                found += lack if order.update.side is Side.BUY else -lack
        return found

    def counts(self) -> dict[OrderStatus, int]:
        """Orders of ours that are remembered, by state."""
        found: dict[OrderStatus, int] = {}
        for order in self.orders.values():
            found[order.update.order_status] = found.get(order.update.order_status, 0) + 1
        return found
