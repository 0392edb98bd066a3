"""NatsBacklog: what came over NATS and was not handed on yet. Bounded; NATS can't be told to wait, so something has to give.

`ready` goes on in order as soon as the reader reads. `held` waits for the end of an answer that is under way: state comes
before the changes that follow it. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gwcore.client.nats.news import News
from gwcore.client.session import LOCAL_SOURCE
from gwcore.model import SCHEMA_VERSION, Envelope, Gap, GapState, Header
from gwcore.wire import ResumeToken, encode, frame_event

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
        self._ready_bytes = 0
        self._held_bytes = 0
        self._dropped: dict[str, tuple[str, int, int, int]] = {}  # partition -> session, first, last, count

    @property
    def is_over(self) -> bool:
        """Whether more waits than may."""
        waiting = len(self._ready) + len(self._held)
        return self._ready_bytes + self._held_bytes > self._bytes_max or waiting > self._events_max

    @property
    def is_high(self) -> bool:
        """Whether half of what may wait is there for the reader alone: an answer that can be cut is cut."""
        return self._ready_bytes * 2 > self._bytes_max or len(self._ready) * 2 > self._events_max

    @property
    def is_low(self) -> bool:
        """Whether the reader has taken most of it: an answer that was cut goes on."""
        return self._ready_bytes * 8 <= self._bytes_max and len(self._ready) * 8 <= self._events_max

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
        self._ready_bytes += len(frame)

    def add_news(self, news: News, *, hold: bool) -> None:
        """An event of the bus, in order of arrival."""
        if self._dropped and news.may_go:
            self._drop(news)
            return
        if hold:
            self._held.append(news)
            self._held_bytes += len(news.payload)
        else:
            self._ready.append(news)
            self._ready_bytes += len(news.payload)

    def release(self, is_news: Callable[[News], bool]) -> None:
        """The answers are whole: what was held follows them, as far as it is news."""
        held, self._held = self._held, deque()
        self._held_bytes = 0
        for news in held:
            if is_news(news):
                self._ready.append(news)
                self._ready_bytes += len(news.payload)

    def forgive(self, sessions: ResumeToken) -> None:
        """A replay of all that is asked for reached up to here: what was dropped before is in it, and no loss."""
        for partition, (session_id, sequence) in sessions.items():
            dropped = self._dropped.get(partition)
            if dropped is not None and dropped[0] == session_id and dropped[2] <= sequence:
                del self._dropped[partition]

    def conflate(self) -> None:
        """Drop the numbered market data, and what comes of it from now on, until `take_gaps`."""
        ready, held = self._ready, self._held
        self._ready, self._held = deque(), deque()
        self._ready_bytes = self._held_bytes = 0
        for item in ready:
            if isinstance(item, bytes):
                self.add_answer(item)
            else:
                self._keep(item, hold=False)
        for news in held:
            self._keep(news, hold=True)

    def take(self, count_max: int) -> bytes:
        """Frames to hand on, joined, at most `count_max` of them."""
        frames: list[bytes] = []
        while self._ready and len(frames) < count_max:
            item = self._ready.popleft()
            if isinstance(item, News):
                self._ready_bytes -= len(item.payload)
                frames.append(frame_event(item.payload))
            else:
                self._ready_bytes -= len(item)
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

    def _keep(self, news: News, *, hold: bool) -> None:
        if news.may_go:
            self._drop(news)
        else:
            self.add_news(news, hold=hold)

    def _drop(self, news: News) -> None:
        _, first, _, count = self._dropped.get(news.partition, ("", news.sequence, 0, 0))
        self._dropped[news.partition] = (news.session_id, first, news.sequence, count + 1)


def gap_frame(gap: Gap, venue: str, published_ns: int) -> bytes:
    """A Gap made here as the frame of a notice."""
    header = Header(
        v=SCHEMA_VERSION,
        venue=venue,
        source=LOCAL_SOURCE,
        partition=gap.partition or "",
        session_id=gap.session_id or "",
        published_ns=published_ns,
    )
    return frame_event(encode(Envelope(header=header, event=gap)))
