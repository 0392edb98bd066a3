"""renew_symbol: what becomes of a symbol's subscriptions when an operator wants them anew. Pure."""

from __future__ import annotations

from typing import NamedTuple

from gwcore.engine.market.market_data import MarketDataMachine
from gwcore.engine.market.subscription import Phase, Subscription
from gwcore.model import StaleReason, StreamState

#: Phases in which a subscription waits for the venue already.
_UNDER_WAY = frozenset({Phase.QUEUED, Phase.SENT, Phase.DATA, Phase.LEAVE_QUEUED, Phase.LEAVING})


class Renewed(NamedTuple):
    """Subscriptions of a symbol on one connection: subscribed anew, on their way before, waiting for their connection."""

    renewed: int = 0
    under_way: int = 0
    offline: int = 0

    @property
    def total(self) -> int:
        """All that the connection has of the symbol."""
        return self.renewed + self.under_way + self.offline


def renew_symbol(machine: MarketDataMachine, symbol: str, who: str, now_ns: int) -> Renewed:
    """Leave and subscribe everything about a symbol again, out of quarantine too. A live book is STALE meanwhile: between
    the two nothing of it is heard. The caller has the connection send what that takes."""
    renewed = under_way = offline = 0
    machine.books.now_ns = now_ns
    for subscription in list(machine.subscriptions.topics.values()):
        if subscription.topic.symbol != symbol or not subscription.wanted:
            continue
        if not machine.is_open:
            offline += 1
        elif subscription.phase in _UNDER_WAY and not subscription.verifying:
            under_way += 1
        else:
            _renew(machine, subscription, f"{who} had it subscribed anew", now_ns)
            renewed += 1
    return Renewed(renewed, under_way, offline)


def _renew(machine: MarketDataMachine, subscription: Subscription, detail: str, now_ns: int) -> None:
    reason = StaleReason.OPERATOR
    subscription.verifying = False
    if subscription.state is StreamState.LIVE:
        machine.watch.on_lost(subscription, reason, detail)
    # What went wrong before is what the operator wants to be over: neither back-off nor quarantine goes on from it.
    subscription.failures.clear()
    subscription.quarantined = False
    machine.subscriptions.resubscribe(subscription, now_ns)
    machine.watch.on_state(subscription, StreamState.RESYNC, reason, detail, now_ns)
