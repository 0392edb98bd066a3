"""The transports as the conformance cards see them. NATS is reached through a client that speaks frames to the card.

Read by `test_conformance.py` and by `gw conform unix --kind transport`, `gw conform nats --kind transport`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gw_transports import nats, unix

from gwcore import wire
from gwcore.errors import ProtocolError
from gwcore.testing.conformance import TransportCase
from gwcore.testing.nats_server import NatsServer

#: A client that left is noticed within this time, as it says nothing any more.
CLIENT_TIMEOUT_S = 2.0
PING = wire.encode(wire.Ping(request_id=-1))
_numbers = itertools.count(1)


def case_for(kind: str, name: str) -> TransportCase | None:
    """The case of one of the two transports."""
    if kind != "transport":
        return None
    if name == "unix":
        # A client that is cut reads why within this time, or does not read at all.
        return TransportCase(unix.SPEC, settings={"close_s": 0.2})
    if name == "nats":
        return TransportCase(
            nats.SPEC,
            settings={"client_timeout_s": CLIENT_TIMEOUT_S},
            dial=dial,
            beside=server_beside,
            shared_sessions=1,
            slow_bytes_max=16 * 1024 * 1024,
        )
    return None


@contextlib.contextmanager
def server_beside(folder: Path) -> Iterator[Mapping[str, Any]]:
    """A server that does not keep much for a client that does not read."""
    server = NatsServer(folder / "nats", extra='max_pending: 4MB\nwrite_deadline: "2s"')
    try:
        yield {"url": server.start().url}
    finally:
        server.kill()


async def dial(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client of NATS whose other side is a byte stream of frames."""
    url = urlsplit(address)
    ours, cards = socket.socketpair()
    bridge = Bridge(url.hostname or "", url.port or 0, url.path.strip("/"), f"card{next(_numbers)}")
    await bridge.start(ours)
    return await asyncio.open_connection(sock=cards)


class Bridge:
    """Frames on one side, NATS on the other, without a library: one that read ahead would be no slow client."""

    def __init__(self, host: str, port: int, prefix: str, user: str) -> None:
        self._address = (host, port)
        self._prefix = prefix
        self._user = user
        self._inbox = f"_INBOX.{user}.cards"
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, near: socket.socket) -> None:
        self._near_reader, self._near = await asyncio.open_connection(sock=near)
        self._far_reader, self._far = await asyncio.open_connection(*self._address)
        await self._far_reader.readline()  # INFO
        self._far.write(b'CONNECT {"verbose":false,"headers":true}\r\n' + f"SUB {self._inbox} 1\r\nPING\r\n".encode())
        while await self._far_reader.readline() != b"PONG\r\n":
            pass
        self._tasks = [asyncio.create_task(self._end_after(work())) for work in (self._up, self._down, self._beat)]

    async def _end_after(self, work: Any) -> None:
        """The first of the three that ends ends all."""
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await work
        finally:
            self._near.close()
            self._far.close()
            for task in self._tasks:
                if task is not asyncio.current_task():
                    task.cancel()

    def _publish(self, verb: str, payload: bytes) -> None:
        subject = f"{self._prefix}.cmd.{self._user}.{verb}"
        self._far.write(f"PUB {subject} {self._inbox} {len(payload)}\r\n".encode() + payload + b"\r\n")

    async def _up(self) -> None:
        """Whole frames become requests. What is none is sent as it is: the gateway has to bear it."""
        parser = wire.FrameParser(wire.REQUEST_BYTES_MAX)
        while data := await self._near_reader.read(65536):
            try:
                for frame_type, body in parser.feed(data):
                    if frame_type != wire.TYPE_REQUEST:
                        raise ProtocolError("no request")
                    self._request(body)
            except ProtocolError:
                self._publish("hello", data)

    def _request(self, body: bytes) -> None:
        try:
            request = wire.decode_request(body)
        except ProtocolError:
            self._publish("snapshot", body)
            return
        if isinstance(request, wire.Hello):
            filters = [f"SUB {self._prefix}.{name}.> {sid}\r\n" for sid, name in enumerate(("md", "st", "ex"), 2)]
            self._far.write("".join(filters).encode())
        self._publish(str(type(request).__struct_config__.tag), body)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(CLIENT_TIMEOUT_S / 4)
            self._publish("ping", PING)

    async def _down(self) -> None:
        while line := await self._far_reader.readline():
            words = line.split()
            if words[0] == b"PING":
                self._far.write(b"PONG\r\n")
            elif words[0] == b"HMSG":
                headers_size, size = int(words[-2]), int(words[-1])
                message = (await self._far_reader.readexactly(size + 2))[:size]
                if not self._deliver(message[:headers_size], message[headers_size:]):
                    return
                await self._near.drain()

    def _deliver(self, headers: bytes, payload: bytes) -> bool:
        """A frame to the card. False: the gateway did not understand this client, which then leaves."""
        if b"Gw-Type: C" not in headers:
            self._near.write(wire.frame_event(payload))
            return True
        message = wire.decode_message(payload)
        if not (isinstance(message, wire.Heartbeat) and message.request_id == -1):
            self._near.write(wire.frame_message(message))
        return not isinstance(message, wire.Goodbye) and not (
            isinstance(message, wire.RequestError) and message.request_id is None
        )
