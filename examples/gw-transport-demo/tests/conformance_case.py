"""The transport demo as the cards see it: how a client dials."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from gw_transport_demo.plugin import SPEC

from gwcore.testing.conformance import TransportCase


async def dial(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To `tcp://host:port`."""
    parts = urlsplit(address)
    return await asyncio.open_connection(parts.hostname, parts.port)


def case_for(kind: str, name: str) -> TransportCase | None:
    """The case of the transport demo."""
    return TransportCase(SPEC, dial=dial) if (kind, name) == ("transport", "demo") else None
