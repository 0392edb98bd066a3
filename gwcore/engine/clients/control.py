"""ControlPort: what a session needs of the part that does what operators ask for. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from gwcore.engine.clients.access import Grant
from gwcore.wire import ControlRequest, ServerMessage


class Operator(NamedTuple):
    """Who asks: `name` is what the record shall say (a user, else what the transport has proof of)."""

    name: str
    grant: Grant


class ControlPort(Protocol):
    """Implemented by `gwcore.runtime.control.controls`. Rights are the session's business: it calls `submit` for those."""

    def verb_of(self, action: str) -> str | None:
        """The verb an action needs; empty: none. None: there is no such action."""
        ...

    def submit(self, request: ControlRequest, operator: Operator, answer: Callable[[ServerMessage], None]) -> None:
        """Do it; `answer` is called once, now or later, with an Outcome or a RequestError. Never raises."""
        ...
