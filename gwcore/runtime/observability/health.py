"""A small HTTP endpoint for what watches: /metrics, /healthz, /readyz, /status for machines, / and /events for a browser.

It only answers GET and HEAD.

Must not carry secrets or take orders: it listens on loopback unless told otherwise and has no other verb.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from gwcore.errors import ConfigError
from gwcore.runtime.observability.metrics import CONTENT_TYPE, Metrics

#: Longest request (line and headers), how long one may take, and how many are served at once; more are closed.
REQUEST_BYTES_MAX = 8 * 1024
REQUEST_S = 5.0
CONNECTIONS_MAX = 32
#: Browsers that are told news at once, and the words for one more.
STREAMS_MAX = 8
_TOO_MANY = b"8 browsers look already: close one\n"

#: What a page may load: itself and nothing from elsewhere.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; frame-ancestors 'none'"
)

_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_logger = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What one path answers."""

    status: str
    content_type: str
    body: bytes


class HealthServer:
    """Serves metrics and health. `not_ready` gives the reasons why the gateway is not ready (none: it is), `status` a
    mapping for JSON, `not_alive` reasons to restart the process. `page` is the HTML of /, `news` what it is told at
    /events each `news_s`: one JSON text on one line."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        not_ready: Callable[[], Sequence[str]],
        status: Callable[[], Mapping[str, Any]],
        not_alive: Callable[[], Sequence[str]] = lambda: (),
        request_s: float = REQUEST_S,
        page: bytes = b"",
        news: Callable[[], bytes] | None = None,
        news_s: float = 1.0,
    ) -> None:
        self._metrics = metrics
        self._not_ready = not_ready
        self._status = status
        self._not_alive = not_alive
        self._request_s = request_s
        self._page = page
        self._news = news
        self._news_s = news_s
        self._streams = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[Any]] = set()
        self._paths: dict[str, Callable[[], Answer]] = {
            "/": self._index,
            "/metrics": lambda: Answer("200 OK", CONTENT_TYPE, self._metrics.scrape()),
            "/healthz": lambda: _verdict("alive", self._not_alive()),
            "/readyz": lambda: _verdict("ready", self._not_ready()),
            "/status": lambda: Answer("200 OK", _JSON, orjson.dumps(self._status(), default=str) + b"\n"),
        }

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; returns the address. Raises ConfigError where that is not possible."""
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=REQUEST_BYTES_MAX)
        except OSError as error:
            # The system's own words: asyncio wraps them into a sentence that says the address again.
            reason = os.strerror(error.errno or 0).lower() if error.errno in errno.errorcode else str(error)
            raise ConfigError(
                f"metrics can't be served on {host} port {port}: {reason}",
                place="gateway.metrics_port",
                hint="choose another port, or 0 for any free one",
            ) from error
        address = self._server.sockets[0].getsockname()
        return str(address[0]), int(address[1])

    async def close(self) -> None:
        """Listen no more and end what is open."""
        if self._server is None:
            return
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= CONNECTIONS_MAX:
            writer.close()
            return
        self._connections.add(task)
        try:
            async with asyncio.timeout(self._request_s):
                head = await _head(reader)
                news = self._news if head is not None and head.startswith(b"GET /events ") else None
                if news is None or self._streams >= STREAMS_MAX:
                    answer = Answer("503 Service Unavailable", _TEXT, _TOO_MANY) if news else None
                    writer.write(_encode(answer, False) if answer else _encode(*self._answer(head)))
                    await writer.drain()
                    return
            await self._tell_news(news, writer)
        except (TimeoutError, OSError, asyncio.CancelledError):
            pass  # a watcher that is slow or gone, or our own end: nothing to tell
        finally:
            self._connections.discard(task)
            writer.close()

    async def _tell_news(self, news: Callable[[], bytes], writer: asyncio.StreamWriter) -> None:
        """Server-sent events, until the browser is gone or does not read for as long as a request may take."""
        self._streams += 1
        try:
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
            )
            while not writer.is_closing() and (data := _made(news)) is not None:
                async with asyncio.timeout(self._request_s):
                    writer.write(b"data: " + data + b"\n\n")
                    await writer.drain()
                await asyncio.sleep(self._news_s)
        finally:
            self._streams -= 1

    def _answer(self, head: bytes | None) -> tuple[Answer, bool]:
        if head is None:
            return Answer("431 Request Header Fields Too Large", _TEXT, b"the request is too long\n"), False
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return Answer("400 Bad Request", _TEXT, b"this is not HTTP/1.1\n"), False
        verb, path = words[0], words[1].partition("?")[0]
        if verb not in ("GET", "HEAD"):
            return Answer("405 Method Not Allowed", _TEXT, b"only GET and HEAD\n"), False
        make = self._paths.get(path)
        if make is None:
            known = " ".join(sorted(self._paths))
            return Answer("404 Not Found", _TEXT, f"there are: {known}\n".encode()), verb == "HEAD"
        try:
            return make(), verb == "HEAD"
        except Exception:
            _logger.exception("the answer to %s failed", path)
            return Answer("500 Internal Server Error", _TEXT, b"failed; the log says why\n"), verb == "HEAD"

    def _index(self) -> Answer:
        if self._page:
            return Answer("200 OK", _HTML, self._page)
        return Answer("200 OK", _TEXT, "\n".join(sorted(self._paths)).encode() + b"\n")


def _made(news: Callable[[], bytes]) -> bytes | None:
    try:
        return news()
    except Exception:
        _logger.exception("the news of the page failed")
        return None


async def _head(reader: asyncio.StreamReader) -> bytes | None:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return None
    except asyncio.IncompleteReadError as error:
        return error.partial


def _verdict(word: str, reasons: Sequence[str]) -> Answer:
    status = "503 Service Unavailable" if reasons else "200 OK"
    return Answer(status, _JSON, orjson.dumps({word: not reasons, "reasons": list(reasons)}) + b"\n")


def _encode(answer: Answer, head_only: bool) -> bytes:
    allow = "Allow: GET, HEAD\r\n" if answer.status.startswith("405") else ""
    policy = f"Content-Security-Policy: {POLICY}\r\n" if answer.content_type == _HTML else ""
    head = (
        f"HTTP/1.1 {answer.status}\r\nContent-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n"
        f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{policy}{allow}Connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if head_only else answer.body)
