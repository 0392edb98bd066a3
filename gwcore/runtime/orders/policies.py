"""OrderPolicies: what becomes of open orders when their user is gone, the gateway stops, or an operator says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final

from gwcore.engine.clients.access import Grant
from gwcore.engine.orders.halts import Halt
from gwcore.engine.orders.ports import Requester
from gwcore.model import CancelAllOrders
from gwcore.runtime.accounts.connection import AccountConnection
from gwcore.settings import UserSettings

_log = logging.getLogger("gwcore.account")

#: Who asks where no client does.
GATEWAY: Final = Requester("", 0, Grant(accounts=("*",), verbs=frozenset({"read", "cancel", "admin"})))
#: How long a stop waits for the venue to say that the orders are gone, and how often it looks.
SHUTDOWN_S: Final = 5.0
_LOOK_S: Final = 0.02


class OrderPolicies:
    """Of all accounts. Everything goes through the desks, as a client's cancels do."""

    def __init__(self, connections: Iterable[AccountConnection], users: Mapping[str, UserSettings]) -> None:
        self._connections = list(connections)
        self.users = users
        self._leaving: dict[str, asyncio.TimerHandle] = {}
        self.carried_out = 0

    # --- clients ------------------------------------------------------------------------------------------------------

    def on_user_here(self, user: str) -> None:
        """A session of the user began: what was planned for his absence is off."""
        timer = self._leaving.pop(user, None)
        if timer is not None:
            timer.cancel()

    def on_user_gone(self, user: str) -> None:
        """The last session of the user ended."""
        settings = self.users.get(user)
        if settings is None or settings.on_disconnect == "none" or user in self._leaving:
            return
        loop = asyncio.get_running_loop()
        self._leaving[user] = loop.call_later(settings.disconnect_grace_s, self._after_grace, user, settings)

    def _after_grace(self, user: str, known: UserSettings) -> None:
        """What is set now counts; of a user whom a reload took away, which is how his sessions ended, `known`."""
        self._leaving.pop(user, None)
        settings = self.users.get(user, known)
        if settings.on_disconnect == "none":
            return
        whose = user if settings.on_disconnect == "own_orders" else "*"
        count = 0
        for connection in self._connections:
            own = any(order.user == user for order in connection.machine.desk.own.live())
            if own or (whose == "*" and any(fnmatchcase(connection.account.name, glob) for glob in settings.accounts)):
                count += self._cancel(connection, whose, None, f"{user} is disconnected")
        self.carried_out += bool(count)

    # --- the gateway's end --------------------------------------------------------------------------------------------

    async def on_shutdown(self) -> None:
        """Cancel what each account's setting says, and wait a while for the venue's word on it."""
        for timer in self._leaving.values():
            timer.cancel()
        waiting = [connection for connection in self._connections if self._cancel_at_end(connection)]
        loop = asyncio.get_running_loop()
        until_s = loop.time() + SHUTDOWN_S
        while waiting and loop.time() < until_s:
            await asyncio.sleep(_LOOK_S)
            waiting = [each for each in waiting if each.machine.is_open and each.machine.desk.own.live()]
        for connection in waiting:
            left = len(connection.machine.desk.own.live())
            _log.error("account %s: %d orders may still be open at the venue", connection.account.name, left)

    def _cancel_at_end(self, connection: AccountConnection) -> bool:
        policy = connection.settings.on_shutdown
        if policy == "account":
            return self._cancel(connection, "*", None, "the gateway stops") > 0
        if policy == "own_orders":
            users = {order.user for order in connection.machine.desk.own.live() if order.user}
            return sum(self._cancel(connection, user, None, "the gateway stops") for user in sorted(users)) > 0
        return False

    # --- operators ----------------------------------------------------------------------------------------------------

    def cancel_halted(self, halt: Halt) -> int:
        """Cancel the open orders that a halt is for; how many requests that took."""
        count = 0
        for connection in self._connections:
            if halt.account not in (None, connection.account.name):
                continue
            desk = connection.machine.desk
            whose = halt.user if halt.user is not None else "*"
            if halt.symbol is None:
                count += self._cancel(connection, whose, None, halt.reason)
                continue
            known = {order.update.symbol for order in desk.own.live()} | {each.symbol for each in desk.external()}
            for symbol in sorted(symbol for symbol in known if symbol and fnmatchcase(symbol, halt.symbol)):
                count += self._cancel(connection, whose, symbol, halt.reason)
        return count

    def _cancel(self, connection: AccountConnection, user: str, symbol: str | None, cause: str) -> int:
        name = connection.account.name
        if connection.settings.trading != "live":
            return 0  # nothing was placed through us
        _log.warning("account %s: orders of %s are cancelled: %s", name, "everybody" if user == "*" else user, cause)
        request = CancelAllOrders(account=name, user=user, symbol=symbol)

        def reply(code: str, text: str, request_id: int | None = None) -> None:
            _log.error("account %s: %s: %s", name, code, text)

        connection.submit(request, GATEWAY, reply)
        return 1
