"""Subscribers over NATS in a process of their own: they hear everything, come back after a break, and judge what they heard.

    nats_ears.py URL COUNT [--deaf N]

Speaks the protocol itself: fifty clients of a library would measure the library. `--deaf N`: so many more that read nothing.
Prints `ready`, then, after a line on stdin that says where others stand (JSON, session -> sequence), one JSON object: what
each ear heard, and what it misses.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import sys
from typing import Any

from gwcore import wire
from gwcore.model import Gap

PREFIX = "gw.sim.kraken"
SUBJECTS = (f"{PREFIX}.md.>", f"{PREFIX}.st.>")
AGAIN_S = 0.1
#: A resume that is not answered is asked again.
ANSWER_S = 2.0
#: Many ears take what came this often: in one process a wake-up for each event and ear would be what is measured.
READ_S = 0.1
MANY = 10

_EVENT = re.compile(rb"Gw-Event: (\S+):(\d+)\r\n")


class Heard:
    """Of one session: up to where nothing is missing, and what came ahead of that."""

    __slots__ = ("ahead", "floor")

    def __init__(self, first: int) -> None:
        self.floor = first - 1
        self.ahead: set[int] = set()

    def add(self, first: int, last: int) -> None:
        if first <= self.floor + 1:
            self.floor = max(self.floor, last)
        else:
            self.ahead.update(range(first, last + 1))
        while self.ahead and self.floor + 1 in self.ahead:
            self.floor += 1
            self.ahead.discard(self.floor)
        if self.ahead and max(self.ahead) <= self.floor:
            self.ahead.clear()


class Ear(asyncio.Protocol):
    """One subscriber."""

    def __init__(self, number: int, host: str, port: int, *, is_lazy: bool = False) -> None:
        self.number = number
        self._is_lazy = is_lazy
        self.address = (host, port)
        self.inbox = f"_INBOX.ears.{number}"
        self.sessions: dict[str, Heard] = {}
        self.partitions: dict[str, str] = {}
        self.events = self.twice = self.gaps = self.reconnects = self.cut = 0
        self.ponged: asyncio.Future[None] | None = None
        self.is_open = False
        self._buffer = b""
        self._answer: asyncio.TimerHandle | None = None
        self._is_resuming = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                await loop.create_connection(lambda: self, *self.address)
                return
            except OSError:
                await asyncio.sleep(AGAIN_S)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._buffer = b""
        self.is_open = True
        subscribe = "".join(f"SUB {subject} {sid}\r\n" for sid, subject in enumerate((*SUBJECTS, self.inbox), 1))
        transport.write(f'CONNECT {{"verbose":false,"headers":true,"no_responders":true}}\r\n{subscribe}'.encode())
        if self.sessions:
            self.reconnects += 1
            self._resume()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if self._answer is not None:
            self._answer.cancel()
        self._is_resuming = False
        task = asyncio.ensure_future(self.connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _resume(self) -> None:
        """Ask for what came while it was away."""
        self._is_resuming = True
        token = {name: (session, self.sessions[session].floor) for name, session in self.partitions.items()}
        body = wire.encode(wire.Subscribe(request_id=self.reconnects, resume=token))
        self.transport.write(f"PUB {PREFIX}.cmd.ears.subscribe {self.inbox} {len(body)}\r\n".encode() + body + b"\r\n")
        self._answer = asyncio.get_running_loop().call_later(ANSWER_S, self._resume)

    def behind(self, stands: dict[str, int]) -> int:
        """Events up to there that it has not heard."""
        floors = {session: heard.floor for session, heard in self.sessions.items()}
        return sum(max(0, sequence - floors.get(session, 0)) for session, sequence in stands.items())

    def is_whole(self, stands: dict[str, int]) -> bool:
        return self.is_open and not self._is_resuming and not self.behind(stands)

    def data_received(self, data: bytes) -> None:
        if self._is_lazy:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(READ_S, self._read_on, self.transport)
        buffer = self._buffer + data if self._buffer else data
        position = 0
        while (end := buffer.find(b"\r\n", position)) >= 0:
            line = buffer[position:end]
            if line.startswith(b"HMSG"):
                words = line.split()
                start, headers_size, size = end + 2, int(words[-2]), int(words[-1])
                if len(buffer) < start + size + 2:
                    break
                self._take(buffer[start : start + headers_size], buffer, start + headers_size, start + size)
                position = start + size + 2
                continue
            position = end + 2
            if line == b"PING":
                self.transport.write(b"PONG\r\n")
            elif line == b"PONG" and self.ponged is not None and not self.ponged.done():
                self.ponged.set_result(None)
        self._buffer = buffer[position:]

    @staticmethod
    def _read_on(transport: Any) -> None:
        if not transport.is_closing():
            transport.resume_reading()

    def _take(self, headers: bytes, buffer: bytes, start: int, end: int) -> None:
        found = _EVENT.search(headers)
        if found is not None:
            self._event(found[1].decode(), int(found[2]), buffer, start, end)
        elif b"Gw-Kind: gap" in headers:
            event = wire.decode_envelope(buffer[start:end]).event
            if isinstance(event, Gap) and event.session_id in self.sessions and event.first_sequence is not None:
                self.gaps += 1
                last = event.last_sequence if event.last_sequence is not None else event.first_sequence
                self.sessions[event.session_id].add(event.first_sequence, last)
        elif b"Gw-Type: C" in headers:
            message = wire.decode_message(buffer[start:end])
            if isinstance(message, wire.SnapshotEnd):
                self._is_resuming = False
            if isinstance(message, wire.SnapshotEnd | wire.Subscribed) and self._answer is not None:
                self._answer.cancel()
            elif isinstance(message, wire.RequestError):
                self._ask_again()
        elif b"503" in headers:
            self._ask_again()

    def _ask_again(self) -> None:
        if self._answer is not None:
            self._answer.cancel()
        self._answer = asyncio.get_running_loop().call_later(AGAIN_S, self._resume)

    def _event(self, session: str, sequence: int, buffer: bytes, start: int, end: int) -> None:
        heard = self.sessions.get(session)
        if heard is None:
            heard = self.sessions[session] = Heard(sequence)
            self.partitions[wire.decode_envelope(buffer[start:end]).header.partition] = session
        if sequence <= heard.floor or sequence in heard.ahead:
            self.twice += 1
            return
        self.events += 1
        if sequence == heard.floor + 1 and not heard.ahead:
            heard.floor = sequence
        else:
            heard.add(sequence, sequence)

    def report(self, stands: dict[str, int]) -> dict[str, Any]:
        return {
            "behind": self.behind(stands),
            "events": self.events,
            "twice": self.twice,
            "gaps": self.gaps,
            "reconnects": self.reconnects,
            "missing": sum(
                max(heard.ahead) - heard.floor - len(heard.ahead) for heard in self.sessions.values() if heard.ahead
            ),
        }


class Deaf(asyncio.Protocol):
    """A subscriber that reads nothing after its first bytes."""

    def __init__(self) -> None:
        self.is_cut = False

    def connection_made(self, transport: Any) -> None:
        subscribe = "".join(f"SUB {subject} {sid}\r\n" for sid, subject in enumerate(SUBJECTS, 1))
        transport.write(f'CONNECT {{"verbose":false,"headers":true}}\r\n{subscribe}'.encode())
        transport.pause_reading()
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.is_cut = True


async def deaf_ear(host: str, port: int) -> Deaf:
    """With a small window, so that the server and not the system holds what it does not read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, (host, port))
    _, deaf = await loop.create_connection(Deaf, sock=sock)
    return deaf


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--deaf", type=int, default=0)
    options = parser.parse_args()
    host, _, port = options.url.removeprefix("nats://").partition(":")
    ears = [Ear(number, host, int(port), is_lazy=options.count > MANY) for number in range(options.count)]
    for ear in ears:
        await ear.connect()
    deaf = [await deaf_ear(host, int(port)) for _ in range(options.deaf)]
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    stands = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    for _ in range(600):  # a minute to be whole again
        if all(ear.is_whole(stands) for ear in ears):
            break
        await asyncio.sleep(0.1)
    for one in deaf:
        one.transport.resume_reading()
    await asyncio.sleep(0.5 if deaf else 0.0)
    print(
        json.dumps({"ears": [ear.report(stands) for ear in ears], "cut": sum(one.is_cut for one in deaf)}), flush=True
    )


if __name__ == "__main__":
    asyncio.run(main())
