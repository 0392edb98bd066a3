"""AccountMachine: one account over all its connections: snapshots, download, news, and the timed comparison.

Pure: the runtime calls it and does what it asks of the outbox. Order of a connection: the private channels are subscribed and
their snapshots awaited; then everything is asked for by REST; what the stream tells meanwhile waits; then all of it is put
together, `DownloadEnd`, `Ready`. After that the stream leads and REST, which lags it, only compares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from gwcore.engine.accounts.fills import FillMemory
from gwcore.engine.accounts.funds import Holdings
from gwcore.engine.accounts.orders import OrderTable
from gwcore.engine.accounts.outbox import AccountOutbox
from gwcore.engine.accounts.reconciliation import AccountReconciliation
from gwcore.engine.accounts.schedule import Schedule
from gwcore.engine.accounts.state import AccountState
from gwcore.engine.orders.defaults import NoPace
from gwcore.engine.orders.desk import OrderDesk
from gwcore.engine.orders.owners import OwnOrders
from gwcore.engine.orders.ports import OrderPace
from gwcore.engine.reconnect import NANOSECONDS
from gwcore.errors import AuthenticationError, VenueError, VenueUnavailable
from gwcore.model import (
    DownloadBegin,
    DownloadEnd,
    Event,
    ExternalLatency,
    FundsUpdate,
    MarketStatus,
    OrderUpdate,
    Origin,
    RateLimitsUpdate,
    Ready,
    TradeUpdate,
)
from gwcore.ports import Random
from gwcore.settings import AccountSettings
from gwcore.venue import (
    AccountCodec,
    AccountMessage,
    AccountSnapshot,
    OrderAnswer,
    Orders,
    Pong,
    Refused,
    Renew,
    Reply,
    Throttled,
    Unknown,
)

#: Messages of the stream that wait for a download; one that takes longer than this many is begun anew.
QUEUE_MAX: Final = 50_000
#: Names of unknown things that are counted by themselves.
UNKNOWN_NAMES_MAX: Final = 100


class AccountMachine:
    """One account. `memory` and `table` were filled from the journal."""

    def __init__(
        self,
        account: str,
        settings: AccountSettings,
        outbox: AccountOutbox,
        random: Random,
        memory: FillMemory,
        pace: OrderPace | None = None,
    ) -> None:
        self.account = account
        self.settings = settings
        self.state = AccountState.CLOSED
        self.memory = memory
        self.own = OwnOrders(account)
        self.table = OrderTable(account, memory, self.own)
        self.holdings = Holdings()
        self.unknown: Counter[str] = Counter()
        self.undecodable = self.downloads = self.checks = 0
        #: Whom the stream tells of the venue itself.
        self.hear_venue: Callable[[MarketStatus], None] = lambda status: None
        self.last_frame_ns = self.round_trip_ns = 0
        self._outbox = outbox
        self._codec: AccountCodec | None = None
        self._together = AccountReconciliation(account, settings, outbox, self.table, self.holdings)
        self._schedule = Schedule(settings, random)
        together, check = self._together, self._schedule.check_soon
        self.desk = OrderDesk(account, outbox, self.table, self.own, pace or NoPace(), together, self._on_found, check)
        self._orders_snapshot: AccountSnapshot | None = None
        self._has_funds = False
        self._queue: list[tuple[AccountMessage, int]] = []
        self._now_ns = 0
        self._handlers: dict[type, Callable[[Any, int], None]] = {
            AccountSnapshot: self._on_snapshot,
            OrderUpdate: self._on_order,
            TradeUpdate: self._on_trade,
            FundsUpdate: self._on_funds,
            MarketStatus: lambda news, _: self.hear_venue(news),
            RateLimitsUpdate: self._on_limits,
            Refused: self._on_refused,
            Renew: lambda message, _: self._outbox.close(f"renew: {message.text}"),
            Reply: self._on_reply,
            Pong: self._on_pong,
            Unknown: self._on_unknown,
            Throttled: self._on_unknown,
            OrderAnswer: lambda news, _: self.desk.on_answer(news, self._now_ns),
        }

    @property
    def discrepancies(self) -> int:
        """Differences told since the start."""
        return self._together.discrepancies

    @property
    def recovered(self) -> int:
        """Fills since the start that came by REST or with a snapshot, not live."""
        return self._together.recovered

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._codec is not None

    def recall(self, event: Event) -> None:
        """An event of this account from the journal, in order, before the first connection."""
        if isinstance(event, OrderUpdate):
            self.table.recall_order(event)
        elif isinstance(event, TradeUpdate):
            self.table.recall_trade(event)
        elif isinstance(event, DownloadBegin) and event.since_ns is not None and self.memory.floor_ns is None:
            self.memory.floor_ns = event.since_ns

    # --- the connection -----------------------------------------------------------------------------------------------

    def on_open(self, codec: AccountCodec, now_ns: int, orders: Orders | None = None) -> None:
        """Connected and logged in. `orders`: requests about orders by this connection, where the venue takes any."""
        self._now_ns = self.last_frame_ns = now_ns
        self._codec = codec
        self._together.check.lag_ns = int(codec.limits.rest_lag_s * NANOSECONDS)
        self.state = AccountState.SNAPSHOTS
        self._orders_snapshot, self._has_funds, self._queue = None, False, []
        self._schedule.on_open(codec, now_ns)
        if orders is not None:
            self.desk.on_open(orders, now_ns)
        if self.memory.floor_ns is None:
            self.memory.floor_ns = self._outbox.wall_ns() - int(self.settings.history_s * NANOSECONDS)
        self._outbox.publish(DownloadBegin(account=self.account, since_ns=self.memory.floor_ns))
        for frame in codec.open():
            self._outbox.send(frame)

    def on_close(self, cause: str, now_ns: int) -> None:
        """The connection is gone."""
        self._now_ns = now_ns
        self._codec = None
        if self.state is not AccountState.HALTED:
            self.state = AccountState.CLOSED
        self.desk.on_close(now_ns)

    def on_frame(self, frame: bytes, received_ns: int, now_ns: int) -> None:
        """One frame of the venue."""
        if self._codec is None:
            return
        self._now_ns = self.last_frame_ns = now_ns
        try:
            messages = self._codec.decode(frame, received_ns)
        except Exception:  # DecodeError, or a plugin breaks its contract: it may have held a fill, which REST will tell
            self.undecodable += 1
            self._schedule.check_soon(now_ns)
            return
        for message in messages:
            if self._waits(message):
                self._queue.append((message, received_ns))
                if len(self._queue) > QUEUE_MAX:
                    self._outbox.close(f"the download takes longer than {QUEUE_MAX} messages")
            else:
                self._handle(message, received_ns)
        self._settle(received_ns)

    def _waits(self, message: AccountMessage) -> bool:
        return self.state is not AccountState.READY and isinstance(message, OrderUpdate | TradeUpdate)

    def _handle(self, message: AccountMessage, received_ns: int) -> None:
        handler = self._handlers.get(type(message))
        if handler is not None:
            handler(message, received_ns)

    # --- news of the stream -------------------------------------------------------------------------------------------

    def _on_order(self, news: OrderUpdate, received_ns: int) -> None:
        update = self.table.on_order(news, Origin.VENUE, self._now_ns)
        self._together.touch(news.venue_order_id)
        if update is not None:
            self.holdings.awaits_holds = True
            self._outbox.publish(update, received_ns)

    def _on_trade(self, news: TradeUpdate, received_ns: int) -> None:
        self._together.touch(self.table.on_trade(news, Origin.VENUE))

    def _on_funds(self, news: FundsUpdate, received_ns: int) -> None:
        update = self.holdings.on_stream(news)
        if update is not None:
            self._outbox.publish(update, received_ns)

    def _on_limits(self, news: RateLimitsUpdate, received_ns: int) -> None:
        if untold := self.desk.on_limits(news, self._now_ns):
            self._outbox.publish(msgspec.structs.replace(news, limits=untold), received_ns)

    def _on_found(self, listed: AccountSnapshot, now_ns: int) -> None:
        """The venue was asked about one order."""
        self._now_ns = now_ns
        self._together.found(listed, now_ns)
        self._settle(None)

    def _settle(self, received_ns: int | None) -> None:
        if self.state is not AccountState.READY:
            return
        self.desk.settle(self._now_ns)
        if self._together.settle(received_ns, self._now_ns):
            self._schedule.check_soon(self._now_ns)

    def _on_snapshot(self, snapshot: AccountSnapshot, received_ns: int) -> None:
        if snapshot.funds is not None:
            self._has_funds = True
            for update in self.holdings.on_stream_snapshot(snapshot.funds):
                self._outbox.publish(update, received_ns)
        if snapshot.orders is not None:
            self._orders_snapshot = snapshot
        if self.state is AccountState.SNAPSHOTS and self._has_funds and self._orders_snapshot is not None:
            self.state = AccountState.DOWNLOADING
            self._schedule.on_snapshots()
            self._download()

    # --- the download -------------------------------------------------------------------------------------------------

    def _download(self) -> None:
        assert self._codec is not None
        self.downloads += 1
        self._schedule.on_asked(self._now_ns, self._outbox.wall_ns())
        snapshot = self._orders_snapshot
        open_now = {order.venue_order_id for order in snapshot.orders or ()} if snapshot is not None else set()
        lost = tuple(key for key in self.table.open_ids if key not in open_now)
        known = self._together.known(lost, self._schedule.unproven_ns)
        self._outbox.run_flow(self._codec.download(known), self._on_downloaded)

    def _on_downloaded(self, result: AccountSnapshot | VenueError, now_ns: int) -> None:
        self._now_ns = now_ns
        if self.state is not AccountState.DOWNLOADING:
            return
        if isinstance(result, VenueError):
            self._failed(result)
            return
        self._together.downloaded(self._orders_snapshot or AccountSnapshot(), result, now_ns)
        self.state = AccountState.READY
        queue, self._queue = self._queue, []
        for message, received_ns in queue:
            self._handle(message, received_ns)
        self._settle(None)
        self._outbox.publish(DownloadEnd(account=self.account))
        self._outbox.publish(Ready(account=self.account))
        self._schedule.on_ready(now_ns)
        self.desk.on_ready(now_ns)

    def _failed(self, error: VenueError) -> None:
        if isinstance(error, AuthenticationError):
            self._halt(str(error))
            return
        retry_s = error.retry_after_s if isinstance(error, VenueUnavailable) else None
        self.unknown[f"failed: {type(error).__name__}"] += 1
        self._schedule.on_failure(self._now_ns, retry_s)

    def _halt(self, cause: str) -> None:
        self.state = AccountState.HALTED
        self._outbox.halt(cause)

    # --- the comparison -----------------------------------------------------------------------------------------------

    def _compare(self) -> None:
        assert self._codec is not None
        self.checks += 1
        # All that is open goes along: what REST has in no list is asked for by its id.
        asked_ns = self._now_ns
        known = self._together.known(self.table.open_ids, self._schedule.unproven_ns)
        self._schedule.on_asked(self._now_ns, self._outbox.wall_ns())
        self._outbox.run_flow(
            self._codec.download(known), lambda result, now_ns: self._on_compared(result, asked_ns, now_ns)
        )

    def _on_compared(self, result: AccountSnapshot | VenueError, asked_ns: int, now_ns: int) -> None:
        self._now_ns = now_ns
        if self.state is not AccountState.READY:
            return
        if isinstance(result, VenueError):
            self._failed(result)
            return
        self._together.compared(result, asked_ns, now_ns)
        self._settle(None)
        self._renew_in_doubt()
        self._schedule.on_checked(now_ns, lacking=next(self.table.held, None) is not None)

    def _ask_holds(self) -> None:
        assert self._codec is not None
        self._schedule.on_holds_asked(self._now_ns)
        self._outbox.run_flow(self._codec.funds(), self._on_holds)

    def _on_holds(self, result: Sequence[FundsUpdate] | VenueError, now_ns: int) -> None:
        self._now_ns = now_ns
        self._schedule.on_holds()
        if isinstance(result, VenueError):
            if isinstance(result, AuthenticationError):
                self._halt(str(result))
            return
        self._together.on_funds(result, now_ns)
        self._renew_in_doubt()

    def _renew_in_doubt(self) -> None:
        if self._together.take_doubt():
            self._outbox.close("renew: the stream and REST disagree, and a new snapshot shows who is right")

    # --- time ---------------------------------------------------------------------------------------------------------

    def on_timer(self, now_ns: int) -> None:
        """Time passed: silence, ping, token, comparison, holds, fills that waited long enough."""
        self._now_ns = now_ns
        self._together.give_up_waiting(now_ns)
        self.desk.on_timer(now_ns)
        codec = self._codec
        if codec is None:
            return
        silence_s = codec.limits.silence_s
        if now_ns - self.last_frame_ns >= silence_s * NANOSECONDS:
            self.last_frame_ns = now_ns
            self._outbox.close(f"silence: no frame for {silence_s:g} s")
            return
        if self._schedule.snapshots_are_late(now_ns):
            self._schedule.on_snapshots()
            self._outbox.close("the snapshots of the private channels did not come")
            return
        ping = self._schedule.take_ping(now_ns)
        if ping is not None and hasattr(codec, "ping"):
            self._outbox.send(codec.ping(ping))
        if self._schedule.take_refresh(now_ns) and hasattr(codec, "refresh"):
            self._outbox.run_flow(codec.refresh(), self._on_refreshed)
        if self.state is AccountState.DOWNLOADING and self._schedule.take_retry(now_ns):
            self._download()
        if self.state is AccountState.READY:
            if self._schedule.take_check(now_ns):
                self._compare()
            elif self._schedule.holds_are_due(now_ns, wanted=self.holdings.awaits_holds):
                self._ask_holds()

    def next_ns(self) -> int | None:
        """When `on_timer` has something to do; None: nothing planned."""
        hold_ns = int(self.settings.hold_s * NANOSECONDS)
        times = [order.held_ns + hold_ns for order in self.table.held if order.held_ns is not None]
        if self._codec is not None:
            times.append(self.last_frame_ns + int(self._codec.limits.silence_s * NANOSECONDS))
            times += self._schedule.times(ready=self.state is AccountState.READY, holds=self.holdings.awaits_holds)
        return min([*times, *self.desk.times()], default=None)

    def _on_refreshed(self, result: Sequence[bytes] | VenueError, now_ns: int) -> None:
        self._now_ns = now_ns
        if isinstance(result, AuthenticationError):
            self._halt(str(result))
        elif isinstance(result, VenueError):
            self._schedule.refresh_again(now_ns)
        else:
            self._schedule.on_refreshed(now_ns, self._codec)
            for frame in result:
                self._outbox.send(frame)

    # --- everything else ----------------------------------------------------------------------------------------------

    def _on_refused(self, answer: Refused, received_ns: int) -> None:
        if answer.fatal:
            self._halt(answer.text)
        else:
            self._outbox.close(f"refused: {answer.text}")

    def _on_reply(self, message: Reply, received_ns: int) -> None:
        self._outbox.send(message.frame)

    def _on_pong(self, message: Pong, received_ns: int) -> None:
        round_trip_ns = self._schedule.on_pong(message.request_id, self._now_ns)
        if round_trip_ns is not None:
            self.round_trip_ns = round_trip_ns
            self._outbox.publish_status(
                ExternalLatency(component=f"account.{self.account}", account=self.account, round_trip_ns=round_trip_ns)
            )

    def _on_unknown(self, message: Unknown | Throttled, received_ns: int) -> None:
        what = message.what if isinstance(message, Unknown) else "throttled by the venue"
        known = what in self.unknown or len(self.unknown) < UNKNOWN_NAMES_MAX
        self.unknown[what if known else "other"] += 1
