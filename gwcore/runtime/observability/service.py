"""Talks to the service manager that started the process (systemd's notify protocol: datagrams of `NAME=value` lines).

READY=1 after the first live snapshot; WATCHDOG=1 for as long as the event loop runs and no part is stuck; while starting,
more time, on the same terms. Not started by one: nothing of this happens. A manager that does not listen disturbs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable, MutableMapping, Sequence

_log = logging.getLogger("gwcore.gateway")

#: How often it is looked how the gateway stands; more often where the watchdog wants that.
PULSE_S = 1.0
#: A start is given this much longer each time, for as long as it moves. A venue that is away may be away for hours.
START_S = 30.0
#: An orderly stop may take as long as `gateway.shutdown_s`, and this for what surrounds it.
STOP_S = 15.0
#: Characters of STATUS.
STATUS_MAX = 200

_USEC = 1_000_000


class Notifier:
    """The way to the service manager. `send` never raises and never waits."""

    def __init__(self, address: str, watchdog_s: float | None = None) -> None:
        """`address` is a path or, with `@` in front, a name in the abstract namespace. Raises ValueError for another."""
        if address[:1] not in {"/", "@"} or len(address) < 2:
            raise ValueError(f"NOTIFY_SOCKET is {address!r}, which is neither a path nor an abstract name")
        self._address = "\0" + address[1:] if address[0] == "@" else address
        self.watchdog_s = watchdog_s  # the process has to speak within this time; None: nobody waits for it
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._trouble = ""

    def send(self, **lines: str | int) -> bool:
        """One message; returns whether it left."""
        data = "\n".join(f"{name}={value}" for name, value in lines.items()).encode()
        try:
            self._socket.sendto(data, self._address)
        except OSError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                _log.warning("the service manager can't be told %s: %s", ", ".join(lines), error)
            return False
        self._trouble = ""
        return True

    def close(self) -> None:
        """No more messages."""
        self._socket.close()


def find_notifier(environ: MutableMapping[str, str]) -> Notifier | None:
    """The one that the environment names, or None. What it says is taken out of the environment: it is for this process,
    not for its children. A value that makes no sense is told in the log."""
    address = environ.pop("NOTIFY_SOCKET", "")
    watchdog, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
    if not address:
        return None
    watchdog_s = None
    if watchdog and (not pid or pid == str(os.getpid())):
        if watchdog.isascii() and watchdog.isdigit() and int(watchdog):
            watchdog_s = int(watchdog) / _USEC
        else:
            _log.warning("WATCHDOG_USEC is %r, no number of microseconds: the watchdog is not fed", watchdog)
    try:
        return Notifier(address, watchdog_s)
    except ValueError as error:
        _log.warning("%s: the service manager is told nothing", error)
        return None


class ServiceWatch:
    """What the service manager is told of one gateway.

    `stuck` names parts that do not move, `is_live` says whether a symbol is LIVE, `status` how it all stands in a few words.
    """

    def __init__(
        self,
        notifier: Notifier,
        *,
        stuck: Callable[[], Sequence[str]],
        is_live: Callable[[], bool],
        status: Callable[[], str],
        shutdown_s: float,
        time_s: Callable[[], float],
    ) -> None:
        self._notifier = notifier
        self._stuck = stuck
        self._is_live = is_live
        self._status = status
        self._shutdown_s = shutdown_s
        self._time_s = time_s
        self._told_status = ""
        self._told_stuck: list[str] = []
        self._fed_s: float | None = None
        self.is_ready = False  # READY=1 has left

    @property
    def pulse_s(self) -> float:
        """Seconds between two calls of `pulse`."""
        watchdog_s = self._notifier.watchdog_s
        return PULSE_S if watchdog_s is None else min(PULSE_S, watchdog_s / 4)

    def pulse(self) -> None:
        """Look, and say what is due."""
        # Without their numbers: what is stuck is told once, not each second.
        stuck = [each.partition(" has been stuck")[0] for each in self._stuck()]
        if stuck != self._told_stuck:
            self._told_stuck = stuck
            if stuck:
                _log.error("the watchdog is not fed: %s", "; ".join(self._stuck()))
            else:
                _log.warning("the watchdog is fed again: nothing is stuck any more")
        if not self.is_ready and self._is_live():
            self.is_ready = self._notifier.send(READY=1)
        self._tell_status(f"stuck: {', '.join(stuck)}" if stuck else self._status())
        if stuck:
            return
        if not self.is_ready:
            self._notifier.send(EXTEND_TIMEOUT_USEC=int(START_S * _USEC))
        self._feed()

    def _tell_status(self, status: str) -> None:
        status = " ".join(status.split())[:STATUS_MAX]
        if status != self._told_status and self._notifier.send(STATUS=status):
            self._told_status = status

    def _feed(self) -> None:
        watchdog_s, now_s = self._notifier.watchdog_s, self._time_s()
        # A quarter, so that with the time between two pulses it is a half at the most.
        is_due = watchdog_s is not None and (self._fed_s is None or now_s >= self._fed_s + watchdog_s / 4)
        if is_due and self._notifier.send(WATCHDOG=1):
            self._fed_s = now_s

    def on_reload(self, begins: bool) -> None:
        """A reload begins or has ended, well or not. While the start is under way that is nobody's business."""
        if self.is_ready:
            if begins:
                self._notifier.send(RELOADING=1, MONOTONIC_USEC=int(self._time_s() * _USEC))
            else:
                self._notifier.send(READY=1)

    def on_stop(self) -> None:
        """The gateway stops in order."""
        stop_s = self._shutdown_s + STOP_S
        self._notifier.send(STOPPING=1, STATUS="stopping", EXTEND_TIMEOUT_USEC=int(stop_s * _USEC))

    async def run(self, stopping: Callable[[], Awaitable[object]]) -> None:
        """Pulse until `stopping()` returns, then say so."""
        while True:
            self.pulse()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.pulse_s):
                    await stopping()
                    break
        self.on_stop()
