"""Cards I: what a venue says is traded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from gwcore.errors import VenueError
from gwcore.model import Instrument
from gwcore.numbers import decimals_of
from gwcore.ports import Endpoint
from gwcore.rest import HttpFlow, HttpRequest, HttpResponse
from gwcore.testing.clock import EPOCH_NS
from gwcore.testing.conformance.card import Card, require
from gwcore.testing.conformance.flows import run_flow
from gwcore.testing.conformance.venue_case import Source, VenueCase
from gwcore.venue import Shard, Support

_REFERENCE = frozenset({Support.REFERENCE_DATA})
_JSON = {"content-type": "application/json"}
#: What stands in an answer's place when something on the way is broken. All have to raise, and nothing but a VenueError.
ERROR_PAGES: dict[str, HttpResponse | None] = {
    "an HTML page with status 200": HttpResponse(
        status=200, headers={"content-type": "text/html"}, body=b"<html><body>Just a moment...</body></html>"
    ),
    "status 503 with HTML": HttpResponse(status=503, body=b"<html>Service Unavailable</html>"),
    "status 500 without a body": HttpResponse(status=500),
    "status 429": HttpResponse(status=429, headers={"retry-after": "5"}, body=b"Too Many Requests"),
    "status 429 with a date to come back": HttpResponse(
        status=429, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}
    ),
    "status 403 with JSON": HttpResponse(status=403, headers=_JSON, body=b'{"message":"forbidden"}'),
    "an empty body": HttpResponse(status=200, headers=_JSON),
    "half of an object": HttpResponse(status=200, headers=_JSON, body=b'{"result":{"a'),
    "the number 42": HttpResponse(status=200, headers=_JSON, body=b"42"),
    "null": HttpResponse(status=200, headers=_JSON, body=b"null"),
    "a text": HttpResponse(status=200, headers=_JSON, body=b'"maintenance"'),
    "an object with other keys": HttpResponse(status=200, headers=_JSON, body=b'{"surprise":[1,2,3]}'),
    "bytes that are no text": HttpResponse(status=200, body=b"\xff\xfe\x00\x01"),
    "no answer": None,
}


def discovered(case: VenueCase) -> list[tuple[Source, Sequence[Instrument]]]:
    """What discover finds at each stand-in that has answers for it. Fails the card where none has."""
    found = [
        (source, run_flow(case.symbols().discover(), _Broken(source, 0, None)))
        for source in case.sources()
        if source.recording is None or source.recording.exchanges
    ]
    require(found, "no recording has HTTP exchanges, and there is no simulator: discovery is not shown")
    return found


def check_discovery(case: VenueCase) -> None:
    """Something is found, each once, with steps and decimals that agree."""
    for source, instruments in discovered(case):
        require(instruments, f"{source.name}: discover found nothing")
        symbols = [each.symbol for each in instruments]
        twice = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
        require(not twice, f"{source.name}: {', '.join(twice[:5])} found more than once")
        for each in instruments:
            fault = _fault(each)
            require(not fault, f"{source.name}: {each.symbol!r}: {fault}")


def _fault(instrument: Instrument) -> str:
    if not instrument.symbol or not instrument.base or not instrument.quote:
        return "symbol, base or quote is empty"
    for what, step, decimals in (
        ("tick_size", instrument.tick_size, instrument.price_decimals),
        ("lot_size", instrument.lot_size, instrument.quantity_decimals),
    ):
        try:
            value = Decimal(step)
        except InvalidOperation:
            return f"{what} {step!r} is no decimal number"
        if not value.is_finite() or value <= 0 or "e" in step.lower():
            return f"{what} {step!r} is not a plain number above zero"
        if decimals < 0:
            return f"{decimals} decimals for {what} {step}"
        if decimals_of(f"{value.normalize():f}") > decimals:
            return f"{what} {step} has more digits than its {decimals} decimals"
    return ""


def check_names(case: VenueCase) -> None:
    """Every name an instrument goes by leads back to it alone."""
    for source, instruments in discovered(case):
        owner: dict[str, str] = {each.symbol: each.symbol for each in instruments}
        for each in instruments:
            for alias in (*each.aliases, *([each.venue_symbol] if each.venue_symbol else [])):
                other = owner.setdefault(alias, each.symbol)
                require(
                    other == each.symbol,
                    f"{source.name}: {alias!r} names {other} and {each.symbol}",
                )
            require(each.symbol not in each.aliases, f"{source.name}: {each.symbol} is listed as an alias of itself")
            require(all(each.aliases), f"{source.name}: {each.symbol} has an empty alias")


def check_error_pages(case: VenueCase) -> None:
    """A broken answer to any request of discovery, or of a connection's address, raises a VenueError."""
    for source, _ in discovered(case):
        _check_flow(source, "discover", case.symbols().discover)
        for name in case.streams().limits.groups:
            shard = Shard(index=0, group=name, topics=())
            _check_flow(source, f"endpoint of group {name}", partial(_endpoint, case, shard))


def _endpoint(case: VenueCase, shard: Shard) -> HttpFlow[Endpoint]:
    return case.streams().market_data(shard).endpoint()


def _check_flow(source: Source, what: str, flow: Callable[[], HttpFlow[Any]]) -> None:
    requests = _count(source, flow)
    for number in range(1, requests + 1):
        for page, response in ERROR_PAGES.items():
            where = f"{source.name}: {what}, request {number} answered by {page}"
            try:
                result = run_flow(flow(), _Broken(source, number, response))
            except VenueError:
                continue
            except AssertionError:
                raise
            except Exception as error:
                raise AssertionError(f"{where}: raises {type(error).__name__}: {error}") from error
            raise AssertionError(f"{where}: raises nothing and returns {result!r:.80}")


def _count(source: Source, flow: Callable[[], HttpFlow[Any]]) -> int:
    counting = _Broken(source, 0, None)
    run_flow(flow(), counting)
    return counting.requests


class _Broken:
    """Answers as the stand-in does, but for the request of that number (from 1)."""

    def __init__(self, source: Source, number: int, response: HttpResponse | None) -> None:
        self.requests = 0
        self._venue = source.make()
        self._number = number
        self._response = response

    def __call__(self, request: HttpRequest) -> HttpResponse | None:
        self.requests += 1
        return self._response if self.requests == self._number else self._venue.http(request, EPOCH_NS)


CARDS = (
    Card(
        id="VEN-I10",
        law="discover yields at least one instrument, unique symbols, positive steps, decimals that agree",
        check=check_discovery,
        needs=_REFERENCE,
    ),
    Card(
        id="VEN-I20",
        law="symbol, venue symbol and aliases lead back to one instrument each",
        check=check_names,
        needs=_REFERENCE,
    ),
    Card(
        id="VEN-I30",
        law="an error page raises a VenueError and nothing else",
        check=check_error_pages,
        needs=_REFERENCE,
    ),
)
