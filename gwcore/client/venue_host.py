"""What a trader is told before he sends: which account, where its orders go, and whether that is real money. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from gwcore.wire import Welcome

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def is_simulated(welcome: Welcome | None) -> bool:
    """Whether the venue is on this machine. All else is live, whatever its environment is called."""
    return welcome is not None and (urlsplit(welcome.host).hostname or "") in _LOOPBACK


def venue_line(welcome: Welcome | None, account: str) -> str:
    """One line to print before the first order."""
    if welcome is None:
        return f"account {account}: not connected"
    kind = "simulated, no real money" if is_simulated(welcome) else "LIVE, REAL MONEY"
    where = welcome.host or "a host that the gateway does not name"
    what = f"account {account} of {welcome.venue} ({welcome.environment}) at {where}"
    return f"{what}: {kind}; you are {welcome.user or 'nobody that it knows'}"
