"""NatsDial: opens connections to one gateway over NATS, for `Client(dial=...)`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gwcore.client.address import NatsAddress
from gwcore.client.nats.backlog import WAITING_BYTES_MAX, WAITING_EVENTS_MAX, NatsBacklog
from gwcore.client.nats.link import NatsLink
from gwcore.nats_settings import NatsSettings


class NatsDial:
    """`waiting_*_max`: what may wait for a slow reader. `unanswered` says what to look at where no welcome comes."""

    def __init__(
        self,
        address: NatsAddress,
        settings: NatsSettings | None = None,
        *,
        waiting_events_max: int = WAITING_EVENTS_MAX,
        waiting_bytes_max: int = WAITING_BYTES_MAX,
    ) -> None:
        self.address = address
        self._settings = settings or NatsSettings()
        self._limits = (waiting_events_max, waiting_bytes_max)
        bus = self._link().bus
        self.unanswered = (
            f" on {bus.subject('hello')}: may the user {bus.user!r} receive below {bus.inbox_prefix}, and does a gateway "
            "listen there?"
        )

    async def __call__(self, protocol: Callable[[], asyncio.Protocol]) -> object:
        """A connection. Raises NotConnected, ConfigError."""
        link = self._link()
        try:
            await link.bus.open()
            if link.lost is not None:
                raise link.lost
        except BaseException:
            await link.bus.close()
            raise
        link.begin(protocol())
        return link

    def _link(self) -> NatsLink:
        return NatsLink(self.address, self._settings, NatsBacklog(*self._limits))
