"""connect: from an address to a Client that was welcomed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gwcore.client.address import NatsAddress, gateway_address
from gwcore.client.aio import Client, Dial
from gwcore.client.book import RuleFactory
from gwcore.client.queue import QUEUE_BYTES_MAX, QUEUE_EVENTS_MAX
from gwcore.client.session import Session
from gwcore.errors import ConfigError, NotConnected

if TYPE_CHECKING:
    from gwcore.nats_settings import NatsSettings


async def connect(
    address: str | Path,
    *,
    name: str = "",
    reconnect_s: float = 0.0,
    keep_events: bool = True,
    queue_events_max: int = QUEUE_EVENTS_MAX,
    queue_bytes_max: int = QUEUE_BYTES_MAX,
    book_rule: RuleFactory | None = None,
    nats: NatsSettings | None = None,
    user_token: str = "",
) -> Client:
    """Connect to the gateway at `unix:///path/gw.sock`, a plain path, or `nats://[user[:password]@]host:port/<env>/<venue>`.

    `reconnect_s`: after a loss keep trying for this long and go on by resume token; 0: a loss ends the iteration with
    NotConnected. `keep_events=False`: only the books are kept. `book_rule`: makes a BookRule of a snapshot, to verify the
    venue's checksum once more on this side. `nats`: user, credentials by reference and TLS for a `nats://` address (its
    `url` is not used; a user or password in the address wins). `user_token`: says who you are where your user id does not
    (`[user.NAME]`). Raises NotConnected, ConfigError.
    """
    target = gateway_address(address)
    dial, unanswered = _nats_dial(target, nats) if isinstance(target, NatsAddress) else (_unix_dial(target), "")
    client = Client(
        dial,
        Session(name=name, book_rule=book_rule, user_token=user_token),
        reconnect_s=reconnect_s,
        keep_events=keep_events,
        queue_events_max=queue_events_max,
        queue_bytes_max=queue_bytes_max,
        unanswered=unanswered,
    )
    try:
        await client.open()
    except NotConnected as error:
        raise NotConnected(f"{target}: {error}") from error
    return client


def _unix_dial(path: Path) -> Dial:
    async def dial(protocol: Callable[[], asyncio.Protocol]) -> object:
        return await asyncio.get_running_loop().create_unix_connection(protocol, str(path))

    return dial


def _nats_dial(address: NatsAddress, settings: NatsSettings | None) -> tuple[Dial, str]:
    try:
        from gwcore.client.nats.dial import NatsDial  # late: the extra may be absent, and sockets need none of it
    except ImportError as error:
        raise ConfigError(f"{address} needs nats-py: {error}", hint="pip install 'gwcore[nats]'") from error
    dial = NatsDial(address, settings)
    return dial, dial.unanswered
