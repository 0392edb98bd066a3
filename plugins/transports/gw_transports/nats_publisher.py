"""Outlet: all bytes that leave over one connection to NATS, joined, in order, bounded; and whether the server takes them.

It must know no client and no market. Messages are raw HPUB commands: `Client.publish` checks and copies each header of each
message, which costs more than all the rest, and ours hold nothing that needs checking. They wait up to `linger_ms` and leave
in one write, straight into the connection's socket, as nats-py's own PING does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from nats.aio.client import Client

from gw_transports.nats_settings import NatsTransportSettings
from gwcore.ports import Clock

#: Bytes that wait no longer for company.
FLUSH_BYTES = 64 * 1024
#: How often what was written is confirmed by a PING, and the connection looked at.
LOOK_S = 0.25
#: Answers to single clients are held back above this share of `unsent_bytes_max`, so that no client's wishes push out events.
ANSWERS_SHARE = 0.25
#: Silent for so many ping intervals with a PING unanswered: the connection is given up.
SILENT_INTERVALS = 1.5

_PING = b"PING\r\n"


class _Socket(Protocol):
    def write(self, data: bytes) -> None: ...

    def get_write_buffer_size(self) -> int: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...


class OutletOwner(Protocol):
    """Who writes. All calls come from the loop, some of them inside `Outlet.write`."""

    def on_busy(self) -> None:
        """Answers should wait."""
        ...

    def on_full(self) -> None:
        """Events should wait too."""
        ...

    def on_drained(self) -> None:
        """All may go on. Comes once after `on_busy`."""
        ...

    def mark(self) -> Callable[[], None]:
        """What to call when the server has everything written so far."""
        ...


class Outlet:
    """One after another it writes to connections; between them what is written is lost, and the owners know."""

    def __init__(self, settings: NatsTransportSettings, clock: Clock, owner: OutletOwner) -> None:
        self._linger_s = settings.linger_ms / 1000
        self._bytes_max = settings.unsent_bytes_max
        self._silent_s = settings.ping_interval_s * SILENT_INTERVALS
        self._ping_interval_s = settings.ping_interval_s
        self._clock = clock
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._client: Client | None = None
        self._socket: _Socket | None = None
        self._broken: asyncio.Future[str] | None = None
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._draining: asyncio.Task[None] | None = None
        self._pong: asyncio.Future[bool] | None = None  # of the PING that is not answered yet
        self._heard_s = self._pinged_s = self._looked_s = 0.0
        self._written = self._taken = self._unsent_before = 0
        self._is_dirty = False  # something was written since the last PING
        self.is_busy = False
        self.payload_max = 0
        self.writes = 0  # calls of the socket
        self.bytes = 0

    @property
    def unsent_bytes(self) -> int:
        """What waits here and in the socket."""
        return self._parts_bytes + (self._socket.get_write_buffer_size() if self._socket is not None else 0)

    def attach(self, client: Client) -> asyncio.Future[str]:
        """Write to this connection from now on. The future gets the cause of its end."""
        writer = client._transport._io_writer  # type: ignore[union-attr]
        self._client = client
        self._socket = cast("_Socket", writer.transport)
        high = int(self._bytes_max * ANSWERS_SHARE)
        self._socket.set_write_buffer_limits(high=high, low=high // 2)
        self.payload_max = client.max_payload
        self._broken = self._loop.create_future()
        self._written = self._taken = self._unsent_before = 0
        self._heard_s = self._pinged_s = self._looked_s = self._now_s()
        self._is_dirty = False
        self._looking = self._loop.call_later(LOOK_S, self._look)
        broken = self._broken

        def on_end(_: asyncio.Task[None]) -> None:
            self._end(broken, "the server closed the connection")

        # The reading task ends with the connection, also where nats-py fails on its way to say so.
        client._reading_task.add_done_callback(on_end)  # type: ignore[union-attr]
        return self._broken

    def detach(self) -> None:
        """The connection is gone. What waited for it is thrown away: its order could not be kept."""
        for timer in (self._timer, self._looking):
            if timer is not None:
                timer.cancel()
        if self._draining is not None:
            self._draining.cancel()
        self._timer = self._looking = self._draining = None
        self._client = self._socket = self._broken = self._pong = None
        self._parts.clear()
        self._parts_bytes = 0
        self.is_busy = False

    def write(self, parts: Sequence[bytes], size: int) -> None:
        """Commands of `size` bytes together, in order. Never blocks, never raises; nothing where there is no connection."""
        if self._socket is None:
            return
        self._parts += parts
        self._parts_bytes += size
        if self._parts_bytes >= FLUSH_BYTES or not self._linger_s:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._linger_s, self.flush)

    def flush(self) -> None:
        """Everything that waits into the socket, in one call."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        parts, self._parts, self._parts_bytes = self._parts, [], 0
        if not parts:
            return
        self._is_dirty = True
        # Seldom there is so much to say that PINGs of `_look` alone would confirm too late; they are cheap in company.
        if self._pong is None and self._now_s() - self._pinged_s >= LOOK_S:
            parts.append(self._ping())
        self._send(b"".join(parts))

    def fail(self, cause: str) -> None:
        """Give this connection up."""
        if self._broken is not None:
            self._end(self._broken, cause)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        socket, client = self._socket, self._client
        if socket is None or client is None or client.is_closed:
            self.fail("the connection is lost")
            return
        self._written += len(data)
        self.bytes += len(data)
        self.writes += 1
        socket.write(data)
        unsent = socket.get_write_buffer_size()
        if unsent > self._bytes_max * ANSWERS_SHARE and not self.is_busy:
            self.is_busy = True
            self._draining = self._loop.create_task(self._drain(client))
            self._owner.on_busy()
        if unsent > self._bytes_max:
            self._owner.on_full()

    async def _drain(self, client: Client) -> None:
        try:
            await client._transport.drain()  # type: ignore[union-attr]
        except OSError as error:
            self.fail(f"the connection is lost: {error}")
            return
        self._draining = None
        self.is_busy = False
        self._owner.on_drained()

    def _ping(self) -> bytes:
        """The command, whose answer confirms all that is written before it."""
        assert self._client is not None
        confirmed = self._owner.mark()
        pong: asyncio.Future[bool] = self._loop.create_future()
        self._pong = pong
        self._pinged_s = self._heard_s = self._now_s()
        self._is_dirty = False

        def on_pong(_: asyncio.Future[bool]) -> None:
            if self._pong is pong:
                self._pong = None
                self._heard_s = self._now_s()
                confirmed()

        pong.add_done_callback(on_pong)
        self._client._pongs.append(pong)
        return _PING

    def _look(self) -> None:
        now_s = self._now_s()
        self._looking = self._loop.call_later(LOOK_S, self._look)
        if self._client is None or self._client.is_closed or self._socket is None:
            self.fail("the connection is lost")
            return
        if now_s - self._looked_s > 4 * LOOK_S:
            self._heard_s = now_s  # it was us who slept: what the server said meanwhile is not read yet
        self._looked_s = now_s
        unsent = self._socket.get_write_buffer_size()
        taken = self._written - unsent
        # The system takes from a buffer that stays filled only what the server makes room for: slow is not silent.
        if unsent and self._unsent_before and taken > self._taken:
            self._heard_s = now_s
        self._taken, self._unsent_before = taken, unsent
        if self._pong is not None:
            if now_s - self._heard_s > self._silent_s:
                self.fail(f"nothing heard for {now_s - self._heard_s:.1f} s")
        elif self._is_dirty or now_s - self._pinged_s >= self._ping_interval_s:
            self._send(self._ping())

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / 1e9

    @staticmethod
    def _end(broken: asyncio.Future[str], cause: str) -> None:
        if not broken.done():
            broken.set_result(cause)
