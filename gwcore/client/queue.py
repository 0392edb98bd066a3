"""DeliveryQueue: what was received and not read yet. Bounded; at the limit the socket is no longer read.

Nothing is dropped here: the gateway then finds this client slow and does what it chose when it subscribed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gwcore.client.session import Delivery
from gwcore.client.token import TokenTracker
from gwcore.wire import ResumeToken, SnapshotEnd

#: Events kept for a reader before the socket is paused; one read of the socket may come on top.
QUEUE_EVENTS_MAX = 20_000
#: Their bytes, likewise.
QUEUE_BYTES_MAX = 32 * 1024 * 1024
#: Mark of a connection's end in the queue.
_DISCONNECTED = SnapshotEnd(request_id=0)


class DeliveryQueue:
    """First in, first out. `on_pause` and `on_resume` are called at the limit and at half of it."""

    def __init__(
        self, events_max: int, bytes_max: int, on_pause: Callable[[], None], on_resume: Callable[[], None]
    ) -> None:
        if events_max < 1 or bytes_max < 1:
            raise ValueError("a queue has room for one event at least")
        self.is_paused = False
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._on_pause = on_pause
        self._on_resume = on_resume
        self._items: deque[Delivery | SnapshotEnd] = deque()
        self._bytes = 0
        self._tracker = TokenTracker()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def token(self) -> ResumeToken:
        """Resume token of what was taken out: nothing that still waits counts."""
        return self._tracker.token

    def start_from(self, token: ResumeToken) -> None:
        """What comes goes on after this token."""
        self._tracker = TokenTracker(token)

    def put(self, item: Delivery | SnapshotEnd) -> None:
        """Add one; marks of a snapshot's end travel in order with the events."""
        self._items.append(item)
        if type(item) is Delivery:
            self._bytes += len(item.payload)
        if not self.is_paused and (len(self._items) >= self._events_max or self._bytes >= self._bytes_max):
            self.is_paused = True
            self._on_pause()

    def disconnected(self) -> None:
        """What a broken connection left unfinished travels in order too."""
        self._items.append(_DISCONNECTED)

    def get(self) -> Delivery | None:
        """Take the next delivery; None when there is none."""
        items = self._items
        while items:
            item = items.popleft()
            if type(item) is Delivery:
                self._bytes -= len(item.payload)
                if not item.request_id:
                    self._tracker.note(item.envelope.header)
            elif item is _DISCONNECTED:
                self._tracker.disconnected()
            else:
                self._tracker.snapshot_end()
            if self.is_paused and len(items) * 2 <= self._events_max and self._bytes * 2 <= self._bytes_max:
                self.is_paused = False
                self._on_resume()
            if type(item) is Delivery:
                return item
        return None
