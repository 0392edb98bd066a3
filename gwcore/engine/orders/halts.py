"""Halts: whose orders an operator has stopped. New orders and changes stop, every kind of cancel passes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

import msgspec

#: Halts at once; more is a mistake of a script.
HALTS_MAX: Final = 1_000


class Halt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One halt. A part that is not set stands for all; `symbol` is a glob."""

    user: str | None = None
    account: str | None = None
    symbol: str | None = None
    reason: str = ""
    by: str = ""  # who halted
    since_ns: int = 0  # wall clock

    @property
    def scope(self) -> tuple[str | None, str | None, str | None]:
        """What it stops: two halts of one scope are one."""
        return (self.user, self.account, self.symbol)

    def words(self) -> str:
        """For people: `user bob, symbol BTC/*`."""
        parts = (("user", self.user), ("account", self.account), ("symbol", self.symbol))
        return ", ".join(f"{name} {value}" for name, value in parts if value is not None) or "everything"

    def stops(self, user: str, account: str, symbol: str) -> bool:
        """Whether it is for this request."""
        return (
            self.user in (None, user)
            and self.account in (None, account)
            and (self.symbol is None or fnmatchcase(symbol, self.symbol))
        )


class Halts:
    """All halts that are in force."""

    def __init__(self, halts: tuple[Halt, ...] = ()) -> None:
        self._halts = {halt.scope: halt for halt in halts}

    def __iter__(self) -> Iterator[Halt]:
        return iter(list(self._halts.values()))

    def __len__(self) -> int:
        return len(self._halts)

    def add(self, halt: Halt) -> bool:
        """Halt; False where there are too many."""
        if halt.scope not in self._halts and len(self._halts) >= HALTS_MAX:
            return False
        self._halts[halt.scope] = halt
        return True

    def remove(self, user: str | None, account: str | None, symbol: str | None) -> int:
        """Resume just this scope; nothing named: everything. How many halts ended."""
        if (user, account, symbol) == (None, None, None):
            count, self._halts = len(self._halts), {}
            return count
        return 0 if self._halts.pop((user, account, symbol), None) is None else 1

    def of(self, user: str, account: str, symbol: str) -> Halt | None:
        """The halt that stops a request; None: none does."""
        return next((halt for halt in self._halts.values() if halt.stops(user, account, symbol)), None)
