"""What can be done to the bytes of a book frame: the frame stays well-formed, only one number is another."""

from __future__ import annotations

import re
from collections.abc import Container

_CHECKSUM = re.compile(rb'("checksum":\s*)(\d+)')
_YEAR = re.compile(rb'("timestamp":")(\d{4})')
_LEVEL = re.compile(rb'\{\s*"price":\s*([^,\s}]+)\s*,\s*"qty":\s*(\d+(?:\.\d+)?)\s*\}')


def old_time(frame: bytes) -> bytes | None:
    """A time one year earlier; None where the frame has none."""
    changed, count = _YEAR.subn(lambda found: found[1] + str(int(found[2]) - 1).encode(), frame, count=1)
    return changed if count else None


def wrong_checksum(frame: bytes) -> bytes | None:
    """Another checksum; None where the frame has none."""
    changed, count = _CHECKSUM.subn(lambda found: found[1] + str(int(found[2]) ^ 1).encode(), frame, count=1)
    return changed if count else None


def wrong_quantity(frame: bytes, prices: Container[str]) -> bytes | None:
    """Another quantity at one of `prices` (those that enter the checksum); None where none of them is in the frame."""
    last = {found[1]: found for found in _LEVEL.finditer(frame)}  # an earlier entry of a price is overwritten anyway
    for price, found in last.items():
        if price.decode() in prices and found[2].strip(b"0."):
            digit = found[2][-1:]
            other = b"8" if digit == b"9" else str(int(digit) + 1).encode()
            return frame[: found.end(2) - 1] + other + frame[found.end(2) :]
    return None
