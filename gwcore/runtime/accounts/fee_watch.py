"""FeeWatch: asks the venue from time to time what the master account pays, and tells what changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from gwcore.engine.accounts.fees import FeeTable
from gwcore.engine.accounts.state import AccountState
from gwcore.model import FeesUpdate, Instrument
from gwcore.runtime.accounts.connection import AccountConnection
from gwcore.runtime.venue.http import run_flow
from gwcore.venue import Streams

_log = logging.getLogger("gwcore.account")

#: How often it is looked whether the account is ready, since its download comes first, and whether markets came.
LOOK_S = 5.0
#: A question that failed is asked again after this long.
AGAIN_S = 60.0
#: After so many `fees_s` without an answer what was told is STALE.
STALE_ROUNDS = 2


class FeeWatch:
    """One account's fees, in the markets of `instruments` as they are when it asks.

    Its questions wait their turn among the account's other REST calls, within the same limit, and go through the same nonces.
    """

    def __init__(
        self, connection: AccountConnection, streams: Streams, instruments: Callable[[], Mapping[str, Instrument]]
    ) -> None:
        self._connection = connection
        self._streams = streams
        self._instruments = instruments
        self._asked: frozenset[str] = frozenset()
        self._failure = ""
        self.table = FeeTable()
        self.questions = 0

    async def run(self) -> None:
        """Until cancelled, or the account is halted."""
        loop = asyncio.get_running_loop()
        due_s = told_s = 0.0
        fees_s = self._connection.settings.fees_s
        while not self._connection.is_halted:
            now_s = loop.time()
            is_ready = self._connection.machine.state is AccountState.READY
            symbols = frozenset(self._instruments())
            if is_ready and symbols and (now_s >= due_s or not symbols <= self._asked):
                is_told = await self._ask()
                due_s = loop.time() + (fees_s if is_told else AGAIN_S)
                told_s = loop.time() if is_told else told_s
            if loop.time() - told_s >= STALE_ROUNDS * fees_s:
                self._tell(self.table.lose())
            await asyncio.sleep(LOOK_S)
        self._tell(self.table.lose())

    async def _ask(self) -> bool:
        """One round; returns whether the venue answered. Whatever it answers, the account goes on."""
        connection, instruments = self._connection, dict(self._instruments())
        self.questions += 1
        self._asked = frozenset(instruments)
        try:
            codec = self._streams.account(connection.account)
            rows = await run_flow(connection.rest, codec.fees(list(instruments.values())))  # type: ignore[attr-defined]
        except asyncio.CancelledError:
            # An account that ends cancels its calls; that is not this task's own end.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return False
        except Exception as error:  # of a plugin that breaks its contract, too: it costs the fees alone
            if str(error) != self._failure:
                self._failure = str(error)
                _log.warning("account %s: its fees can't be read: %s", connection.account.name, error)
            return False
        self._failure = ""
        self._tell(self.table.news(rows, instruments))
        return True

    def _tell(self, updates: Iterable[FeesUpdate]) -> None:
        for update in updates:
            self._connection.publish(update)
