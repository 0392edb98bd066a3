"""ExchangeTap: a Network that remembers what was asked by HTTP and answered, and when connections were opened."""

from __future__ import annotations

from typing import NamedTuple

from gwcore.ports import Clock, Connection, ConnectionListener, Endpoint, Network
from gwcore.rest import HttpRequest, HttpResponse

#: Exchanges kept; later ones are left out, as a recording wants the first of each.
EXCHANGES_MAX = 1_000


class HttpExchange(NamedTuple):
    """One request and its answer. Headers are left out: there the secrets are."""

    method: str
    url: str
    status: int
    body: bytes


class ExchangeTap:
    """Passes everything on."""

    def __init__(self, network: Network, clock: Clock) -> None:
        self._network = network
        self._clock = clock
        self.exchanges: list[HttpExchange] = []
        self.opened_ns: list[int] = []

    async def connect(self, endpoint: Endpoint, listener: ConnectionListener) -> Connection:
        """See Network."""
        self.opened_ns.append(self._clock.now_ns())
        return await self._network.connect(endpoint, listener)

    async def request(self, request: HttpRequest) -> HttpResponse:
        """See Network."""
        response = await self._network.request(request)
        if len(self.exchanges) < EXCHANGES_MAX:
            self.exchanges.append(HttpExchange(request.method, request.url, response.status, response.body))
        return response
