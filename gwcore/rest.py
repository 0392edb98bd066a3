"""HTTP without I/O: requests, responses, and flows of them that a venue plugin writes as generators."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request. `url` is absolute and holds the query; `body` is sent as it is.

    Requests with the same `pace` keep the venue's distance to one another (`RestLimits`); without one a request is not paced.
    `cost` is what it takes from an account's budget (`AccountLimits`). `urgent`: of an account, and ahead of its other calls:
    it takes nothing from the budget and does not wait for it. `keep_s`: of a paced GET, for so long its answer is kept for
    those who ask the same; `takes_kept`: such an answer will do, or the one that somebody waits for already.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout_s: float = 10.0
    pace: str = ""
    cost: int = 0
    urgent: bool = False
    keep_s: float = 0.0
    takes_kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """One response, whatever its status. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


#: A multi-step conversation: yields requests, is sent responses, returns the result.
#: It raises a VenueError where an answer is not what it should be; the driver throws
#: VenueUnavailable into it where there was no answer.
HttpFlow: TypeAlias = Generator[HttpRequest, HttpResponse, T]
