"""Publishes records into JetStream over one connection, with an own window of outstanding acknowledgements.

Core publish with a reply subject `<inbox>.<class>.<number>`; one subscription takes all answers. A publisher lives as long as
its connection and as long as every answer is an acknowledgement. Whatever else happens (refusal, no responders, silence,
disconnect) makes it fail with a cause: what is outstanding then has an unknown fate, the next publisher finds out from
the streams' tails. So there is one way back for all faults, and it keeps the order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from gw_sinks.ack_window import AckWindow
from gw_sinks.jetstream_settings import JetStreamSettings
from gw_sinks.subjects import Subjects
from gwcore.errors import NotConnected
from gwcore.model import SCHEMA_VERSION, Record
from gwcore.ports import Clock

#: Messages handed to the client in one piece; the loop gets its turn between pieces.
_PIECE = 64
#: The watchdog looks this many times within the ack timeout.
_WATCHDOG_LOOKS = 4
#: Error codes of JetStream -> what it means to us. Numbers: `nats-server`, server/errors.json.
_CAUSES = {
    10023: "server_resources",  # insufficient resources
    10047: "disk_full",  # insufficient storage resources available
    10052: "stream_sealed",
    10054: "payload_too_big",  # message size exceeds the stream's maximum
    10060: "wrong_stream",  # expected stream does not match
    10071: "fenced",  # wrong last sequence: somebody else wrote, or an earlier message is missing
    10077: "stream_limit",  # the stream refuses at its limit
}


class Failure(NamedTuple):
    """Why a publisher ended."""

    cause: str  # one word
    detail: str  # one sentence


class Tail(NamedTuple):
    """Where a stream stands when a publisher starts."""

    last_sequence: int  # of the stream
    position: int  # of the journal class: what follows is to be sent


class _Refusal(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Answer(msgspec.Struct):
    error: _Refusal | None = None


class Publisher:
    """`on_progress(class, position)` and `on_failure(failure)` are called from the loop; the latter once."""

    def __init__(
        self,
        client: Client,
        *,
        subjects: Subjects,
        tails: Mapping[str, Tail],
        writer: str,
        settings: JetStreamSettings,
        clock: Clock,
        on_progress: Callable[[str, int], None],
        on_failure: Callable[[Failure], None],
    ) -> None:
        self.failure: Failure | None = None
        self._client = client
        self._subjects = subjects
        self._writer = writer
        self._settings = settings
        self._clock = clock
        self._on_progress = on_progress
        self._on_failure = on_failure
        self._windows = {name: AckWindow(tail.position) for name, tail in tails.items()}
        self._next_sequences = {name: tail.last_sequence for name, tail in tails.items()}
        self._inbox = ""
        self._moved: set[str] = set()  # classes whose position moved since the last notice
        self._waiter: asyncio.Future[None] | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._heard_ns = dict.fromkeys(tails, 0)  # when an answer moved a window, or a message left into an empty one

    @property
    def outstanding(self) -> int:
        """Messages without an answer."""
        return sum(map(len, self._windows.values()))

    async def start(self) -> None:
        """Subscribe to the answers."""
        self._inbox = self._client.new_inbox() + "."
        await self._client.subscribe(f"{self._inbox}*.*", cb=self._on_answer)

    async def publish(self, batch: Sequence[Record]) -> None:
        """Send records of one class, waiting for room in the window. Raises NotConnected with the cause of the failure."""
        for start in range(0, len(batch), _PIECE):
            await self._wait_until(self._has_room)
            try:
                await self._send(batch[start : start + _PIECE])
            except (NatsError, OSError) as error:
                self.fail(Failure("disconnected", f"can't publish: {error}"))
            await asyncio.sleep(0)
        self._raise_failure()

    async def wait_acknowledged(self) -> None:
        """Wait until nothing is outstanding. Raises NotConnected."""
        await self._wait_until(lambda: not self.outstanding)

    def fail(self, failure: Failure) -> None:
        """End this publisher; the first cause counts."""
        if self.failure is None:
            self._end(failure)
            self._on_failure(failure)

    def stop(self) -> None:
        """End this publisher for good: nothing is reported any more. Who waits on it gets NotConnected."""
        self._windows = {}
        self._end(self.failure or Failure("closed", "the sink was closed"))

    def _end(self, failure: Failure) -> None:
        self.failure = failure
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
        self._wake()

    async def _send(self, records: Sequence[Record]) -> None:
        """One piece as raw HPUB commands.

        `Client.publish` checks and copies each header of each message, which costs more than all the rest; ours hold
        nothing that needs checking. `_send_command` is what `publish` itself ends in.
        """
        if self._client.is_closed:
            self.fail(Failure("disconnected", "the connection to the server is lost"))
            return
        name = records[0].journal_class
        window, commands, size_max = self._windows[name], [], self._client.max_payload
        if not window:
            self._heard_ns[name] = self._clock.monotonic_ns()
            self._start_watchdog()
        reply = f"{self._inbox}{name}."
        lead, tail = f"\r\nGw-Schema: {SCHEMA_VERSION}\r\nGw-Kind: ", f"\r\nGw-Position: {self._writer}:{name}:"
        fence, sequence = self._settings.single_writer, self._next_sequences[name]
        for record in records:
            payload, position = record.payload, record.position
            header = (
                f"NATS/1.0\r\nNats-Msg-Id: {record.session_id}:{record.sequence}{lead}{record.kind}{tail}{position}"
            )
            header += f"\r\nNats-Expected-Last-Sequence: {sequence}\r\n\r\n" if fence else "\r\n\r\n"
            size = len(header) + len(payload)
            if size > size_max:
                self.fail(Failure("payload_too_big", f"an event of {size} bytes; the server takes {size_max}"))
                break
            number = window.sent(position, size)
            subject = self._subjects.of_record(record)
            commands.append(f"HPUB {subject} {reply}{number} {len(header)} {size}\r\n{header}".encode())
            commands.append(payload)
            commands.append(b"\r\n")
            sequence += 1
        self._next_sequences[name] = sequence
        if commands:
            await self._client._send_command(b"".join(commands))
            await self._client._flush_pending()

    async def _on_answer(self, message: Msg) -> None:
        name, _, number = message.subject[len(self._inbox) :].partition(".")
        data = message.data
        if not data or b'"error"' in data:
            self._on_refusal(name, message)
        elif name in self._windows and self._windows[name].acknowledged(int(number)):
            if not self._moved:
                asyncio.get_running_loop().call_soon(self._notify)
            self._moved.add(name)

    def _on_refusal(self, name: str, message: Msg) -> None:
        if not message.data:
            status = (message.headers or {}).get("Status", "")
            cause, text = (
                "no_stream",
                f"no answer for {name}: no stream takes its subjects, or it has no leader ({status})",
            )
            self.fail(Failure(cause, text))
            return
        try:
            refusal = msgspec.json.decode(message.data, type=_Answer).error
        except msgspec.MsgspecError:
            refusal = None
        if refusal is None:
            self.fail(Failure("refused", f"an answer for {name} that is no acknowledgement"))
            return
        cause = _CAUSES.get(refusal.err_code, "no_stream" if refusal.code == 503 else "refused")
        self.fail(Failure(cause, f"the stream of {name} refused: {refusal.description} ({refusal.err_code})"))

    def _notify(self) -> None:
        """Once for all acknowledgements of one read."""
        moved, self._moved = self._moved, set()
        now_ns = self._clock.monotonic_ns()
        for name in moved & self._windows.keys():
            self._heard_ns[name] = now_ns
            self._on_progress(name, self._windows[name].position)
        self._wake()

    def _has_room(self) -> bool:
        outstanding_bytes = sum(window.bytes_outstanding for window in self._windows.values())
        settings = self._settings
        return self.outstanding < settings.outstanding_max and outstanding_bytes < settings.outstanding_bytes_max

    async def _wait_until(self, is_met: Callable[[], bool]) -> None:
        self._raise_failure()
        while not is_met():
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._raise_failure()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _raise_failure(self) -> None:
        if self.failure is not None:
            raise NotConnected(f"{self.failure.cause}: {self.failure.detail}")

    def _start_watchdog(self) -> None:
        if self._watchdog is None and self.failure is None:
            wait_s = self._settings.ack_timeout_s / _WATCHDOG_LOOKS
            self._watchdog = asyncio.get_running_loop().call_later(wait_s, self._look)

    def _look(self) -> None:
        """Every message has an answer within the timeout of the one before, or the connection is given up."""
        self._watchdog = None
        now_ns = self._clock.monotonic_ns()
        for name, window in self._windows.items():
            silent_s = (now_ns - self._heard_ns[name]) / 1e9
            if window and silent_s >= self._settings.ack_timeout_s:
                detail = f"no acknowledgement for {silent_s:.1f} s with {len(window)} events of {name} on their way"
                self.fail(Failure("ack_timeout", detail))
                return
        if self.outstanding:
            self._start_watchdog()
