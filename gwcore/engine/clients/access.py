"""Access: who a client is, and what he may see and do. Default deny on accounts, symbols and verbs. Pure.

A client is known by what the transport has proof of, or by a token. Who is known by nothing sees market data, where that is
open, and the gateway's own status.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gwcore.model import ACCOUNT_KINDS, KIND_OF_TYPE, MARKET_KINDS, OWNED_KINDS, MarketStatus
from gwcore.secrets import Secret
from gwcore.settings import UserSettings
from gwcore.transport import ClientInfo

#: Kinds that the verb `md` is for; what a market's status is, everybody may know. `OWNED_KINDS` need `drop_copy` besides.
_GRANTED_KINDS = MARKET_KINDS - {KIND_OF_TYPE[MarketStatus]}

#: Verbs that let a user see an account, and those that let him see what he placed there himself.
READING = frozenset({"read"})
TRADING_VERBS = READING | {"create", "modify", "cancel"}

#: The identity of the session by which the NATS transport puts events on subjects, for whoever the server lets read them.
BUS = "bus"
#: What the identity of a client over NATS begins with.
_NATS_USER = "user:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one client may. `user` is empty for who is known by nothing."""

    user: str = ""
    accounts: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ("*",)
    verbs: frozenset[str] = frozenset({"md"})
    drop_copy: bool = False

    def has_account(self, account: str) -> bool:
        """Whether events of an account are for him."""
        return "read" in self.verbs and _matches(account, self.accounts)

    def sees(self, kind: str, symbol: str | None, account: str | None, owner: str | None = None) -> bool:
        """Whether an event is for him. Status that is of no account is for everybody; `owner`: who placed the order.

        Of his own orders he is told also where their symbol is not his to trade any more.
        """
        if kind in OWNED_KINDS and account is not None and owner and owner == self.user:
            return bool(TRADING_VERBS & self.verbs) and _matches(account, self.accounts)
        if symbol is not None and not _matches(symbol, self.symbols):
            return False
        if account is not None:
            return self.has_account(account) and (self.drop_copy or kind not in OWNED_KINDS)
        return kind not in _GRANTED_KINDS or "md" in self.verbs

    @property
    def partial(self) -> tuple[str, ...]:
        """Classes of the journal of which he does not see everything."""
        all_symbols, all_accounts = "*" in self.symbols, "*" in self.accounts and "read" in self.verbs
        found = []
        if not all_symbols or "md" not in self.verbs:
            found.append("md")
        if not all_symbols or not all_accounts or not self.drop_copy:
            found.append("ex")
        if not all_symbols or not all_accounts:
            found.append("st")
        return tuple(found)

    def may(self, verb: str, account: str, symbol: str | None = None) -> str:
        """Why he may not; empty: he may."""
        if verb not in self.verbs:
            return f"the verb {verb} is not granted"
        if not _matches(account, self.accounts):
            return f"the account {account} is not granted"
        if symbol is not None and not _matches(symbol, self.symbols):
            return f"the symbol {symbol} is not granted"
        return ""

    def may_control(self, verb: str, account: str | None, symbol: str | None) -> str:
        """Why he may not have the gateway do something, about an account or a symbol or neither; empty: he may.

        The verb `admin` is for the gateway as a whole, but not for accounts or symbols that are not granted.
        """
        if verb not in self.verbs:
            return f"the verb {verb} is not granted"
        if account is not None and not _matches(account, self.accounts):
            return f"the account {account} is not granted"
        if symbol is not None and not _matches(symbol, self.symbols):
            return f"the symbol {symbol} is not granted"
        return ""

    def covers_symbols(self, glob: str, symbols: Iterable[str]) -> bool:
        """Whether all of these symbols that a glob matches are granted."""
        return all(_matches(symbol, self.symbols) for symbol in symbols if fnmatchcase(symbol, glob))

    def complaint(self, kinds: Iterable[str], accounts: Iterable[str], symbols: Iterable[str]) -> str:
        """Why a subscription that names something asks for more than is granted; empty: it does not.

        Globs and what is left out ask for what is granted; a name asks for just that.
        """
        for account in accounts:
            if not _is_glob(account) and not (TRADING_VERBS & self.verbs and _matches(account, self.accounts)):
                return f"the account {account} is not granted"
        for symbol in symbols:
            if not _is_glob(symbol) and not _matches(symbol, self.symbols):
                return f"the symbol {symbol} is not granted"
        for kind in kinds:
            verbs = TRADING_VERBS if kind in OWNED_KINDS else READING
            if kind in ACCOUNT_KINDS and (not verbs & self.verbs or not self.accounts):
                return f"{kind} is of accounts, and none is granted"
            if kind in _GRANTED_KINDS and "md" not in self.verbs:
                return f"{kind} is market data, which is not granted"
        return ""


class Access:
    """All users. `tokens`: user -> the token that stands for him. `owner`: the identity of who runs the gateway; he is an
    operator, since he could stop it or change its files as well, unless a user's settings say what that identity may."""

    def __init__(
        self,
        users: Mapping[str, UserSettings] | None = None,
        tokens: Mapping[str, Secret] | None = None,
        *,
        open_market_data: bool = True,
        owner: str = "",
    ) -> None:
        self._tokens = dict(tokens or {})
        self._grants: dict[str, Grant] = {}
        self._by_identity: dict[str, str] = {}
        self._anybody = Grant(verbs=frozenset({"md"} if open_market_data else ()))
        self._owner = owner
        self._of_owner = Grant(verbs=self._anybody.verbs | {"admin"})
        for name, user in (users or {}).items():
            self._grants[name] = Grant(
                user=name,
                accounts=user.accounts,
                symbols=user.symbols,
                verbs=frozenset(user.verbs),
                drop_copy=user.drop_copy,
            )
            marks = [*(f"uid:{uid}" for uid in user.uids), *(f"{_NATS_USER}{mark}" for mark in user.nats)]
            marks += [BUS] if user.bus else []
            self._by_identity |= dict.fromkeys(marks, name)

    def grant(self, client: ClientInfo, token: str) -> Grant | None:
        """What a client may; None: his token is not one that is known."""
        if token:
            # Every token is compared, in constant time each: how long it takes says nothing of any of them.
            found = [name for name, known in self._tokens.items() if known.is_equal(token)]
            return self._grants[found[0]] if found else None
        return self._of_identity(client.identity)

    def partial(self, client: ClientInfo, grant: Grant) -> tuple[str, ...]:
        """Classes of which a client does not see everything. Over NATS its news are those of the bus, whatever it may ask."""
        if not client.identity.startswith(_NATS_USER):
            return grant.partial
        return tuple(sorted({*grant.partial, *self._of_identity(BUS).partial}))

    def _of_identity(self, identity: str) -> Grant:
        name = self._by_identity.get(identity)
        if name is not None:
            return self._grants[name]
        return self._of_owner if identity and identity == self._owner else self._anybody


def _is_glob(text: str) -> bool:
    return any(character in text for character in "*?[")


def _matches(text: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(text, glob) for glob in globs)
