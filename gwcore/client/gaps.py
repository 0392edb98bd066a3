"""GapFinder: finds holes in the sequences of what arrives that the gateway did not announce (law 1: never silently).

Two independent numbers are watched. `topic_sequence` is gapless for every subscriber, because a filter takes a topic whole
or not at all; `sequence` is gapless only for who subscribed to everything. It must not decide what a hole means for a book.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from gwcore.model import Gap, Header
from gwcore.wire import ResumeToken

#: Causes of the gaps found here; the gateway's own are other words.
CAUSE_SEQUENCE = "CLIENT_SEQUENCE"
CAUSE_TOPIC = "CLIENT_TOPIC_SEQUENCE"


#: Kind, symbol (account where there is none), and the user whose orders it is about.
Topic: TypeAlias = tuple[str, str | None, str | None]


class _Partition:
    __slots__ = ("excused", "from_one", "sequence", "session_id", "topics")

    def __init__(self, session_id: str, sequence: int | None, *, from_one: bool) -> None:
        self.session_id = session_id
        self.sequence = sequence  # the last one seen; None: any may come next
        self.from_one = from_one  # the first event of every topic must be its number 1
        self.excused = False  # the gateway announced a gap: a new session may begin anywhere
        self.topics: dict[Topic, int] = {}


class GapFinder:
    """One per client. `whole`: a subscription takes everything. `from_start`: sessions not seen yet begin at 1."""

    def __init__(self) -> None:
        self.whole = False
        self.from_start = False
        self.partial: tuple[str, ...] = ()  # classes that this client sees a part of: their sequences may jump
        self._partitions: dict[str, _Partition] = {}

    def seed(self, token: ResumeToken) -> None:
        """What follows goes on after `token`."""
        self._partitions = {
            name: _Partition(session_id, sequence, from_one=False) for name, (session_id, sequence) in token.items()
        }

    def resume(self, token: ResumeToken) -> None:
        """The same stream goes on after `token`: what is known of its topics still holds."""
        for name, (session_id, sequence) in token.items():
            known = self._partitions.get(name)
            if known is None or known.session_id != session_id:
                self._partitions[name] = _Partition(session_id, sequence, from_one=False)

    def forget(self) -> None:
        """What follows has nothing to do with what came before."""
        self._partitions.clear()

    def forget_topics(self, condition: Callable[[str, str | None], bool]) -> None:
        """Topics whose kind and symbol (or account) meet the condition are not followed any more: they may begin anywhere."""
        for known in self._partitions.values():
            known.topics = {topic: number for topic, number in known.topics.items() if not condition(*topic[:2])}

    def confirmed(self, *, whole: bool, is_first: bool) -> None:
        """A subscription stands from here on; `is_first`: nothing was subscribed before it on this connection."""
        if not is_first:
            self.from_start = False
            for known in self._partitions.values():
                known.from_one = False  # topics that were not taken before may begin anywhere
                if whole and not self.whole:
                    known.sequence = None  # so may sequences that were seen through a filter
        self.whole = whole

    def snapshot(self, header: Header) -> None:
        """State made for this client: what follows it goes on after its `after_sequence`."""
        known = self._partitions.get(header.partition)
        if known is None or known.session_id != header.session_id:
            self._partitions[header.partition] = _Partition(header.session_id, header.after_sequence, from_one=False)

    def announced(self, gap: Gap, header: Header) -> None:
        """The gateway said itself that something is missing."""
        known = self._partitions.get(gap.partition or header.partition)
        if known is None:
            return
        known.excused = True
        known.from_one = False
        known.topics.clear()
        if gap.last_sequence is None or gap.session_id not in (None, known.session_id):
            known.sequence = None
        elif known.sequence is not None:
            known.sequence = max(known.sequence, gap.last_sequence)

    def check(self, header: Header, topic: Topic) -> Gap | None:
        """One numbered event, in order of arrival. Returns the hole before it, if there is one that nobody announced.

        Numbers seen before are no fault: a second subscription may replay them.
        """
        sequence = header.sequence
        assert sequence is not None
        known = self._partitions.get(header.partition)
        if known is None or known.session_id != header.session_id:
            known = self._new_session(header, known)
        gap: Gap | None = None
        last = known.sequence
        if last is None or sequence > last:
            if self._is_whole(header.partition) and last is not None and sequence > last + 1:
                gap = Gap(
                    cause=CAUSE_SEQUENCE,
                    partition=header.partition,
                    session_id=header.session_id,
                    first_sequence=last + 1,
                    last_sequence=sequence - 1,
                    dropped=sequence - last - 1,
                )
            known.sequence = sequence
        number = header.topic_sequence
        if number is None:
            return gap
        before = known.topics.get(topic)
        if before is None and known.from_one:
            before = 0
        if before is None or number > before:
            known.topics[topic] = number
            if gap is None and before is not None and number > before + 1:
                kind, symbol, _ = topic
                gap = Gap(
                    cause=CAUSE_TOPIC,
                    partition=header.partition,
                    session_id=header.session_id,
                    symbol=symbol,
                    channel=kind,
                    dropped=number - before - 1,
                )
        return gap

    def _is_whole(self, partition: str) -> bool:
        return self.whole and (not self.partial or partition.partition(".")[0] not in self.partial)

    def _new_session(self, header: Header, known: _Partition | None) -> _Partition:
        # In the middle of a stream a session that follows another is seen from its first event on, or it was announced.
        from_one = self.from_start if known is None else not known.excused
        fresh = _Partition(header.session_id, 0 if from_one else None, from_one=from_one)
        self._partitions[header.partition] = fresh
        return fresh
