"""Selection: what a client asked for, as globs of symbols and names of kinds, answered from a memo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

import msgspec

from gwcore.engine.clients.access import Grant
from gwcore.model import OWNED_KINDS, TYPE_OF_KIND, Record
from gwcore.wire import SnapshotRequest, Subscribe

_GLOB_CHARACTERS = frozenset("*?[")


def is_glob(pattern: str) -> bool:
    """Whether the text has glob characters; without them it names one symbol."""
    return any(character in _GLOB_CHARACTERS for character in pattern)


def unknown_kinds(kinds: Iterable[str]) -> list[str]:
    """Names that are no kind of event."""
    return [kind for kind in kinds if kind not in TYPE_OF_KIND]


def complaint_of(request: Subscribe | SnapshotRequest, symbols: Iterable[str]) -> tuple[str, str] | None:
    """Why a request names what is not there, as code and text; `symbols` are those the gateway has."""
    bad_kinds = unknown_kinds(request.kinds)
    if bad_kinds:
        return "unknown_kind", f"{bad_kinds[0]!r} is no kind of event: see `gw tail --help`"
    known = frozenset(symbols)
    for symbol in request.symbols:
        if not is_glob(symbol) and known and symbol not in known:
            return "unknown_symbol", f"{symbol!r} is not subscribed by this gateway: see `gw symbols`"
    return None


class Selection:
    """The union of a client's subscriptions, within what is granted. Events without a symbol pass the symbol globs, those of
    no account the account globs."""

    def __init__(self, grant: Grant | None = None) -> None:
        self.grant = grant or Grant()
        self._parts: dict[int, Subscribe] = {}
        self._memo: dict[tuple[str, str | None, str | None, bool], bool] = {}
        self.takes_all = False  # everything that is of no account is asked for and granted

    def allow(self, grant: Grant) -> None:
        """Another grant from now on."""
        self.grant = grant
        self._changed()

    def add(self, request: Subscribe) -> None:
        """One more subscription."""
        self._parts[request.request_id] = request
        self._changed()

    def remove(self, subscription: int) -> bool:
        """End one; returns whether it was there."""
        was_there = self._parts.pop(subscription, None) is not None
        self._changed()
        return was_there

    def _changed(self) -> None:
        self._memo.clear()
        grants_all = "*" in self.grant.symbols and "md" in self.grant.verbs
        self.takes_all = grants_all and any(not part.symbols and not part.kinds for part in self._parts.values())

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def conflates(self) -> bool:
        """Whether the client chose conflation for the case that it is too slow; one `disconnect` decides for all."""
        return all(part.on_slow != "disconnect" for part in self._parts.values())

    def wants(self, kind: str, symbol: str | None, account: str | None, owner: str | None = None) -> bool:
        """Whether an event was asked for and is granted. The memo is bounded by kinds x symbols x accounts."""
        is_own = owner is not None and owner == self.grant.user
        key = (kind, symbol, account, is_own)
        answer = self._memo.get(key)
        if answer is None:
            answer = self._memo[key] = self.grant.sees(kind, symbol, account, owner if is_own else None) and any(
                part_wants(part.symbols, part.kinds, part.accounts, kind, symbol, account)
                for part in self._parts.values()
            )
        return answer


def account_of(record: Record) -> str | None:
    """The account a record belongs to: its own, or that of its partition."""
    if record.account is None and record.partition.startswith("ex."):
        return record.partition[3:]
    return record.account


class _OfUser(msgspec.Struct):
    """What of an event says whose it is."""

    user: str | None = None


class _Owned(msgspec.Struct):
    event: _OfUser


_owned_decoder = msgspec.json.Decoder(_Owned)


@lru_cache(maxsize=4096)  # each record is looked at once for every client
def _owner(payload: bytes) -> str | None:
    return _owned_decoder.decode(payload).event.user


def owner_of(record: Record) -> str | None:
    """The user whose order a record is about; None: nobody's that we know."""
    return _owner(record.payload) if record.kind in OWNED_KINDS else None


def part_wants(
    symbols: Sequence[str],
    kinds: Sequence[str],
    accounts: Sequence[str],
    kind: str,
    symbol: str | None,
    account: str | None,
) -> bool:
    """Whether one subscription's globs and kinds match."""
    if kinds and kind not in kinds:
        return False
    if accounts and account is not None and not any(fnmatchcase(account, glob) for glob in accounts):
        return False
    return not symbols or symbol is None or any(fnmatchcase(symbol, glob) for glob in symbols)
