"""Answers requests on a connection: subscribes, unsubscribes, pings, and every refusal of sheet 4.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gw_sim_kraken import replies
from gw_sim_kraken.accounts.private_desk import PrivateDesk
from gw_sim_kraken.accounts.private_streams import PrivateSubscription
from gw_sim_kraken.connections import LEVEL3, PUBLIC, Connection, Subscription
from gw_sim_kraken.feed import Topic
from gw_sim_kraken.market.listing import instrument_snapshot
from gw_sim_kraken.requests import (
    LEVEL3_CHANNEL,
    PRIVATE_CHANNELS,
    PUBLIC_CHANNELS,
    TRADING_METHODS,
    Request,
    RequestError,
    Wanted,
    parse,
    wanted,
)
from gw_sim_kraken.texts import SECOND_NS

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

_MILLISECOND_NS = 1_000_000
#: Ranges of the sheet (8): ack after 2-40 ms, snapshot 5-250 ms after it; the server's own share is some 50 us.
ACK_MS = (2, 40)
SNAPSHOT_MS = (5, 250)
SERVER_US = (20, 60)
ORDER_MS = (2, 10)
#: Share of trading replies that come before the first report.
_REPLY_FIRST = 0.5
#: Topic under which replies are ordered that belong to no topic.
_NO_TOPIC = Topic("", "")
_FIELDS = {"ping": {"method", "req_id"}, "subscribe": {"method", "params", "req_id"}}
_NOT_PRIVATE = "Private data and trading are unavailable on this endpoint. Try ws-auth.kraken.com"
_NOT_PUBLIC = "Public market data subscriptions are unavailable on this endpoint. Try ws.kraken.com"
_NOT_LEVEL3 = "Level3 data is unavailable on this endpoint. Try ws-l3.kraken.com"


class Desk:
    """Requests in, planned replies out. Latencies come from the connection's own generator."""

    def __init__(self, exchange: SimulatedKraken) -> None:
        self._exchange = exchange
        self._private = PrivateDesk(exchange, self)

    def receive(self, connection: Connection, frame: bytes, now_ns: int) -> None:
        """Answer one frame."""
        if self._is_too_fast(connection, now_ns):
            limit = self._exchange.faults.rate_limit
            if limit is None or limit.answer != "ignore":
                self._exchange.send(connection.number, b'{"Error":"Exceeded msg rate"}')
            if limit is not None and limit.answer == "close":
                self._exchange.cut(connection.number)
            return
        method, req_id = "error", None
        try:
            request = parse(frame)
            method, req_id = request.method, request.req_id
            self._handle(connection, request, now_ns)
        except RequestError as fault:
            reply = replies.error(method, fault.text, req_id, self.times(connection, now_ns), **fault.keys)
            self._reply(connection, _NO_TOPIC, reply, now_ns)

    def feed(self, when_ns: int, subscription: Subscription) -> None:
        """Send the snapshot of a subscription; updates follow."""
        exchange, topic = self._exchange, subscription.topic
        if subscription.ended or subscription.unfed or exchange.faults.starves(topic):
            return
        frame = (
            instrument_snapshot(exchange.feed.listing)
            if topic.channel == "instrument"
            else exchange.feed.snapshot(topic, when_ns)
        )
        subscription.fed = True
        if frame is not None and not exchange.faults.silences(topic):
            exchange.send(subscription.connection.number, exchange.faults.snapshot(topic, frame, exchange.feed))

    def _handle(self, connection: Connection, request: Request, now_ns: int) -> None:
        method = request.method
        if method == "ping":
            _check_fields(request, "ping")
            reply = replies.pong(request.req_id, self.times(connection, now_ns))
            self._reply(connection, _NO_TOPIC, reply, now_ns)
        elif method in TRADING_METHODS:
            if connection.host != PUBLIC:
                self._private.trade(connection, request, now_ns)
                return
            raise RequestError(_NOT_PRIVATE)
        elif method in ("subscribe", "unsubscribe"):
            _check_fields(request, "subscribe")
            _check_host(connection, request)
            if request.params["channel"] in PRIVATE_CHANNELS:
                answer = self._private.subscribe if method == "subscribe" else self._private.unsubscribe
                answer(connection, request, now_ns)
                return
            what = wanted(request)
            if method == "subscribe":
                self._exchange.counts["subscribes"] += 1
                for symbol in what.symbols:
                    self._each(connection, request, what, symbol, now_ns)
            else:
                self._exchange.counts["unsubscribes"] += 1
                for symbol in what.symbols:
                    self._unsubscribe(connection, request, what, symbol, now_ns)
        else:
            raise RequestError("Unsupported event")

    def _each(self, connection: Connection, request: Request, what: Wanted, symbol: str, now_ns: int) -> None:
        """One symbol of a subscribe: a bad one gets its own error, the others their acks."""
        try:
            self._subscribe(connection, request, what, symbol, now_ns)
        except RequestError as fault:
            times_ns = self.times(connection, now_ns)
            reply = replies.error("subscribe", fault.text, request.req_id, times_ns, **fault.keys)
            self._reply(connection, Topic(what.channel, symbol, what.parameter), reply, now_ns)

    def _subscribe(self, connection: Connection, request: Request, what: Wanted, symbol: str, now_ns: int) -> None:
        exchange = self._exchange
        topic = Topic(what.channel, symbol, what.parameter)
        keys = {"symbol": symbol} if symbol else {}
        rejection = exchange.faults.rejection(symbol)
        if rejection is not None:
            raise RequestError(rejection, **keys)
        if symbol and symbol not in exchange.feed.listing.pairs:
            raise RequestError(f"Currency pair not supported {symbol}", **keys)
        if topic in connection.subscriptions:
            raise RequestError("Already subscribed", **keys)
        if what.channel == "book" and not exchange.feed.accepts_depth(symbol, int(what.parameter)):
            raise RequestError("Subscription depth not supported")
        self._check_count(connection, keys)
        unfed = exchange.faults.unfed
        subscription = Subscription(connection, topic, unfed=unfed is not None and unfed.takes(topic))
        connection.subscriptions[topic] = subscription
        times_ns = self.times(connection, now_ns)
        reply = replies.ack("subscribe", *topic, what.snapshot, request.req_id, times_ns)
        when_ns = self._reply_ns(connection, topic, now_ns)
        exchange.schedule.at(when_ns, self._begin, subscription, reply, what.snapshot)

    def _check_count(self, connection: Connection, keys: dict[str, str]) -> None:
        most = self._exchange.faults.subscriptions_max
        if most is not None and len(connection.subscriptions) >= most[0]:
            raise RequestError(most[1], **keys)

    def _begin(self, when_ns: int, subscription: Subscription, reply: bytes, snapshot: bool) -> None:
        """The ack leaves; the feed is asked to go on if need be."""
        exchange, connection, topic = self._exchange, subscription.connection, subscription.topic
        if connection.number not in exchange.connections:
            return
        exchange.send(connection.number, reply)
        if subscription.ended:
            return
        exchange.start_heartbeat(connection, when_ns)
        if exchange.board.add(subscription):
            exchange.feed.watch(topic, when_ns)
        has_snapshot = topic.channel == "instrument" or exchange.feed.has_snapshot(topic)
        if snapshot and has_snapshot:
            delay_ns = self._delay_ns(connection, SNAPSHOT_MS)
            exchange.schedule.at(when_ns + delay_ns, self.feed, subscription)
        elif not subscription.unfed and not exchange.faults.starves(topic):
            subscription.fed = True

    def _unsubscribe(self, connection: Connection, request: Request, what: Wanted, symbol: str, now_ns: int) -> None:
        exchange = self._exchange
        topic = Topic(what.channel, symbol, what.parameter)
        times_ns = self.times(connection, now_ns)
        subscription = connection.subscriptions.pop(topic, None)
        if subscription is None:
            # Kraken names the wrong method here (sheet 4.3).
            reply = replies.error("subscribe", "Subscription Not Found", request.req_id, times_ns)
        else:
            subscription.ended = True
            if exchange.board.remove(subscription):
                exchange.feed.unwatch(topic)
            reply = replies.ack("unsubscribe", *topic, False, request.req_id, times_ns)
        self._reply(connection, topic, reply, now_ns)

    # -- for private requests ----------------------------------------------------------------------------------

    def begin_private(
        self, connection: Connection, channel: str, reply: bytes, subscription: PrivateSubscription, now_ns: int
    ) -> None:
        """The ack at its time, and the snapshot after it."""
        when_ns = self._reply_ns(connection, Topic(channel, ""), now_ns)
        self._exchange.schedule.at(when_ns, self._ack_private, reply, subscription)

    def reply(self, connection: Connection, reply: bytes, now_ns: int) -> None:
        """A reply that belongs to no topic."""
        self._reply(connection, _NO_TOPIC, reply, now_ns)

    def reply_to_order(self, connection: Connection, reply: bytes, position: int, now_ns: int) -> None:
        """A trading reply: before or after the reports of what it did, as it comes (sheet 4.12); `position` is before."""
        chance, first = connection.rng.random(), self._exchange.trade_faults.reply_first
        if chance < _REPLY_FIRST if first is None else first:
            self._exchange.send_at(position, connection.number, reply)
            return
        when_ns = now_ns + self._delay_ns(connection, ORDER_MS)
        self._exchange.schedule.at(when_ns, self._deliver, connection.number, reply)

    def reply_at(self, connection: Connection, reply: bytes, when_ns: int) -> None:
        """A reply at a time of its own."""
        self._exchange.schedule.at(when_ns, self._deliver, connection.number, reply)

    def _ack_private(self, when_ns: int, reply: bytes, subscription: PrivateSubscription) -> None:
        exchange, connection = self._exchange, subscription.connection
        if connection.number not in exchange.connections:
            return
        exchange.send(connection.number, reply)
        exchange.start_heartbeat(connection, when_ns)
        delay_ns = self._delay_ns(connection, SNAPSHOT_MS)
        exchange.schedule.at(when_ns + delay_ns, exchange.streams.feed, subscription)

    # -- time --------------------------------------------------------------------------------------------------

    def _is_too_fast(self, connection: Connection, now_ns: int) -> bool:
        limit, fault = self._exchange.settings.requests_per_s_max, self._exchange.faults.rate_limit
        window_ns = SECOND_NS if fault is None else int(fault.window_s * SECOND_NS)
        if window_ns and now_ns - connection.second_ns >= window_ns:
            connection.second_ns, connection.requests_in_second = now_ns, 0
        connection.requests_in_second += 1
        if fault is not None:
            return connection.requests_in_second > fault.messages
        return bool(limit) and connection.requests_in_second > limit

    def _delay_ns(self, connection: Connection, range_ms: tuple[int, int]) -> int:
        if not self._exchange.settings.latency:
            return 0
        return connection.rng.randint(range_ms[0] * _MILLISECOND_NS, range_ms[1] * _MILLISECOND_NS)

    def times(self, connection: Connection, now_ns: int) -> tuple[int, int]:
        """`time_in` and `time_out` of a reply, by the venue's clock."""
        in_ns = self._exchange.feed.clock_ns(now_ns) + self._exchange.account_faults.clock_skew_ns
        if not self._exchange.settings.latency:
            return in_ns, in_ns
        return in_ns, in_ns + connection.rng.randint(*SERVER_US) * 1000

    def _reply_ns(self, connection: Connection, topic: Topic, now_ns: int) -> int:
        when_ns = max(now_ns + self._delay_ns(connection, ACK_MS), connection.reply_ns.get(topic, 0))
        connection.reply_ns[topic] = when_ns
        return when_ns

    def _reply(self, connection: Connection, topic: Topic, reply: bytes, now_ns: int) -> None:
        self._exchange.schedule.at(self._reply_ns(connection, topic, now_ns), self._deliver, connection.number, reply)

    def _deliver(self, _when_ns: int, number: int, reply: bytes) -> None:
        if number in self._exchange.connections:
            self._exchange.send(number, reply)


def _check_fields(request: Request, kind: str) -> None:
    for name in sorted(request.fields - _FIELDS[kind]):
        raise RequestError(f"Unsupported field: '{name}' for the given msg type: {request.method}")


def _check_host(connection: Connection, request: Request) -> None:
    """The cross-host errors; level3 has no data here, so its tokens are never good."""
    channel = request.params.get("channel")
    if not isinstance(channel, str):
        raise RequestError("Malformed request")
    if channel in PUBLIC_CHANNELS:
        if connection.host != PUBLIC:
            raise RequestError(_NOT_PUBLIC)
        return
    if channel not in PRIVATE_CHANNELS and channel != LEVEL3_CHANNEL:
        raise RequestError("Unsupported event")
    if connection.host == PUBLIC or (connection.host == LEVEL3) != (channel == LEVEL3_CHANNEL):
        raise RequestError(_NOT_PRIVATE if channel != LEVEL3_CHANNEL or connection.host == PUBLIC else _NOT_LEVEL3)
    if channel in PRIVATE_CHANNELS:
        return
    if not isinstance(request.params.get("token"), str):
        raise RequestError("Token(s) not found")
    raise RequestError("ESession:Invalid session", channel=channel, status="error")
