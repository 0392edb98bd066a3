"""AccountConnection: keeps one account's private connection up and drives its machine. The outbox of that machine.

What goes wrong here ends, at worst, this account: a bad or revoked key halts it, and market data goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import TypeVar

from gwcore.engine.accounts.account import AccountMachine
from gwcore.engine.accounts.fills import FillMemory
from gwcore.engine.orders.order import Reply
from gwcore.engine.orders.ports import Requester
from gwcore.engine.orders.recall import OrderRecall
from gwcore.engine.orders.requests import OrderRequests
from gwcore.engine.publisher import Publisher
from gwcore.engine.reconnect import Backoff, RollingBudget
from gwcore.errors import AuthenticationError, ConfigError, GatewayError, VenueError, VenueUnavailable
from gwcore.model import ConnectionState, Event, OrderRequest, RateLimitsUpdate
from gwcore.ports import Clock, Connection, Network, Random
from gwcore.rest import HttpFlow
from gwcore.runtime.accounts.hub import AccountHub
from gwcore.runtime.accounts.rest import AccountRest
from gwcore.runtime.beat import ATTEMPT_S, Beat
from gwcore.runtime.orders.parts import OrderParts, OrdersFactory
from gwcore.runtime.wake import Wake
from gwcore.settings import AccountSettings, HealingSettings
from gwcore.venue import Account, AccountCodec, Frame, Streams

#: Frames that came before the machine was told of the connection; more than this is no exchange.
EARLY_FRAMES_MAX = 10_000
T = TypeVar("T")

_log = logging.getLogger("gwcore.account")


class AccountConnection:
    """One account over all its connections. Implements `AccountOutbox` and `ConnectionListener`."""

    def __init__(
        self,
        account: Account,
        settings: AccountSettings,
        *,
        streams: Streams,
        publisher: Publisher,
        hub: AccountHub,
        network: Network,
        clock: Clock,
        random: Random,
        healing: HealingSettings,
        budget: RollingBudget,
        orders: OrdersFactory | None = None,
        parts: OrderParts | None = None,
    ) -> None:
        parts = parts or OrderParts()
        self.account = account
        self.settings = settings
        self._streams = streams
        self._hub = hub
        self._clock = clock
        self._budget = budget
        self._publisher = publisher
        self._partition = publisher.partition(f"ex.{account.name}")
        self._loop = asyncio.get_running_loop()
        self._backoff = Backoff(
            random,
            first_s=healing.reconnect_first_s,
            max_s=healing.reconnect_max_s,
            held_s=healing.reconnect_held_s,
        )
        self.rest = AccountRest(network, clock)
        self.machine = AccountMachine(account.name, settings, self, random, FillMemory(), parts.pace())
        self.machine.hear_venue = hub.on_venue_status
        self._make_orders = orders
        parts.view.add(self.machine.own)
        self.requests = OrderRequests(
            self.machine.desk,
            self,
            parts.ids,
            parts.guard,
            parts.instruments,
            view=parts.view,
            trading=settings.trading,
            cancel_after_s=settings.cancel_after_s,
            tell_timer=partial(hub.on_cancel_timer, account.name),
        )
        self.recall = OrderRecall(self.machine.desk, parts.ids)
        self._journal = parts.journal
        self._dropped = parts.journal.dropped_of("ex")
        self._barriers: deque[tuple[int, Callable[[int], None]]] = deque()
        if orders is not None:
            self.machine.desk.sender.rest = orders(account, None)
        self._connection: Connection | None = None
        self._closed: asyncio.Future[str] | None = None
        self._codec: AccountCodec | None = None
        self._login: Generator[Frame, Frame, None] | None = None
        self._early: list[tuple[bytes, int]] | None = None
        self._wake = Wake(clock, self._on_timer)
        self.connects = 0
        self._flows: set[asyncio.Task[None]] = set()
        self._requests: set[asyncio.Task[None]] = set()  # flows about orders, which outlive a connection
        self._halt_cause = ""
        self._is_stopped = False
        self.beat = Beat(self._loop.time)  # of `run`, while it does not wait for the venue
        self.token_ns: int | None = None  # monotonic, when what the connection stands on (a token, say) was got
        self.rights: tuple[str, ...] | None = None

    @property
    def halt_cause(self) -> str:
        """Why it ended until the operator acts; empty: it did not."""
        return self._halt_cause

    @property
    def is_halted(self) -> bool:
        """Whether this account ended until the operator acts."""
        return bool(self._halt_cause)

    # --- life ---------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read the key's rights, then connect, serve, reconnect, until cancelled or halted."""
        try:
            await self._guarded(self._check_rights)
            while not self._halt_cause:
                cause = await self._guarded(self._once)
                if self._halt_cause:
                    break
                self._hub.on_account(self.account.name, ConnectionState.DISCONNECTED, cause)
                await self.beat.sleep(self._backoff.on_failure(self._clock.monotonic_ns()))
        finally:
            self._end()
        self.machine.desk.sender.on_halt(self._halt_cause, self._clock.monotonic_ns())
        self._hub.on_account(self.account.name, ConnectionState.DISCONNECTED, self._halt_cause, halted=True)

    def _end(self) -> None:
        self.beat.rest()
        self._is_stopped = True
        for task in (*self._flows, *self._requests):
            task.cancel()
        self.rest.close()
        self._wake.cancel()
        if self._connection is not None:
            self._connection.close("the account stops")
            self._connection = None

    async def _check_rights(self) -> None:
        codec = self._streams.account(self.account)
        self.rest.limit(codec.limits)
        while not self._halt_cause:
            self.beat.within(ATTEMPT_S)
            try:
                rights = await self.rest.run(codec.rights())
            except VenueUnavailable as error:
                self._hub.on_account(self.account.name, ConnectionState.DISCONNECTED, str(error))
                delay_s = self._backoff.on_failure(self._clock.monotonic_ns())
                await self.beat.sleep(max(delay_s, error.retry_after_s or 0.0))
            except AuthenticationError as error:
                self.halt(str(error))
            except GatewayError as error:
                if not self.settings.allow_withdraw_key:
                    self.halt(f"the key's rights can't be read, and it may be one that withdraws: {error}")
                return
            else:
                self.rights = rights.names
                if rights.may_withdraw and not self.settings.allow_withdraw_key:
                    self.halt("the key may withdraw: make one without that right, or set allow_withdraw_key")
                return

    async def _guarded(self, step: Callable[[], Awaitable[str | None]]) -> str | None:
        """A step, whatever the venue's plugin does: it ends the connection; before the first, the account."""
        try:
            return await step()
        except ConfigError:
            raise
        except Exception as error:  # a plugin with a bug is one bad account, not the end of the gateway
            _log.exception("account %s: the venue's plugin failed", self.account.name)
            cause = f"the venue's plugin failed: {type(error).__name__}: {error}"
            end = self.close if self.connects else self.halt
            end(cause)
            return cause

    async def _once(self) -> str:
        """One connection from start to end; returns why it ended."""
        while (wait_s := self._budget.wait_s(self._clock.monotonic_ns())) > 0:
            await self.beat.sleep(wait_s)
        self.beat.within(ATTEMPT_S)
        self._budget.spend(self._clock.monotonic_ns())
        self.connects += 1
        self._hub.on_account(self.account.name, ConnectionState.CONNECTING, None)
        codec = self._codec = self._streams.account(self.account)
        self.rest.limit(codec.limits)
        self._closed = self._loop.create_future()
        self._early = []
        try:
            endpoint = await self.rest.run(codec.endpoint())
            self.token_ns = self._clock.monotonic_ns()
            self._connection = await self.rest.connect(endpoint, self)
        except AuthenticationError as error:
            self.halt(str(error))
            return str(error)
        except VenueUnavailable as error:
            if error.retry_after_s:
                await self.beat.sleep(error.retry_after_s)
            return str(error)
        except VenueError as error:
            return str(error)
        self._backoff.on_open(self._clock.monotonic_ns())
        self._login = codec.login()
        self._log_in(None)
        if endpoint.max_age_s is not None:
            self._loop.call_later(endpoint.max_age_s, self._too_old, self._connection)
        self.beat.rest()
        return await self._closed

    def _too_old(self, connection: Connection) -> None:
        if connection is self._connection:
            self.close("the venue closes connections of this age: renewed ahead of it")

    def _log_in(self, frame: bytes | None) -> None:
        assert self._login is not None
        try:
            answer = next(self._login) if frame is None else self._login.send(frame)
        except StopIteration:
            self._login = None
            self._logged_in()
            return
        except Exception as error:  # whatever it is, it ends this connection, or this account, alone
            self._login = None  # it is over: what comes before the close is no answer to it
            end = self.halt if isinstance(error, AuthenticationError) else self.close
            end(f"the login failed: {error}")
            return
        if answer and self._connection is not None:
            self._connection.send(answer)

    def _logged_in(self) -> None:
        assert self._codec is not None
        self._hub.on_account(self.account.name, ConnectionState.CONNECTED, None)
        orders = None if self._make_orders is None else self._make_orders(self.account, self._codec)
        self.machine.on_open(self._codec, self._clock.monotonic_ns(), orders)
        early, self._early = self._early or [], None
        for frame, received_ns in early:
            self.on_frame(frame, received_ns)
        self._arm()

    # --- orders -------------------------------------------------------------------------------------------------------

    def submit(self, request: OrderRequest, requester: Requester, reply: Reply) -> None:
        """A client asks for something about orders."""
        self.requests.submit(request, requester, reply, self._clock.monotonic_ns())
        self._arm()

    def tick(self) -> None:
        """Something changed that the orders' timers go by."""
        self.machine.desk.on_timer(self._clock.monotonic_ns())
        self._arm()

    def on_synced(self) -> None:
        """More is durable: what waited for it leaves."""
        if self._barriers:
            synced = self._journal.synced_position("ex")
            while self._barriers and self._barriers[0][0] <= synced:
                self._barriers.popleft()[1](self._clock.monotonic_ns())
            self._arm()

    def on_journal(self, cause: str) -> None:
        """Records can't be made durable, or (empty) can again."""
        self.machine.desk.sender.on_journal(cause, self._clock.monotonic_ns())
        self._arm()

    def barrier(self, callback: Callable[[int], None]) -> None:
        """Call back once all that was published of the account is durable; what the journal dropped never will be."""
        dropped = self._journal.dropped_of("ex")
        if dropped > self._dropped:
            self._dropped = dropped
            self._loop.call_soon(self.on_journal, "the journal can't take more")
            return
        self._barriers.append((self._journal.last_position("ex"), callback))

    def journal_failed(self) -> str:
        """Why nothing of accounts is being made durable; empty: all is well."""
        return self._journal.failed_of("ex")

    def run_request(self, flow: HttpFlow[T], done: Callable[[T | VenueError, int], None]) -> None:
        """Run a flow, connected or not, as long as the account lives."""
        task = self._loop.create_task(self._run_flow(flow, done))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    # --- ConnectionListener -------------------------------------------------------------------------------------------

    def on_frame(self, frame: bytes, received_ns: int) -> None:
        """One message of the venue."""
        if self._early is not None:
            if len(self._early) < EARLY_FRAMES_MAX:
                self._early.append((frame, received_ns))
            if self._login is not None and self._connection is not None:
                self._log_in(frame)
            return
        if self.machine.is_open:
            self.machine.on_frame(frame, received_ns, self._clock.monotonic_ns())

    def on_burst_end(self) -> None:
        """No more frames at hand."""
        if self._early is None:
            self._arm()

    def on_close(self, cause: str) -> None:
        """The connection is gone."""
        self._connection = None
        self._login = None
        self._drop_flows()
        if self.machine.is_open:
            self.machine.on_close(cause, self._clock.monotonic_ns())
        self._arm()
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(cause)

    def stop(self, cause: str) -> None:
        """The gateway stops."""
        self._is_stopped = True
        self.on_close(cause)
        self._end()  # once more where it was halted: flows about orders have begun since

    # --- time ---------------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        self._wake.at(None if self._is_stopped else self.machine.next_ns())

    def _on_timer(self) -> None:
        self.machine.on_timer(self._clock.monotonic_ns())
        self._arm()

    # --- AccountOutbox ------------------------------------------------------------------------------------------------

    def publish(self, event: Event, received_ns: int | None = None) -> None:
        """Publish on the account's partition."""
        self._publisher.publish(self._partition, event, received_ns)

    def publish_status(self, event: Event) -> None:
        """Publish in partition `st`."""
        self._hub.publish_status(event)

    def send(self, frame: Frame) -> None:
        """Send on this connection."""
        if self._connection is not None:
            self._connection.send(frame)

    def close(self, reason: str) -> None:
        """End this connection; on_close comes from the loop, never from inside a machine's call."""
        if self._connection is not None:
            self._loop.call_soon(self._connection.close, reason)

    def halt(self, cause: str) -> None:
        """End this account."""
        self._halt_cause = self._halt_cause or f"halted: {cause}"
        self.close(self._halt_cause)

    def wall_ns(self) -> int:
        """The wall clock."""
        return self._clock.now_ns()

    def run_flow(self, flow: HttpFlow[T], done: Callable[[T | VenueError, int], None]) -> None:
        """Run a flow as long as this connection lasts."""
        task = self._loop.create_task(self._run_flow(flow, done))
        self._flows.add(task)
        task.add_done_callback(self._flows.discard)

    async def _run_flow(self, flow: HttpFlow[T], done: Callable[[T | VenueError, int], None]) -> None:
        result: T | VenueError
        try:
            result = await self.rest.run(flow)
        except VenueError as error:
            result = error
        done(result, self._clock.monotonic_ns())
        self._tell_counter()
        self._arm()

    def _tell_counter(self) -> None:
        if self._codec is not None and (counter := self.rest.take_news()) is not None:
            self.publish(RateLimitsUpdate(account=self.account.name, limits=(counter,)))

    def _drop_flows(self) -> None:
        for task in self._flows:
            task.cancel()
