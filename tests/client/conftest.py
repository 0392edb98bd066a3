"""A gateway of the smallest kind on a thread of its own, behind the real Unix transport: for blocking clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest
from gw_transports.settings import UnixSettings
from gw_transports.unix import UnixTransport

from gwcore.model import Event
from gwcore.runtime.clock import SystemClock
from gwcore.testing.client_port import SmallPort
from gwcore.transport import TransportContext

T = TypeVar("T")


class Gateway:
    """A SmallPort on a socket below `state_dir`. Everything of it is touched through `call` alone."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.port = SmallPort()
        self._loop = asyncio.new_event_loop()
        self._ready: Future[str] = Future()
        self._transport = UnixTransport(
            UnixSettings(close_s=0.2),
            TransportContext(
                venue="toy",
                environment="test",
                source="toy",
                state_dir=state_dir,
                clock=SystemClock(),
                ready=self._ready.set_result,
            ),
        )
        self.path = self._transport.path
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._ready.result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._serving = self._loop.create_task(self._transport.run(self.port))
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._serving)
        self._loop.close()

    def call(self, function: Callable[[], T]) -> T:
        async def work() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)

    def publish(self, *events: Event) -> list[bytes]:
        return [record.payload for record in self.call(lambda: self.port.publish(*events))]

    def on_subscribed(self, action: Callable[[], object]) -> None:
        """Do something once the next client has subscribed."""

        def check() -> None:
            if any(session._parts for session in self.port.sessions):
                action()
            else:
                self._loop.call_later(0.001, check)

        self._loop.call_soon_threadsafe(check)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._serving.cancel)
            self._thread.join(10)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path / "gw" / "toy")
    yield gateway
    gateway.stop()
