"""Publishes the records of one class into its stream over one connection, with an own window of outstanding acknowledgements.

Core publish with a reply subject `<inbox>.<number>`; one subscription takes all answers. A publisher lives as long as its
connection and as long as every answer is an acknowledgement. Whatever else happens (refusal, no responders, silence,
disconnect) makes it fail with a cause: what is outstanding then has an unknown fate, the next publisher finds out from
the stream's tail. So there is one way back for all faults, and it keeps the order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from gw_sinks.ack_window import AckWindow
from gw_sinks.jetstream_causes import VAGUE, Failure, name_fence, name_refusal
from gw_sinks.jetstream_settings import JetStreamSettings
from gw_sinks.jetstream_streams import Tail
from gwcore.errors import NotConnected
from gwcore.model import SCHEMA_VERSION, Record
from gwcore.ports import Clock
from gwcore.subjects import Subjects

#: Messages handed to the client in one piece; the loop gets its turn between pieces.
_PIECE = 64
#: The watchdog looks this many times within the ack timeout.
_WATCHDOG_LOOKS = 4


class _Refusal(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Answer(msgspec.Struct):
    error: _Refusal | None = None


class Publisher:
    """`on_progress(position)` and `on_failure(failure)` are called from the loop; the latter once.

    `explain()` is asked when the server is silent: what else is known to be wrong with it, or None.
    """

    def __init__(
        self,
        client: Client,
        journal_class: str,
        *,
        subjects: Subjects,
        tail: Tail,
        writer: str,
        settings: JetStreamSettings,
        clock: Clock,
        on_progress: Callable[[int], None],
        on_failure: Callable[[Failure], None],
        explain: Callable[[], Failure | None],
    ) -> None:
        self.failure: Failure | None = None
        self._client = client
        self._class = journal_class
        self._subjects = subjects
        self._writer = writer
        self._settings = settings
        self._clock = clock
        self._on_progress = on_progress
        self._on_failure = on_failure
        self._explain = explain
        self._window = AckWindow(tail.position)
        self._first_sequence = self._next_sequence = tail.last_sequence
        self._heard_ns = 0  # last acknowledgement, or first message into an empty window
        self._inbox = ""
        self._has_moved = False  # the position moved since the last notice
        self._waiter: asyncio.Future[None] | None = None
        self._watchdog: asyncio.TimerHandle | None = None

    @property
    def outstanding(self) -> int:
        """Messages without an answer."""
        return len(self._window)

    async def start(self) -> None:
        """Subscribe to the answers."""
        self._inbox = self._client.new_inbox() + "."
        await self._client.subscribe(f"{self._inbox}*", cb=self._on_answer)

    async def publish(self, batch: Sequence[Record]) -> None:
        """Send records, waiting for room in the window. Raises NotConnected with the cause of the failure."""
        for start in range(0, len(batch), _PIECE):
            await self._wait_until(self._has_room)
            try:
                await self._send(batch[start : start + _PIECE])
            except (NatsError, OSError) as error:
                self.fail(Failure("disconnected", f"can't publish: {error}"))
            await asyncio.sleep(0)
        self._raise_failure()

    async def wait_acknowledged(self) -> None:
        """Wait until nothing is outstanding, and that is reported. Raises NotConnected."""
        await self._wait_until(lambda: not self._window)
        self._notify()

    def fail(self, failure: Failure) -> None:
        """End this publisher; the first cause counts."""
        if self.failure is None:
            if failure.cause in VAGUE:
                failure = self._explain() or failure
            self._end(failure)
            self._on_failure(failure)

    def stop(self) -> None:
        """End this publisher for good: nothing is reported any more. Who waits on it gets NotConnected."""
        self._window = AckWindow(self._window.position)
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
        window, commands, size_max = self._window, [], self._client.max_payload
        if not window:
            self._heard_ns = self._clock.monotonic_ns()
            self._start_watchdog()
        reply = self._inbox
        lead = f"\r\nGw-Schema: {SCHEMA_VERSION}\r\nGw-Kind: "
        tail = f"\r\nGw-Position: {self._writer}:{self._class}:"
        fence, sequence = self._settings.single_writer, self._next_sequence
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
        self._next_sequence = sequence
        if commands:
            await self._client._send_command(b"".join(commands))
            await self._client._flush_pending()

    async def _on_answer(self, message: Msg) -> None:
        data = message.data
        if not data or b'"error"' in data:
            self._on_refusal(message)
        elif self._window.acknowledged(int(message.subject[len(self._inbox) :])) and not self._has_moved:
            self._has_moved = True
            asyncio.get_running_loop().call_soon(self._notify)

    def _on_refusal(self, message: Msg) -> None:
        if not message.data:
            status = (message.headers or {}).get("Status", "")
            text = f"no answer for {self._class}: no stream takes its subjects, or it has no leader ({status})"
            self.fail(Failure("no_stream", text))
            return
        try:
            refusal = msgspec.json.decode(message.data, type=_Answer).error
        except msgspec.MsgspecError:
            refusal = None
        if refusal is None:
            self.fail(Failure("refused", f"an answer for {self._class} that is no acknowledgement"))
            return
        cause = name_refusal(refusal.err_code, refusal.code)
        if cause == "fenced":
            number = int(message.subject[len(self._inbox) :])
            cause = name_fence(refusal.description, self._first_sequence + number)
        text = f"the stream of {self._class} refused: {refusal.description} ({refusal.err_code})"
        self.fail(Failure(cause, text))

    def _notify(self) -> None:
        """Once for all acknowledgements of one read."""
        if not self._has_moved:
            return  # somebody waited for it, and was told already
        self._has_moved = False
        self._heard_ns = self._clock.monotonic_ns()
        self._on_progress(self._window.position)
        self._wake()

    def _has_room(self) -> bool:
        settings, window = self._settings, self._window
        return len(window) < settings.outstanding_max and window.bytes_outstanding < settings.outstanding_bytes_max

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
        """Every message has an answer within the timeout of the one before, or the connection is given up; sooner where
        it is known what is wrong with the server."""
        self._watchdog = None
        if not self._window:
            return
        silent_s = (self._clock.monotonic_ns() - self._heard_ns) / 1e9
        if silent_s >= self._settings.ack_timeout_s / _WATCHDOG_LOOKS:
            known = self._explain()
            if known is not None:
                self.fail(known)
                return
        if silent_s >= self._settings.ack_timeout_s:
            detail = (
                f"no acknowledgement for {silent_s:.1f} s with {len(self._window)} events of {self._class} on their way"
            )
            self.fail(Failure("ack_timeout", detail))
            return
        self._start_watchdog()
