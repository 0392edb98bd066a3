"""Ask: one request for state or replay as it goes to a gateway over NATS, and the subscriptions it stands for. Pure.

A socket's gateway answers several subscriptions of one write together. Over NATS each request is served for itself, so those
that begin with a replay are asked as one, and told apart here: an event is replayed once, in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from gwcore.client.subscriptions import covers
from gwcore.wire import (
    ClientRequest,
    RequestError,
    ServerMessage,
    SnapshotEnd,
    SnapshotRequest,
    Subscribe,
    Subscribed,
)


class Ask(NamedTuple):
    """`parts`: the subscriptions; none for a snapshot. `is_own`: made on this side, nobody else waits for its end."""

    request: Subscribe | SnapshotRequest
    parts: tuple[Subscribe, ...] = ()
    is_own: bool = False

    @property
    def verb(self) -> str:
        """What its subject ends with."""
        return "subscribe" if self.parts else "snapshot"

    def answers(self, message: Subscribed | SnapshotEnd | RequestError) -> list[ServerMessage]:
        """An answer to the request as answers to each subscription."""
        if not self.parts:
            return [message]
        if isinstance(message, Subscribed):
            return [
                Subscribed(
                    request_id=part.request_id,
                    symbols=tuple(one for one in message.symbols if covers(part.symbols, (), "", one)),
                )
                for part in self.parts
            ]
        return [msgspec.structs.replace(message, request_id=part.request_id) for part in self.parts]


def asks_of(requests: Sequence[ClientRequest]) -> list[Ask]:
    """Requests for state or replay of one write, in order."""
    subscribes = tuple(request for request in requests if isinstance(request, Subscribe))
    asks = [Ask(request) for request in requests if isinstance(request, SnapshotRequest)]
    if len(subscribes) > 1 and any(_replays(request) for request in subscribes):
        return [Ask(_together(subscribes), subscribes), *asks]
    return [*(Ask(request, (request,)) for request in subscribes), *asks]


def _replays(request: Subscribe) -> bool:
    return request.from_start or request.resume is not None


def _together(parts: Sequence[Subscribe]) -> Subscribe:
    # All symbols: one that is gone by now must not spoil the others.
    kinds = {kind for part in parts for kind in part.kinds} if all(part.kinds for part in parts) else set()
    return Subscribe(
        request_id=parts[0].request_id,
        kinds=tuple(sorted(kinds)),
        from_start=any(part.from_start for part in parts),
        resume=next((part.resume for part in parts if part.resume is not None), None),
        on_slow=parts[0].on_slow,
    )
