"""OrderHalts: `gw halt` and `gw resume` as actions of a gateway, in force over restarts.

What can't be read is not guessed at: then everything is halted, with the reason, until an operator resumes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

import msgspec

from gwcore.engine.clients.control import Operator
from gwcore.engine.orders.halts import HALTS_MAX, Halt, Halts
from gwcore.errors import GatewayError, StorageError
from gwcore.ports import Clock, Storage
from gwcore.runtime.control.controls import Action, Answer, Controls, Question
from gwcore.suggest import did_you_mean

_log = logging.getLogger("gwcore.account")

FILE: Final = "halts.json"
_decoder = msgspec.json.Decoder(tuple[Halt, ...])


class HaltArguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to halt: a part that is not set stands for all. `cancel`: also cancel the orders that it is for."""

    reason: str
    user: str | None = None
    account: str | None = None
    symbol: str | None = None
    cancel: bool = False


class ScopeArguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to resume: just the halt of this scope; nothing set: every halt."""

    user: str | None = None
    account: str | None = None
    symbol: str | None = None


def load_halts(storage: Storage, now_ns: int) -> Halts:
    """The halts that were in force when the gateway ended."""
    try:
        if not storage.exists(FILE):
            return Halts()
        return Halts(_decoder.decode(storage.read(FILE)))
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError, StorageError) as error:
        reason = f"{FILE} in the state directory can't be read"
        _log.error("%s (%s): everything is halted until `gw resume`", reason, error)
        return Halts((Halt(reason=reason, by="gateway", since_ns=now_ns),))


class Known(NamedTuple):
    """Names that a halt may be for, as they are now."""

    users: Collection[str]
    accounts: Collection[str]
    symbols: Collection[str]


def _choices(what: str, name: str, names: Collection[str]) -> str:
    return did_you_mean(name, names) or f"no {what} is configured"


class OrderHalts:
    """Keeps `halts` in `storage`, and offers the actions. `cancel` cancels open orders and says how many it asked for.

    `known()`: what there is to halt.
    """

    def __init__(
        self, halts: Halts, storage: Storage, clock: Clock, cancel: Callable[[Halt], int], known: Callable[[], Known]
    ) -> None:
        self._halts = halts
        self._storage = storage
        self._clock = clock
        self._cancel = cancel
        self._known = known

    def add(self, controls: Controls) -> None:
        """Offer them."""
        controls.add("halt", Action(verb="admin", arguments=HaltArguments, run=self.halt, in_turn=False))
        controls.add("resume", Action(verb="admin", arguments=ScopeArguments, run=self.resume, in_turn=False))
        controls.add("halts", Question(answer=self.list, verb="read"))

    async def halt(self, asked: HaltArguments, operator: Operator) -> Answer:
        """Stop new orders and changes. In force at once, durable before it is answered. Raises GatewayError.

        A user or an account that is not there is refused: who mistypes a name in a hurry must not believe it halted.
        """
        known = self._known()
        for what, name, names in (("user", asked.user, known.users), ("account", asked.account, known.accounts)):
            if name is not None and name not in names:
                raise GatewayError(
                    f"nothing was halted: there is no {what} {name!r:.80}; {_choices(what, name, names)}"
                )
        halt = Halt(
            user=asked.user,
            account=asked.account,
            symbol=asked.symbol,
            reason=asked.reason,
            by=operator.name,
            since_ns=self._clock.now_ns(),
        )
        if not self._halts.add(halt):
            raise GatewayError(f"{HALTS_MAX} halts are in force: resume some first")
        cancelled = self._cancel(halt) if asked.cancel else 0
        text = f"{halt.words()} is halted: new orders and changes are refused, cancels pass"
        if asked.symbol is not None and not any(fnmatchcase(symbol, asked.symbol) for symbol in known.symbols):
            text += "; but no symbol of this gateway is like that now: see `gw symbols`"
        if asked.cancel:
            text += f"; {cancelled} requests to cancel are on their way"
        return Answer(text + self._keep(), {"halts": len(self._halts), "cancels": cancelled})

    async def resume(self, asked: ScopeArguments, operator: Operator) -> Answer:
        """End a halt. Raises GatewayError where there is none of that scope."""
        count = self._halts.remove(asked.user, asked.account, asked.symbol)
        scope = Halt(user=asked.user, account=asked.account, symbol=asked.symbol)
        if not count:
            raise GatewayError(f"no halt is for just {scope.words()}: `gw halt --list` shows those in force")
        rest = f"; {len(self._halts)} halts are still in force" if len(self._halts) else ""
        return Answer(f"{count} halts ended{rest}" + self._keep(), {"ended": count, "halts": len(self._halts)})

    def list(self, asked: msgspec.Struct, operator: Operator) -> Answer:
        """All halts in force."""
        rows = [msgspec.to_builtins(halt) for halt in self._halts]
        text = "\n".join(f"{halt.words()}: {halt.reason} (by {halt.by})" for halt in self._halts)
        return Answer(text or "nothing is halted", {"halts": rows})

    def _keep(self) -> str:
        try:
            self._storage.replace(FILE, msgspec.json.encode(tuple(self._halts)))
        except StorageError as error:
            _log.error("halts can't be made durable: %s", error)
            return f". A restart would forget it: {error}"
        return ""
