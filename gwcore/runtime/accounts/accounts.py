"""Accounts: all accounts of one gateway: keys, signers, what the journal knows of each, connections, the clock's offset."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec

from gwcore.engine.clients.access import Access
from gwcore.engine.gateway import GatewayMachine
from gwcore.engine.orders.defaults import OpenGuard
from gwcore.engine.orders.order import Reply
from gwcore.engine.orders.pace import OrderPacer
from gwcore.engine.orders.ports import OrderGuard, Requester
from gwcore.engine.publisher import Publisher
from gwcore.engine.reconnect import RollingBudget
from gwcore.errors import ConfigError, ProtocolError, VenueError
from gwcore.journal import Journal
from gwcore.model import ConnectionState, Event, MarketStatus, OrderRequest, TradingStatus
from gwcore.ports import Clock, Network, Random
from gwcore.rest import HttpFlow
from gwcore.runtime.accounts.connection import AccountConnection
from gwcore.runtime.accounts.fee_watch import FeeWatch
from gwcore.runtime.accounts.keys import Keys
from gwcore.runtime.accounts.signer import KeySigner
from gwcore.runtime.orders.paper import PaperRoom, PaperStreams
from gwcore.runtime.orders.parts import OrderJournal, OrderParts, OrdersFactory
from gwcore.runtime.venue.clock_offset import ClockSample, OffsetBounds, offset_bounds
from gwcore.runtime.venue.http import run_flow
from gwcore.secrets import resolve_secret
from gwcore.settings import GatewayConfig, SelectedAccount, UserSettings, Verb
from gwcore.venue import Account, Streams
from gwcore.wire import decode_envelope

T = TypeVar("T")

_log = logging.getLogger("gwcore.account")

#: Records of the journal read at once while an account is recalled.
RECALL_RECORDS = 10_000
#: Kinds of events that say what was told of an account.
RECALLED_KINDS = frozenset({"order_update", "trade_update", "download_begin", "order_ack"})
#: The venue's clock is asked this often, in so many questions at different places within its second.
CLOCK_CHECK_S, CLOCK_QUESTIONS, CLOCK_SPACING_S = 300.0, 4, 1.27
#: ... but not while it starts: what the accounts need to be Ready would wait for its turn behind these.
CLOCK_FIRST_S = 5.0
#: While an account's own stream is down, how the venue stands is asked this often.
STATUS_CHECK_S = 15.0
#: At the end the venue's dead-man timers must be off within this.
WIND_DOWN_S = 2.0
#: An offset above this is told as a status, since nonces, tokens and times of orders go by the clock.
CLOCK_WARN_NS = 1_000_000_000


class Accounts:
    """Implements `AccountHub`."""

    def __init__(
        self,
        config: GatewayConfig,
        *,
        streams: Streams,
        publisher: Publisher,
        machine: GatewayMachine,
        network: Network,
        clock: Clock,
        random: Random,
        keys: Keys,
        budget: RollingBudget,
        journal: OrderJournal,
        paper: PaperRoom | None = None,
        guard: OrderGuard | None = None,
    ) -> None:
        self._machine = machine
        make_orders = config.venue.spec.orders
        orders: OrdersFactory | None = None if make_orders is None else partial(make_orders, config.venue.settings)
        if paper is not None:
            streams, network, orders = PaperStreams(streams, paper), paper, paper.orders
        self._timer_news = asyncio.Event()
        self._notices: tuple[str, ...] = ()
        machine.hear_venue = self.on_venue_status
        self._takes_orders = orders is not None
        self._streams = streams
        self._network = network
        self._clock = clock
        self.parts = OrderParts(
            guard=guard or OpenGuard(),
            instruments=lambda: machine.instruments,
            journal=journal,
            pace=partial(OrderPacer, lambda at_ns: clock.now_ns() + at_ns - clock.monotonic_ns()),
        )
        self.offset: OffsetBounds | None = None  # the venue's clock minus ours, as last measured
        self.connections = [
            AccountConnection(
                Account(
                    name=selected.name,
                    signer=paper.signer() if paper is not None else _signer(selected, keys, clock),
                    options=selected.options,
                ),
                # On paper nothing is at stake.
                selected.settings if paper is None else msgspec.structs.replace(selected.settings, trading="live"),
                streams=streams,
                publisher=publisher,
                hub=self,
                network=network,
                clock=clock,
                random=random,
                healing=config.healing,
                budget=budget,
                orders=orders,
                parts=self.parts,
            )
            for selected in config.accounts
        ]

        masters = [each for each in self.connections if each.settings.master]
        #: Of the master account, where there is one.
        self.fees = FeeWatch(masters[0], streams, lambda: machine.instruments) if masters else None

    def recall(self, journal: Journal) -> None:
        """Read what was told of each account; before anything is published of it."""
        connections = {f"ex.{each.account.name}": each for each in self.connections}
        if not connections:
            return
        reader = journal.reader("ex", 0)
        while records := reader.read(RECALL_RECORDS, synced_only=False):
            for record in records:
                connection = connections.get(record.partition)
                if connection is not None and record.kind in RECALLED_KINDS:
                    event = decode_envelope(record.payload).event
                    connection.machine.recall(event)
                    connection.recall.recall(event, record.published_ns)
        for connection in self.connections:
            connection.recall.finish(self._clock.monotonic_ns())

    def start(self, spawn: Callable[[Coroutine[Any, Any, None], str], object]) -> None:
        """Run all connections."""
        for connection in self.connections:
            spawn(connection.run(), f"account {connection.account.name}")
        if self.fees is not None:
            spawn(self.fees.run(), "fees of the master account")
        if self.connections and hasattr(self._streams, "server_time"):
            spawn(self._watch_clock(), "clock of the venue")
        if self.connections and hasattr(self._streams, "venue_status"):
            spawn(self._watch_status(), "status of the venue")

    def stop(self, cause: str) -> None:
        """The gateway stops."""
        for connection in self.connections:
            connection.stop(cause)

    def on_synced(self) -> None:
        """More of the journal is durable."""
        for connection in self.connections:
            connection.on_synced()

    def on_journal(self, cause: str) -> None:
        """Records can't be made durable, or (empty) can again."""
        for connection in self.connections:
            connection.on_journal(cause)

    # --- OrderPort ----------------------------------------------------------------------------------------------------

    def submit(self, request: OrderRequest, requester: Requester, reply: Reply) -> None:
        """A client's request about orders; `reply` is for what can't become an event of an account.

        Raises ProtocolError where something here failed on it: what became of it is not known, and no refusal.
        """
        if not self._takes_orders:
            reply("unsupported", "this gateway takes no orders: its venue's plugin can't send any")
            return
        for connection in self.connections:
            if connection.account.name == request.account:
                try:
                    connection.submit(request, requester, reply)
                except Exception as error:  # one request, or its venue's plugin, is no reason to end for all
                    _log.exception("account %s: a request of %s failed", request.account, requester.user)
                    raise ProtocolError("the gateway failed on this request: see how the order stands") from error
                return
        reply("unknown_account", f"{request.account!r:.80} is no account of this gateway: see `gw accounts`")

    # --- the venue's dead-man timers ----------------------------------------------------------------------------------

    def on_venue_status(self, status: MarketStatus) -> None:
        """What a stream, of market data or of an account, says of the venue as a whole; the last word counts.

        A timer that is armed through maintenance cancels everything when it ends.
        """
        begins_ns = None
        if status.maintenance_ns is not None:
            begins_ns = self._clock.monotonic_ns() + status.maintenance_ns - self._clock.now_ns()
        notices = status.upcoming_maintenance
        if notices and notices != self._notices and begins_ns is None:
            _log.warning("the venue announced something without a time that can be read: %s", "; ".join(notices))
        self._notices = notices
        for connection in self.connections:
            connection.requests.timer.on_announced(begins_ns)
        self._hold_timers(status)

    def _hold_timers(self, status: MarketStatus) -> None:
        cause = "" if status.status is TradingStatus.ONLINE else f"the venue is {status.status.value}"
        for connection in self.connections:
            connection.requests.timer.on_venue(cause)
            connection.tick()

    async def _watch_status(self) -> None:
        """Ask by REST, for accounts whose timer lives on while their stream, which would tell, is down."""
        while True:
            await asyncio.sleep(STATUS_CHECK_S)
            if any(each.requests.timer.is_of_use and not each.machine.is_open for each in self.connections):
                status = await self._ask(self._streams.venue_status())  # type: ignore[attr-defined]
                if status is not None:
                    self._hold_timers(status)

    async def _ask(self, flow: HttpFlow[T]) -> T | None:
        """What the venue answers; None: nothing, or its plugin failed, which is no end of anything here."""
        try:
            return await run_flow(self._network, flow)
        except VenueError:
            return None
        except Exception:
            _log.exception("a call of the venue's plugin failed")
            return None

    async def wind_down(self) -> None:
        """Disarm the timers before the gateway stops; what can't be within WIND_DOWN_S runs out at the venue."""
        for connection in self.connections:
            connection.requests.timer.stop()
            connection.tick()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WIND_DOWN_S):
                while any(connection.requests.timer.may_be_armed for connection in self.connections):
                    self._timer_news.clear()
                    await self._timer_news.wait()
        for connection in self.connections:
            if connection.requests.timer.may_be_armed:
                _log.error(
                    "account %s: the venue's timer could not be disarmed and will cancel all its orders",
                    connection.account.name,
                )

    # --- AccountHub ---------------------------------------------------------------------------------------------------

    def on_account(self, account: str, state: ConnectionState, cause: str | None, *, halted: bool = False) -> None:
        """An account's connection came or went."""
        self._machine.on_component(f"account.{account}", state, cause)
        level = logging.ERROR if halted else logging.WARNING if state is ConnectionState.DISCONNECTED else logging.INFO
        _log.log(level, "account %s %s%s", account, state.value.lower(), f": {cause}" if cause else "")

    def on_cancel_timer(self, account: str, is_armed: bool, cause: str) -> None:
        """The venue's dead-man timer of an account was armed or disarmed, or ended."""
        state = ConnectionState.CONNECTED if is_armed else ConnectionState.DISCONNECTED
        self._machine.on_component(f"account.{account}.cancel_timer", state, cause)
        _log.info("account %s: the venue's timer is %s: %s", account, "armed" if is_armed else "not armed", cause)
        self._timer_news.set()

    def publish_status(self, event: Event) -> None:
        """Publish in partition `st`."""
        self._machine.publish_status(event)

    # --- the clock ----------------------------------------------------------------------------------------------------

    async def _watch_clock(self) -> None:
        """Measure and tell; nothing here is ever corrected by it."""
        was_off = False
        await asyncio.sleep(CLOCK_FIRST_S)
        while True:
            samples = []
            for _ in range(CLOCK_QUESTIONS):
                sent_ns = self._clock.now_ns()
                answer = await self._ask(self._streams.server_time())  # type: ignore[attr-defined]
                if answer is None:
                    continue
                samples.append(ClockSample(sent_ns, self._clock.now_ns(), answer))
                await asyncio.sleep(CLOCK_SPACING_S)
            bounds = offset_bounds(samples)
            if bounds is not None and bounds.low_ns <= bounds.high_ns:
                self.offset = bounds
                is_off = bounds.low_ns > CLOCK_WARN_NS or bounds.high_ns < -CLOCK_WARN_NS
                if is_off or was_off:
                    detail = (
                        f"the venue's clock is {bounds.low_ns / 1e9:+.3f} to {bounds.high_ns / 1e9:+.3f} s from ours"
                    )
                    self._machine.on_component("clock", ConnectionState.CONNECTED, None, detail)
                    _log.log(logging.WARNING if is_off else logging.INFO, "%s", detail)
                was_off = is_off
            await asyncio.sleep(CLOCK_CHECK_S)


def _signer(selected: SelectedAccount, keys: Keys, clock: Clock) -> KeySigner:
    settings = selected.settings
    if settings.secret.startswith("env:"):
        _log.warning("account %s: a secret in the environment is seen by every process of this user", selected.name)
    key = resolve_secret(settings.key)
    return KeySigner(
        key,
        resolve_secret(settings.secret),
        keys.take(key.reveal(), selected.name),
        clock,
        resolve_secret(settings.passphrase) if settings.passphrase is not None else None,
    )


def access_of(config: GatewayConfig) -> Access:
    """Who may what. Raises ConfigError where a token can't be read, or two users have the same."""
    tokens: Mapping[str, Any] = {
        name: resolve_secret(user.token) for name, user in config.users.items() if user.token is not None
    }
    values = [token.reveal() for token in tokens.values()]
    if len(set(values)) != len(values):
        raise ConfigError("two users have the same token", place="user", hint="give each one of his own")
    owner = f"uid:{os.getuid()}" if config.clients.owner_is_operator else ""
    users = config.users
    if config.paper.enabled and not users:
        # It is nobody's money: whoever started the gateway may do everything with it.
        everything: tuple[Verb, ...] = ("md", "read", "create", "modify", "cancel", "admin")
        users = {"paper": UserSettings(uids=(os.getuid(),), accounts=("*",), verbs=everything, drop_copy=True)}
    return Access(users, tokens, open_market_data=config.clients.open_market_data, owner=owner)
