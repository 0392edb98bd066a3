"""REST of the venue: what is wrong with an answer, by status and by form."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from gwcore.errors import AuthenticationError, DecodeError, VenueRejected, VenueUnavailable
from gwcore.rest import HttpResponse

T = TypeVar("T")
MALFORMED = (msgspec.MsgspecError, ValueError, RecursionError)


def body_of(response: HttpResponse, form: type[T]) -> T:
    """The body as `form`. Raises a VenueError by what stands in the way."""
    if response.status in (401, 403):
        raise AuthenticationError(f"the key is refused: {response.body!r:.100}")
    if response.status == 429 or response.status >= 500:
        raise VenueUnavailable(f"status {response.status}")
    if response.status != 200:
        raise VenueRejected(f"status {response.status}", text=response.body[:200].decode(errors="replace"))
    try:
        return msgspec.json.decode(response.body, type=form)
    except MALFORMED as error:
        raise DecodeError(f"an answer of REST: {error}") from None
