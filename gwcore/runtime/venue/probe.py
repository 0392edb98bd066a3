"""Looks at the way to one address: names, TCP, TLS, each with its time. For `gw check --connect`."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import msgspec

from gwcore.ports import Clock

#: How long each step may take.
TIMEOUT_S = 10.0
#: Addresses of one name that are reported.
ADDRESSES_MAX = 8
_SECURE = frozenset({"https", "wss"})


class EndpointReport(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What was found on the way to one address. `failed`: the step that did not work, and why."""

    url: str
    addresses: list[str] = []
    dns_ms: float | None = None
    tcp_ms: float | None = None
    tls_ms: float | None = None
    tls: str | None = None  # version and cipher; None: the address is plain
    certificate: dict[str, str] = {}
    round_trips_ms: list[float] = []
    failed: str | None = None


async def probe(url: str, clock: Clock) -> EndpointReport:
    """Resolve, connect, shake hands. Never raises for what the network does."""
    parts = urlsplit(url)
    report = EndpointReport(
        url=f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    )
    secure = parts.scheme in _SECURE
    port = parts.port or (443 if secure else 80)
    step = "DNS"
    try:
        begin_ns = clock.monotonic_ns()
        async with asyncio.timeout(TIMEOUT_S):
            found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        report.addresses = [_shown(address) for address in dict.fromkeys(str(one[4][0]) for one in found)][
            :ADDRESSES_MAX
        ]
        report.dns_ms = _since_ms(clock, begin_ns)
        step, begin_ns = "TCP", clock.monotonic_ns()
        async with asyncio.timeout(TIMEOUT_S):
            _, writer = await asyncio.open_connection(parts.hostname, port)
        report.tcp_ms = _since_ms(clock, begin_ns)
        try:
            if secure:
                step, begin_ns = "TLS", clock.monotonic_ns()
                async with asyncio.timeout(TIMEOUT_S):
                    await writer.start_tls(ssl.create_default_context(), server_hostname=parts.hostname)
                report.tls_ms = _since_ms(clock, begin_ns)
                _describe(writer.get_extra_info("ssl_object"), report)
        finally:
            writer.transport.abort()
    except (OSError, UnicodeError) as error:  # TimeoutError and ssl.SSLError are OSErrors
        report.failed = f"{step}: {_cause(error)}"
    return report


def _cause(error: OSError | UnicodeError) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing within {TIMEOUT_S:g} s"
    if (
        isinstance(error, OSError)
        and error.errno is not None
        and error.errno > 0
        and not isinstance(error, ssl.SSLError)
    ):
        return os.strerror(error.errno)  # the error's own text names addresses
    return str(error) or type(error).__name__


def _describe(tls: Any, report: EndpointReport) -> None:
    cipher = tls.cipher()
    report.tls = f"{tls.version()} {cipher[0] if cipher else ''}".strip()
    certificate = tls.getpeercert() or {}
    for key in ("subject", "issuer"):
        names = {name: value for part in certificate.get(key, ()) for name, value in part}
        report.certificate[key] = names.get("commonName") or names.get("organizationName") or "?"
    report.certificate["not_after"] = certificate.get("notAfter", "?")


def _shown(address: str) -> str:
    """An address; one of a network of the user's own is nobody else's business."""
    found = ipaddress.ip_address(address.partition("%")[0])
    return "a private address" if found.is_private and not found.is_loopback else address


def _since_ms(clock: Clock, begin_ns: int) -> float:
    return round((clock.monotonic_ns() - begin_ns) / 1e6, 3)
