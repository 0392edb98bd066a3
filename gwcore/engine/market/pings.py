"""Pings: the questions that keep one connection open and tell how long its way is. Pure; the machine sends them."""

from __future__ import annotations

from gwcore.engine.reconnect import NANOSECONDS
from gwcore.venue import Frame, GroupLimits, MarketDataCodec

#: Pings without an answer that are remembered; the oldest is forgotten. Far beyond what any connection lives through.
UNANSWERED_MAX = 64


class Pings:
    """Of one connection, over all its reconnects. Times are monotonic ns."""

    def __init__(self, limits: GroupLimits) -> None:
        self._codec: MarketDataCodec | None = None
        self._every_ns = int(limits.ping_s * NANOSECONDS) if limits.ping_s is not None else None  # None: never
        self.due_ns: int | None = None  # when the next one should leave; None: never. Read after every burst of frames
        self._last_ns = 0  # when the last one left
        self._number = 0
        self._unanswered: dict[int, int] = {}  # number -> when it left

    def on_open(self, codec: MarketDataCodec, now_ns: int) -> None:
        """A new connection: the first ping is due at once, while little else is on the way."""
        self._codec = codec
        self._last_ns = now_ns - (self._every_ns or 0)
        self.due_ns = now_ns if self._every_ns is not None and hasattr(codec, "ping") else None
        self._unanswered.clear()

    @property
    def oldest_ns(self) -> int | None:
        """When the oldest one without an answer left; None: all are answered."""
        return next(iter(self._unanswered.values()), None)

    def make(self, now_ns: int) -> Frame | None:
        """The ping that is due now; None: none is."""
        ping = getattr(self._codec, "ping", None)
        if ping is None or self._every_ns is None or now_ns < self._last_ns + self._every_ns:
            return None
        self._last_ns = now_ns
        self.due_ns = now_ns + self._every_ns
        self._number += 1
        if len(self._unanswered) >= UNANSWERED_MAX:
            del self._unanswered[next(iter(self._unanswered))]
        self._unanswered[self._number] = now_ns
        frame: Frame = ping(self._number)
        return frame

    def answered(self, number: int | None) -> int | None:
        """An answer came: when its question left; None: it is to none that waits. Earlier ones are waited for no more."""
        if number is None or number not in self._unanswered:
            return None
        sent_ns = self._unanswered[number]
        for each in [each for each in self._unanswered if each <= number]:
            del self._unanswered[each]
        return sent_ns
