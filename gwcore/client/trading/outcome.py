"""Outcome and Order: what became of a request, and how an order stands. Both go on changing as news come. Pure."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from gwcore.model import (
    AckStatus,
    Fate,
    Fill,
    OrderAck,
    OrderError,
    OrderRequest,
    OrderStatus,
    OrderType,
    OrderUpdate,
    Side,
    TradeUpdate,
)

#: An order in one of these states is over.
ENDED = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})


class _Watched:
    """Something that tells who waits for it that it changed."""

    def __init__(self) -> None:
        self._watchers: list[Callable[[], None]] = []

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call this at every change; `unwatch` ends it."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Call it no more."""
        self._watchers.remove(watcher)

    def notify(self) -> None:
        """It changed."""
        for watcher in list(self._watchers):
            watcher()


class Order(_Watched):
    """One order as it stands. Numbers are Decimal, None where nothing was said. Changes by itself while its trader lives."""

    def __init__(self, update: OrderUpdate) -> None:
        super().__init__()
        self.update = update  # the last word about it, in the venue's text
        self.fills: list[Fill] = []  # in order, each once

    @property
    def account(self) -> str:
        """The account it is of."""
        return self.update.account

    @property
    def order_id(self) -> str | None:
        """Its owner's id; None: placed by another way than this gateway."""
        return self.update.order_id

    @property
    def venue_order_id(self) -> str | None:
        """The venue's id; None: not known yet."""
        return self.update.venue_order_id

    @property
    def symbol(self) -> str | None:
        """What it trades."""
        return self.update.symbol

    @property
    def side(self) -> Side | None:
        """Buy or sell."""
        return self.update.side

    @property
    def order_type(self) -> OrderType | None:
        """Its type."""
        return self.update.order_type

    @property
    def status(self) -> OrderStatus:
        """How it stands; UNKNOWN: it may be at the venue, or not."""
        return self.update.order_status

    @property
    def is_done(self) -> bool:
        """Whether it ended, and nothing but late fills can come."""
        return self.status in ENDED

    @property
    def quantity(self) -> Decimal | None:
        """All of it, what was traded included."""
        return _number(self.update.quantity)

    @property
    def price(self) -> Decimal | None:
        """Its limit."""
        return _number(self.update.price)

    @property
    def traded(self) -> Decimal:
        """How much was traded, as the order says, or its fills where these are ahead."""
        filled = sum((Decimal(fill.quantity) for fill in self.fills), Decimal(0))
        return max(_number(self.update.traded_quantity) or Decimal(0), filled)

    @property
    def remaining(self) -> Decimal | None:
        """How much of it is left."""
        return None if self.quantity is None else self.quantity - self.traded

    @property
    def average_price(self) -> Decimal | None:
        """At what it traded."""
        return _number(self.update.average_price)

    def __repr__(self) -> str:
        what = f"{self.side.value if self.side else '?'} {self.quantity} {self.symbol} at {self.price}"
        return f"<Order {self.order_id or self.venue_order_id}: {what}, {self.status.value}>"

    # --- called by the tracker ----------------------------------------------------------------------------------------

    def on_update(self, update: OrderUpdate) -> None:
        """A word about it. What ended comes back only where the venue says so."""
        self.update = update
        self.notify()

    def on_trade(self, trade: TradeUpdate) -> None:
        """Fills; those that are known already count once."""
        known = {fill.trade_id for fill in self.fills}
        new = [fill for fill in trade.fills if fill.trade_id not in known]
        if new:
            self.fills += new
            self.notify()


class Outcome(_Watched):
    """What became of one request.

    `fate` is DONE, NOT_DONE (with `error`, an OrderError, and `text`), or UNKNOWN: it may have been carried out. UNKNOWN is
    no end: the outcome changes when the gateway finds out, over lost connections too. But of a request about a whole account,
    or a cancel, it may be that nobody will ever know: then `is_over`, with the error SUPERSEDED, and the orders say all that
    matters.
    """

    def __init__(self, request: OrderRequest, request_id: int, order: Order | None) -> None:
        super().__init__()
        self.request = request
        self.request_id = request_id
        self.order = order  # the order it is about; None: about many, or one that is not followed
        self.fate = Fate.UNKNOWN
        self.status: AckStatus | None = None  # of the last ack; None: nothing was heard yet
        self.ack: OrderAck | None = None
        self.error: str | None = None
        self.text = ""
        self.is_over = False  # its fate will never be known (SUPERSEDED)
        self.is_doubted = False  # the gateway, or this client, can't tell at present
        self.batch = 0  # the number of the request that it left in with others
        self.connection = 0  # which connection it left on
        self.gateway = ""  # which life of the gateway it was said to

    @property
    def is_done(self) -> bool:
        """Whether it is known to have been carried out."""
        return self.fate is Fate.DONE

    @property
    def is_known(self) -> bool:
        """Whether its fate is known."""
        return self.fate is not Fate.UNKNOWN

    @property
    def has_word(self) -> bool:
        """Whether there is something to tell the caller: a fate, or that nobody knows it now."""
        return self.is_known or self.is_doubted

    @property
    def count(self) -> int | None:
        """How many orders were cancelled, of a request about many."""
        return None if self.ack is None else self.ack.number_of_affected_orders

    def __repr__(self) -> str:
        what = str(type(self.request).__struct_config__.tag)
        cause = f", {self.error}: {self.text}" if self.error else ""
        return f"<Outcome of {what} {self.request_id}: {self.fate.value}{cause}>"

    # --- called by the tracker ----------------------------------------------------------------------------------------

    def on_ack(self, ack: OrderAck) -> None:
        """The gateway says what became of it."""
        self.ack, self.status = ack, ack.status
        if ack.status is AckStatus.ACCEPTED:
            self.know(Fate.DONE)
        elif ack.status is AckStatus.REJECTED:
            self.know(Fate.NOT_DONE, ack.error, ack.text or "")
        elif ack.status is AckStatus.UNKNOWN and ack.error == OrderError.SUPERSEDED.value:
            self.give_up(ack.text or "")
        elif ack.status is AckStatus.UNKNOWN:
            self.doubt(ack.text or "the venue did not answer", ack.error)
        else:
            self.notify()

    def know(self, fate: Fate, error: str | None = None, text: str = "") -> None:
        """Its fate is known."""
        self.fate, self.error, self.text, self.is_doubted = fate, error, text, False
        self.notify()

    def doubt(self, text: str, error: str | None = None) -> None:
        """Nobody can tell at present."""
        if not self.is_known:
            self.is_doubted, self.text, self.error = True, text, error
            self.notify()

    def give_up(self, text: str) -> None:
        """Nobody will ever be able to tell."""
        self.is_over = True
        self.doubt(text, OrderError.SUPERSEDED.value)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
