"""JournalWatch: tells everybody how the journal is, and lets closed segments be compressed. It decides nothing about records.

The policy it tells of is the journal's own: clients go on whatever happens, the gateway is DEGRADED while records can't be
made durable, and what was not journalled, or was removed before a sink had it, is a Gap with bounds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from gwcore.engine.gateway import GatewayMachine
from gwcore.errors import GatewayError, MissingSequences
from gwcore.journal import Journal, JournalGap
from gwcore.model import Gap, GapState

_log = logging.getLogger("gwcore.journal")

#: How often it is looked whether closed segments wait for compression.
COMPRESS_EVERY_S: Final = 2.0
#: The alarm comes at this multiple of the reserve, and is taken back somewhat above.
ALARM_RESERVES, ALARM_BACK_RESERVES = 2.0, 2.2


class JournalWatch:
    """One journal's voice. All methods are called on the loop."""

    def __init__(self, journal: Journal, machine: GatewayMachine) -> None:
        self._journal = journal
        self._machine = machine
        self._alarmed = False
        self._trouble = ""  # why the last compression failed

    def on_failed(self, cause: str) -> None:
        """Records can't be made durable; an empty cause: they can again."""
        if cause:
            _log.error("journal: %s", cause)
        else:
            _log.info("journal: records are made durable again")
        self._machine.on_journal(cause)

    def on_committed(self) -> None:
        """A commit ended: tell what it made plain."""
        for dropped in self._journal.take_dropped():
            self._publish_gap(dropped, "the journal could not be written and too much waited: not journalled")
        self._watch_space()

    def on_sink_gap(self, sink: str, gap: JournalGap) -> None:
        """Retention removed what a sink had not taken."""
        cause = f"retention removed records that sink {sink} had not taken"
        for missing in gap.sequences:
            self._publish_gap(missing, cause)
        if not gap.sequences:
            self._machine.publish_status(Gap(state=GapState.LOST, cause=f"{cause}: {gap}"))

    def _publish_gap(self, missing: MissingSequences, cause: str) -> None:
        first, last = missing.first_sequence, missing.last_sequence
        self._machine.publish_status(
            Gap(
                state=GapState.LOST,
                cause=cause,
                partition=missing.partition,
                session_id=missing.session_id,
                first_sequence=first,
                last_sequence=last,
                dropped=None if first is None or last is None else last - first + 1,
            )
        )

    def _watch_space(self) -> None:
        free, reserve = self._journal.free_bytes, self._journal.settings.reserve_bytes
        if free is None or self._journal.failed:
            return
        if not self._alarmed and free < ALARM_RESERVES * reserve:
            self._alarmed = True
            detail = f"{free} bytes are free on the journal's volume; below {reserve} market data is not journalled"
            _log.warning("journal: %s", detail)
            self._machine.on_journal_alarm("low_space", detail)
        elif self._alarmed and free > ALARM_BACK_RESERVES * reserve:
            self._alarmed = False
            _log.info("journal: there is enough free space again")
            self._machine.on_journal_alarm(None, None)

    async def compress(self, offload: Callable[..., Awaitable[Any]]) -> None:
        """Compress closed segments, one after the other, for as long as the gateway runs."""
        while True:
            await asyncio.sleep(COMPRESS_EVERY_S)
            try:
                count = await offload(self._journal.compressor.run)
            except (GatewayError, OSError) as error:
                if str(error) != self._trouble:
                    self._trouble = str(error)
                    _log.warning("journal: closed segments stay as they are: %s", error)
            else:
                self._trouble = ""
                if count:
                    _log.info("journal: %d closed segments compressed", count)
