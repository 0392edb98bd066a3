"""Replay: a recording is served to clients as if the gateway were saying it now, at any speed, through a transport.

No client loses an event to the speed: the replay waits for the slowest, up to a limit. What follows then is what the client
chose for the case that it is too slow.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from gwcore import __version__
from gwcore.engine.clients.access import Access
from gwcore.engine.clients.fanout import Fanout, Identity
from gwcore.engine.clients.playback import Playback
from gwcore.errors import ProtocolError, StorageError
from gwcore.model import Record
from gwcore.ports import Clock
from gwcore.runtime.capture.recordings import Recording, merged, recorded_names
from gwcore.settings import ClientSettings, UserSettings
from gwcore.transport import ClientInfo, ClientSession, ClientWriter, Transport
from gwcore.wire import ClientRequest, RequestError, Subscribe

#: What a client is told the environment is: all else is as it was recorded.
ENVIRONMENT: Final = "replay"
#: Records played before clients are written to and the loop has its turn.
SLICE_RECORDS: Final = 200
#: Bytes waiting for a client at which the replay waits for it, how long at most, and how often it looks.
ROOM_BYTES: Final = 256 * 1024
STALL_S: Final = 30.0
LOOK_S: Final = 0.005
#: How long clients may take to read the last events before they are cut.
CLOSE_S: Final = 60.0

_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """How to play. `speed` 0: as fast as clients take it. Times are inclusive bounds of `published_ns`."""

    speed: float = 1.0
    from_ns: int | None = None
    to_ns: int | None = None
    loop: bool = False
    wait_for_client: bool = True
    filtered: bool = False  # kinds or symbols were chosen: nobody can be given everything


class Replay:
    """One replay. `make_transport` is given what to call with the address once clients can come."""

    def __init__(
        self,
        recording: Recording,
        options: ReplayOptions,
        *,
        clock: Clock,
        make_transport: Callable[[Callable[[str], None]], Transport],
        on_ready: Callable[[str], None],
        on_primed: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._recording = recording
        self._options = options
        self._clock = clock
        self._make_transport = make_transport
        self._on_ready = on_ready
        self._on_primed = on_primed
        self._settings = ClientSettings()
        self._stop = asyncio.Event()
        self._given_up: set[int] = set()  # clients that stopped reading
        self.played = 0  # records, over all rounds
        self.rounds = 0

    def request_stop(self) -> None:
        """End now: clients are told."""
        self._stop.set()

    async def run(self) -> int:
        """Play to the end; returns how many records were played. Raises StorageError where there is nothing to play, or
        where the recording is damaged: what came before it was played."""
        venue, source = recorded_names(self._recording)
        identity = Identity(version=__version__, venue=venue, environment=ENVIRONMENT, source=source)
        playback, records = await self._prime(identity)
        port = ReplayPort(playback.fanout, self._options)
        serving = asyncio.create_task(self._make_transport(self._on_ready).run(port), name="transport")
        playing = asyncio.create_task(self._rounds(identity, port, playback, records), name="replay")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait((serving, playing, stopping), return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                await serving  # raises why it can't serve
            port.fanout.close(self._last_words(playing))
            await asyncio.sleep(0)  # the transport writes the goodbyes
        finally:
            for task in (playing, stopping, serving):
                task.cancel()
            await asyncio.wait((playing, stopping, serving))
        if not playing.cancelled():
            await playing
        return self.played

    @staticmethod
    def _last_words(playing: asyncio.Task[None]) -> str:
        if not playing.done():
            return "the replay was stopped"
        error = playing.exception()
        return "the replay is over" if error is None else f"the replay can't go on: {error}"

    # --- rounds -------------------------------------------------------------------------------------------------------

    async def _rounds(
        self, identity: Identity, port: ReplayPort, playback: Playback, records: Iterator[Record]
    ) -> None:
        while True:
            if self._options.wait_for_client:
                await port.subscribed.wait()
            try:
                await self._play(playback, records)
            finally:
                self.played += playback.records
            await self._settle(playback.fanout)
            self.rounds += 1
            if not self._options.loop:
                return
            port.fanout.close("the replay begins again")
            playback, records = await self._prime(identity)
            port.restart(playback.fanout)

    async def _prime(self, identity: Identity) -> tuple[Playback, Iterator[Record]]:
        """Everything ready for the first record: the state is that of the time it begins."""
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon(playback.fanout.flush)

        playback = Playback(
            identity=identity,
            scan=self._recording.records,
            settings=self._settings,
            clock=self._clock,
            wake=wake,
            # Who plays a recording can read it; others on his socket see what they would of a gateway without users.
            access=Access({"player": UserSettings(uids=(os.getuid(),), accounts=("*",), drop_copy=True)}),
        )
        records, count = merged(self._recording), 0
        from_ns = self._options.from_ns
        if from_ns is None:
            return playback, records
        for record in records:
            if record.published_ns >= from_ns:
                playback.begin()
                return playback, _chain(record, records)
            self._take(playback.prime, record)
            count += 1
            if not count % SLICE_RECORDS:
                self._on_primed(SLICE_RECORDS)
                await asyncio.sleep(0)
        raise StorageError(f"there is nothing to replay: all {count} events recorded are older than --from")

    @staticmethod
    def _take(take: Callable[[Record], None], record: Record) -> None:
        try:
            take(record)
        except ProtocolError as error:
            raise StorageError(
                f"class {record.journal_class}, position {record.position}: no event of this version: {error}"
            ) from error

    async def _play(self, playback: Playback, records: Iterator[Record]) -> None:
        speed, to_ns = self._options.speed, self._options.to_ns
        first_ns, began_ns, count = 0, 0, 0
        self._given_up.clear()
        for record in records:
            if to_ns is not None and record.published_ns > to_ns:
                break
            if speed:
                if not first_ns:
                    first_ns, began_ns = record.published_ns, self._clock.monotonic_ns()
                due_ns = began_ns + round((record.published_ns - first_ns) / speed)
                wait_ns = due_ns - self._clock.monotonic_ns()
                if wait_ns > 0:
                    playback.fanout.flush()
                    await asyncio.sleep(wait_ns / _NS)
            self._take(playback.play, record)
            count += 1
            if not count % SLICE_RECORDS:
                playback.fanout.flush()
                await asyncio.sleep(0)
                # Time lost for a slow client is lost: nothing is hurried after it.
                began_ns += await self._wait_for_room(playback.fanout)
        playback.fanout.flush()
        if not count:
            raise StorageError("there is nothing to replay between these times")

    # --- clients that are slower --------------------------------------------------------------------------------------

    async def _wait_for_room(self, fanout: Fanout) -> int:
        """Wait for clients that lag. Who takes nothing for as long as the limit is not waited for again until it has caught
        up. Returns how many ns that took."""
        began_ns = self._clock.monotonic_ns()
        while lagging := {session.number for session in fanout.sessions if session.buffered_bytes > ROOM_BYTES}:
            if lagging <= self._given_up:
                break
            if self._clock.monotonic_ns() - began_ns > STALL_S * _NS:
                self._given_up |= lagging
                break
            await asyncio.sleep(LOOK_S)
        self._given_up &= lagging
        return self._clock.monotonic_ns() - began_ns

    async def _settle(self, fanout: Fanout) -> None:
        """The last record was played: wait until every client has it, as long as they get on."""
        sent, since_ns = -1, 0
        while any(not session.is_caught_up for session in fanout.sessions):
            if fanout.events_sent() != sent:
                sent, since_ns = fanout.events_sent(), self._clock.monotonic_ns()
            elif self._clock.monotonic_ns() - since_ns > STALL_S * _NS:
                return
            await asyncio.sleep(LOOK_S)


class ReplayPort:
    """What the transport serves: the fanout of the present round, and an eye on who subscribes."""

    def __init__(self, fanout: Fanout, options: ReplayOptions) -> None:
        self.fanout = fanout
        self.options = options
        self.subscribed = asyncio.Event()

    def restart(self, fanout: Fanout) -> None:
        """The next round: clients come anew."""
        self.fanout = fanout
        self.subscribed.clear()

    def open(self, client: ClientInfo, writer: ClientWriter) -> ClientSession:
        """A client came."""
        return _Watched(self.fanout.open(client, writer), writer, self)


class _Watched:
    """A session whose subscriptions are looked at first."""

    def __init__(self, session: ClientSession, writer: ClientWriter, port: ReplayPort) -> None:
        self._session = session
        self._writer = writer
        self._port = port
        self.pause = session.pause
        self.resume = session.resume
        self.closed = session.closed

    def submit(self, request: ClientRequest) -> None:
        if not isinstance(request, Subscribe):
            self._session.submit(request)
            return
        complaint = self._complaint(request)
        if complaint:
            self._writer.write_message(RequestError(request_id=request.request_id, code="replay", text=complaint))
            return
        self._session.submit(request)
        self._port.subscribed.set()

    def _complaint(self, request: Subscribe) -> str:
        options = self._port.options
        if options.filtered and not request.symbols and not request.kinds:
            # Its sequence would have holes, and a client that asks for everything must take each for a loss.
            return "this replay holds only the symbols or kinds it was started with: subscribe to those by name or glob"
        if options.from_ns is not None and request.from_start:
            return "this replay begins in the middle of a session: subscribe without from_start, the state comes first"
        return ""


def _chain(first: Record, rest: Iterator[Record]) -> Iterator[Record]:
    yield first
    yield from rest
