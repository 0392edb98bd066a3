"""What a trader is told before he sends: which account, where its orders go, and whether that is real money. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from gwcore.wire import Welcome

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def told_host(settings: object) -> str:
    """Where a venue's requests go: scheme, host and port. Of several the one that is not on this machine."""
    urls = [str(getattr(settings, name, "")) for name in ("ws_private_url", "rest_url")]
    hosts = [_without_user(url) for url in urls if url]
    return next((host for host in hosts if not _is_here(host)), hosts[-1] if hosts else "")


def is_simulated(welcome: Welcome | None) -> bool:
    """Whether the venue is on this machine. All else is live, whatever its environment is called."""
    return welcome is not None and _is_here(welcome.host)


def venue_line(welcome: Welcome | None, account: str) -> str:
    """One line to print before the first order."""
    if welcome is None:
        return f"account {account}: not connected"
    kind = "simulated, no real money" if is_simulated(welcome) else "LIVE, REAL MONEY"
    where = welcome.host or "a host that the gateway does not name"
    what = f"account {account} of {welcome.venue} ({welcome.environment}) at {where}"
    return f"{what}: {kind}; you are {welcome.user or 'nobody that it knows'}"


def _is_here(url: str) -> bool:
    return (urlsplit(url).hostname or "") in _LOOPBACK


def _without_user(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.partition('/')[0].rpartition('@')[2]}"
