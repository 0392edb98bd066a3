"""Gate: what one client may, asked before each of its requests; what is denied is an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gwcore.engine.clients.access import Grant
from gwcore.engine.clients.control import Operator
from gwcore.engine.clients.selection import part_wants
from gwcore.engine.clients.state import Wants
from gwcore.model import (
    CancelAllAfter,
    CancelAllOrders,
    CancelOrder,
    CancelOrders,
    CreateOrder,
    CreateOrders,
    ModifyOrder,
)
from gwcore.secrets import Secret
from gwcore.transport import ClientInfo
from gwcore.wire import ControlRequest, Subscribe

if TYPE_CHECKING:
    from gwcore.engine.clients.fanout import Fanout
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
        self._token: Secret | None = None  # what it said
        self._partial: tuple[str, ...] = ()  # what it was told of classes it does not see everything of
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
        self._token = Secret(token) if token else None
        self._partial = self._fanout.access.partial(self._client, grant)
        return True

    def readmit(self, *, is_catching_up: bool) -> str:
        """Find out what it may by now. Why it has to connect anew for that; empty: it need not.

        It was told of which classes it does not see everything, and takes a jump of the others for a loss.
        """
        access = self._fanout.access
        grant = access.grant(self._client, self._token.reveal() if self._token is not None else "")
        if grant is None:
            return "the token is not known any more: ask the operator"
        is_other = access.partial(self._client, grant) != self._partial
        if is_other or (grant != self.grant and is_catching_up):
            return "what is granted to you has changed: connect again"
        self.grant = grant
        return ""

    def deny_order(self, request: Any) -> str:
        """Why it may not ask for this; empty: it may."""
        verb, symbol = VERBS[type(request)], getattr(request, "symbol", None)
        text = self.grant.may(verb, request.account, symbol)
        return text and self._deny(verb, text, request.account, symbol)

    def deny_control(self, request: ControlRequest, verb: str) -> str:
        """Why it may not have the gateway do this, for which `verb` is needed (empty: none is); empty: it may."""
        account, symbol = request.arguments.get("account"), request.arguments.get("symbol")
        account, symbol = (value if isinstance(value, str) else None for value in (account, symbol))
        text = self.grant.may_control(verb, account, symbol) if verb else ""
        return text and self._deny(request.action, text, account, symbol)

    @property
    def operator(self) -> Operator:
        """Who it is, for the record of what it does."""
        return Operator(self.grant.user or self._client.identity, self.grant)

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
