"""The real network: implements `ports.Network` with sockets."""

from __future__ import annotations

from gwcore.ports import Clock, Connection, ConnectionListener, Endpoint
from gwcore.rest import HttpRequest, HttpResponse
from gwcore.runtime.libraries import WebSocketClient, find_client
from gwcore.runtime.venue.http import HttpClient


class RealNetwork:
    """WebSockets and REST of one process. Without a `client` the fastest one that is installed opens the WebSockets."""

    def __init__(self, clock: Clock, user_agent: str, client: WebSocketClient | None = None) -> None:
        self._clock = clock
        self._connect = (find_client("auto") if client is None else client).connect
        self._http = HttpClient(user_agent)

    async def connect(self, endpoint: Endpoint, listener: ConnectionListener) -> Connection:
        """Open a WebSocket."""
        return await self._connect(endpoint, listener, self._clock)

    async def request(self, request: HttpRequest) -> HttpResponse:
        """One HTTP exchange."""
        return await self._http.request(request)

    async def close(self) -> None:
        """Close what is pooled."""
        await self._http.close()
