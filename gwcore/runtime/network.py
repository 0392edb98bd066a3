"""The real network: implements `ports.Network` with sockets."""

from __future__ import annotations

from gwcore.ports import Clock, Connection, ConnectionListener, Endpoint
from gwcore.rest import HttpRequest, HttpResponse
from gwcore.runtime.http import HttpClient
from gwcore.runtime.websocket import connect


class RealNetwork:
    """WebSockets and REST of one process."""

    def __init__(self, clock: Clock, user_agent: str) -> None:
        self._clock = clock
        self._http = HttpClient(user_agent)

    async def connect(self, endpoint: Endpoint, listener: ConnectionListener) -> Connection:
        """Open a WebSocket."""
        return await connect(endpoint, listener, self._clock)

    async def request(self, request: HttpRequest) -> HttpResponse:
        """One HTTP exchange."""
        return await self._http.request(request)

    async def close(self) -> None:
        """Close what is pooled."""
        await self._http.close()
