"""The gateway's chain in process, for profiles: received, checked, published, journalled, framed for one client.

Only sockets and the loop's turns are missing; every burst is flushed to the client and every 16th is committed to the disk.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contestants import engine
from gwcore.engine.clients.fanout import Fanout, Identity
from gwcore.engine.clients.state import CurrentState
from gwcore.engine.publisher import Publisher
from gwcore.journal import Journal
from gwcore.model import Record
from gwcore.runtime.clock import SystemClock, SystemIds
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.settings import ClientSettings, JournalSettings
from gwcore.transport import ClientInfo
from gwcore.wire import Hello, Subscribe, frame_events

COMMIT_BURSTS = 16


class _Writer:
    """A client that reads everything at once."""

    def __init__(self) -> None:
        self.bytes = 0

    def write_events(self, records: Sequence[Record]) -> None:
        self.bytes += len(frame_events([record.payload for record in records]))

    def write_message(self, message: Any) -> None:
        pass

    def close(self, reason: str) -> None:
        pass


class InProcess(engine.InProcess):
    """See the module."""

    name = "gwcore: received to journal and client"

    def make_publisher(self) -> Publisher:
        """The real one, with a journal and one client."""
        self._place = tempfile.mkdtemp(dir=self.workload.path.parent)
        clock = SystemClock()
        self.journal = Journal(DirectoryStorage(Path(self._place)), clock, JournalSettings())
        publisher = Publisher(
            venue="kraken",
            source="bench",
            clock=clock,
            ids=SystemIds(),
            journal=self.journal,
            on_record=lambda record, event, partition: self.fanout.on_record(record, event, partition),
        )
        self.fanout = Fanout(
            identity=Identity(version="0", venue="kraken", environment="sim", source="bench"),
            publisher=publisher,
            state=CurrentState(),
            journal=self.journal,
            settings=ClientSettings(),
            clock=clock,
            wake=lambda: None,
        )
        session = self.fanout.open(ClientInfo(transport="memory", identity="bench"), _Writer())
        session.submit(Hello())
        session.submit(Subscribe(request_id=1))
        return publisher

    def counts(self) -> dict[str, int]:
        """See Contestant."""
        kinds = {"book": "market_by_price", "top": "top_of_book", "trade": "trade_summary", "ticker": "statistics"}
        found = self.publisher.events_of_kind()
        return {name: found.get(kind, 0) for name, kind in kinds.items()} | {
            "bad": self.connection.machine.undecodable + sum(self.connection.machine.books.stale.values())
        }

    def feed(self, frames: Sequence[bytes]) -> None:
        """See InProcessContestant."""
        size = engine.BURST_FRAMES
        for number, start in enumerate(range(0, len(frames), size)):
            super().feed(frames[start : start + size])
            self.fanout.flush()
            if number % COMMIT_BURSTS == 0:
                self.journal.commit()

    def __del__(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)
