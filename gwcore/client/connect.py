"""connect: from an address to a Client that was welcomed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from gwcore.client.address import socket_path
from gwcore.client.aio import Client
from gwcore.client.book import RuleFactory
from gwcore.client.queue import QUEUE_BYTES_MAX, QUEUE_EVENTS_MAX
from gwcore.client.session import Session
from gwcore.errors import NotConnected


async def connect(
    address: str | Path,
    *,
    name: str = "",
    reconnect_s: float = 0.0,
    keep_events: bool = True,
    queue_events_max: int = QUEUE_EVENTS_MAX,
    queue_bytes_max: int = QUEUE_BYTES_MAX,
    book_rule: RuleFactory | None = None,
    user_token: str = "",
) -> Client:
    """Connect to the gateway at `unix:///path/gw.sock` or a plain path.

    `reconnect_s`: after a loss keep trying for this long and go on by resume token; 0: a loss ends the iteration with
    NotConnected. `keep_events=False`: only the books are kept. `book_rule`: makes a BookRule of a snapshot, to verify the
    venue's checksum once more on this side. `user_token`: says who you are where your user id does not (`[user.NAME]`).
    Raises NotConnected, ConfigError.
    """
    path = socket_path(address)

    async def dial(protocol: Callable[[], asyncio.Protocol]) -> object:
        return await asyncio.get_running_loop().create_unix_connection(protocol, str(path))

    client = Client(
        dial,
        Session(name=name, book_rule=book_rule, user_token=user_token),
        reconnect_s=reconnect_s,
        keep_events=keep_events,
        queue_events_max=queue_events_max,
        queue_bytes_max=queue_bytes_max,
    )
    try:
        await client.open()
    except NotConnected as error:
        raise NotConnected(f"{path}: {error}") from error
    return client
