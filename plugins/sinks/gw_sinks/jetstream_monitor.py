"""Asks NATS servers over their monitoring ports how they are (`/healthz`) and how they store (`/varz`).

A publisher learns of a full disk by silence alone; the server's health says why. Requests run on threads, each with a
time limit; whoever asks reads what was found last and never waits.
"""

from __future__ import annotations

import asyncio
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec

from gw_sinks.jetstream_causes import Failure, name_health

#: Of one request.
_TIMEOUT_S = 2.0
_BODY_BYTES_MAX = 1024 * 1024


class Durability(NamedTuple):
    """How one server stores."""

    server_id: str
    server_name: str
    sync_always: bool


class _JetStreamConfig(msgspec.Struct):
    sync_always: bool = False


class _JetStream(msgspec.Struct):
    config: _JetStreamConfig = msgspec.field(default_factory=_JetStreamConfig)


class _Varz(msgspec.Struct):
    server_id: str
    server_name: str = ""
    jetstream: _JetStream = msgspec.field(default_factory=_JetStream)


class _Healthz(msgspec.Struct):
    status: str = ""
    error: str = ""


class Monitor:
    """The monitoring ports of one or more servers. `start` begins to ask each `interval_s` for their health."""

    def __init__(self, urls: Sequence[str], interval_s: float) -> None:
        self.urls = [url.strip().rstrip("/") for url in urls]
        self._interval_s = interval_s
        self._troubles: dict[str, str] = {}  # url -> what the server says is wrong
        self._silent: set[str] = set()  # that do not answer
        self._soon = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ask; no effect where it runs."""
        if self.urls and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="nats monitor")

    async def close(self) -> None:
        """Ask no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def explain(self, stream: str) -> Failure | None:
        """What a server said was wrong when it was asked last, as far as it bears upon this stream."""
        found = (name_health(text, stream) for text in self._troubles.values())
        return next((failure for failure in found if failure is not None), None)

    @property
    def silence(self) -> str:
        """Which servers' monitoring ports did not answer, as the end of a sentence."""
        # Without the path: that of a server of our own is a secret.
        hosts = sorted(urllib.parse.urlsplit(url).netloc for url in self._silent)
        return f"; no answer from {', '.join(hosts)} either" if hosts else ""

    @property
    def has_trouble(self) -> bool:
        """Whether a server said that it is not healthy."""
        return bool(self._troubles)

    def forget(self) -> None:
        """What was found counts no more: the server is another one."""
        self._troubles.clear()
        self._silent.clear()

    async def look(self) -> None:
        """Ask all for their health now."""
        await asyncio.gather(*map(self._look, self.urls))

    async def read_durability(self) -> list[Durability]:
        """How each server that answers stores."""
        found = await asyncio.gather(*(asyncio.to_thread(_get, f"{url}/varz") for url in self.urls))
        servers = []
        for body in found:
            try:
                told = msgspec.json.decode(body or b"", type=_Varz)
            except msgspec.MsgspecError:
                continue
            servers.append(Durability(told.server_id, told.server_name, told.jetstream.config.sync_always))
        return servers

    def look_soon(self) -> None:
        """Something is wrong: do not wait for the next time."""
        self._soon.set()

    async def _run(self) -> None:
        while True:
            self._soon.clear()
            await self.look()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._soon.wait(), self._interval_s)

    async def _look(self, url: str) -> None:
        body = await asyncio.to_thread(_get, f"{url}/healthz")
        self._troubles.pop(url, None)
        self._silent.discard(url)
        if body is None:
            self._silent.add(url)
            return
        try:
            told = msgspec.json.decode(body, type=_Healthz)
        except msgspec.MsgspecError:
            return  # not a nats-server's port; `read_durability` found nothing there either
        if told.status != "ok":
            self._troubles[url] = told.error or told.status


def _get(url: str) -> bytes | None:
    """The body, also of an answer that is an error; None without an answer."""
    # Monitoring ports are asked directly, whatever proxy the environment names.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_TIMEOUT_S) as answer:
            body: bytes = answer.read(_BODY_BYTES_MAX)
    except urllib.error.HTTPError as error:
        with error:
            try:
                return error.read(_BODY_BYTES_MAX)
            except (OSError, http.client.HTTPException):
                return None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    return body
