"""Which parts of a gateway are stuck: what the service manager's watchdog, /healthz and `gw status` go by.

The event loop is not among them: whoever asks here runs on it, and where it stands still nobody asks. Parts that fail end
the process (`Gateway`), so what is left is those that neither fail nor move.
"""

from __future__ import annotations

from collections.abc import Iterator

from gwcore.model import Channel, StreamState
from gwcore.runtime.app import Gateway

#: Channels whose LIVE means that a whole snapshot was checked; trades and tickers are LIVE once they are acknowledged.
BOOKS = frozenset({Channel.BOOK, Channel.ORDERS})


def stuck_parts(gateway: Gateway) -> list[str]:
    """One sentence for each part that should have moved on and did not; empty: all is well. Cheap enough for each second."""
    return [f"{name} has been stuck for {late_s:.0f} s" for name, late_s in _lateness(gateway) if late_s > 0]


def _lateness(gateway: Gateway) -> Iterator[tuple[str, float]]:
    yield "the journal's committer", gateway.committer.beat.late_s()
    yield "discovery", gateway.discovery.late_s()
    for connection in gateway.hub.connections:
        yield f"connection {connection.name}", connection.late_s()
    for account in gateway.accounts.connections:
        yield f"account {account.account.name}", account.beat.late_s()
    for sink in gateway.sinks:
        for feed in sink.feeds:
            yield f"sink {sink.name} ({', '.join(feed.classes)})", feed.beat.late_s()


def has_live_snapshot(gateway: Gateway) -> bool:
    """Whether a book is LIVE: its snapshot came and was found good. Where none are subscribed, any stream of a symbol."""
    streams = [
        (topic.channel, subscription.state)
        for machine in gateway.machine.machines
        for topic, subscription in machine.subscriptions.topics.items()
        if topic.symbol
    ]
    books = [state for channel, state in streams if channel in BOOKS]
    return StreamState.LIVE in (books or [state for _, state in streams])
