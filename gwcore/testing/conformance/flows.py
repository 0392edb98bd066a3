"""Run an HttpFlow without a network: against a simulator, a recording, or answers made up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gwcore.errors import VenueUnavailable
from gwcore.rest import HttpFlow, HttpRequest, HttpResponse

T = TypeVar("T")

#: Requests of one flow; more is a flow that does not end.
REQUESTS_MAX = 1_000


def run_flow(flow: HttpFlow[T], answer: Callable[[HttpRequest], HttpResponse | None]) -> T:
    """Drive a flow to its end. `answer` None: there was no answer, so VenueUnavailable is thrown into the flow.

    Raises what the flow raises, and AssertionError for one that does not end.
    """
    try:
        request = next(flow)
        for _ in range(REQUESTS_MAX):
            response = answer(request)
            if response is None:
                request = flow.throw(VenueUnavailable(f"no answer to {request.method} {request.url}"))
            else:
                request = flow.send(response)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError(f"the flow made {REQUESTS_MAX} requests and did not end; the last: {request.url}")
