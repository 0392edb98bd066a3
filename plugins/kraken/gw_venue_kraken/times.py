"""RFC 3339 time stamps to integer nanoseconds, exactly (API sheet §3.4): 0 to 9 fraction digits, none lost."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

#: The docs have one sample without its `Z`: UTC is meant there too.
_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))?", re.ASCII
).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def time_ns(text: str) -> int:
    """Nanoseconds since the epoch. Raises ValueError for anything that is no RFC 3339 time."""
    match = _STAMP(text)
    if match is None:
        raise ValueError(f"not a time: {text!r:.60}")
    day, minute, second, fraction, sign, offset_h, offset_m = match.groups()
    start = datetime.fromisoformat(f"{day}T{minute}:00+00:00")
    if int(second) > 60:  # 60 is a leap second
        raise ValueError(f"not a time: {text!r:.60}")
    seconds = (start - _EPOCH) // _SECOND + int(second)
    if sign is not None:
        offset_s = int(offset_h) * 3600 + int(offset_m) * 60
        seconds += offset_s if sign == "-" else -offset_s
    return seconds * 1_000_000_000 + int((fraction or "").ljust(9, "0"))


_SECONDS = re.compile(r"(\d{1,11})(?:\.(\d{1,20}))?", re.ASCII).fullmatch


def seconds_ns(value: object) -> int:
    """Nanoseconds of REST's seconds, an int or the digits of a number (`1688148493.7708`). Raises ValueError."""
    match = _SECONDS(str(value)) if isinstance(value, int | str) else None
    if match is None:
        raise ValueError(f"not a time in seconds: {value!r:.60}")
    whole, fraction = match.groups()
    return int(whole) * 1_000_000_000 + int((fraction or "").ljust(9, "0")[:9])


def second_text(at_ns: int) -> str:
    """RFC 3339 UTC of the second that holds this time: `2026-09-22T10:33:05Z`."""
    return f"{_EPOCH + (at_ns // 1_000_000_000) * _SECOND:%Y-%m-%dT%H:%M:%SZ}"


def millisecond_text(at_ns: int) -> str:
    """RFC 3339 UTC of the millisecond that holds this time: `2026-09-22T10:33:05.709Z`."""
    return f"{second_text(at_ns)[:-1]}.{at_ns // 1_000_000 % 1_000:03}Z"


class TimeReader:
    """`time_ns` that remembers the last second: on a busy connection almost every stamp shares it with the one before."""

    __slots__ = ("_prefix", "_second_ns")

    def __init__(self) -> None:
        self._prefix = ""
        self._second_ns = 0

    def read(self, text: str) -> int:
        """Nanoseconds since the epoch. Raises ValueError for anything that is no RFC 3339 time."""
        if text[:20] == self._prefix and text[26:] == "Z" and text.isascii():
            fraction = text[20:26]
            if fraction.isdecimal():
                return self._second_ns + int(fraction) * 1000
        value = time_ns(text)
        if text[19:20] == "." and text[-1:] == "Z":
            self._prefix = text[:20]
            self._second_ns = value - value % 1_000_000_000
        return value
