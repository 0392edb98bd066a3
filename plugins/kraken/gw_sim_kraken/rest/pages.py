"""Pages of account history (sheet 2.6): 50 rows, newest first, from `start` (exclusive) to `end` (inclusive)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from gw_sim_kraken.rest.market import ApiError
from gw_sim_kraken.texts import SECOND_NS

PAGE = 50
#: REST prints times to this many nanoseconds, so it compares them in steps of it too.
STEP_NS = 100
Row = TypeVar("Row")


def seconds(time_ns: int) -> msgspec.Raw:
    """A time as REST prints it: a number of seconds with seven decimals (sheet 3.4)."""
    second, rest_ns = divmod(time_ns, SECOND_NS)
    return msgspec.Raw(f"{second}.{rest_ns // STEP_NS:07d}".encode())


def page(
    rows: Sequence[Row], params: Mapping[str, Any], time_of: Callable[[Row], int], id_of: Callable[[Row], str]
) -> tuple[list[Row], int]:
    """One page of `rows` (oldest first) and how many rows there are in all. Raises ApiError for a bad parameter."""
    first = _after(rows, params, "start", time_of, id_of) if "start" in params else 0
    last = _after(rows, params, "end", time_of, id_of) if "end" in params else len(rows)
    found = rows[first:last] if last > first else rows[:0]
    offset = params.get("ofs", "0")
    if not str(offset).isdigit():
        raise ApiError("EGeneral:Invalid arguments:ofs")
    newest_first = list(reversed(found))
    return newest_first[int(offset) : int(offset) + PAGE], len(found)


def _after(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    name: str,
    time_of: Callable[[Row], int],
    id_of: Callable[[Row], str],
) -> int:
    """Index of the first row behind a time or an id."""
    text = str(params[name])
    if "-" in text[1:]:
        for index, row in enumerate(rows):
            if id_of(row) == text:
                return index + 1
        raise ApiError(f"EGeneral:Invalid arguments:{name}")
    try:
        step = int(Decimal(text) * SECOND_NS) // STEP_NS
    except (InvalidOperation, ValueError, OverflowError):
        raise ApiError(f"EGeneral:Invalid arguments:{name}") from None
    # Rows are nearly in order of time: those of one sweep carry times a nanosecond apart, of which the next event
    # may know nothing.
    return sum(time_of(row) // STEP_NS <= step for row in rows)
