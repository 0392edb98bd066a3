"""What the client's tests stand on: a session on a wire in memory, and a small gateway on a thread behind a real socket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
from gw_transports.settings import UnixSettings
from gw_transports.unix import UnixTransport

from gwcore.client import Session
from gwcore.model import Event
from gwcore.runtime.clock import SystemClock
from gwcore.testing.client_port import SmallPort
from gwcore.testing.memory_transport import MemoryTransport, Wire
from gwcore.transport import TransportContext
from gwcore.wire import Welcome

T = TypeVar("T")


class Stage:
    """A port, a session and the wire between them."""

    def __init__(self, **options: Any) -> None:
        self.port = SmallPort()
        self.transport = MemoryTransport()
        self.transport.serve(self.port)
        self.now_ns = 0
        self.session = Session(name="me", monotonic_ns=lambda: self.now_ns, **options)
        self.wire = self.transport.attach(self.session)
        assert isinstance(self.wire.pump()[0], Welcome)

    def again(self) -> list[Any]:
        """A new connection."""
        self.wire = Wire(self.session, self.transport._link())
        return self.wire.pump()

    def subscribe(self, **options: Any) -> list[Any]:
        self.session.subscribe(**options)
        return self.wire.pump()


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def make_stage() -> type[Stage]:
    return Stage


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
