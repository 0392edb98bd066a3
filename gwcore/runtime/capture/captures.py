"""Captures: all that one gateway captures: a ring for each connection, the incidents, the recording where it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import gwcore
from gwcore.capture import SUFFIX, CaptureHead
from gwcore.engine.market.frame_ring import FrozenRing
from gwcore.engine.publisher import Partition
from gwcore.ports import Clock, Storage
from gwcore.runtime.capture.connection import ConnectionCapture, FrameTap
from gwcore.runtime.capture.incidents import IncidentWriter, moment, opening
from gwcore.runtime.capture.recorder import Recorder
from gwcore.settings import CaptureSettings, GatewayConfig
from gwcore.venue import Streams

#: Where the recordings of a state directory are.
RECORDINGS = "recordings"


def head_of(config: GatewayConfig, clock: Clock) -> CaptureHead:
    """What a capture says of its gateway."""
    venue = config.venue.spec.name
    return CaptureHead(
        version=gwcore.__version__,
        venue=venue,
        environment=config.gateway.env,
        source=config.gateway.name or venue,
        time_ns=clock.now_ns(),
    )


class Captures:
    """Makes the capture of each connection and writes what they report."""

    def __init__(
        self,
        settings: CaptureSettings,
        streams: Streams,
        clock: Clock,
        *,
        incidents: IncidentWriter | None = None,
        recorder: Recorder | None = None,
        tap: FrameTap | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._writer = writer_of(streams)
        self._connections: list[ConnectionCapture] = []
        self.incidents = incidents
        self.recorder = recorder
        self._tap = recorder if tap is None else tap
        if recorder is not None:
            recorder.opening = self._opening

    def of(self, partition: Partition) -> ConnectionCapture:
        """The capture of a new connection."""
        report = self.incidents.report if self.incidents is not None else None
        capture = ConnectionCapture(self._settings, partition, self._clock, report=report, tap=self._tap)
        self._connections.append(capture)
        return capture

    def _opening(self) -> Iterable[bytes]:
        """Lines that a part of a recording begins with: how everything stands now, written down later."""
        now_ns = self._clock.now_ns()
        parts: list[Iterator[bytes]] = []
        for capture in self._connections:
            books, instruments = capture.marks()
            parts.append(opening(FrozenRing(now_ns, books, dict(instruments), ()), capture.name, self._writer))
        return chain.from_iterable(parts)

    def outcomes(self) -> Mapping[str, int]:
        """How many incidents there were, by what became of them."""
        return self.incidents.outcomes if self.incidents is not None else {}

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as group:
            for work in (self.incidents, self.recorder):
                if work is not None:
                    group.create_task(work.run())

    async def finish(self) -> None:
        """Write what is left."""
        if self.incidents is not None:
            await self.incidents.drain()
        if self.recorder is not None:
            await self.recorder.finish()


def writer_of(streams: Streams) -> Any:
    """The streams' FrameWriter, or None where the venue has none: then captures do not open with books."""
    return streams if hasattr(streams, "snapshot_frames") and hasattr(streams, "instrument_frame") else None


def gateway_captures(
    config: GatewayConfig, streams: Streams, clock: Clock, storage: Storage, offload: Callable[..., Awaitable[Any]]
) -> Captures:
    """The captures of a gateway with this state directory."""
    settings, head = config.capture, head_of(config, clock)
    incidents = IncidentWriter(
        settings,
        storage,
        head=head,
        writer=writer_of(streams),
        offload=offload,
        reserve_bytes=config.journal.reserve_bytes,
    )
    recorder = None
    if settings.record:
        recorder = Recorder(
            storage.child(RECORDINGS),
            f"{moment(clock.now_ns())}{SUFFIX}",
            head=head,
            offload=offload,
            part_bytes_max=settings.record_bytes_max,
            parts_max=settings.record_files_max,
            reserve_bytes=config.journal.reserve_bytes,
        )
    return Captures(settings, streams, clock, incidents=incidents, recorder=recorder)
