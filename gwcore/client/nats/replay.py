"""NatsReplay: an answer of recorded events, longer than what may wait here: it is cut, and asked for again from there.

A gateway replays as fast as the server takes it, and NATS does not make it wait for a slow reader. So a client that has
enough says hello once more on its inbox, which ends the answer; when there is room it asks again, behind the last event that
it took. Pure.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from gwcore.client.nats.asks import Ask
from gwcore.client.nats.news import News
from gwcore.wire import ResumeToken, Subscribe


class Phase(Enum):
    """How far an answer is."""

    COMING = 1
    CUT = 2  # hello was said again; what still comes of the answer is left out
    RESTING = 3  # the gateway heard it: ask again when there is room


class NatsReplay:
    """One answer. `is_replay`: it is one of recorded events; others are never cut."""

    def __init__(self, ask: Ask) -> None:
        request = ask.request
        self.phase = Phase.COMING
        self.is_again = False  # the answer goes on behind a cut: that it was subscribed is told already
        self._ask = ask
        self._reached: ResumeToken = {}
        self._resume: ResumeToken = {}
        self.is_replay = isinstance(request, Subscribe) and (request.from_start or request.resume is not None)
        if isinstance(request, Subscribe):
            self._resume = request.resume or {}

    @property
    def can_be_cut(self) -> bool:
        """Whether it is known where to go on."""
        return self.phase is Phase.COMING and bool(self._reached)

    def note(self, news: News) -> None:
        """An event of the answer was taken."""
        if self.is_replay and news.sequence:
            self._reached[news.partition] = (news.session_id, news.sequence)

    def again(self) -> Ask:
        """What to ask to go on; what was not reached yet goes on from where it was asked to."""
        assert isinstance(self._ask.request, Subscribe)
        self.phase = Phase.COMING
        self.is_again = True
        token = {**self._resume, **self._reached}
        self._reached = {}
        self._resume = token
        return self._ask._replace(request=msgspec.structs.replace(self._ask.request, from_start=False, resume=token))
