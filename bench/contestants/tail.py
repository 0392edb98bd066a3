"""Tail: when a peer's loopback run is over: each symbol's last book update was handled."""

from __future__ import annotations

import asyncio
from datetime import datetime

from workload import Workload

from contestants.base import EPOCH_S, Meter

_EPOCH = datetime.fromisoformat("2026-11-01T00:00:00+00:00")
assert _EPOCH.timestamp() == EPOCH_S


def stamp_us(text: str) -> int:
    """Microseconds of an RFC 3339 stamp since the workload's epoch."""
    since = datetime.fromisoformat(text) - _EPOCH
    return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds


class Tail:
    """Ends the meter and sets `done` when every symbol has had its last update."""

    def __init__(self, workload: Workload, meter: Meter) -> None:
        self.from_us = workload.tail_us  # earlier stamps need not be told
        self.done = asyncio.Event()
        self._finals = {symbol: ending.final_us for symbol, ending in workload.endings.items()}
        self._meter = meter

    def note(self, symbol: str, us: int) -> None:
        """A book update of this symbol and stamp was handled."""
        final_us = self._finals.get(symbol)
        if final_us is None or us < final_us:
            return
        del self._finals[symbol]
        if not self._finals:
            self._meter.end()
            self.done.set()
