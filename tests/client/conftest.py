"""What the client's tests stand on: a session on a wire in memory, and a small gateway on a thread behind a real socket."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
from gw_transports.nats import NatsTransport
from gw_transports.nats_settings import NatsTransportSettings
from gw_transports.settings import UnixSettings
from gw_transports.unix import UnixTransport

from gwcore.client import Session
from gwcore.model import Event
from gwcore.runtime.clock import SystemClock
from gwcore.testing.client_port import SmallPort
from gwcore.testing.memory_transport import MemoryTransport, Wire
from gwcore.testing.nats_server import NatsServer
from gwcore.transport import TransportContext
from gwcore.wire import Welcome

T = TypeVar("T")


def _load(name: str) -> Any:
    """A module beside this one: tests are no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NatsGateway = _load("nats_gateway").NatsGateway
CorePort = _load("core_port").CorePort
SmallDesk = _load("small_desk").SmallDesk


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
    """A port that a transport serves on a thread. Everything of it is touched through `call` alone."""

    def __init__(self, state_dir: Path, nats_url: str = "", port: Any = None, *, is_real: bool = False) -> None:
        self.state_dir = state_dir
        self.port = port or SmallPort()
        self._loop = asyncio.new_event_loop()
        self._ready: Future[str] = Future()
        self.path = state_dir / "run" / "gw.sock"
        self.address = f"unix://{self.path}"
        self.environment = f"e{next(_NUMBERS)}"  # one server serves many tests
        self.nats: Any = None  # the stand-in, where it is one
        self._nats_url = nats_url
        if nats_url:
            self.address = f"{nats_url}/{self.environment}/toy"
        if nats_url and not is_real:
            self.nats = NatsGateway(self.port, nats_url, environment=self.environment)
        self._serving: asyncio.Task[None] | None = None
        self.start()

    def start(self) -> None:
        self._ready = Future()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._ready.result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._serving = self._loop.create_task(self._serve())
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._serving)

    async def _serve(self) -> None:
        if self.nats is not None:
            ready: asyncio.Future[None] = self._loop.create_future()
            ready.add_done_callback(lambda _: self._ready.set_result(self.address))
            await self.nats.run(ready)
            return
        context = TransportContext(
            venue="toy",
            environment=self.environment,
            source="toy",
            state_dir=self.state_dir,
            clock=SystemClock(),
            ready=self._ready.set_result,
        )
        if self._nats_url:
            await NatsTransport(NatsTransportSettings(url=self._nats_url), context).run(self.port)
        await UnixTransport(UnixSettings(close_s=0.2), context).run(self.port)

    def call(self, function: Callable[[], T]) -> T:
        async def work() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)

    def publish(self, *events: Event, partition: str = "md.0") -> list[bytes]:
        return [record.payload for record in self.call(lambda: self.port.publish(*events, partition=partition))]

    @property
    def clients(self) -> list[Any]:
        """Sessions of clients, without the one that listens for all of them."""
        return [
            session for session in self.port.sessions if session.client.identity.partition(":")[0] in ("uid", "user")
        ]

    def end_clients(self, reason: str) -> None:
        """Say goodbye to all clients that are there."""
        self.call(lambda: [session.end(reason) for session in self.clients])

    def on_subscribed(self, action: Callable[[], object]) -> None:
        """Do something once the next client has subscribed."""

        def check() -> None:
            if any(session._parts for session in self.clients):
                action()
            else:
                self._loop.call_later(0.001, check)

        self._loop.call_soon_threadsafe(check)

    def restart(self) -> None:
        """End with a goodbye, and start anew on the same journal."""
        self.stop()
        self.port.restart()
        self.start()

    def crash(self) -> None:
        """A new session, and nobody is told: as after a kill."""

        def begin() -> None:
            for session in list(self.port.sessions):
                session.closed()
            self.port.restart("S2")
            self.nats.forget()

        self.call(begin)

    def publish_unserved(self, *events: Event) -> None:
        """While no transport runs: the journal has it, nobody hears it."""
        self.port.publish(*events)

    def stop(self) -> None:
        if self._thread.is_alive():
            assert self._serving is not None
            self._loop.call_soon_threadsafe(self._serving.cancel)
            self._thread.join(10)

    def close(self) -> None:
        self.stop()
        self._loop.close()


_NUMBERS = count(1)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path / "gw" / "toy")
    yield gateway
    gateway.close()


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path_factory.mktemp("nats")).start()
    yield server
    server.stop()


@pytest.fixture
def make_gateway() -> Callable[..., Gateway]:
    """A gateway (of a port) on a server of the test's own; the test closes it."""
    return lambda folder, url, port=None: Gateway(folder / "gw" / "toy", url, port)


@pytest.fixture
def nats_gateway(tmp_path: Path, nats_server: NatsServer) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path / "gw" / "toy", nats_server.url)
    yield gateway
    gateway.close()


@pytest.fixture
def load_desk() -> Any:
    """Makes the one who takes orders, of what publishes."""
    return SmallDesk


WAYS = ("unix", "nats", "stand-in")


def _gateway(way: str, state_dir: Path, server: NatsServer, port: Any = None) -> Gateway:
    return Gateway(state_dir, "" if way == "unix" else server.url, port, is_real=way == "nats")


@pytest.fixture(params=WAYS)
def core_gateway(request: pytest.FixtureRequest, tmp_path: Path, nats_server: NatsServer) -> Iterator[Gateway]:
    """The gateway's own fan-out and journal, by each way in."""
    gateway = _gateway(request.param, tmp_path / "gw" / "toy", nats_server, CorePort())
    yield gateway
    gateway.close()


@pytest.fixture(params=WAYS)
def any_gateway(request: pytest.FixtureRequest, tmp_path: Path, nats_server: NatsServer) -> Iterator[Gateway]:
    """The same port by each way in."""
    gateway = _gateway(request.param, tmp_path / "gw" / "toy", nats_server)
    yield gateway
    gateway.close()
