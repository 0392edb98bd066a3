"""Client: the asyncio side of a Session: one socket, its heartbeats, its queue, and coming back after a loss."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, TypeAlias

from gwcore.client.answers import REQUEST_TIMEOUT_S, Answers
from gwcore.client.book import Books
from gwcore.client.link import Link
from gwcore.client.queue import QUEUE_BYTES_MAX, QUEUE_EVENTS_MAX, DeliveryQueue
from gwcore.client.session import Delivery, Item, Session
from gwcore.client.subscriptions import texts
from gwcore.client.trading.order_tracker import OrderTracker
from gwcore.client.trading.outcome import Outcome
from gwcore.client.trading.trader import Trader
from gwcore.client.trading.traders import Traders
from gwcore.errors import GatewayError, NotConnected
from gwcore.model import Envelope, OrderRequest
from gwcore.wire import Goodbye, ResumeToken, ServerMessage, SnapshotEnd, Welcome
from gwcore.wire import Outcome as ControlOutcome

#: Opens the way to the gateway: given a maker of protocols, as `loop.create_unix_connection` is.
Dial: TypeAlias = Callable[[Callable[[], asyncio.Protocol]], Awaitable[Any]]

#: Time for the socket and the welcome.
CONNECT_TIMEOUT_S = 10.0
#: Delay before a try to come back: uniform in [0, bound); the bound doubles up to the maximum.
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0
#: A connection that held this long resets the bound.
BACKOFF_HELD_S = 5.0


class Client:
    """A connection to a gateway. Made by `connect`; `async with` it or `close()` it.

    Events come by `async for envelope in client`. Where they are not read, the queue fills, the socket is no longer read,
    the books turn STALE (BACKLOG) and the gateway treats this client as slow: read them, or connect with `keep_events=False`.
    """

    def __init__(
        self,
        dial: Dial,
        session: Session,
        *,
        reconnect_s: float = 0.0,
        keep_events: bool = True,
        queue_events_max: int = QUEUE_EVENTS_MAX,
        queue_bytes_max: int = QUEUE_BYTES_MAX,
        chance: Callable[[], float] | None = None,
        unanswered: str = "",
    ) -> None:
        self.reconnects = 0
        self._unanswered = unanswered  # where no welcome came from, and what to look at
        self._dial = dial
        self._session = session
        self._reconnect_s = reconnect_s
        self._keep_events = keep_events
        self._chance = chance or random.Random().random
        self._queue = DeliveryQueue(queue_events_max, queue_bytes_max, self._pause, self._resume)
        self._traders = Traders(session)
        self._link: Link | None = None
        self._welcome: asyncio.Future[Welcome] | None = None
        self._answers = Answers(lambda: self.backlog_hint)
        self._snapshots: dict[int, list[Envelope]] = {}
        self._news = asyncio.Event()  # the queue is not empty, or there is an end
        self._end: GatewayError | None = None  # nothing more will come, and why
        self._is_closing = False
        self._goodbye = ""
        self._comeback: asyncio.Task[None] | None = None
        self._backoff_s = BACKOFF_FIRST_S
        self._welcome_s = 0.0  # when the present connection was welcomed, by the loop's clock

    # --- what a user reads --------------------------------------------------------------------------------------------

    @property
    def books(self) -> Books:
        """One Book per symbol, kept from the market_by_price events received: as new as can be, ahead of unread events."""
        return self._session.books

    @property
    def token(self) -> ResumeToken:
        """Resume token of the events handed out: subscribe with `resume=` it to go on exactly behind them."""
        return self._queue.token

    @property
    def welcome(self) -> Welcome | None:
        """What the gateway said of itself; None while not connected."""
        return self._session.welcome

    @property
    def gaps(self) -> int:
        """Holes found on this side; each was also handed out as a Gap event (source `client`)."""
        return self._session.gaps

    @property
    def goodbye(self) -> str:
        """Why the gateway closed the last connection; empty when it did not say."""
        return self._goodbye

    @property
    def waiting(self) -> int:
        """Events received and not read yet."""
        return len(self._queue)

    @property
    def backlog_hint(self) -> str:
        """Why answers may not come, where that is this side's doing."""
        return "; the events that came before it are not being read" if self._queue.is_paused else ""

    def __aiter__(self) -> Client:
        return self

    async def __anext__(self) -> Envelope:
        delivery = await self.next()
        if delivery is None:
            raise StopAsyncIteration
        return delivery.envelope

    async def next(self) -> Delivery | None:
        """The next event, with its bytes exactly as received; None after `close()`.

        Raises NotConnected, RequestRefused or ProtocolError once all that came before a loss was read.
        """
        while True:
            delivery = self._queue.get()
            if delivery is not None or not await self._wait_news():
                return delivery

    async def batch(self, count_max: int = 1000, *, timeout_s: float | None = None) -> list[Delivery]:
        """What waits, at most `count_max`; waits for the first one, at most `timeout_s` (then it is empty).

        Raises as `next`; empty after `close()`.
        """
        deliveries: list[Delivery] = []
        try:
            async with asyncio.timeout(timeout_s):
                while len(deliveries) < count_max:
                    delivery = self._queue.get()
                    if delivery is not None:
                        deliveries.append(delivery)
                    elif deliveries or not await self._wait_news():
                        break
        except TimeoutError:
            pass
        return deliveries

    async def _wait_news(self) -> bool:
        # Returns False at the clean end, raises at another one; called with an empty queue only.
        if self._is_closing:
            return False
        if self._end is not None:
            raise self._end
        self._news.clear()
        await self._news.wait()
        return True

    # --- requests -----------------------------------------------------------------------------------------------------

    async def subscribe(
        self,
        symbols: Sequence[str] = (),
        kinds: Sequence[str] = (),
        *,
        from_start: bool = False,
        resume: ResumeToken | None = None,
        on_slow: str = "conflate",
    ) -> int:
        """Ask for events of symbols (globs) and kinds, empty for all. Returns the subscription's number.

        The present state comes first, then news; `from_start` replays the gateway's session first; `resume` goes on after
        a token. `on_slow`: "conflate" (market data is skipped, with a Gap, when this side can't keep up) or "disconnect".
        Raises RequestRefused with the gateway's reason, NotConnected.
        """
        self._check_open()
        is_first = not self._session.subscriptions
        request_id = self._session.subscribe(
            symbols=texts(symbols), kinds=texts(kinds), from_start=from_start, resume=resume, on_slow=on_slow
        )
        if is_first and resume:
            self._queue.start_from(resume)
        await self._answer(request_id)
        return request_id

    async def unsubscribe(self, subscription: int) -> None:
        """End a subscription by its number. Raises RequestRefused, NotConnected."""
        self._check_open()
        await self._answer(self._session.unsubscribe(subscription))

    async def snapshot(self, symbols: Sequence[str] = (), kinds: Sequence[str] = ()) -> list[Envelope]:
        """The present state of what matches, once. Raises RequestRefused, NotConnected."""
        self._check_open()
        request_id = self._session.snapshot(symbols=texts(symbols), kinds=texts(kinds))
        self._snapshots[request_id] = []
        try:
            await self._answer(request_id)
            return self._snapshots[request_id]
        finally:
            del self._snapshots[request_id]

    async def control(self, action: str, **arguments: Any) -> ControlOutcome:
        """Have the gateway do something (`gw ctl`), or tell how it stands. Raises RequestRefused, NotConnected."""
        self._check_open()
        answer = await self._answer(self._session.control(action, arguments))
        assert isinstance(answer, ControlOutcome)
        return answer

    async def trader(self, account: str) -> Trader:
        """Trade an account; its open orders are known then. `subscribe` first where that resumes. Raises as it does."""
        self._check_open()
        return Trader(self, await self._traders.open(account, self._answer, REQUEST_TIMEOUT_S), self._traders.numbers)

    def send_order(self, tracker: OrderTracker, request: OrderRequest, parts: Sequence[OrderRequest]) -> list[Outcome]:
        """What a Trader calls: a request leaves, and what becomes of it is followed. Raises NotConnected: nothing left."""
        self._check_open()
        outcomes = tracker.add(parts, request.request_id)
        self._session.order(request)
        self._send()
        return outcomes

    async def _answer(self, request_id: int) -> ServerMessage:
        return await self._answers.wait(request_id, self._send)

    def _check_open(self) -> None:
        if self._end is not None:
            raise self._end
        if self._is_closing or self._link is None or self._session.welcome is None:
            raise NotConnected("not connected to the gateway")

    # --- life ---------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect and wait for the welcome. Raises NotConnected."""
        loop = asyncio.get_running_loop()
        self._goodbye = ""
        self._welcome = loop.create_future()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._dial(lambda: Link(self))
                await self._welcome
        except TimeoutError:
            await self._give_up("no welcome")
            raise NotConnected(f"the gateway did not answer within {CONNECT_TIMEOUT_S:g} s{self._unanswered}") from None
        except OSError as error:
            raise NotConnected(f"cannot connect: {error.strerror or error}; is the gateway running?") from error
        except BaseException:
            await self._give_up("cancelled")
            raise
        finally:
            self._welcome = None

    async def close(self) -> None:
        """Close the connection; iterations end. Does not raise."""
        self._is_closing = True
        self._news.set()
        comeback, self._comeback = self._comeback, None
        if comeback is not None:
            comeback.cancel()
            await asyncio.gather(comeback, return_exceptions=True)
        link = self._link
        if link is not None:
            link.close("closed by this client")
            await link.closed

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _give_up(self, cause: str) -> None:
        # Waits for the end, a second or two at most: whoever hears of the failure may end the loop.
        link = self._link
        if link is not None:
            link.close(cause)
            await link.closed

    def _drop_link(self, cause: str) -> None:
        if self._link is not None:
            self._link.close(cause)

    def _pause(self) -> None:
        self._session.books.backlog_since_ns = self._session.books.monotonic_ns()
        if self._link is not None:
            self._link.pause()

    def _resume(self) -> None:
        self._session.books.backlog_since_ns = None
        if self._link is not None:
            self._link.resume()

    # --- called by the link -------------------------------------------------------------------------------------------

    def on_open(self, link: Link) -> None:
        """The socket stands."""
        self._link = link
        self._session.on_open()
        self._send()
        if self._queue.is_paused:
            link.pause()

    def on_data(self, data: bytes) -> None:
        """Bytes came."""
        for item in self._session.on_bytes(data):
            self._take(item)
        self._send()
        if self._session.fault is not None:
            self._drop_link(str(self._session.fault))

    def on_beat(self) -> None:
        """Time to show that this side lives."""
        self._session.ping()
        self._send()

    def on_lost(self, link: Link, cause: str) -> None:
        """The socket is gone."""
        if link is not self._link:
            return
        self._link = None
        error = self._session.fault or NotConnected(f"the gateway closed: {self._goodbye}" if self._goodbye else cause)
        was_welcome = self._session.welcome is not None
        self._session.on_close(self._goodbye or cause)
        self._traders.on_lost(self._goodbye or cause)
        self._queue.disconnected()
        self._answers.fail(error)
        if self._welcome is not None and not self._welcome.done():
            self._welcome.set_exception(error)
        if not was_welcome or self._is_closing or self._comeback is not None:
            return
        if self._reconnect_s > 0 and self._session.fault is None:
            if asyncio.get_running_loop().time() - self._welcome_s >= BACKOFF_HELD_S:
                self._backoff_s = BACKOFF_FIRST_S
            self._comeback = asyncio.get_running_loop().create_task(self._come_back(error))
        else:
            self._finish(error)

    def _send(self) -> None:
        data = self._session.bytes_to_send()
        if data and self._link is not None:
            self._link.write(data)

    def _take(self, item: Item) -> None:
        if self._traders.on_item(item):
            return
        if isinstance(item, Delivery):
            if item.request_id:
                collected = self._snapshots.get(item.request_id)
                if collected is not None:
                    collected.append(item.envelope)
            elif self._keep_events:
                self._queue.put(item)
                self._news.set()
            return
        if isinstance(item, Welcome):
            self._welcome_s = asyncio.get_running_loop().time()
            if self._link is not None:
                self._link.start_beats(item.heartbeat_s)
            if self._welcome is not None and not self._welcome.done():
                self._welcome.set_result(item)
            return
        if isinstance(item, Goodbye):
            self._goodbye = item.reason
            self._drop_link(item.reason)
            return
        request_id = getattr(item, "request_id", None)
        if isinstance(item, SnapshotEnd) and request_id not in self._snapshots:
            if self._keep_events:
                self._queue.put(item)
            return
        self._answers.take(request_id, item)

    async def _come_back(self, error: GatewayError) -> None:
        # Tries until it stands or the time is over; a try that is welcomed starts over with a short delay.
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._reconnect_s
        while loop.time() < deadline:
            await asyncio.sleep(self._chance() * self._backoff_s)
            self._backoff_s = min(self._backoff_s * 2, BACKOFF_MAX_S)
            try:
                await self.open()
            except NotConnected as lost:
                error = lost
                continue
            if self._link is None:
                continue  # welcomed and cut at once
            self.reconnects += 1
            self._comeback = None
            return
        self._comeback = None
        self._finish(error)

    def _finish(self, error: GatewayError) -> None:
        self._end = error
        self._news.set()
