"""Operations: what `gw ctl` has a gateway do with its streams, clients and logs, as actions of `controls`."""

from __future__ import annotations

from typing import Literal

import msgspec

from gwcore.engine.clients.access import BUS
from gwcore.engine.clients.control import Operator
from gwcore.engine.market.renewal_asked import Renewed, renew_symbol
from gwcore.errors import GatewayError
from gwcore.runtime.app import Gateway
from gwcore.runtime.control.controls import Action, Answer
from gwcore.runtime.observability.logs import set_level
from gwcore.suggest import did_you_mean


class SymbolArguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of an action about one symbol."""

    symbol: str


class ClientArguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of an action about one client: the id that `gw status` shows and its welcome told it."""

    client: str


class LevelArguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `log_level`."""

    level: Literal["debug", "info", "warning", "error"]


class Operations:
    """Actions on one gateway; `add` offers them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def add(self) -> None:
        """Offer all of them."""
        controls = self._gateway.controls
        controls.add("resubscribe", Action(verb="admin", arguments=SymbolArguments, run=self.resubscribe))
        controls.add("client_cut", Action(verb="admin", arguments=ClientArguments, run=self.cut, in_turn=False))
        controls.add("log_level", Action(verb="admin", arguments=LevelArguments, run=self.log_level, in_turn=False))

    async def resubscribe(self, asked: SymbolArguments, operator: Operator) -> Answer:
        """Subscribe all streams of a symbol anew. Raises GatewayError for a symbol that is not subscribed."""
        gateway = self._gateway
        now_ns = gateway.ports.clock.monotonic_ns()
        total = Renewed()
        for machine in gateway.machine.machines:
            found = renew_symbol(machine, asked.symbol, operator.name, now_ns)
            total = Renewed(*(one + other for one, other in zip(total, found, strict=True)))
        if not total.total:
            known = did_you_mean(asked.symbol, gateway.machine.instruments, what="symbols")
            raise GatewayError(f"{asked.symbol} is not subscribed by this gateway ({known})")
        gateway.hub.rearm()
        parts = [f"{total.renewed} streams of {asked.symbol} are subscribed anew"]
        if total.under_way:
            parts.append(f"{total.under_way} were on their way already")
        if total.offline:
            parts.append(f"{total.offline} wait for their connection to come back")
        return Answer("; ".join(parts), total._asdict())

    async def cut(self, asked: ClientArguments, operator: Operator) -> Answer:
        """Close one client's connection. Raises GatewayError for one that is not there."""
        sessions = {session.client_id: session for session in self._gateway.fanout.sessions}
        session = sessions.get(asked.client)
        if session is None:
            raise GatewayError(f"no client is called {asked.client}: `gw status` lists them")
        if session.client.identity == BUS:
            raise GatewayError(f"{asked.client} is the NATS transport itself: stop a client at the NATS server")
        self._gateway.fanout.count_cut("operator")
        session.end(f"cut by the operator {operator.name}")
        return Answer(f"{asked.client} ({session.client.name or session.client.identity}) is cut")

    async def log_level(self, asked: LevelArguments, operator: Operator) -> Answer:
        """Write logs from this level on."""
        before = set_level(asked.level)
        return Answer(f"the log level is {asked.level}; it was {before}", {"level": asked.level, "before": before})
