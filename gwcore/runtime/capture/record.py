"""Records a venue's frames into a file until it is told to stop: what `gw record` does."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import gwcore
from gwcore.errors import ConfigError
from gwcore.runtime.capture.captures import Captures, head_of
from gwcore.runtime.capture.recorder import Recorder
from gwcore.runtime.clock import SystemClock, SystemIds, SystemRandom
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.runtime.libraries import find_client
from gwcore.runtime.observability.logs import configure_logging
from gwcore.runtime.venue.exchanges import ExchangeTap, HttpExchange
from gwcore.runtime.venue.network import RealNetwork
from gwcore.runtime.venue.observer import Observer
from gwcore.settings import GatewayConfig
from gwcore.venue import Topic

T = TypeVar("T")


class Recording(NamedTuple):
    """What a recording came to."""

    frames: int
    bytes: int
    lost: int
    failed: str | None
    topics: tuple[Topic, ...] = ()  # of the first connection
    exchanges: tuple[HttpExchange, ...] = ()
    opened_ns: tuple[int, ...] = ()  # when connections were opened, wall clock
    connections: int = 0  # how many there were to be


def record(config: GatewayConfig, file: Path, *, part_bytes_max: int, parts_max: int) -> Recording:
    """Record into `file` until SIGINT, SIGTERM or the configured duration. The file must not exist.

    Raises ConfigError for a file that exists or can't be made, VenueError where the venue can't be reached at the start.
    """
    if file.exists():
        raise ConfigError(f"{file} exists: a recording never goes on in an old file", hint="choose another name")
    if not file.parent.is_dir():
        raise ConfigError(f"no folder {file.parent}", hint="make it, or choose another place with --output")
    configure_logging(config.gateway.log_level, config.gateway.log_format)
    return asyncio.run(_record(config, file.absolute(), part_bytes_max, parts_max))


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of some work, or None where `stop` comes first."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    working.cancel()
    return None


async def _record(config: GatewayConfig, file: Path, part_bytes_max: int, parts_max: int) -> Recording:
    clock = SystemClock()
    streams = config.venue.spec.streams(config.venue.settings)
    recorder = Recorder(
        DirectoryStorage(file.parent),
        file.name,
        head=head_of(config, clock),
        offload=asyncio.to_thread,
        part_bytes_max=part_bytes_max,
        parts_max=parts_max,
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    recorder.on_failed = lambda cause: stop.set()
    network = RealNetwork(clock, f"gwcore/{gwcore.__version__}", find_client(config.runtime.websocket))
    tap = ExchangeTap(network, clock)
    try:
        observer = Observer(
            config,
            streams,
            network=tap,
            clock=clock,
            random=SystemRandom(),
            ids=SystemIds(),
            captures=Captures(config.capture, streams, clock, recorder=recorder),
        )
        instruments = await _unless(stop, observer.discover())
        if instruments is not None:
            if config.gateway.duration_s is not None:  # of recording: finding out what is traded takes its own time
                loop.call_later(config.gateway.duration_s, stop.set)
            await observer.run(stop, instruments)
    finally:
        await network.close()
    connections = observer.hub.connections
    return Recording(
        recorder.frames,
        recorder.bytes,
        recorder.lost,
        recorder.failed,
        topics=connections[0].machine.shard.topics if connections else (),
        exchanges=tuple(tap.exchanges),
        opened_ns=tuple(tap.opened_ns),
        connections=len(connections),
    )
