"""Link: one socket of a client, as an asyncio protocol, with its heartbeats."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from gwcore.errors import NotConnected

#: Beats of the gateway that may be missed before the connection counts as dead.
MISSED_BEATS_MAX = 3
#: How long what was written may take to leave when closing.
_CLOSE_S = 1.0


class LinkOwner(Protocol):
    """What a link reports to."""

    def on_open(self, link: Link) -> None:
        """The socket stands."""
        ...

    def on_data(self, data: bytes) -> None:
        """Bytes came."""
        ...

    def on_beat(self) -> None:
        """Time to send something."""
        ...

    def on_lost(self, link: Link, cause: str) -> None:
        """The socket is gone."""
        ...


class Link(asyncio.Protocol):
    """One socket. Counts beats, not seconds: a program that blocks the loop for a while does not lose its connection."""

    def __init__(self, owner: LinkOwner) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._cause = ""
        self._is_paused = False
        self._heard = False
        self._missed = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        # Not checked by type: what uvloop makes is none of asyncio's, and does all that one does.
        self._transport = transport = cast(asyncio.Transport, transport)
        self._owner.on_open(self)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._heard = True
        if not self._cause:
            self._owner.on_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio, once."""
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        self._owner.on_lost(self, self._cause or _cause(error))
        if not self.closed.done():
            self.closed.set_result(None)

    def write(self, data: bytes) -> None:
        """Send bytes; nothing happens once the socket is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pause(self) -> None:
        """Read no more for now: the kernel's buffer fills, then the gateway's."""
        if self._transport is not None and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and self._is_paused:
            self._is_paused = False
            self._missed = 0
            self._transport.resume_reading()

    def close(self, cause: str) -> None:
        """Close; `closed` is done when it is."""
        if self._transport is None or self._cause:
            return
        self._cause = cause
        self._transport.close()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(_CLOSE_S, self._abort)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def start_beats(self, interval_s: float) -> None:
        """Send a beat each interval and expect to hear something as often."""
        if self._timer is None and interval_s > 0:
            self._timer = self._loop.call_later(interval_s, self._beat, interval_s)

    def _beat(self, interval_s: float) -> None:
        if self._transport is None:
            return
        # While reading is paused silence says nothing.
        self._missed = 0 if self._heard or self._is_paused else self._missed + 1
        self._heard = False
        if self._missed >= MISSED_BEATS_MAX:
            self._cause = f"the gateway was silent for {MISSED_BEATS_MAX * interval_s:g} s"
            self._transport.abort()
            return
        self._timer = self._loop.call_later(interval_s, self._beat, interval_s)
        self._owner.on_beat()


def _cause(error: Exception | None) -> str:
    if error is None:
        return "the gateway closed the connection"
    return str(error) if isinstance(error, NotConnected) else f"connection lost: {error}"
