"""Who listens to what."""

from __future__ import annotations

from collections.abc import Iterator

from gw_sim_kraken.connections import Connection, Subscription
from gw_sim_kraken.feed import Topic


class Board:
    """Subscriptions by topic, in the order in which they came."""

    def __init__(self) -> None:
        self._listeners: dict[Topic, dict[int, Subscription]] = {}

    def add(self, subscription: Subscription) -> bool:
        """Enter a subscription; true where it is the first of its topic."""
        listeners = self._listeners.setdefault(subscription.topic, {})
        listeners[subscription.connection.number] = subscription
        return len(listeners) == 1

    def remove(self, subscription: Subscription) -> bool:
        """Strike a subscription; true where it was the last of its topic."""
        listeners = self._listeners.get(subscription.topic, {})
        if listeners.pop(subscription.connection.number, None) is None or listeners:
            return False
        del self._listeners[subscription.topic]
        return True

    def listeners(self, topic: Topic) -> Iterator[Subscription]:
        """Those whose snapshot has gone out."""
        for subscription in self._listeners.get(topic, {}).values():
            if subscription.fed:
                yield subscription

    def of_symbol(self, symbol: str, channel: str | None = None) -> list[Subscription]:
        """All subscriptions of a symbol (and channel)."""
        return [
            subscription
            for topic, listeners in self._listeners.items()
            if topic.symbol == symbol and channel in (None, topic.channel)
            for subscription in listeners.values()
        ]

    def everything(self) -> list[Subscription]:
        """All subscriptions."""
        return [one for listeners in self._listeners.values() for one in listeners.values()]

    def symbols(self) -> list[str]:
        """Symbols with a subscription."""
        return list(dict.fromkeys(topic.symbol for topic in self._listeners if topic.symbol))

    def __len__(self) -> int:
        return sum(len(listeners) for listeners in self._listeners.values())


def drop_all(board: Board, connection: Connection) -> list[Topic]:
    """Strike all of a connection; returns the topics that nobody listens to any more."""
    left = []
    for subscription in connection.subscriptions.values():
        subscription.ended = True
        if board.remove(subscription):
            left.append(subscription.topic)
    connection.subscriptions.clear()
    return left
