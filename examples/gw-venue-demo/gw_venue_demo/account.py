"""One account: login by challenge, then the feeds `orders`, `fills` and `funds`; REST has the same, with the past."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import msgspec

from gw_venue_demo.rest import MALFORMED, body_of
from gw_venue_demo.settings import Settings
from gwcore.errors import DecodeError
from gwcore.model import Fill, FundsUpdate, OrderStatus, OrderUpdate, Side, TradeUpdate
from gwcore.numbers import decimal_text
from gwcore.ports import Endpoint
from gwcore.rest import HttpFlow, HttpRequest
from gwcore.venue import (
    Account,
    AccountLimits,
    AccountMessage,
    AccountSnapshot,
    Frame,
    Known,
    Refused,
    Reply,
    Rights,
    Unknown,
)

STATUS = {"open": OrderStatus.WORKING, "filled": OrderStatus.FILLED}


class Row(msgspec.Struct):
    """An order, a fill or a balance; which, says the list it is in."""

    order: str = ""
    product: str = ""
    side: str = "buy"
    state: str = "open"
    quantity: str = "0"
    done: str = "0"
    price: str = "0"
    fill: str = ""
    asset: str = ""
    total: str = "0"
    time_ms: int = 0


class Message(msgspec.Struct):
    """Any private frame that is JSON, and any private answer of REST."""

    op: str = ""
    text: str = ""
    whole: bool = False
    orders: list[Row] | None = None
    fills: list[Row] | None = None
    funds: list[Row] | None = None


_message_of = msgspec.json.Decoder(Message).decode


class PrivateStream:
    """The AccountCodec of the venue contract."""

    limits = AccountLimits(silence_s=15.0, ping_s=None)

    def __init__(self, settings: Settings, account: Account) -> None:
        self._settings = settings
        self._name = account.name
        self._signer = account.signer

    def endpoint(self) -> HttpFlow[Endpoint]:
        """A fixed address."""
        yield from ()
        return Endpoint(url=self._settings.ws_private_url)

    def login(self) -> Generator[Frame, Frame, None]:
        """Say the key, sign the text that comes, wait for the verdict. A refusal is told by `decode`, as `Refused`."""
        message = yield from _answer(msgspec.json.encode({"op": "login", "key": self._signer.key}))
        if message.op == "challenge":
            proof = self._signer.sign("hmac-sha256", message.text.encode()).hex()
            yield from _answer(msgspec.json.encode({"op": "prove", "sign": proof}))

    def open(self) -> Sequence[Frame]:
        """All private feeds; each begins with a snapshot."""
        return (b'{"op":"sub","id":1,"feeds":["orders","fills","funds"]}',)

    def download(self, known: Known) -> HttpFlow[AccountSnapshot]:
        """Orders and fills since then, and funds, in one answer. Raises VenueError."""
        message = yield from self._ask(f"/account?since_ms={known.since_ns // 1_000_000}")
        return self._snapshot(message)

    def funds(self) -> HttpFlow[Sequence[FundsUpdate]]:
        """Funds alone. Raises VenueError."""
        message = yield from self._ask("/account?since_ms=0")
        return self._snapshot(message).funds or ()

    def rights(self) -> HttpFlow[Rights]:
        """A key of this venue reads, and that is all. Raises VenueError."""
        yield from self._ask("/account?since_ms=0")
        return Rights(("read",), may_withdraw=False)

    def _ask(self, target: str) -> HttpFlow[Message]:
        time_ms = str(self._signer.now_ns() // 1_000_000)
        sign = self._signer.sign("hmac-sha256", (time_ms + target).encode()).hex()
        headers = {"x-key": self._signer.key, "x-time": time_ms, "x-sign": sign}
        return body_of(
            (yield HttpRequest(method="GET", url=self._settings.rest_url + target, headers=headers)), Message
        )

    def decode(self, frame: Frame, received_ns: int) -> Sequence[AccountMessage]:
        """As for market data. Raises DecodeError."""
        if frame == b"ping":
            return (Reply(b"pong"),)
        try:
            message = _message_of(frame)
            if message.op == "denied":
                return (Refused(message.text, fatal=True),)
            if message.op in ("challenge", "welcome"):
                return ()
            if message.whole:
                return (self._snapshot(message),)
            found: list[AccountMessage] = [self._order(row) for row in message.orders or ()]
            found += [self._fill(row) for row in message.fills or ()]
            found += [self._funds(row) for row in message.funds or ()]
        except MALFORMED as error:
            raise DecodeError(str(error)) from None
        return found or (Unknown(f"op {message.op:.20}"),)

    def _snapshot(self, message: Message) -> AccountSnapshot:
        try:
            orders = [self._order(row) for row in message.orders or ()]
            return AccountSnapshot(
                orders=tuple(each for each in orders if each.order_status is OrderStatus.WORKING),
                closed=tuple(each for each in orders if each.order_status is not OrderStatus.WORKING),
                trades=tuple(self._fill(row) for row in message.fills or ()),
                funds=tuple(self._funds(row) for row in message.funds or ()),
            )
        except MALFORMED as error:
            raise DecodeError(str(error)) from None

    def _order(self, row: Row) -> OrderUpdate:
        return OrderUpdate(
            account=self._name,
            venue_order_id=row.order,
            symbol=row.product.replace("-", "/"),
            side=Side(row.side.upper()),
            order_status=STATUS.get(row.state, OrderStatus.UNKNOWN),
            quantity=decimal_text(row.quantity),
            traded_quantity=decimal_text(row.done),
            venue_time_ns=row.time_ms * 1_000_000,
        )

    def _fill(self, row: Row) -> TradeUpdate:
        price, quantity, at_ns = decimal_text(row.price), decimal_text(row.quantity), row.time_ms * 1_000_000
        fill = Fill(trade_id=row.fill, price=price, quantity=quantity, venue_time_ns=at_ns)
        return TradeUpdate(account=self._name, venue_order_id=row.order, fills=(fill,), venue_time_ns=at_ns)

    def _funds(self, row: Row) -> FundsUpdate:
        return FundsUpdate(account=self._name, asset=row.asset, total=decimal_text(row.total))


def _answer(frame: Frame) -> Generator[Frame, Frame, Message]:
    """Send a frame, and give the answer to it; pings and news that come first are for `decode`."""
    while True:
        found = yield frame
        frame = b"pong" if found == b"ping" else b""
        try:
            message = _message_of(found)
        except MALFORMED:
            continue
        if message.op:
            return message
