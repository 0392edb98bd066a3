"""Reload: read the configuration anew, and take from it what can change while the gateway runs: symbols, users, limits.

A configuration with a fault changes nothing. What differs and can't be taken is named: nobody shall believe it in force.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from gwcore.engine.clients.control import Operator
from gwcore.engine.market.choice import GLOBS_MAX, Globs
from gwcore.errors import ConfigError, GatewayError
from gwcore.runtime.accounts.accounts import access_of
from gwcore.runtime.app import Gateway
from gwcore.runtime.control.controls import Action, Answer
from gwcore.runtime.observability.logs import set_level
from gwcore.settings import GatewayConfig

#: Reads the configuration from where the running one came from. Blocks; raises ConfigError.
ReadConfig: TypeAlias = Callable[[], GatewayConfig]

#: Settings of [gateway] and [clients] that are taken while the gateway runs.
TAKEN = {
    "gateway": frozenset({"symbols", "exclude", "log_level"}),
    "clients": frozenset(
        {"clients_max", "buffer_bytes_max", "subscriptions_max", "open_market_data", "owner_is_operator"}
    ),
}
#: Tables of which nothing is.
FIXED = ("healing", "journal", "capture", "runtime", "detection")
#: Symbols named in an answer; the rest is counted.
NAMED_MAX = 10


class GlobArguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of an action about symbols: globs as in `gateway.symbols`."""

    globs: tuple[str, ...]


class Reload:
    """The actions `reload`, `symbols_add` and `symbols_remove` of one gateway. `read`: None where there is none."""

    def __init__(self, gateway: Gateway, read: ReadConfig | None, offload: Callable[..., Awaitable[Any]]) -> None:
        self._gateway = gateway
        self._read = read
        self._offload = offload
        self.on_reload: Callable[[bool], None] = lambda begins: None  # called as one begins (True) and has ended

    def add(self) -> None:
        """Offer them."""
        controls = self._gateway.controls
        controls.add("reload", Action(verb="admin", run=self.reload))
        controls.add("symbols_add", Action(verb="admin", arguments=GlobArguments, run=self.add_symbols))
        controls.add("symbols_remove", Action(verb="admin", arguments=GlobArguments, run=self.remove_symbols))

    # --- symbols ------------------------------------------------------------------------------------------------------

    async def add_symbols(self, asked: GlobArguments, operator: Operator) -> Answer:
        """Subscribe what globs match, too. Raises GatewayError where they match nothing the venue has."""
        choice = self._gateway.machine.choice
        self._check_globs(asked.globs, operator)
        for glob in asked.globs:
            if not choice.wanted_by(Globs((glob,))):
                raise GatewayError(
                    f"no symbol of the venue's {len(choice.offered)} matches {glob!r}: names look like BTC/USD"
                )
        return self._choose(choice.globs.adding(asked.globs))

    async def remove_symbols(self, asked: GlobArguments, operator: Operator) -> Answer:
        """Leave what globs match. Raises GatewayError where none of it is subscribed, or nothing would be left."""
        gateway = self._gateway
        self._check_globs(asked.globs, operator)
        globs = gateway.machine.choice.globs.removing(asked.globs)
        wanted = gateway.machine.choice.wanted_by(globs)
        if wanted.keys() == gateway.machine.instruments.keys():
            raise GatewayError(
                f"nothing that is subscribed matches {' '.join(asked.globs)}: `gw symbols` lists what is"
            )
        if not wanted:
            raise GatewayError("no symbol would be left: stop the gateway instead")
        return self._choose(globs)

    def _check_globs(self, globs: Sequence[str], operator: Operator) -> None:
        choice = self._gateway.machine.choice
        if not choice.offered:
            raise GatewayError("the venue has not told its instruments yet: ask again when it has")
        if not globs or not all(globs):
            raise GatewayError("no glob is given: BTC/* or ETH/USD, say")
        if len(choice.globs.symbols) + len(choice.globs.exclude) + len(globs) > GLOBS_MAX:
            raise GatewayError(
                f"more than {GLOBS_MAX} globs of symbols: `gw ctl reload` goes back to the configuration's"
            )
        for glob in globs:
            if not operator.grant.covers_symbols(glob, choice.offered):
                raise GatewayError(f"{glob} matches symbols that are not granted to {operator.name}")

    def _choose(self, globs: Globs) -> Answer:
        gateway, clock = self._gateway, self._gateway.ports.clock
        added, left = gateway.machine.choose(globs, clock.now_ns(), clock.monotonic_ns())
        gateway.hub.rearm()
        parts = [f"{what} {_named(symbols)}" for what, symbols in (("added", added), ("left", left)) if symbols]
        count = len(gateway.machine.instruments)
        text = f"{'; '.join(parts) or 'no symbol changed'}; {count} symbols are subscribed"
        return Answer(text, {"added": added, "left": left, "symbols": count})

    # --- reload -------------------------------------------------------------------------------------------------------

    async def reload(self, asked: object, operator: Operator) -> Answer:
        """Take what the configuration says now. Raises GatewayError, and nothing was changed, where that has a fault."""
        self.on_reload(True)
        try:
            return await self._reload()
        finally:
            self.on_reload(False)

    async def _reload(self) -> Answer:
        if self._read is None:
            raise GatewayError("this gateway was started without a configuration that could be read again")
        if not self._gateway.machine.choice.offered:
            raise GatewayError("the venue has not told its instruments yet: ask again when it has")
        config: GatewayConfig = await self._offload(self._read)
        access = access_of(config)
        globs = Globs(tuple(config.gateway.symbols), tuple(config.gateway.exclude))
        if not self._gateway.machine.choice.wanted_by(globs):
            text = " ".join(globs.symbols)
            raise ConfigError(
                f"no symbol of the venue matches {text!r}", place="gateway.symbols", hint="`gw symbols` lists them"
            )
        before = self._gateway.config
        self._gateway.config = in_force(before, config)
        chosen = self._choose(globs)
        parts, result = [chosen.text], dict(chosen.result)
        self._gateway.fanout.settings = self._gateway.config.clients
        clients = self._gateway.fanout.regrant(access)
        if config.users != before.users:
            parts.append(f"users changed, which is news for {clients} clients")
        if config.gateway.log_level != before.gateway.log_level:
            set_level(config.gateway.log_level)
            parts.append(f"the log level is {config.gateway.log_level}")
        changed = sorted(_differing(before.clients, config.clients) & TAKEN["clients"])
        parts += [f"clients.{name} is {getattr(config.clients, name)}" for name in changed]
        for listener in self._gateway.on_reload:
            parts += listener(config)
        waiting = result["waiting"] = waiting_settings(before, config)
        if waiting:
            parts.append(f"NOT in force before a restart: {', '.join(waiting)}")
        return Answer("; ".join(parts), result)

    def on_signal(self) -> None:
        """SIGHUP asks for a reload, as an operator by the name of the signal does."""
        self._gateway.controls.request("reload", "SIGHUP")


def in_force(before: GatewayConfig, after: GatewayConfig) -> GatewayConfig:
    """What holds once `after` was read: of it what can be taken, of the rest what held before."""
    taken = {
        table: msgspec.structs.replace(
            getattr(before, table), **{name: getattr(getattr(after, table), name) for name in names}
        )
        for table, names in TAKEN.items()
    }
    return dataclasses.replace(before, users=after.users, gateway=taken["gateway"], clients=taken["clients"])


def waiting_settings(before: GatewayConfig, after: GatewayConfig) -> list[str]:
    """Settings that differ and are not taken while the gateway runs, by their paths."""
    found = []
    for table in ("gateway", "clients"):
        differing = _differing(getattr(before, table), getattr(after, table))
        found += [f"{table}.{name}" for name in sorted(differing - TAKEN[table])]
    for table in FIXED:
        found += [f"{table}.{name}" for name in sorted(_differing(getattr(before, table), getattr(after, table)))]
    if before.venue.spec.name != after.venue.spec.name or before.venue.settings != after.venue.settings:
        found.append(f"venue.{after.venue.spec.name}")
    for kind, ours, theirs in (("transport", before.transports, after.transports), ("sink", before.sinks, after.sinks)):
        known = {each.spec.name: each.settings for each in ours}
        found += [f"{kind}.{each.spec.name}" for each in theirs if known.get(each.spec.name) != each.settings]
    accounts = {each.name: each for each in before.accounts}
    found += [f"account.{each.name}" for each in after.accounts if accounts.pop(each.name, None) != each]
    return found + [f"account.{name}" for name in accounts]


def _differing(before: msgspec.Struct, after: msgspec.Struct) -> set[str]:
    return {name for name in before.__struct_fields__ if getattr(before, name) != getattr(after, name)}


def _named(symbols: Sequence[str]) -> str:
    more = f" and {len(symbols) - NAMED_MAX} more" if len(symbols) > NAMED_MAX else ""
    return f"{' '.join(symbols[:NAMED_MAX])}{more}"
