"""Numbers and times as Kraken prints them (sheet 3.3, 3.4). Scaled integers in, text out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND_NS = 1_000_000_000


def number_text(value: int, decimals: int) -> str:
    """A scaled, non-negative integer with exactly `decimals` digits after the point."""
    if decimals == 0:
        return str(value)
    text = str(value)
    if len(text) <= decimals:
        text = text.rjust(decimals + 1, "0")
    return text[:-decimals] + "." + text[-decimals:]


def signed_text(value: int, decimals: int) -> str:
    """`number_text` for values of either sign."""
    return "-" + number_text(-value, decimals) if value < 0 else number_text(value, decimals)


def increment_text(decimals: int, *, exponent: bool) -> str:
    """10^-decimals, plain or (below 1e-4, as JSON printers do it) in exponent form."""
    if exponent and decimals > 4:
        return f"1e-{decimals:02d}"
    return number_text(1, decimals)


@lru_cache(maxsize=4096)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def time_text(time_ns: int) -> str:
    """RFC 3339, UTC, six fractional digits."""
    second, rest_ns = divmod(time_ns, SECOND_NS)
    return f"{_second_text(second)}.{rest_ns // 1000:06d}Z"


def parse_time(text: str) -> int:
    """Nanoseconds since the epoch of an RFC 3339 text; one without offset is UTC. Raises ValueError."""
    found = datetime.fromisoformat(text)
    found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return (found - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) * 1000


def time_text_ns(time_ns: int) -> str:
    """RFC 3339, UTC, nine fractional digits."""
    second, rest_ns = divmod(time_ns, SECOND_NS)
    return f"{_second_text(second)}.{rest_ns:09d}Z"


def second_text(time_ns: int) -> str:
    """RFC 3339, UTC, no fraction."""
    return _second_text(time_ns // SECOND_NS) + "Z"
