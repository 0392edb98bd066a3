"""What SIGTERM, SIGINT and their likes mean to a gateway."""

from __future__ import annotations

import asyncio
import logging
import signal

from gwcore.runtime.app import Gateway

_log = logging.getLogger("gwcore.gateway")


def install_signals(gateway: Gateway) -> None:
    """SIGTERM and SIGINT stop in order; the second one ends the process now."""
    loop = asyncio.get_running_loop()
    seen: list[signal.Signals] = []

    def on_signal(number: signal.Signals) -> None:
        if seen:
            _log.error("second %s: ending now", number.name)
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        seen.append(number)
        gateway.request_stop(number.name)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
