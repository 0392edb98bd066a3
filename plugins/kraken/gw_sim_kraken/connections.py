"""Connections and how many of them are let in (sheet 1.1): 150 attempts in ten minutes, then a ban of ten."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random

from gw_sim_kraken.feed import Topic
from gw_sim_kraken.settings import SimKrakenSettings
from gw_sim_kraken.texts import SECOND_NS

PUBLIC, PRIVATE, LEVEL3 = "public", "private", "level3"
#: Paths stand for Kraken's three hosts.
HOSTS = {"/v2": PUBLIC, "/auth/v2": PRIVATE, "/l3/v2": LEVEL3}


@dataclass(slots=True, eq=False)
class Subscription:
    """One topic on one connection. `fed`: its snapshot has gone out, updates may follow."""

    connection: Connection
    topic: Topic
    fed: bool = False
    ended: bool = False
    unfed: bool = False  # acked, and never fed whatever comes


@dataclass(slots=True, eq=False)
class Connection:
    """One open WebSocket."""

    number: int
    host: str
    active_ns: int
    rng: Random  # of its latencies
    subscriptions: dict[Topic, Subscription] = field(default_factory=dict)
    heartbeat: bool = False
    reply_ns: dict[Topic, int] = field(default_factory=dict)  # replies of one topic keep their order
    second_ns: int = 0
    requests_in_second: int = 0


class Gate:
    """Counts connection attempts in a rolling window."""

    def __init__(self, settings: SimKrakenSettings) -> None:
        self._max = settings.connects_max
        self._window_ns = int(settings.connects_window_s * SECOND_NS)
        self._ban_ns = int(settings.ban_s * SECOND_NS)
        self._attempts: deque[int] = deque()
        self._banned_until_ns = 0

    def admits(self, now_ns: int) -> bool:
        """Count one attempt; false while banned."""
        if not self._max:
            return True
        if now_ns < self._banned_until_ns:
            return False
        while self._attempts and self._attempts[0] <= now_ns - self._window_ns:
            self._attempts.popleft()
        if len(self._attempts) >= self._max:
            self._banned_until_ns = now_ns + self._ban_ns
            self._attempts.clear()
            return False
        self._attempts.append(now_ns)
        return True
