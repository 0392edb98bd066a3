"""Peers for transports: a transport that serves a SmallPort, and clients that do exactly what a card says."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from gwcore import wire
from gwcore.errors import ProtocolError
from gwcore.runtime.clock import SystemClock
from gwcore.testing.client_port import SmallPort
from gwcore.testing.conformance.card import require
from gwcore.testing.conformance.transport_case import TransportCase
from gwcore.transport import TransportContext

T = TypeVar("T")

#: All that one answer may take before the card gives up.
ANSWER_S = 20.0
_CHUNK_BYTES = 65_536


class Peer:
    """One client. `name` is for messages."""

    def __init__(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.name = name
        self._reader = reader
        self._writer = writer
        self._parser = wire.FrameParser(wire.FRAME_BYTES_MAX)
        self._frames: list[tuple[bytes, bytes]] = []

    def send(self, data: bytes) -> None:
        """Bytes to the transport; nothing waits."""
        self._writer.write(data)

    def request(self, request: wire.ClientRequest) -> None:
        """A request to the transport."""
        self.send(wire.frame_request(request))

    async def next_frame(self) -> tuple[bytes, bytes] | None:
        """(type, body) of the next frame; None at the end of the stream. Fails the card where none comes."""
        while not self._frames:
            try:
                data = await within(self._reader.read(_CHUNK_BYTES), f"{self.name} heard nothing")
            except ConnectionError:
                return None
            if not data:
                return None
            try:
                self._frames += self._parser.feed(data)
            except ProtocolError as error:
                raise AssertionError(f"{self.name} got no frames: {error}") from error
        return self._frames.pop(0)

    async def message(self, kind: type[T]) -> T:
        """The next control message of this type; events and others before it are passed over."""
        while (frame := await self.next_frame()) is not None:
            if frame[0] == wire.TYPE_CONTROL:
                message = wire.decode_message(frame[1])
                if isinstance(message, kind):
                    return message
                require(not isinstance(message, wire.Goodbye), f"{self.name} was closed: {message}")
        raise AssertionError(f"{self.name} was closed before it got {kind.__name__}")

    async def events(self, count: int) -> list[bytes]:
        """The next `count` events, as bytes."""
        found: list[bytes] = []
        while len(found) < count:
            frame = await self.next_frame()
            require(frame is not None, f"{self.name} was closed after {len(found)} of {count} events")
            assert frame is not None
            if frame[0] == wire.TYPE_EVENT:
                found.append(frame[1])
        return found

    async def end(self) -> str:
        """Read to the end of the stream; returns the reason of the goodbye, empty where there was none."""
        reason = ""
        while (frame := await self.next_frame()) is not None:
            if frame[0] == wire.TYPE_CONTROL:
                message = wire.decode_message(frame[1])
                if isinstance(message, wire.Goodbye):
                    reason = message.reason
        return reason

    async def subscribe(self) -> None:
        """Ask for everything, and wait until it stands."""
        self.request(wire.Subscribe(request_id=1))
        await self.message(wire.SnapshotEnd)

    async def check_served(self) -> None:
        """Fails the card unless a ping is answered."""
        self.request(wire.Ping(request_id=7))
        while (await self.message(wire.Heartbeat)).request_id != 7:
            pass

    def close(self) -> None:
        """Leave at once."""
        self._writer.transport.abort()


class Served:
    """A transport that serves `port`. An async context."""

    def __init__(self, case: TransportCase, state_dir: Path, settings: Mapping[str, Any]) -> None:
        self.case = case
        self._settings = settings
        self.port = SmallPort(pending_max=100_000_000)
        self._state_dir = state_dir
        self._peers: list[Peer] = []
        self._address = ""
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Served:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        context = TransportContext(
            venue="conformance",
            environment="test",
            source="conformance",
            state_dir=self._state_dir,
            clock=SystemClock(),
            ready=lambda address: None if ready.done() else ready.set_result(address),
        )
        transport = self.case.spec.create(self.case.settings_object(self._settings), context)
        self._task = asyncio.create_task(transport.run(self.port))
        waited: set[asyncio.Future[Any]] = {self._task, ready}
        await asyncio.wait(waited, timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            self._task.result()
            raise AssertionError("run ended before it served")
        require(ready.done(), f"run did not call ready within {ANSWER_S:g} s")
        self._address = ready.result()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for peer in self._peers:
            peer.close()
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await within(self._task, "run did not end after it was cancelled")

    async def dial(self, name: str) -> Peer:
        """A client that has said nothing yet."""
        reader, writer = await within(self.case.dial(self._address), f"{name} can't connect to {self._address}")
        peer = Peer(name, reader, writer)
        self._peers.append(peer)
        return peer

    async def client(self, name: str) -> Peer:
        """A client that is welcome and has subscribed to everything."""
        peer = await self.dial(name)
        peer.request(wire.Hello(name=name))
        await peer.message(wire.Welcome)
        await peer.subscribe()
        return peer

    @staticmethod
    async def until(condition: Callable[[], bool], what: str) -> None:
        """Turn the loop until it holds. Fails the card where it does not within ANSWER_S."""

        async def turn() -> None:
            while not condition():  # noqa: ASYNC110 - what is waited for belongs to the plugin, which sets no event
                await asyncio.sleep(0)

        await within(turn(), what)


async def within(call: Awaitable[T], what: str) -> T:
    """Await with a limit. Fails the card with `what` where that is over."""
    try:
        async with asyncio.timeout(ANSWER_S):
            return await call
    except TimeoutError:
        raise AssertionError(f"{what} within {ANSWER_S:g} s") from None


def serve(case: TransportCase, scene: Callable[[Served], Awaitable[None]]) -> None:
    """Play a scene with a transport that serves."""

    async def main() -> None:
        with tempfile.TemporaryDirectory(prefix="gw-card-") as folder, case.beside(Path(folder)) as settings:
            async with Served(case, Path(folder), settings) as served:
                await scene(served)

    asyncio.run(main())
