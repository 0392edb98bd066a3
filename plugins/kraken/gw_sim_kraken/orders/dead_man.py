"""The dead man's switch (sheet 4.14, cancel_all_orders_after): one timer an account; when it ends all its orders go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.orders.request import OrderRefused
from gw_sim_kraken.texts import SECOND_NS, second_text

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

TIMEOUT_MAX_S = 86_400


class DeadMan:
    """Closing a connection does not touch it."""

    def __init__(self, exchange: SimulatedKraken) -> None:
        self._exchange = exchange
        self._trigger_ns: dict[str, int] = {}

    def arm(self, account: Account, timeout_s: int, now_ns: int) -> dict[str, str]:
        """Set, move or (0) switch off the timer; the two times of the reply, rounded up to seconds."""
        if not 0 <= timeout_s < TIMEOUT_MAX_S:
            raise OrderRefused("EGeneral:Invalid arguments:timeout")
        current = second_text(-(-self._exchange.venue_ns() // SECOND_NS) * SECOND_NS)
        if not timeout_s:
            self._trigger_ns.pop(account.name, None)
            return {"currentTime": current, "triggerTime": "0"}
        trigger_ns = self._trigger_ns[account.name] = now_ns + timeout_s * SECOND_NS
        self._exchange.schedule.at(trigger_ns, self._fire, account)
        shown_ns = -(-(self._exchange.venue_ns() + timeout_s * SECOND_NS) // SECOND_NS) * SECOND_NS
        return {"currentTime": current, "triggerTime": second_text(shown_ns)}

    def _fire(self, when_ns: int, account: Account) -> None:
        if self._trigger_ns.get(account.name) != when_ns:
            return  # moved or switched off since
        if self._exchange.system == "maintenance":
            # An armed timer cancels everything when the engine returns (sheet 4.14).
            self._trigger_ns[account.name] = when_ns + SECOND_NS
            self._exchange.schedule.at(when_ns + SECOND_NS, self._fire, account)
            return
        del self._trigger_ns[account.name]
        self._exchange.order_desk.cancel_all(account, when_ns)
