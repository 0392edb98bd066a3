"""NatsLink: a gateway behind NATS as the byte stream that a client's `Link` reads and writes.

Requests become messages; answers and events become frames, in the order in which state, replay and news belong: while an
answer is under way events are held, and behind it follow those that are not in it. So the session, the books, gaps, resuming
and coming back are the same code as over a socket. Whatever breaks the connection, the client comes back by its token.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from typing import Any

from gwcore.client.address import NatsAddress
from gwcore.client.nats.asks import Ask, asks_of
from gwcore.client.nats.backlog import NatsBacklog, gap_frame
from gwcore.client.nats.bus import NatsBus
from gwcore.client.nats.news import read_news
from gwcore.client.nats.order import ArrivalOrder
from gwcore.client.nats.replay import NatsReplay, Phase
from gwcore.client.nats.selection import NatsSelection, must_be_granted, patterns
from gwcore.errors import NotConnected, ProtocolError
from gwcore.nats_settings import NatsSettings
from gwcore.wire import (
    REQUEST_BYTES_MAX,
    ClientRequest,
    Done,
    FrameParser,
    Goodbye,
    Heartbeat,
    Hello,
    RequestError,
    ServerMessage,
    SnapshotEnd,
    SnapshotRequest,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Welcome,
    decode_message,
    decode_request,
    encode,
    frame_event,
    frame_message,
)

#: How long an answer that was begun or asked for may keep silent, as a request of the client may.
ANSWER_TIMEOUT_S = 30.0
#: Frames handed on in one turn of the loop.
FRAMES_PER_TURN = 200
#: Requests of the client that may wait to be sent.
REQUESTS_WAITING_MAX = 2000


class NatsLink(asyncio.Transport):
    """The asyncio transport of one connection. `begin` it once its bus is open."""

    def __init__(self, address: NatsAddress, settings: NatsSettings, backlog: NatsBacklog) -> None:
        super().__init__()
        self.bus = NatsBus(address, settings, on_answer=self._on_answer, on_event=self._on_event, on_lost=self._on_lost)
        self.lost: Exception | None = None  # why it broke, where it did
        self.cuts = 0  # answers that were longer than what may wait
        self._backlog = backlog
        self._selection = NatsSelection()
        self._order = ArrivalOrder()
        self._protocol: asyncio.Protocol | None = None
        self._loop: asyncio.AbstractEventLoop
        self._parser = FrameParser(REQUEST_BYTES_MAX)
        self._requests: deque[tuple[str, bytes]] = deque()  # verb and body of what is sent at once
        self._asks: deque[Ask] = deque()  # sent one after the other
        self._ask: Ask | None = None  # the one under way
        self._replay: NatsReplay | None = None  # how far its answer is
        self._hello = b""  # as the session said it
        self._grants: tuple[tuple[str, ...] | None, str] = (None, "")  # accounts, and who hears his own orders alone
        self._too_big: RequestError | None = None  # a part of its answer that the server did not take
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._subjects: dict[int, list[str]] = {}  # subscription -> its subjects
        self._own_id = 0  # of the last request made here; they count downwards from -1
        self._heard_s = 0.0  # when the last part of an answer came
        self._timer: asyncio.TimerHandle | None = None
        self._is_reading = True
        self._is_due = False
        self._is_over = False  # the gateway said goodbye: as on a socket nothing follows
        self._is_closing = False

    def begin(self, protocol: asyncio.Protocol) -> None:
        """Hand the connection to its protocol."""
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._spawn(self._send())
        protocol.connection_made(self)

    # --- asyncio.Transport, called by the link ------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Framed requests of the session."""
        if self._is_closing:
            return
        state: list[ClientRequest] = []
        for _, body in self._parser.feed(bytes(data)):
            request = decode_request(body)
            if isinstance(request, (Subscribe, SnapshotRequest)):
                state.append(request)
            elif isinstance(request, Unsubscribe) and self._end_subscription(request.subscription):
                # The gateway only answers subscriptions; they stand here.
                self._add_answer(frame_message(Done(request_id=request.request_id)))
            else:
                self._requests.append((str(request.__struct_config__.tag), body))
                self._hello = body if isinstance(request, Hello) else self._hello
        self._asks += asks_of(state)
        if len(self._requests) + len(self._asks) > REQUESTS_WAITING_MAX:
            self._on_lost(NotConnected(f"more than {REQUESTS_WAITING_MAX} requests wait to be sent"))
        self._wake.set()

    def close(self) -> None:
        """Close; `connection_lost` follows."""
        self._end(None)

    def abort(self) -> None:
        """As `close`."""
        self._end(None)

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._is_closing

    def pause_reading(self) -> None:
        """Hand on nothing for now. NATS goes on: what waits is bounded, and market data is dropped first."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Hand on again."""
        self._is_reading = True
        self._soon()

    # --- the way out --------------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._requests:
                await self.bus.publish(*self._requests.popleft())
            if self._ask is None and self._asks:
                # One at a time: which answer an event belongs to is not said in it.
                self._ask = ask = self._asks.popleft()
                self._replay = NatsReplay(ask)
                self._too_big = None
                self._watch()
                if await self._take_subjects(ask):
                    await self.bus.publish(ask.verb, encode(ask.request))

    async def _take_subjects(self, ask: Ask) -> bool:
        # Events are held from before their subjects are taken: what comes now may be in the answer.
        prefix = self.bus.prefix
        for part in ask.parts:
            self._selection.add(part)
            self._subjects[part.request_id] = wanted = patterns(prefix, part, *self._grants)
            refused = await self.bus.subscribe(wanted)
            self._subjects[part.request_id] = [subject for subject in wanted if subject not in refused]
            missing = [subject for subject in refused if must_be_granted(prefix, part, subject)]
            if missing:
                text = self.bus.no_right(missing[0])
                self._on_message(RequestError(request_id=ask.request.request_id, code="no_rights", text=text))
                return False
        return True

    def _watch(self) -> None:
        self._heard_s = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(ANSWER_TIMEOUT_S, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._ask is None or self._is_closing:
            return
        left_s = self._heard_s + ANSWER_TIMEOUT_S - self._loop.time()
        if self._replay is not None and self._replay.phase is Phase.RESTING:
            self._watch()  # it is the reader who is waited for
        elif left_s <= 0:
            verb = self._ask.verb
            self._on_lost(NotConnected(f"no answer on {self.bus.subject(verb)} for {ANSWER_TIMEOUT_S:g} s"))
        else:
            self._timer = self._loop.call_later(left_s, self._look)

    # --- the way in ---------------------------------------------------------------------------------------------------

    def _on_answer(self, frame_type: str, payload: bytes) -> None:
        if self._is_closing:
            return
        try:
            if frame_type != "E":
                self._on_message(decode_message(payload))
                return
            self._heard_s = self._loop.time()
            self._take_state(payload)
        except ProtocolError:
            self._add_answer(frame_event(payload))  # the session says what is wrong with it, as over a socket
        except NotConnected as error:
            self._on_lost(error)

    def _take_state(self, payload: bytes) -> None:
        ask, replay = self._ask, self._replay
        if ask is not None and replay is not None and (replay.is_replay or len(ask.parts) > 1):
            if replay.phase is not Phase.COMING:
                return
            news = read_news(payload)
            replay.note(news)
            if len(ask.parts) > 1 and not self._selection.wants(news):
                return
        self._add_answer(frame_event(payload))
        if self._backlog.is_high and replay is not None and replay.can_be_cut:
            replay.phase = Phase.CUT
            self.cuts += 1
            self._requests.append(("hello", self._hello))
            self._wake.set()

    def _on_message(self, message: ServerMessage) -> None:
        if isinstance(message, (Welcome, SnapshotEnd)):
            self._order.expect(message.sessions)
        if isinstance(message, Welcome):
            self._grants = (message.accounts, message.user if message.drop_copy is False else "")
        if isinstance(message, Heartbeat) and not self._is_reading:
            return  # what waits to be read already says that the gateway lives
        ask, replay = self._ask, self._replay
        asked = ask.request.request_id if ask is not None else 0
        if isinstance(message, RequestError) and message.request_id not in (None, 0, asked):
            self._add_answer(frame_message(message))  # about orders, whatever else is under way
            return
        if replay is not None and replay.phase is not Phase.COMING and not isinstance(message, (Heartbeat, Done)):
            if isinstance(message, Welcome):
                replay.phase = Phase.RESTING
                self._soon()
            return  # of an answer that was cut
        self._is_over = self._is_over or isinstance(message, Goodbye)
        if isinstance(message, (Subscribed, SnapshotEnd, RequestError)) and message.request_id:
            if ask is not None and message.request_id == asked:
                self._on_ask_answered(ask, message)
        else:
            self._add_answer(frame_message(message))

    def _on_ask_answered(self, ask: Ask, message: Subscribed | SnapshotEnd | RequestError) -> None:
        self._heard_s = self._loop.time()
        if isinstance(message, RequestError):
            if message.code == "too_big":
                self._too_big = message  # the answer goes on without it
                return
            if message.code == "interrupted" or ask.is_own:
                raise NotConnected(f"the gateway could not answer: {message.text}")
            for part in ask.parts:
                self._drop_subjects(part.request_id)
        elif isinstance(message, SnapshotEnd):
            for part in ask.parts:
                self._selection.joined(part.request_id, message.sessions)
            if self._is_covered(ask):
                self._backlog.forgive(message.sessions)
            if self._too_big is not None and not ask.parts:
                message = self._too_big
            # A subscription stands without it: that book has no snapshot, and so is never LIVE.
        is_told = isinstance(message, Subscribed) and self._replay is not None and self._replay.is_again
        if not ask.is_own and not is_told:
            for answer in ask.answers(message):
                self._add_answer(frame_message(answer))
        if not isinstance(message, Subscribed):
            self._ask = self._replay = None
            self._backlog.release(self._selection.is_news)
            self._wake.set()
            self._soon()

    def _on_event(self, payload: bytes, subscription: int) -> None:
        if self._is_closing or self._is_over:
            return
        try:
            news = read_news(payload)
            if self._order.is_repeated(news, subscription):
                return
        except ProtocolError:
            self._add_answer(frame_event(payload))  # the session says what is wrong with it, as over a socket
            return
        except NotConnected as error:
            self._on_lost(error)
            return
        hold = self._ask is not None
        if self._selection.wants(news) if hold else self._selection.is_news(news):
            self._backlog.add_news(news, hold=hold)
            self._check_limits()
            self._soon()

    def _add_answer(self, frame: bytes) -> None:
        self._backlog.add_answer(frame)
        self._check_limits()
        self._soon()

    def _check_limits(self) -> None:
        backlog = self._backlog
        may_drop = self._selection.conflates or (self._ask is not None and self._is_covered(self._ask))
        if backlog.is_over and may_drop and not backlog.is_dropping:
            backlog.conflate()
        if backlog.is_over:
            self._on_lost(
                NotConnected("too slow: more came over NATS than may wait; read faster, ask for less, or resume")
            )

    def _is_covered(self, ask: Ask) -> bool:
        # Whether the answer will hold all that comes meanwhile: then it may be dropped, and is no loss.
        is_replay = self._replay is not None and self._replay.is_replay
        return is_replay and self._selection.is_only([part.request_id for part in ask.parts])

    # --- handing on ---------------------------------------------------------------------------------------------------

    def _soon(self) -> None:
        if not self._is_due and not self._is_closing and self._protocol is not None:
            self._is_due = True
            self._loop.call_soon(self._feed)

    def _feed(self) -> None:
        self._is_due = False
        if self._is_closing or not self._is_reading:
            return
        assert self._protocol is not None
        data = self._backlog.take(FRAMES_PER_TURN)
        if data:
            self._protocol.data_received(data)
        if self._replay is not None and self._replay.phase is Phase.RESTING and self._backlog.is_low:
            self._ask = ask = self._replay.again()
            self._watch()
            self._spawn(self.bus.publish(ask.verb, encode(ask.request)))
        if self._backlog.is_ready:
            self._soon()
        elif self._backlog.is_dropping and self._ask is None and not self._asks and self._is_reading:
            self._end_conflation()

    def _end_conflation(self) -> None:
        # As the gateway does it for a slow socket: what is missing, then fresh state, then the news behind it.
        for gap in self._backlog.take_gaps():
            self._add_answer(gap_frame(gap, self.bus.venue, time.time_ns()))
        for request in self._selection.state_requests(self._own_id - 1):
            self._own_id = request.request_id
            self._asks.append(Ask(request, is_own=True))
        self._wake.set()

    def _end_subscription(self, subscription: int) -> bool:
        # Returns whether there was one, asked for or still to be.
        found = subscription in self._subjects
        if found:
            self._drop_subjects(subscription)
        for ask in list(self._asks):
            if any(part.request_id == subscription for part in ask.parts):
                found = True
                self._asks.remove(ask)
                self._asks += asks_of([part for part in ask.parts if part.request_id != subscription])
        return found

    def _drop_subjects(self, subscription: int) -> None:
        self._selection.remove(subscription)
        self._spawn(self.bus.unsubscribe(self._subjects.pop(subscription, [])))

    # --- the end ------------------------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # whatever it is: without this work the connection is of no use
            self._on_lost(error)

    def _on_lost(self, error: Exception) -> None:
        self.lost = self.lost or error
        # What came before the loss is still handed on, to who reads.
        while self._protocol is not None and self._is_reading and not self._is_closing:
            data = self._backlog.take(FRAMES_PER_TURN)
            if not data:
                break
            self._protocol.data_received(data)
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        if self._timer is not None:
            self._timer.cancel()
        if self._protocol is not None:
            left = list(self._tasks)
            self._tasks.add(self._loop.create_task(self._shut(error, left)))

    async def _shut(self, error: Exception | None, left: list[asyncio.Task[None]]) -> None:
        assert self._protocol is not None
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self.bus.close()
        self._protocol.connection_lost(error)
