"""Gate: what one client may, asked before each of its requests; what is denied is an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gwcore.engine.access import Grant
from gwcore.engine.selection import part_wants
from gwcore.engine.state import Wants
from gwcore.model import (
    CancelAllAfter,
    CancelAllOrders,
    CancelOrder,
    CancelOrders,
    CreateOrder,
    CreateOrders,
    ModifyOrder,
)
from gwcore.transport import ClientInfo
from gwcore.wire import Subscribe

if TYPE_CHECKING:
    from gwcore.engine.fanout import Fanout
    from gwcore.wire import SnapshotRequest

#: Denied requests of one client, each of which is an event; then it is cut.
DENIALS_MAX = 100
#: The verb that each request for orders needs.
VERBS: dict[type, str] = {
    CreateOrder: "create",
    ModifyOrder: "modify",
    CancelOrder: "cancel",
    CancelAllOrders: "cancel",
    CreateOrders: "create",
    CancelOrders: "cancel",
    CancelAllAfter: "cancel",
}


class Gate:
    """The grant of one client, and how often it asked for more."""

    def __init__(self, client: ClientInfo, fanout: Fanout) -> None:
        self.grant = Grant(verbs=frozenset())  # nothing, until he said hello
        self._client = client
        self._fanout = fanout
        self._denials = 0

    @property
    def is_exhausted(self) -> bool:
        """Whether it was denied so often that it is cut."""
        return self._denials >= DENIALS_MAX

    def admit(self, token: str) -> bool:
        """Find out who it is. False: the token is not known."""
        grant = self._fanout.access.grant(self._client, token)
        if grant is None:
            self._deny("hello", "the token is not known", None, None)
            return False
        self.grant = grant
        return True

    def deny_order(self, request: Any) -> str:
        """Why it may not ask for this; empty: it may."""
        verb, symbol = VERBS[type(request)], getattr(request, "symbol", None)
        text = self.grant.may(verb, request.account, symbol)
        return text and self._deny(verb, text, request.account, symbol)

    def deny_events(self, request: Subscribe | SnapshotRequest) -> str:
        """Why it may not see what it names; empty: it may."""
        text = self.grant.complaint(request.kinds, request.accounts, request.symbols)
        action = "subscribe" if isinstance(request, Subscribe) else "snapshot"
        account, symbol = next(iter(request.accounts), None), next(iter(request.symbols), None)
        return text and self._deny(action, text, account, symbol)

    def wants(self, request: Subscribe | SnapshotRequest) -> Wants:
        """What a request asks for and is granted."""

        def wants(kind: str, symbol: str | None, account: str | None, owner: str | None = None) -> bool:
            return self.grant.sees(kind, symbol, account, owner) and part_wants(
                request.symbols, request.kinds, request.accounts, kind, symbol, account
            )

        return wants

    def _deny(self, action: str, text: str, account: str | None, symbol: str | None) -> str:
        self._denials += 1
        self._fanout.deny(self.grant.user or self._client.identity, action, text, account, symbol)
        return text
