"""Kraken's REST envelope (API sheet §2.1, §2.2): from a response to its `result`, or to the error that says what to do."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from urllib.parse import urlencode

import msgspec

from gwcore.errors import AuthenticationError, DecodeError, VenueError, VenueRejected, VenueUnavailable
from gwcore.rest import HttpRequest, HttpResponse

USER_AGENT = "gw-venue-kraken"
#: Kraken's rate counters decay at a third of a point a second or faster, so this makes room for the dearest public call.
RATE_LIMIT_RETRY_S = 3.0
#: A temporary lockout lasts about a quarter of an hour (§2.2); nothing the venue says makes us wait longer than that.
LOCKOUT_S = 900.0
_TEXT_LENGTH_MAX = 200


class Envelope(msgspec.Struct):
    """`{"error":["EQuery:Unknown asset pair"],"result":null}`"""

    error: list[str] = []
    result: msgspec.Raw = msgspec.Raw()


_envelope_of = msgspec.json.Decoder(Envelope).decode

#: What an error text starts with (blanks after a colon are dropped first) -> the class that tells the caller what to do.
#: First match wins; anything else is VenueRejected: the same request would be refused again.
_UNAVAILABLE = (
    "EAPI:Rate limit exceeded",
    "EAPI:Invalid nonce",
    "EAuth:Rate limit exceeded",
    "EAuth:Too many requests",
    "EDatabase:",
    "EGeneral:Internal error",
    "EGeneral:Temporary lockout",
    "EService:Busy",
    "EService:Throttled",
    "EService:Unavailable",
)
_AUTHENTICATION = (
    "EAccount:Invalid permissions",
    "EAPI:Invalid key",
    "EAPI:Invalid signature",
    "EAuth:",
    "EGeneral:Permission denied",
    "ESession:",
)


#: Discovery and the accounts need the same lists at a start: who asks within this takes what was told before.
KEEP_S = 30.0


def public_request(
    rest_url: str,
    method: str,
    parameters: dict[str, str] | None = None,
    *,
    pace: str = "public",
    keep_s: float = 0.0,
    takes_kept: bool = False,
) -> HttpRequest:
    """`GET /0/public/<method>` (§2.5). Public calls are limited together, Trades and OHLC by pair: hence `pace` (§2.4)."""
    query = f"?{urlencode(parameters)}" if parameters else ""
    return HttpRequest(
        method="GET",
        url=f"{rest_url.rstrip('/')}/0/public/{method}{query}",
        headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
        pace=pace,
        keep_s=keep_s,
        takes_kept=takes_kept,
    )


def result_of(response: HttpResponse, what: str) -> msgspec.Raw:
    """The `result` of a response, undecoded; `what` names the call in error texts.

    Raises VenueUnavailable where the request did not reach the API (any status but 200, or a page instead of JSON) or should
    be tried again, AuthenticationError, VenueRejected, and DecodeError for JSON that is no envelope.
    """
    if response.status != 200:
        raise VenueUnavailable(
            f"{what}: HTTP status {response.status} instead of an answer",
            retry_after_s=_seconds(response.headers.get("retry-after")),
        )
    try:
        envelope = _envelope_of(response.body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        if not response.body.lstrip()[:1] == b"{":
            raise VenueUnavailable(f"{what}: a page instead of JSON: {response.body[:60]!r}") from None
        raise DecodeError(f"{what}: no Kraken envelope: {error}") from None
    errors = [text for text in envelope.error if not text.startswith("W")]
    if errors:
        raise venue_error(errors, what, response)
    if bytes(envelope.result) in (b"", b"null"):
        raise DecodeError(f"{what}: neither a result nor an error")
    return envelope.result


def venue_error(texts: list[str], what: str, response: HttpResponse | None = None) -> VenueError:
    """The exception for a non-empty `error` array, by its first text."""
    first = ":".join(part.strip() for part in texts[0].split(":"))
    words = "; ".join(texts)[:_TEXT_LENGTH_MAX]
    message = f"{what}: {words}"
    if first.startswith(_UNAVAILABLE):
        return VenueUnavailable(message, retry_after_s=_retry_after_s(first, response))
    if first.startswith(_AUTHENTICATION):
        return AuthenticationError(message)
    return VenueRejected(message, text=words)


def _retry_after_s(text: str, response: HttpResponse | None) -> float | None:
    if text.startswith("EService:Throttled"):
        return _throttled_s(text, response)
    if "Temporary lockout" in text:
        return LOCKOUT_S
    if "Rate limit" in text or "Too many" in text:
        return RATE_LIMIT_RETRY_S
    return 0.0 if "Invalid nonce" in text else None


def _throttled_s(text: str, response: HttpResponse | None) -> float:
    """The text names the second from which to try again; the response's own date says what time it is there."""
    try:
        until_s = int(text.rsplit(":", 1)[1])
        now_s = parsedate_to_datetime(response.headers["date"] if response else "").timestamp()
    except (ValueError, KeyError, IndexError, TypeError, OverflowError):
        return RATE_LIMIT_RETRY_S
    return min(max(until_s - now_s, 0.0), LOCKOUT_S)


def _seconds(text: str | None) -> float | None:
    return min(float(text), LOCKOUT_S) if text is not None and text.isascii() and text.isdigit() else None
