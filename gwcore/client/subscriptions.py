"""Subscriptions a client holds: what to ask again after a reconnect, and what is still being replayed."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from fnmatch import fnmatchcase

import msgspec

from gwcore.wire import ResumeToken, Subscribe


class Progress(Enum):
    """How far one subscription is."""

    ASKED = 1  # all that was asked for has not arrived yet
    STANDING = 2  # what arrives is news


def covers(globs: tuple[str, ...], kinds: tuple[str, ...], kind: str, symbol: str | None) -> bool:
    """Whether globs and kinds, empty for all, take an event. Events without a symbol pass the globs, as on the gateway."""
    if kinds and kind not in kinds:
        return False
    return not globs or symbol is None or any(fnmatchcase(symbol, glob) for glob in globs)


class Subscription:
    """One Subscribe and how far it is."""

    __slots__ = ("is_confirmed", "progress", "request")

    def __init__(self, request: Subscribe) -> None:
        self.request = request
        self.progress = Progress.ASKED
        self.is_confirmed = False  # on the present connection

    @property
    def replays(self) -> bool:
        """Whether records of the past come first."""
        return self.request.from_start or self.request.resume is not None

    @property
    def whole(self) -> bool:
        """Whether it takes everything."""
        return not self.request.kinds and self.request.symbols in ((), ("*",))

    def covers(self, kind: str, symbol: str | None) -> bool:
        """Whether it takes an event."""
        return covers(self.request.symbols, self.request.kinds, kind, symbol)

    def again(self, token: ResumeToken | None) -> Subscribe:
        """The request to make on a new connection: on from `token`; with the present state first (empty); as made (None)."""
        self.progress = Progress.ASKED
        self.is_confirmed = False
        if token is not None:
            self.request = msgspec.structs.replace(self.request, from_start=False, resume=token or None)
        return self.request


def texts(values: Sequence[str]) -> Sequence[str]:
    """What was given as a list; one text alone is a sequence of letters, which nobody means."""
    return (values,) if isinstance(values, str) else values
