"""Proxies that pass everything on but one event: on a Unix socket of a gateway, and on a connection to a NATS server.

They read both protocols by themselves and use nothing of gwcore: what they withhold is gone as if it were lost on the way.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

#: `(header, event)` of an event: whether it is the one.
Wanted = Callable[[dict[str, Any], dict[str, Any]], bool]

_MESSAGE = re.compile(rb"(MSG|HMSG) [^\r\n]*?(?:(\d+) )?(\d+)\r\n")


class Withholding:
    """One listener; `withheld` are the events it kept for itself (the first that is wanted on each connection)."""

    def __init__(self, wanted: Wanted) -> None:
        self.withheld: list[dict[str, Any]] = []
        self._wanted = wanted
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _serve(self, dial: Any, split: Callable[[bytearray], Iterator[tuple[bytes, bytes]]]) -> Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            far_reader, far_writer = await dial()
            try:
                # Ended by `stop`, whose cancelling asyncio would print otherwise.
                with suppress(asyncio.CancelledError):
                    await asyncio.gather(self._up(reader, far_writer), self._down(far_reader, writer, split))
            finally:
                for one in (writer, far_writer):
                    one.transport.abort()

        return serve

    @staticmethod
    async def _up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()

    async def _down(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        split: Callable[[bytearray], Iterator[tuple[bytes, bytes]]],
    ) -> None:
        rest, is_done = bytearray(), False
        with suppress(OSError):
            while data := await reader.read(65536):
                rest += data
                for whole, payload in split(rest):
                    if not is_done and payload.startswith(b'{"header"'):
                        says = json.loads(payload)
                        if self._wanted(says["header"], says["event"]):
                            self.withheld.append(says)
                            is_done = True
                            continue
                    writer.write(whole)
                await writer.drain()
            writer.write_eof()


class UnixWithholding(Withholding):
    """Between clients on `path` and a gateway's socket."""

    async def start(self, path: Path, gateway: Path) -> None:
        async def dial() -> Any:
            return await asyncio.open_unix_connection(str(gateway))

        self._listener = await asyncio.start_unix_server(self._serve(dial, _frames), str(path))


class NatsWithholding(Withholding):
    """Between clients and a NATS server; `url` is where they connect."""

    url = ""

    async def start(self, host: str, port: int) -> None:
        async def dial() -> Any:
            return await asyncio.open_connection(host, port)

        self._listener = await asyncio.start_server(self._serve(dial, _messages), "127.0.0.1", 0)
        self.url = f"nats://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"


def _frames(rest: bytearray) -> Iterator[tuple[bytes, bytes]]:
    """Whole frames of the client protocol (length, type, body), each with its body; they are cut off `rest`."""
    while len(rest) >= 4:
        end = 4 + int.from_bytes(rest[:4], "big")
        if len(rest) < end:
            return
        whole = bytes(rest[:end])
        del rest[:end]
        yield whole, whole[5:]


def _messages(rest: bytearray) -> Iterator[tuple[bytes, bytes]]:
    """Whole lines of a NATS server, messages with their payload; they are cut off `rest`."""
    while True:
        line = rest.find(b"\r\n")
        if line < 0:
            return
        end, head = line + 2, 0
        found = _MESSAGE.match(rest)
        if found is not None:
            head = int(found[2] or 0) if found[1] == b"HMSG" else 0
            end = found.end() + int(found[3]) + 2
            if len(rest) < end:
                return
        whole = bytes(rest[:end])
        del rest[:end]
        yield whole, whole[found.end() + head : -2] if found is not None else b""
