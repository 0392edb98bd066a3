"""PaperRoom: the paper exchanges of one gateway at the loop: connections without a network, time, and what must be durable.

What an exchange says is told only when the facts behind it are on disk: a fill that a client saw is there after a crash.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from gwcore.engine.clients.state import CurrentState
from gwcore.errors import StorageError, Unsupported, VenueUnavailable
from gwcore.model import Event, Instrument, MarketByPriceUpdate, TradeSummary
from gwcore.paper.codec import PAPER_URL, PaperCodec, PaperOrders
from gwcore.paper.desk import PaperDesk
from gwcore.paper.exchange import PaperExchange, PaperTerms
from gwcore.paper.market import Sides
from gwcore.paper.messages import PaperNews, decode_request, encode
from gwcore.paper.records import PaperFact
from gwcore.ports import Clock, Connection, ConnectionListener, Endpoint, Storage
from gwcore.rest import HttpRequest, HttpResponse
from gwcore.runtime.orders.paper_log import PaperLog
from gwcore.settings import GatewayConfig, PaperSettings, SelectedAccount, SelectedVenue
from gwcore.venue import Account, AccountCodec, OrderLimits, Streams

_log = logging.getLogger("gwcore.paper")
_NANOSECONDS = 1_000_000_000

Offload = Callable[..., Awaitable[Any]]


class PaperPorts(Protocol):
    """What paper accounts reach for (`runtime.app.Ports`)."""

    @property
    def storage(self) -> Storage:
        """The state directory."""
        ...

    @property
    def clock(self) -> Clock:
        """Time."""
        ...

    @property
    def offload(self) -> Offload:
        """Run a blocking function aside."""
        ...


class PaperSeat:
    """One paper account: its exchange, its log, its connection while there is one. Implements `Connection`."""

    def __init__(self, exchange: PaperExchange, log: PaperLog, clock: Clock, offload: Offload) -> None:
        self.exchange = exchange
        self._desk = PaperDesk(exchange)
        self._file = log
        self._clock = clock
        self._offload = offload
        self._listener: ConnectionListener | None = None
        self._pending: list[list[PaperNews]] = []
        self._facts: list[PaperFact] = []  # not durable yet
        self._writer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def restore(self) -> None:
        """Read the log. Raises StorageError."""
        facts = list(self._file.read())
        for fact in facts:
            self.exchange.restore(fact)
        if facts:
            self.exchange.restored()
        self._file.begin(self.exchange.facts())
        self.exchange.take_facts()

    def open(self, listener: ConnectionListener) -> None:
        """The gateway connects."""
        self._listener = listener
        self._arm()

    # --- Connection ---------------------------------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        """A request of the gateway."""
        if self._listener is not None:
            self._say(self._desk.receive(decode_request(frame), self._clock.now_ns()))

    def close(self, reason: str) -> None:
        """The gateway ends the connection; nothing of it is told any more."""
        listener, self._listener = self._listener, None
        self._pending.clear()
        if listener is not None:
            asyncio.get_running_loop().call_soon(listener.on_close, reason)

    # --- what happens without being asked for -------------------------------------------------------------------------

    def on_event(self, event: Event) -> None:
        """News of a market."""
        self._say(self.exchange.on_event(event, self._clock.now_ns()))

    def _on_timer(self) -> None:
        self._timer = None
        self._say(self.exchange.on_timer(self._clock.now_ns()))
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        next_ns = self.exchange.next_ns()
        if next_ns is not None:
            delay_s = max(0, next_ns - self._clock.now_ns()) / _NANOSECONDS
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    # --- durable first ------------------------------------------------------------------------------------------------

    def _say(self, news: list[PaperNews]) -> None:
        if news:
            self._pending.append(news)
            if self._writer is None:
                self._writer = asyncio.get_running_loop().create_task(self._write())
            self._arm()

    async def _write(self) -> None:
        while self._pending:
            said, self._pending = self._pending, []
            self._facts += self.exchange.take_facts()
            facts = self._facts
            listener = self._listener
            if facts:
                try:
                    await self._offload(self._file.append, facts, self.exchange.facts)
                except StorageError as error:
                    _log.error("paper account %s: %s", self.exchange.account, error)
                    self.close(f"what the paper account did can't be made durable: {error}")
                    break
                self._facts = []
            if listener is not None and listener is self._listener:
                for news in said:
                    listener.on_frame(encode(news), self._clock.now_ns())
                listener.on_burst_end()
        self._writer = None

    async def finish(self) -> None:
        """The gateway stops: what is under way becomes durable."""
        if self._timer is not None:
            self._timer.cancel()
        if self._writer is not None:
            await self._writer
        self._file.close()


class PaperSigner:
    """There is no key to sign with. Implements `Signer`."""

    key = passphrase = ""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def sign(self, algorithm: str, message: bytes) -> bytes:
        """Raises Unsupported."""
        raise Unsupported("a paper account signs nothing")

    def now_ns(self) -> int:
        """The time."""
        return self._clock.now_ns()

    def nonce(self) -> int:
        """Raises Unsupported."""
        raise Unsupported("a paper account has no nonces")


class PaperStreams:
    """A venue's streams, with paper accounts. Implements `Streams`."""

    def __init__(self, streams: Streams, room: PaperRoom) -> None:
        self._room = room
        self.limits, self.book_rule, self.market_data = streams.limits, streams.book_rule, streams.market_data

    def account(self, account: Account) -> AccountCodec:
        """A codec for a paper account."""
        return self._room.codec(account)


class PaperRoom:
    """All paper accounts. Stands in for a venue's streams and network where accounts are concerned."""

    def __init__(
        self,
        accounts: tuple[SelectedAccount, ...],
        settings: PaperSettings,
        *,
        instruments: Callable[[], Mapping[str, Instrument]],
        state: CurrentState,
        storage: Storage,
        clock: Clock,
        offload: Offload,
        venue: SelectedVenue,
    ) -> None:
        self._state = state
        self._venue = venue
        self._clock = clock
        self._seats: dict[str, PaperSeat] = {}
        terms = PaperTerms(maker_fee=Decimal(settings.maker_fee_percent), taker_fee=Decimal(settings.taker_fee_percent))
        totals = {asset: Decimal(amount) for amount, asset in map(str.split, settings.funds)}
        for account in accounts:
            exchange = PaperExchange(
                account.name,
                totals,
                instrument=lambda symbol: instruments().get(symbol),
                book=self._book,
                terms=terms,
            )
            seat = PaperSeat(exchange, PaperLog(storage, account.name), clock, offload)
            seat.restore()
            self._seats[account.name] = seat

    def _book(self, symbol: str) -> Sides:
        book = self._state.live_book(symbol)
        return Sides() if book is None else Sides(book.bids(), book.asks(), is_live=True)

    def on_event(self, event: Event) -> None:
        """Something was published."""
        if isinstance(event, MarketByPriceUpdate | TradeSummary):
            for seat in self._seats.values():
                if seat.exchange.wants(event.symbol):
                    seat.on_event(event)

    async def finish(self) -> None:
        """The gateway stops."""
        for seat in self._seats.values():
            await seat.finish()

    # --- in the place of keys and VenueSpec.orders --------------------------------------------------------------------

    def signer(self) -> PaperSigner:
        """Who signs for a paper account."""
        return PaperSigner(self._clock)

    def codec(self, account: Account) -> PaperCodec:
        """A codec for a paper account."""
        return PaperCodec(self._seats[account.name].exchange)

    def orders(self, account: Account, _codec: AccountCodec | None) -> PaperOrders:
        """Its requests. The limits are those of the venue, so that what is tried out here is not refused there."""
        make = self._venue.spec.orders
        limits = make(self._venue.settings, account, None).limits if make is not None else OrderLimits()
        return PaperOrders(self._seats[account.name].exchange, limits)

    # --- in the place of Network --------------------------------------------------------------------------------------

    async def connect(self, endpoint: Endpoint, listener: ConnectionListener) -> Connection:
        """Take a seat. Raises VenueUnavailable where there is none of that name."""
        seat = self._seats.get(endpoint.url.removeprefix(PAPER_URL))
        if seat is None:
            raise VenueUnavailable(f"{endpoint.url}: no such paper account")
        seat.open(listener)
        return seat

    async def request(self, request: HttpRequest) -> HttpResponse:
        """Nothing of a paper account goes to a real host. Raises VenueUnavailable."""
        raise VenueUnavailable(f"{request.url}: a paper account asks nobody")


def make_paper_room(
    config: GatewayConfig, ports: PaperPorts, state: CurrentState, instruments: Callable[[], Mapping[str, Instrument]]
) -> PaperRoom | None:
    """The paper exchanges of a gateway; None where it trades at the venue. Raises StorageError for a log that is spoilt."""
    if not config.paper.enabled:
        return None
    return PaperRoom(
        config.accounts,
        config.paper,
        instruments=instruments,
        state=state,
        storage=ports.storage.child("paper"),
        clock=ports.clock,
        offload=ports.offload,
        venue=config.venue,
    )
