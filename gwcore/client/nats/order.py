"""ArrivalOrder: whether an event of the bus came before, and whether the gateway is still the one it was. Pure."""

from __future__ import annotations

from gwcore.client.nats.news import News
from gwcore.errors import NotConnected
from gwcore.wire import ResumeToken


class ArrivalOrder:
    """One connection's view. Within a partition the server keeps the order of the gateway, so numbers only rise."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, int]] = {}  # partition -> session, last sequence that came
        self._notice: tuple[bytes, int] = (b"", 0)  # the last event without a number, and its subscription

    def expect(self, sessions: ResumeToken) -> None:
        """The gateway said which sessions it speaks for. Raises NotConnected where they are others than before."""
        for partition, (session_id, _) in sessions.items():
            self._check(partition, session_id)

    def is_repeated(self, news: News, subscription: int) -> bool:
        """Whether it came already: subjects of several subscriptions overlap, and the server sends it for each of them.

        Raises NotConnected where it is of another session than what came before it.
        """
        last = self._check(news.partition, news.session_id)
        if news.sequence:
            if news.sequence <= last:
                return True
            self._seen[news.partition] = (news.session_id, news.sequence)
            return False
        before, self._notice = self._notice, (news.payload, subscription)
        return before[0] == news.payload and before[1] != subscription

    def _check(self, partition: str, session_id: str) -> int:
        known = self._seen.get(partition)
        if known is None:
            self._seen[partition] = (session_id, 0)
            return 0
        if known[0] != session_id:
            # It started anew without a goodbye: what it said meanwhile is not here, so the client comes back by its token.
            raise NotConnected(f"the gateway started anew: session {session_id} of {partition} follows {known[0]}")
        return known[1]
