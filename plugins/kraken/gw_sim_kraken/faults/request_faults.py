"""Faults of requests: acked and never fed, rejected from the n-th subscription on, too many messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gw_sim_kraken.faults.faults import ANY

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken
    from gw_sim_kraken.feed import Topic

_ANSWERS = ("error", "ignore", "close")
_WINDOW_S_MAX = 3600.0


@dataclass(slots=True)
class Unfed:
    """The next subscriptions of a channel are acked and never fed. A negative count: until restored."""

    channel: str
    count: int

    def takes(self, topic: Topic) -> bool:
        """Whether this subscription is one of them; counts it."""
        if self.count == 0 or self.channel not in (ANY, topic.channel):
            return False
        self.count -= 1
        return True


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many messages of one connection in a window are taken; a window of 0 never ends."""

    messages: int
    window_s: float
    answer: str


class RequestFaults:
    """They act on what clients ask from now on."""

    def __init__(self, exchange: SimulatedKraken) -> None:
        self._exchange = exchange

    def table(self) -> dict[str, Callable[..., str]]:
        """Names and calls."""
        return {"unfed": self._unfed, "reject_from": self._reject_from, "rate_limit": self._rate_limit}

    def _unfed(self, channel: str = ANY, count: int = 1, on: bool = True) -> str:
        self._exchange.faults.unfed = Unfed(channel, count) if on else None
        return f"the next {count} subscriptions of channel {channel} are acked and never fed" if on else "all are fed"

    def _reject_from(self, number: int = 16, text: str = "EGeneral:Temporary lockout", on: bool = True) -> str:
        if number < 1:
            raise ValueError(f"number {number} is below 1")
        self._exchange.faults.subscriptions_max = (number - 1, text) if on else None
        return f"subscription {number} of a connection and later ones are {'rejected' if on else 'taken'}"

    def _rate_limit(self, messages: int = 15, window_s: float = 1.0, answer: str = "error", on: bool = True) -> str:
        if answer not in _ANSWERS:
            raise ValueError(f"no answer {answer!r}; there are: {', '.join(_ANSWERS)}")
        if messages < 0 or not 0 <= window_s <= _WINDOW_S_MAX:
            raise ValueError(f"{messages} messages in {window_s} s: they are 0 or more in 0 to {_WINDOW_S_MAX:g} s")
        exchange = self._exchange
        exchange.faults.rate_limit = RateLimit(messages, window_s, answer) if on else None
        for connection in exchange.connections.values():
            # Counting starts now: what was sent before does not count.
            connection.second_ns, connection.requests_in_second = exchange.now_ns, 0
        return f"more than {messages} messages in {window_s:g} s: {answer}" if on else "no limit of messages"
