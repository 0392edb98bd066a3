"""OrderSafety: what stands between clients and the venue's money in one gateway: guard, halts, policies."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from gwcore.book import OrderBook
from gwcore.engine.clients.fanout import Fanout
from gwcore.engine.clients.state import CurrentState
from gwcore.engine.gateway import GatewayMachine
from gwcore.engine.orders.guard import MarketGuard
from gwcore.model import Control, TradingStatus
from gwcore.ports import Clock, Storage
from gwcore.runtime.accounts.connection import AccountConnection
from gwcore.runtime.control.controls import Controls
from gwcore.runtime.orders.halts import Known, OrderHalts, load_halts
from gwcore.runtime.orders.policies import OrderPolicies
from gwcore.settings import GatewayConfig

_log = logging.getLogger("gwcore.account")


class SafetyPorts(Protocol):
    """What it reaches for (`runtime.app.Ports`)."""

    @property
    def storage(self) -> Storage:
        """The state directory."""
        ...

    @property
    def clock(self) -> Clock:
        """Time."""
        ...


class Market:
    """Implements `MarketView` over the gateway's own market data."""

    def __init__(self, machine: GatewayMachine, state: CurrentState) -> None:
        self._machine = machine
        self._state = state

    def status(self, symbol: str | None) -> TradingStatus:
        """Of one market; None: of the venue. What is not traded here is the business of others."""
        if symbol is None:
            return self._machine.venue_status
        instrument = self._machine.instruments.get(symbol)
        return TradingStatus.UNKNOWN if instrument is None else instrument.status

    def live_book(self, symbol: str) -> OrderBook | None:
        """The book; None where it is not LIVE."""
        return self._state.live_book(symbol)


class OrderSafety:
    """Of one gateway. `bind` completes it: the accounts need the guard, and the policies the accounts."""

    def __init__(self, config: GatewayConfig, ports: SafetyPorts, machine: GatewayMachine, state: CurrentState) -> None:
        self._config = config
        self._ports = ports
        self._machine = machine
        self.halts = load_halts(ports.storage, ports.clock.now_ns())
        self.guard = MarketGuard(config.users, Market(machine, state), self.halts, self._on_ban)
        self.policies: OrderPolicies | None = None

    def bind(
        self,
        connections: Sequence[AccountConnection],
        fanout: Fanout,
        controls: Controls,
        on_reload: list[Callable[[GatewayConfig], Sequence[str]]],
    ) -> None:
        """Give it what it acts on."""
        self.policies = OrderPolicies(connections, self._config.users)
        fanout.presence = self.policies
        names = [connection.account.name for connection in connections]

        def known() -> Known:
            return Known(self._users(), names, self._machine.instruments)

        OrderHalts(self.halts, self._ports.storage, self._ports.clock, self.policies.cancel_halted, known).add(controls)
        on_reload.append(self._on_reload)
        for connection in connections:
            if connection.settings.trading == "live":
                self._say_live(connection.account.name, fanout.identity.host)
        for halt in self.halts:
            _log.warning("%s is halted: %s", halt.words(), halt.reason)

    def _users(self) -> Collection[str]:
        """Names of who may trade; on paper without users it is one, made by the gateway (`runtime.accounts.access_of`)."""
        return self._config.users or (("paper",) if self._config.paper.enabled else ())

    def _say_live(self, account: str, host: str) -> None:
        if self._config.paper.enabled:
            _log.warning("account %s trades ON PAPER: nothing goes to the venue", account)
        else:
            env = self._config.gateway.env
            _log.warning(
                "account %s trades LIVE at %s (env %s): orders are real where that host is", account, host, env
            )

    async def on_shutdown(self) -> None:
        """The gateway stops; clients and the venue are still there."""
        if self.policies is not None:
            await self.policies.on_shutdown()

    def _on_reload(self, config: GatewayConfig) -> Sequence[str]:
        """Users' limits are those of the new configuration."""
        if config.users == self._config.users:
            return ()
        self._config = config
        self.guard.set_users(config.users)
        if self.policies is not None:
            self.policies.users = config.users
        return ()  # who changes users says so already

    def _on_ban(self, user: str, seconds: float) -> None:
        detail = f"asked too often, again and again: only cancels pass for {seconds:g} s"
        self._machine.publish_status(Control(action="ban", user=user, allowed=False, detail=detail))
