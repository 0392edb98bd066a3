"""One replay as an operating-system process: real clock, the Unix transport, signals."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from gwcore.plugins import load_transport
from gwcore.runtime.capture.recordings import Recording
from gwcore.runtime.capture.replay import CLOSE_S, ENVIRONMENT, Replay, ReplayOptions
from gwcore.runtime.clock import SystemClock
from gwcore.transport import Transport, TransportContext


def run_replay(recording: Recording, options: ReplayOptions, path: Path, on_ready: Callable[[str], None]) -> int:
    """Serve a recording on the socket `path` until it is played, or until a signal; returns how many records were played.

    Raises StorageError (nothing to play, a damaged recording), ConfigError (the socket can't be had), PluginError.
    """
    return asyncio.run(_run(recording, options, path, on_ready))


async def _run(recording: Recording, options: ReplayOptions, path: Path, on_ready: Callable[[str], None]) -> int:
    spec, clock = load_transport("unix"), SystemClock()

    def make_transport(ready: Callable[[str], None]) -> Transport:
        context = TransportContext(
            venue="", environment=ENVIRONMENT, source="", state_dir=path.parent, clock=clock, ready=ready
        )
        return spec.create(spec.settings(path=str(path), close_s=CLOSE_S), context)

    replay = Replay(recording, options, clock=clock, make_transport=make_transport, on_ready=on_ready)
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        # The second one finds the system's own handler and ends the process.
        loop.remove_signal_handler(number)
        replay.request_stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return await replay.run()
