"""What the journal's tests share: a clock that stands still, records, and a small journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from gwcore import wire
from gwcore.journal import Journal
from gwcore.model import Envelope, Header, MarketByPriceUpdate, Ready, Record, StaleReason, UpdateType
from gwcore.ports import Storage
from gwcore.settings import JournalSettings
from gwcore.testing.storage import MemoryStorage

START_NS = 1_767_225_600_000_000_000


class StillClock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.time_ns = START_NS

    def now_ns(self) -> int:
        return self.time_ns

    def monotonic_ns(self) -> int:
        return self.time_ns - START_NS


class Kit:
    """Makes journals and records. Each partition has one session, named after it, whose sequence rises by one."""

    start_ns = START_NS

    def __init__(self) -> None:
        self.is_tiny = False  # payloads of a few bytes: for tests that go through every byte or bit
        self.clock = StillClock()
        self.sequences: dict[tuple[str, str], int] = {}
        self.made: list[Record] = []

    def open(self, storage: Storage, **settings: Any) -> Journal:
        values = {"segment_bytes": 1 << 20, "memory_records": 10_000, "reserve_bytes": 0} | settings
        return Journal(storage, self.clock, JournalSettings(**values))

    def record(
        self,
        partition: str = "md.0",
        *,
        session_id: str = "",
        symbol: str | None = "BTC/USD",
        update_type: UpdateType | None = UpdateType.INCREMENTAL,
        stale_reason: StaleReason | None = None,
        time_ns: int | None = None,
        pad: int = 0,
    ) -> Record:
        session_id = session_id or "S" + partition.replace(".", "")
        key = (partition, session_id)
        sequence = self.sequences[key] = self.sequences.get(key, 0) + 1
        published_ns = START_NS + len(self.made) * 1_000_000 if time_ns is None else time_ns
        if symbol is None:
            event: Any = Ready()
            update_type = None
        else:
            event = MarketByPriceUpdate(symbol=symbol, update_type=update_type, reason=stale_reason)
        header = Header(
            v=1,
            venue="toy",
            source="gw" + "x" * pad,
            partition=partition,
            session_id=session_id,
            sequence=sequence,
            published_ns=published_ns,
        )
        payload = wire.encode(Envelope(header=header, event=event))
        kind = msgspec.json.decode(payload)["event"]["kind"]
        if self.is_tiny:
            payload = b'{"n":%d}' % sequence
        record = Record(partition, session_id, sequence, kind, symbol, None, update_type, published_ns, payload)
        self.made.append(record)
        return record

    def fill(
        self, journal: Journal, count: int, *, commit_every: int = 3, partitions: Sequence[str] = ("md.0",)
    ) -> None:
        """Append `count` records, in turn to each partition, with a commit after every few."""
        symbols = ("BTC/USD", "ETH/USD", None)
        for number in range(count):
            journal.append(self.record(partitions[number % len(partitions)], symbol=symbols[number % 3]))
            if number % commit_every == commit_every - 1:
                journal.commit()
        journal.commit()

    def read_all(self, journal: Journal, journal_class: str = "md", after: int = 0, count: int = 7) -> list[Record]:
        reader, found = journal.reader(journal_class, after), []
        while batch := reader.read(count):
            found += batch
        return found

    def expected(self, journal_class: str = "md") -> list[Record]:
        """What was made, as a reader hands it out."""
        made = [record for record in self.made if record.journal_class == journal_class]
        return [record._replace(position=number) for number, record in enumerate(made, 1)]


@pytest.fixture
def kit() -> Kit:
    return Kit()


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()
