"""Traders: the order trackers of one client, and the one subscription that feeds them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gwcore.client.session import Delivery, Item, Session
from gwcore.client.trading.order_forms import OrderNumbers
from gwcore.client.trading.order_tracker import OrderTracker
from gwcore.errors import GatewayError, NotConnected
from gwcore.model import (
    KIND_OF_TYPE,
    Envelope,
    Gap,
    OrderAck,
    OrderUpdate,
    TradeUpdate,
)
from gwcore.wire import RequestError, SnapshotEnd, Welcome

#: Kinds of events about orders.
ORDER_KINDS = tuple(KIND_OF_TYPE[kind] for kind in (OrderAck, OrderUpdate, TradeUpdate))


class Traders:
    """By account. Events for them come ahead of what the program has not read yet, as books do."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._trackers: dict[str, OrderTracker] = {}
        self._whole: asyncio.Future[None] | None = None  # all open orders were told
        self.numbers = OrderNumbers()

    async def open(self, account: str, answer: Callable[[int], Awaitable[object]], timeout_s: float) -> OrderTracker:
        """The tracker of an account once all its open orders are known. Raises RequestRefused, NotConnected."""
        tracker = self.tracker(account)
        if self._whole is None:
            self._whole = asyncio.get_running_loop().create_future()
            self._session.traders = self._session.subscribe(kinds=ORDER_KINDS)
            try:
                await answer(self._session.traders)
            except GatewayError:
                self._session.traders, self._whole = 0, None
                raise
        done, _ = await asyncio.wait((self._whole,), timeout=timeout_s)
        if not done:
            raise NotConnected(f"the open orders were not told within {timeout_s:g} s")
        return tracker

    def tracker(self, account: str) -> OrderTracker:
        """The tracker of one account, new on first use."""
        tracker = self._trackers.get(account)
        if tracker is None:
            tracker = self._trackers[account] = OrderTracker(account)
            if self._session.welcome is not None:
                tracker.on_connected(self._session.welcome.user, _life(self._session.welcome))
        return tracker

    def on_item(self, item: Item) -> bool:
        """Something came. Returns whether it is for the traders alone."""
        if isinstance(item, Delivery):
            # An answer to somebody's question is his, whatever the traders make of it.
            return self._on_delivery(item.envelope) and not item.request_id
        if isinstance(item, RequestError):
            return any(tracker.on_error(item) for tracker in self._trackers.values())
        if isinstance(item, Welcome):
            for tracker in self._trackers.values():
                tracker.on_connected(item.user, _life(item))
        elif isinstance(item, SnapshotEnd) and item.request_id == self._session.traders:
            for tracker in self._trackers.values():
                tracker.on_whole()
            if self._whole is not None and not self._whole.done():
                self._whole.set_result(None)
        return False

    def on_lost(self, cause: str) -> None:
        """It is gone."""
        for tracker in self._trackers.values():
            tracker.on_lost(cause)

    def _on_delivery(self, envelope: Envelope) -> bool:
        event = envelope.event
        if isinstance(event, Gap):
            for tracker in self._trackers.values():
                tracker.on_gap(event.partition)
            return False
        if not isinstance(event, OrderAck | OrderUpdate | TradeUpdate):
            return False
        for tracker in self._trackers.values():
            tracker.on_event(event)
        kind, traders = KIND_OF_TYPE[type(event)], self._session.traders
        return traders > 0 and not self._session.is_asked(kind, event.symbol, apart_from=traders)


def _life(welcome: Welcome) -> str:
    """What is another one after a restart of the gateway; empty: it can't be told."""
    return welcome.sessions.get("st", ("", 0))[0]
