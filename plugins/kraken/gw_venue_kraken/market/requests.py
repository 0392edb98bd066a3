"""Subscribe and unsubscribe frames of one connection (API sheet §4.1), and what its replies mean (§4.2, §4.3, §4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gw_venue_kraken.market.messages import Reply, ack_result_of, reply_of
from gw_venue_kraken.names import CHANNELS
from gw_venue_kraken.settings import KrakenSettings
from gw_venue_kraken.times import time_ns
from gwcore.model import Channel
from gwcore.venue import Acknowledged, MarketDataMessage, Pong, Refused, Request, Topic, Unknown

#: Requests kept for matching replies to them; the oldest go. Far above what one connection has under way.
REQUESTS_MAX = 4096
#: What the venue takes where a request names none; its acks for such requests may leave it out.
DEFAULT_DEPTH = 10
DEFAULT_INTERVAL_MIN = 1
_TEXT_LENGTH_MAX = 200
#: Parts of error texts (lower case) that say: later it may work.
_RETRYABLE = (
    "rate limit",
    "msg rate",
    "temporary lockout",
    "egeneral:internal error",
    "eservice:busy",
    "eservice:throttled",
    "eservice:unavailable",
)
_ALREADY = "already subscribed"
_NOT_FOUND = "subscription not found"


def _told_ns(text: str | None) -> int | None:
    """When an answer left the venue; None where it does not say so in a way that can be read."""
    try:
        return None if text is None else time_ns(text)
    except ValueError:
        return None


class Requests:
    """Makes the request frames, numbers them, and reads the replies. One a connection."""

    __slots__ = ("_last_id", "_open", "_settings", "_ticker_trigger")

    def __init__(self, settings: KrakenSettings, *, has_books: bool = True) -> None:
        """`has_books`: best prices come from books; otherwise the ticker has to tell each change of them."""
        self._settings = settings
        automatic = "trades" if has_books else "bbo"
        self._ticker_trigger = automatic if settings.ticker_trigger == "auto" else settings.ticker_trigger
        self._last_id = 0
        #: request id -> (its topics that were not answered yet, whether it unsubscribes)
        self._open: dict[int, tuple[list[Topic], bool]] = {}

    def make(self, method: str, topics: Sequence[Topic]) -> list[Request]:
        """Frames for `subscribe` or `unsubscribe`, by channel and parameter, at most `topics_per_request` topics each.

        The status channel comes by itself and can't be asked for (§4.5): such topics get no request.
        """
        groups: dict[tuple[Channel, int], list[Topic]] = {}
        for topic in topics:
            if topic.channel is not Channel.STATUS:
                groups.setdefault((topic.channel, topic.parameter), []).append(topic)
        size = self._settings.topics_per_request
        return [
            self._request(method, group[first : first + size])
            for group in groups.values()
            for first in range(0, len(group), size)
        ]

    def _request(self, method: str, topics: list[Topic]) -> Request:
        self._last_id += 1
        if len(self._open) >= REQUESTS_MAX:
            del self._open[next(iter(self._open))]
        self._open[self._last_id] = (list(topics), method == "unsubscribe")
        params = self._params(method, topics)
        frame = msgspec.json.encode({"method": method, "params": params, "req_id": self._last_id})
        return Request(frame, self._last_id, tuple(topics))

    def _params(self, method: str, topics: list[Topic]) -> dict[str, Any]:
        """What names the subscription is in both; what only a subscribe may say is in that alone (§4.2)."""
        channel, parameter = topics[0].channel, topics[0].parameter
        params: dict[str, Any] = {"channel": channel.value}
        if channel is not Channel.INSTRUMENT:
            params["symbol"] = [topic.symbol for topic in topics]
        if channel is Channel.BOOK:
            params["depth"] = parameter or DEFAULT_DEPTH
        elif channel is Channel.OHLC:
            params["interval"] = parameter // 60 or DEFAULT_INTERVAL_MIN
        elif channel is Channel.TICKER:
            params["event_trigger"] = self._ticker_trigger
        if method == "subscribe":
            params["snapshot"] = True
            if channel is Channel.INSTRUMENT:
                params |= self._instrument_params()
        return params

    def _instrument_params(self) -> dict[str, Any]:
        """Only what differs from the venue's defaults: an older API would refuse a field it does not know."""
        params: dict[str, Any] = {}
        if self._settings.include_tokenized_assets:
            params["include_tokenized_assets"] = True
        if self._settings.execution_venue != "international":
            params["execution_venue"] = self._settings.execution_venue.replace("_", "-")
        return params

    def read(self, frame: bytes) -> list[MarketDataMessage]:
        """The meaning of one reply frame. Raises ValueError or msgspec's errors for one that can't be read."""
        reply = reply_of(frame)
        if reply.method == "pong":
            return [Pong(reply.req_id, _told_ns(reply.time_out))]
        if reply.method not in ("subscribe", "unsubscribe", "error"):
            return [Unknown(f"reply to {reply.method[:40]!r}: {(reply.error or '')[:_TEXT_LENGTH_MAX]}")]
        if reply.channel is not None and reply.channel not in CHANNELS:
            return [Unknown(f"reply about channel {reply.channel[:40]!r}: {(reply.error or '')[:_TEXT_LENGTH_MAX]}")]
        if reply.error is not None or reply.success is False:
            return [self._refused(reply)]
        if reply.success is None or not bytes(reply.result):
            return [Unknown(f"{reply.method} frame that is no answer")]
        return [self._acknowledged(reply, reply.result)]

    def _acknowledged(self, reply: Reply, raw: msgspec.Raw) -> MarketDataMessage:
        result = ack_result_of(raw)
        channel = CHANNELS.get(result.channel)
        if channel is None:
            return Unknown(f"{reply.method} of channel {result.channel[:40]!r}")
        parameter = 0
        if channel is Channel.BOOK:
            parameter = DEFAULT_DEPTH if result.depth is None else result.depth
        elif channel is Channel.OHLC:
            parameter = (DEFAULT_INTERVAL_MIN if result.interval is None else result.interval) * 60
        topic = Topic(channel, result.symbol, parameter)
        self._settle(reply.req_id, topic)
        return Acknowledged((topic,), reply.req_id, reply.method == "unsubscribe")

    def _refused(self, reply: Reply) -> Refused:
        text = reply.error or "refused without a reason"
        lower = text.lower()
        missing = lower.startswith(_NOT_FOUND)
        duplicate = lower.startswith(_ALREADY)
        request_id, topics, was_unsubscribe = self._meant(reply)
        if (missing or duplicate) and reply.symbol is None and len(topics) > 1:
            topics = ()  # one symbol of several is meant, and nothing says which
        for topic in topics:
            self._settle(request_id, topic)
        return Refused(
            text=text[:_TEXT_LENGTH_MAX],
            topics=topics,
            request_id=reply.req_id,
            # The venue answers an unsubscribe of what it does not have as if it had been a subscribe.
            unsubscribed=missing or was_unsubscribe or reply.method == "unsubscribe",
            retryable=any(part in lower for part in _RETRYABLE),
            duplicate=duplicate,
            missing=missing,
        )

    def _meant(self, reply: Reply) -> tuple[int | None, tuple[Topic, ...], bool]:
        """Which request, and which of its topics, an error is about: replies name the symbol but rarely the channel."""
        request_id = reply.req_id
        if request_id is None and reply.symbol is not None:
            request_id = next(
                (
                    each
                    for each, (topics, ends) in self._open.items()
                    if ends == (reply.method == "unsubscribe") and any(topic.symbol == reply.symbol for topic in topics)
                ),
                None,
            )
        if request_id is None or request_id not in self._open:
            return request_id, (), False
        open_topics, was_unsubscribe = self._open[request_id]
        if reply.symbol is None:
            # The whole request is meant; what was answered one by one before stays answered.
            return request_id, tuple(open_topics), was_unsubscribe
        return request_id, tuple(topic for topic in open_topics if topic.symbol == reply.symbol), was_unsubscribe

    def _settle(self, request_id: int | None, topic: Topic) -> None:
        if request_id is None or request_id not in self._open:
            return
        topics, _ = self._open[request_id]
        if topic in topics:
            topics.remove(topic)
        if not topics:
            del self._open[request_id]
