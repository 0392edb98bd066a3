"""SyncClient: the same client for programs without asyncio. The loop runs on a thread of its own, so heartbeats and books
go on while the program does something else; events wait in the same bounded queue."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from gwcore.client.aio import Client
from gwcore.client.connect import connect
from gwcore.client.session import Delivery
from gwcore.client.trading.sync_trader import SyncTrader
from gwcore.model import Envelope
from gwcore.wire import Outcome, ResumeToken, Welcome

T = TypeVar("T")


class SyncClient:
    """Blocking calls of `Client`; made by `connect_sync`. Use it from one thread, `with` it or `close()` it."""

    def __init__(self, open_client: Callable[[], Coroutine[Any, Any, Client]]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gw-client", daemon=True)
        self._thread.start()
        self._is_closed = False
        try:
            self._client = self._wait(open_client())
        except BaseException:
            self._stop()
            raise

    @property
    def token(self) -> ResumeToken:
        """Resume token of the events handed out."""
        return self.call(lambda client: client.token)

    @property
    def welcome(self) -> Welcome | None:
        """What the gateway said of itself; None while not connected."""
        return self._client.welcome

    @property
    def goodbye(self) -> str:
        """Why the gateway closed the connection; empty when it did not say."""
        return self._client.goodbye

    def call(self, function: Callable[[Client], T]) -> T:
        """`function(client)` on the client's own thread: the way to read several values of its books at one moment."""

        async def work() -> T:
            return function(self._client)

        return self._wait(work())

    def subscribe(
        self,
        symbols: Sequence[str] = (),
        kinds: Sequence[str] = (),
        *,
        from_start: bool = False,
        resume: ResumeToken | None = None,
        on_slow: str = "conflate",
    ) -> int:
        """As `Client.subscribe`."""
        return self._wait(self._client.subscribe(symbols, kinds, from_start=from_start, resume=resume, on_slow=on_slow))

    def unsubscribe(self, subscription: int) -> None:
        """As `Client.unsubscribe`."""
        self._wait(self._client.unsubscribe(subscription))

    def snapshot(self, symbols: Sequence[str] = (), kinds: Sequence[str] = ()) -> list[Envelope]:
        """As `Client.snapshot`."""
        return self._wait(self._client.snapshot(symbols, kinds))

    def trader(self, account: str) -> SyncTrader:
        """As `Client.trader`."""
        return SyncTrader(self._wait(self._client.trader(account)), self._wait, self.call)

    def control(self, action: str, **arguments: Any) -> Outcome:
        """As `Client.control`."""
        return self._wait(self._client.control(action, **arguments))

    def batch(self, count_max: int = 1000, *, timeout_s: float | None = None) -> list[Delivery]:
        """As `Client.batch`."""
        return self._wait(self._client.batch(count_max, timeout_s=timeout_s))

    def __iter__(self) -> Iterator[Envelope]:
        # One at a time, so that the token never runs ahead of what was handed out.
        while batch := self.batch(1):
            yield batch[0].envelope

    def close(self) -> None:
        """Close the connection and the thread. Does not raise."""
        if not self._is_closed:
            self._wait(self._client.close())
            self._stop()

    def __enter__(self) -> SyncClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        if self._is_closed:
            work.close()
            raise RuntimeError("this client is closed")
        future: concurrent.futures.Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C must not leave the work behind
            raise

    def _stop(self) -> None:
        self._is_closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def connect_sync(address: str | Path, **options: Any) -> SyncClient:
    """As `connect`, with the same options, for programs without asyncio. Raises NotConnected, ConfigError."""
    return SyncClient(lambda: connect(address, **options))
