"""CatchUp: a client reads the journal until it has caught up, class by class, and only then gets the news.

The switch from journal to news happens between two records, on one thread: nothing is missed and nothing comes twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from gwcore.errors import RecordsGone, StorageError
from gwcore.model import Gap, GapState, Record, partition_class
from gwcore.wire import ResumeToken

if TYPE_CHECKING:
    from gwcore.engine.clients.fanout import Fanout, RecordReader

#: Classes of the journal, in the order a client catches up on them: what is traded before its prices.
CLASSES = ("st", "md", "ex")
#: Classes whose earlier sessions are honoured in a token, as far as the journal reaches.
HONOURED = frozenset({"st", "ex"})


class CatchUp:
    """One client's way through the journal. Made by `plan`."""

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self._readers: dict[str, RecordReader] = {}
        self._skip: dict[str, tuple[str, int]] = {}  # partition -> (session, sequence): had up to there
        self.gaps: list[Gap] = []
        self.lost: set[str] = set()
        self.has_begun = False  # something was read
        self.ex_position = 0  # of the last execution record read here: those up to it don't come as news as well
        self.state_of: set[str] = set()  # partitions that can't be replayed: their current state comes first

    @classmethod
    def plan(cls, fanout: Fanout, token: ResumeToken | None) -> CatchUp:
        """Where to start: behind the token, or at the first record of the current sessions (token None)."""
        plan = cls(fanout)
        starts: dict[str, int] = {}
        partitions = fanout.publisher.partitions
        # A gateway that has just begun may lack a partition of its earlier life: what a client has of it counts all the same.
        for name in {**partitions, **(token or {})}:
            journal_class = partition_class(name)
            after = plan._start(name, token)
            if journal_class not in CLASSES:
                continue
            if after is None:
                after = fanout.position(journal_class)
            elif after < 0:
                partition = partitions.get(name)
                after = partition.first_position - 1 if partition is not None and partition.first_position else 0
            starts[journal_class] = min(after, starts.get(journal_class, after))
        for journal_class in CLASSES:
            if journal_class in starts:
                plan._readers[journal_class] = fanout.journal.reader(journal_class, starts[journal_class])
        return plan

    def _start(self, name: str, token: ResumeToken | None) -> int | None:
        """Position to start after; -1: the session's first record; None: can't be replayed, take the state."""
        if token is None or name not in token:
            return -1
        session_id, sequence = token[name]
        partition = self._fanout.publisher.partitions.get(name)
        is_same = partition is not None and session_id == partition.session_id
        if not is_same and partition_class(name) not in HONOURED:
            self._refuse(name, session_id, sequence, "an earlier session: market data starts anew")
            return None
        if partition is not None and is_same and sequence >= partition.visible:
            self._skip[name] = (session_id, sequence)
            return self._fanout.position(partition_class(name))
        position = self._fanout.journal.position_of(session_id, sequence) if sequence > 0 else None
        if position is None and sequence > 0:
            self._refuse(name, session_id, sequence, "the journal does not reach back that far")
            return None
        self._skip[name] = (session_id, sequence)
        return position if position is not None else -1

    def _refuse(self, name: str, session_id: str, sequence: int, cause: str) -> None:
        partition = self._fanout.publisher.partitions.get(name)
        self.state_of.add(name)
        if partition is not None:
            self._skip[name] = (partition.session_id, partition.visible)
        is_same = partition is not None and session_id == partition.session_id
        self.gaps.append(
            Gap(
                state=GapState.LOST,
                cause=cause,
                partition=name,
                session_id=session_id,
                first_sequence=sequence + 1,
                # Where an earlier session ended is not known here; its end is the bound.
                last_sequence=partition.visible if partition is not None and is_same else None,
            )
        )

    def is_live(self, journal_class: str) -> bool:
        """Whether this class has caught up: its records come as news."""
        return journal_class not in self._readers

    @property
    def is_done(self) -> bool:
        """Whether every class has caught up."""
        return not self._readers

    def read(self, count_max: int, wanted: Callable[[Record], bool]) -> list[Record]:
        """The next wanted records. A class whose end is reached becomes live within this call."""
        self.has_begun = True
        for journal_class in CLASSES:
            reader = self._readers.get(journal_class)
            if reader is None:
                continue
            try:
                records = reader.read(count_max, synced_only=journal_class == "ex")
            except RecordsGone as gone:
                self._on_gone(journal_class, gone)
                continue
            except StorageError as error:
                self._lost(journal_class, str(error))
                continue
            if journal_class == "ex":
                self.ex_position = reader.position
            if reader.position >= self._fanout.position(journal_class):
                del self._readers[journal_class]
            if records:
                return [record for record in records if wanted(record) and not self._had(record)]
        return []

    def _had(self, record: Record) -> bool:
        had = self._skip.get(record.partition)
        return had is not None and had[0] == record.session_id and record.sequence <= had[1]

    def _on_gone(self, journal_class: str, gone: RecordsGone) -> None:
        """Retention was faster than the client: prices go on from now, with their state; all else behind the gap."""
        if journal_class == "md":
            first = {(m.partition, m.session_id): m.first_sequence for m in gone.sequences}
            self._lost(journal_class, str(gone), first)
            return
        for partition, session_id, first_sequence, last_sequence in gone.sequences:
            had = self._skip.get(partition, ("", 0))
            if had[0] == session_id and first_sequence is not None:
                first_sequence = max(first_sequence, had[1] + 1)
            self.gaps.append(
                Gap(
                    state=GapState.LOST,
                    cause=str(gone),
                    partition=partition,
                    session_id=session_id,
                    first_sequence=first_sequence,
                    last_sequence=last_sequence,
                )
            )

    def _lost(self, journal_class: str, cause: str, first: Mapping[tuple[str, str], int | None] | None = None) -> None:
        del self._readers[journal_class]
        for name, partition in self._fanout.publisher.partitions.items():
            if partition_class(name) == journal_class:
                self.lost.add(name)
                self.gaps.append(
                    Gap(
                        state=GapState.LOST,
                        cause=cause,
                        partition=name,
                        session_id=partition.session_id,
                        first_sequence=(first or {}).get((name, partition.session_id)),
                        last_sequence=partition.visible,
                    )
                )

    def take_lost(self) -> set[str]:
        """Partitions given up since the last call: their current state has to be told."""
        lost, self.lost = self.lost, set()
        return lost

    def take_gaps(self) -> list[Gap]:
        """Gaps found since the last call."""
        gaps, self.gaps = self.gaps, []
        return gaps


def conflation_gaps(dropped: Mapping[str, tuple[str, int, int, int]]) -> Iterator[Gap]:
    """What a slow client was not sent, of each partition: its session, first and last sequence, and how many."""
    for partition, (session_id, first, last, count) in dropped.items():
        yield Gap(
            state=GapState.LOST,
            cause="this client was too slow: market data conflated",
            partition=partition,
            session_id=session_id,
            first_sequence=first,
            last_sequence=last,
            dropped=count,
        )
