"""OrderCase: what a venue's answers about orders look like, so that the cards can play it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gwcore.rest import HttpRequest


def _no_answer(request: HttpRequest) -> bytes | None:
    return None


@dataclass(frozen=True, kw_only=True)
class OrderCase:
    """How the venue answers. Frames answer the request `request_id`, which placed an order under `client_id`.

    `errors`: every text that its documentation has for requests about orders; `doubtful`: those that do not prove that the
    order was not placed. `preliminary` answers what a flow asks before it asks about the order itself; None: it did not ask
    for anything else.
    """

    errors: Sequence[str]
    doubtful: Sequence[str]
    taken: Callable[[int, str], bytes]  # request_id, client_id
    refused: Callable[[int, str], bytes]  # request_id, error
    told: Callable[[str], bytes]  # a frame of the account's stream that tells of an order with this client id
    rest_taken: Callable[[], bytes]  # the body of an answer by REST
    rest_refused: Callable[[str], bytes]  # error
    preliminary: Callable[[HttpRequest], bytes | None] = _no_answer
    options: Any = None  # of the account
