"""Publishes the records of one class into its stream over one connection, with an own window of outstanding acknowledgements.

Core publish with a reply subject `<inbox>.<number>`; one subscription takes all answers. A publisher lives as long as its
connection and as long as every answer is an acknowledgement. Whatever else happens (refusal, no responders, silence,
disconnect) makes it fail with a cause: what is outstanding then has an unknown fate, the next publisher finds out from
the stream's tail. So there is one way back for all faults, and it keeps the order.

The fence against other writers is a chain: the first message names the stream's last sequence, each later one the id of
the message before it. Naming sequences all along would not hold with several messages on their way: where another writer
stored one message and ours was refused for it, the stream stands where our next one expects it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from gw_sinks.ack_window import AckWindow
from gw_sinks.jetstream_causes import VAGUE, Failure, Stored, Tail, name_fence, name_refusal
from gw_sinks.jetstream_settings import JetStreamSettings
from gwcore.errors import NotConnected
from gwcore.model import SCHEMA_VERSION, Record
from gwcore.ports import Clock
from gwcore.subjects import Subjects

#: Messages handed to the client in one piece; the loop gets its turn between pieces.
_PIECE = 32
#: Between two pieces of one batch: a sink that catches up shares the loop with the clients of the gateway, which are not
#: to feel it. What is left is some 20,000 events a second, many times what a venue sends.
_PAUSE_S = 0.001
#: The watchdog looks this many times within the ack timeout.
_WATCHDOG_LOOKS = 4


class _Refusal(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Answer(msgspec.Struct):
    error: _Refusal | None = None
    seq: int = 0


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
        self._tail = tail
        self._last_id = ""  # of the message sent last, on which the next one is chained
        self._is_probing = not tail.is_sure  # one by one, until one is found that the stream did not have
        self._session_ids: set[str] = set()  # of what was sent
        self._last_answer = b""  # the acknowledgement that moved the position last
        self._heard_ns = 0  # last acknowledgement, or first message into an empty window
        self._inbox = ""
        self._has_moved = False  # the position moved since the last notice
        self._waiter: asyncio.Future[None] | None = None
        self._watchdog: asyncio.TimerHandle | None = None

    @property
    def outstanding(self) -> int:
        """Messages without an answer."""
        return len(self._window)

    @property
    def last_stored(self) -> Stored | None:
        """The last message that is known to be in the stream; None: none of this publisher's."""
        try:
            sequence = msgspec.json.decode(self._last_answer, type=_Answer).seq if self._last_answer else 0
        except msgspec.MsgspecError:
            return None
        return Stored(sequence, self._window.position) if sequence else None

    async def start(self) -> None:
        """Subscribe to the answers."""
        self._inbox = self._client.new_inbox() + "."
        await self._client.subscribe(f"{self._inbox}*", cb=self._on_answer)

    async def publish(self, batch: Sequence[Record]) -> None:
        """Send records, waiting for room in the window. Raises NotConnected with the cause of the failure."""
        start = 0
        while start < len(batch):
            await self._wait_until(self._has_room)
            end = start + (1 if self._is_probing else _PIECE)
            try:
                await self._send(batch[start:end])
            except (NatsError, OSError) as error:
                self.fail(Failure("disconnected", f"can't publish: {error}"))
            start = end
            await asyncio.sleep(_PAUSE_S if start < len(batch) else 0)
        self._raise_failure()

    async def wait_acknowledged(self) -> None:
        """Wait until nothing is outstanding, and that is reported. Raises NotConnected."""
        await self._wait_until(lambda: not self._window)
        self._notify()

    def fail(self, failure: Failure) -> None:
        """End this publisher; the first cause counts."""
        if self.failure is None:
            self._notify()  # what was acknowledged before counts, whoever hears of the failure first
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
        is_fenced, last_id = self._settings.single_writer and not self._is_probing, self._last_id
        for record in records:
            payload, position = record.payload, record.position
            event_id = f"{record.session_id}:{record.sequence}"
            header = f"NATS/1.0\r\nNats-Msg-Id: {event_id}{lead}{record.kind}{tail}{position}"
            if not is_fenced:
                header += "\r\n\r\n"
            elif last_id:
                header += f"\r\nNats-Expected-Last-Msg-Id: {last_id}\r\n\r\n"
            else:
                header += f"\r\nNats-Expected-Last-Sequence: {self._tail.last_sequence}\r\n\r\n"
            size = len(header) + len(payload)
            if size > size_max:
                self.fail(Failure("payload_too_big", f"an event of {size} bytes; the server takes {size_max}"))
                break
            number = window.sent(position, size)
            subject = self._subjects.of_record(record)
            commands.append(f"HPUB {subject} {reply}{number} {len(header)} {size}\r\n{header}".encode())
            commands.append(payload)
            commands.append(b"\r\n")
            last_id = event_id
        self._last_id = last_id
        self._session_ids.update(record.session_id for record in records)
        if commands:
            await self._client._send_command(b"".join(commands))
            await self._client._flush_pending()

    async def _on_answer(self, message: Msg) -> None:
        data = message.data
        if not data or b'"error"' in data:
            self._on_refusal(message)
        elif self._window.acknowledged(int(message.subject[len(self._inbox) :])):
            self._last_answer = data
            if self._is_probing:
                self._is_probing = b'"duplicate"' in data
            if not self._has_moved:
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
            cause = name_fence(refusal.description, self._tail, self._session_ids)
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
        if self._is_probing:
            return not window
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
