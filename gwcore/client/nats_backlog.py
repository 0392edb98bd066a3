"""NatsBacklog: what came over NATS and was not handed on yet. Bounded; NATS can't be told to wait, so something has to give.

`ready` goes on in order as soon as the reader reads. `held` waits for the end of an answer that is under way: state comes
before the changes that follow it. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gwcore.client.nats_news import News
from gwcore.model import Gap, GapState
from gwcore.wire import frame_event

#: Events that may wait for a reader that is slow, and for answers under way.
WAITING_EVENTS_MAX = 100_000
#: Their bytes, likewise.
WAITING_BYTES_MAX = 64 * 1024 * 1024
#: What a Gap made here says, so that it is not taken for one of the gateway's.
CAUSE_SLOW = "this client was too slow for NATS: market data conflated"


class NatsBacklog:
    """Frames of answers and news. Over its limit: `conflate`, or end the connection."""

    def __init__(self, events_max: int = WAITING_EVENTS_MAX, bytes_max: int = WAITING_BYTES_MAX) -> None:
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._ready: deque[News | bytes] = deque()
        self._held: deque[News] = deque()
        self._bytes = 0
        self._dropped: dict[str, tuple[str, int, int, int]] = {}  # partition -> session, first, last, count

    @property
    def is_over(self) -> bool:
        """Whether more waits than may."""
        return self._bytes > self._bytes_max or len(self._ready) + len(self._held) > self._events_max

    @property
    def is_ready(self) -> bool:
        """Whether there is something to hand on."""
        return bool(self._ready)

    @property
    def is_dropping(self) -> bool:
        """Whether market data is dropped at present."""
        return bool(self._dropped)

    def add_answer(self, frame: bytes) -> None:
        """A frame for the reader alone; never dropped."""
        self._ready.append(frame)
        self._bytes += len(frame)

    def add_news(self, news: News, *, hold: bool) -> None:
        """An event of the bus, in order of arrival."""
        if self._dropped and news.may_go:
            self._drop(news)
            return
        (self._held if hold else self._ready).append(news)
        self._bytes += len(news.payload)

    def release(self, is_news: Callable[[News], bool]) -> None:
        """The answers are whole: what was held follows them, as far as it is news."""
        held, self._held = self._held, deque()
        for news in held:
            if is_news(news):
                self._ready.append(news)
            else:
                self._bytes -= len(news.payload)

    def conflate(self) -> None:
        """Drop the numbered market data, and what comes of it from now on, until `take_gaps`."""
        for waiting in (self._ready, self._held):
            kept: list[News | bytes] = []
            for item in waiting:
                if isinstance(item, News) and item.may_go:
                    self._drop(item)
                    self._bytes -= len(item.payload)
                else:
                    kept.append(item)
            waiting.clear()
            waiting.extend(kept)  # type: ignore[arg-type] # each gets back what it had

    def take(self, count_max: int) -> bytes:
        """Frames to hand on, joined, at most `count_max` of them."""
        frames: list[bytes] = []
        while self._ready and len(frames) < count_max:
            item = self._ready.popleft()
            if isinstance(item, News):
                self._bytes -= len(item.payload)
                frames.append(frame_event(item.payload))
            else:
                self._bytes -= len(item)
                frames.append(item)
        return b"".join(frames)

    def take_gaps(self) -> list[Gap]:
        """What was dropped, one Gap a partition; dropping ends."""
        dropped, self._dropped = self._dropped, {}
        return [
            Gap(
                state=GapState.LOST,
                cause=CAUSE_SLOW,
                partition=partition,
                session_id=session_id,
                first_sequence=first,
                last_sequence=last,
                dropped=count,
            )
            for partition, (session_id, first, last, count) in dropped.items()
        ]

    def _drop(self, news: News) -> None:
        _, first, _, count = self._dropped.get(news.partition, ("", news.sequence, 0, 0))
        self._dropped[news.partition] = (news.session_id, first, news.sequence, count + 1)
