"""Answers: requests of a client that wait for the gateway's answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gwcore.client.errors import RequestRefused
from gwcore.errors import GatewayError, NotConnected
from gwcore.wire import RequestError, ServerMessage

#: Time for the answer to one request.
REQUEST_TIMEOUT_S = 30.0
#: Requests that may wait for their answers at once.
REQUESTS_MAX = 1000


class Answers:
    """Of one client. `hint` says why answers may not come, where that is this side's doing."""

    def __init__(self, hint: Callable[[], str]) -> None:
        self._hint = hint
        self._futures: dict[int, asyncio.Future[ServerMessage]] = {}

    async def wait(self, request_id: int, send: Callable[[], None]) -> ServerMessage:
        """Send, and wait for the answer. Raises RequestRefused, NotConnected."""
        if len(self._futures) >= REQUESTS_MAX:
            raise NotConnected(f"{REQUESTS_MAX} requests wait for their answers: wait for some of them first")
        future: asyncio.Future[ServerMessage] = asyncio.get_running_loop().create_future()
        self._futures[request_id] = future
        send()
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                answer = await future
        except TimeoutError:
            raise NotConnected(f"no answer within {REQUEST_TIMEOUT_S:g} s{self._hint()}") from None
        finally:
            self._futures.pop(request_id, None)
        if isinstance(answer, RequestError):
            raise RequestRefused(answer.code, answer.text)
        return answer

    def take(self, request_id: int | None, message: ServerMessage) -> None:
        """An answer came; one that nobody waits for is left out."""
        future = self._futures.get(request_id) if request_id else None
        if future is not None and not future.done():
            future.set_result(message)

    def fail(self, error: GatewayError) -> None:
        """No answer comes any more."""
        for future in self._futures.values():
            if not future.done():
                future.set_exception(error)
