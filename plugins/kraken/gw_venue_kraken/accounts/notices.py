"""Notices: when announced maintenance begins, out of elements whose shape the API sheet does not know (§4.5, §9).

Nothing is guessed: only a whole RFC 3339 time counts. Where members say by their names what begins, those alone do, since the
others may be when the notice was written, or the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from gw_venue_kraken.times import time_ns

_TIMES = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII).findall
_BEGINS = ("start", "begin", "from")
#: Deepest element that is looked into.
_DEPTH_MAX = 8


def begins_ns(notices: Sequence[msgspec.Raw]) -> int | None:
    """When the first of them begins, ns since the epoch; None: none says so in a form that can be read."""
    found = [at_ns for raw in notices if (at_ns := _begins_ns(raw)) is not None]
    return min(found, default=None)


def _begins_ns(raw: msgspec.Raw) -> int | None:
    pairs = list(_texts(msgspec.json.decode(raw), "", _DEPTH_MAX))
    named = [text for name, text in pairs if any(word in name for word in _BEGINS)]
    times = []
    for text in named or [text for _, text in pairs]:
        for one in _TIMES(text):
            try:
                times.append(time_ns(one))
            except ValueError:  # the 45th of a month
                continue
    return min(times, default=None)


def _texts(value: Any, name: str, depth: int) -> Iterator[tuple[str, str]]:
    """Each text in it, with the name of the member that it is in."""
    if isinstance(value, str):
        yield name, value
    elif depth and isinstance(value, dict):
        for key, one in value.items():
            yield from _texts(one, str(key).lower(), depth - 1)
    elif depth and isinstance(value, list):
        for one in value:
            yield from _texts(one, name, depth - 1)
