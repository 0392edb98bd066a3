"""A stand-in for Kraken's public WebSocket and REST on 127.0.0.1: takes subscriptions, then replays one workload flat out.

    python stand_in.py WORKLOAD [--rate N --times FILE]

With a rate it sends single frames, N a second, and writes to FILE when each book update left: [symbol, stamp in us, ns].
Prints {"ws": port, "rest": port}. Once a line came on standard input and all symbols and channels are subscribed, over any
number of connections, each frame goes to the connection that asked for it.
They are encoded beforehand: beside the contestant it costs next to nothing. It ends with its standard input.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.server
import json
import os
import re
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

from contestants.tail import stamp_us
from workload import Workload

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb'"channel":"(\w+)".*?"symbol":"([^"]+)"')
_STAMP = re.compile(rb'"timestamp":"([^"]+)"')
_UPDATE = b'{"channel":"book","type":"update"'
#: Between the last answer and the first frame: a client settles.
PAUSE_S = 0.3
#: Frames sent in one piece: what a busy venue looks like on the wire.
PIECE_BYTES = 64 * 1024


def text_frame(payload: bytes, opcode: int = 1) -> bytes:
    """A server's WebSocket frame."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x80 | opcode, size) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + payload


class Connection:
    """One client, on a thread of its own."""

    def __init__(self, sock: socket.socket, server: Server) -> None:
        self._sock = sock
        self._server = server
        self._lock = threading.Lock()
        self._buffer = b""
        self.topics: set[tuple[bytes, bytes]] = set()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        """Write all of it; waits while the client does not read."""
        with self._lock:
            self._sock.sendall(data)

    def say(self, message: dict[str, Any]) -> None:
        """Send one JSON message."""
        self.send(text_frame(json.dumps(message, separators=(",", ":")).encode()))

    def serve(self) -> None:
        """Handshake, then requests until the client goes."""
        try:
            self._shake_hands()
            self.say({"channel": "status", "type": "update", "data": [_STATUS]})
            while True:
                self._take_frame()
        except OSError:
            pass
        self._server.forget(self)
        self._sock.close()

    def _shake_hands(self) -> None:
        while b"\r\n\r\n" not in self._buffer:
            self._read_more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)sec-websocket-key: *([^\r\n]+)", head)
        if found is None:
            raise ConnectionError("no WebSocket")
        accept = base64.b64encode(hashlib.sha1(found[1].strip() + _GUID.encode()).digest()).decode()
        self.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )

    def _read_more(self) -> None:
        more = self._sock.recv(65536)
        if not more:
            raise ConnectionError("closed")
        self._buffer += more

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._read_more()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _take_frame(self) -> None:
        first, second = self._take(2)
        size = second & 127
        if size == 126:
            (size,) = struct.unpack("!H", self._take(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._take(8))
        mask = self._take(4) if second & 128 else bytes(4)
        body = bytes(byte ^ mask[index & 3] for index, byte in enumerate(self._take(size)))
        opcode = first & 15
        if opcode == 8:
            self.send(text_frame(body[:2], 8))
            raise ConnectionError("closed")
        if opcode == 9:
            self.send(text_frame(body, 10))
        elif opcode in (1, 2):
            self._answer(json.loads(body))

    def _answer(self, request: dict[str, Any]) -> None:
        method, number = request.get("method"), {"req_id": request["req_id"]} if "req_id" in request else {}
        if method == "ping":
            self.say({"method": "pong", **number})
            return
        params = request["params"]
        for symbol in params["symbol"]:
            result = {"channel": params["channel"], "symbol": symbol, "snapshot": True}
            if params["channel"] == "book":
                result["depth"] = params.get("depth", 10)
            self.say({"method": method, "result": result, "success": True, **_TIMES, **number})
            topic = (params["channel"].encode(), symbol.encode())
            (self.topics.add if method == "subscribe" else self.topics.discard)(topic)
        self._server.on_subscribed()


_STATUS = {"api_version": "v2", "connection_id": 1, "system": "online", "version": "2.0.0"}
_TIMES = {"time_in": "2026-11-01T00:00:00.000000Z", "time_out": "2026-11-01T00:00:00.000001Z"}


class Server:
    """All connections, and the replay."""

    def __init__(self, workload: Workload, rate: float, times: str) -> None:
        self.pairs = workload.pairs
        self._rate, self._times = rate, times
        # Of each frame, where it is a book update: what tells it from all others.
        self._marks: list[tuple[str, int] | None] = [_mark(frame) for frame in workload.frames()] if rate else []
        self._frames: list[tuple[tuple[bytes, bytes] | None, bytes]] = []
        for frame in workload.frames():
            found = _KEY.search(frame)
            self._frames.append(((found[1], found[2]) if found else None, text_frame(frame)))
        self._wanted = len({topic for topic, _ in self._frames if topic})
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self._is_wanted = False
        self._has_begun = False

    def begin(self) -> None:
        """The replay may begin once everything is subscribed."""
        self._is_wanted = True
        self.on_subscribed()

    def accept(self, sock: socket.socket) -> None:
        """A client connected."""
        connection = Connection(sock, self)
        with self._lock:
            self._connections.append(connection)
        threading.Thread(target=connection.serve, daemon=True).start()

    def forget(self, connection: Connection) -> None:
        """A client went."""
        with self._lock:
            self._connections.remove(connection)

    def on_subscribed(self) -> None:
        """Start the replay when nothing is missing any more."""
        with self._lock:
            subscribed = sum(len(connection.topics) for connection in self._connections)
            if self._has_begun or not self._is_wanted or subscribed < self._wanted:
                return
            self._has_begun = True
        threading.Thread(target=self._replay, daemon=True).start()

    def _replay(self) -> None:
        time.sleep(PAUSE_S)
        owner = {topic: connection for connection in self._connections for topic in connection.topics}
        if self._rate:
            self._replay_paced(owner)
            return
        parts: dict[Connection, list[bytes]] = {connection: [] for connection in self._connections}
        size = 0
        try:
            for topic, frame in self._frames:
                for connection in parts if topic is None else (owner[topic],):
                    parts[connection].append(frame)
                size += len(frame)
                if size > PIECE_BYTES:
                    _send_all(parts)
                    size = 0
            _send_all(parts)
        except OSError:
            pass  # the contestant has all it wants, or failed: it says which

    def _replay_paced(self, owner: dict[tuple[bytes, bytes], Connection]) -> None:
        begun_s, now_ns = time.monotonic(), time.monotonic_ns
        sent: list[tuple[str, int, int]] = []
        for number, ((topic, frame), mark) in enumerate(zip(self._frames, self._marks, strict=True)):
            wait_s = begun_s + number / self._rate - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            left_ns = now_ns()
            for connection in self._connections if topic is None else (owner[topic],):
                connection.send(frame)
            if mark is not None:
                sent.append((*mark, left_ns))
        Path(self._times).write_text(json.dumps(sent), encoding="utf-8")


def _mark(frame: bytes) -> tuple[str, int] | None:
    found, stamp = _KEY.search(frame), _STAMP.search(frame)
    if not frame.startswith(_UPDATE) or found is None or stamp is None:
        return None
    return found[2].decode(), stamp_us(stamp[1].decode())


def _send_all(parts: dict[Connection, list[bytes]]) -> None:
    for connection, frames in parts.items():
        if frames:
            connection.send(b"".join(frames))
            frames.clear()


def serve_rest(server: Server) -> int:
    """AssetPairs, and an empty result for everything else; the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = json.dumps({"error": [], "result": server.pairs if "AssetPairs" in self.path else {}}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    return int(httpd.server_address[1])


def _listen(server: Server) -> None:
    for _ in sys.stdin:
        server.begin()
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", type=Path)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--times", default="")
    arguments = parser.parse_args()
    server = Server(Workload(arguments.workload), arguments.rate, arguments.times)
    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"ws": listener.getsockname()[1], "rest": serve_rest(server)}), flush=True)
    threading.Thread(target=_listen, args=(server,), daemon=True).start()
    while True:
        server.accept(listener.accept()[0])


if __name__ == "__main__":
    main()
