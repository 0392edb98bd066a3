"""The checksum of a book as the sheet gives it (5.1): CRC-32 over the best ten levels of each side, asks first."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from zlib import crc32

#: Levels a side that enter the checksum, whatever the subscribed depth.
LEVELS = 10


def checksum_of_parts(asks: Iterable[str], bids: Iterable[str]) -> int:
    """Of the best ten levels a side, each as price and quantity in scaled integers printed one after the other.

    The decimal print of a scaled integer is the wire text without its dot and leading zeros.
    """
    return crc32(("".join(asks) + "".join(bids)).encode())


def checksum_of_texts(asks: Iterable[tuple[str, str]], bids: Iterable[tuple[str, str]]) -> int:
    """Of (price, quantity) in wire text, best first: without the dot, then without leading zeros."""
    levels = [*islice(asks, LEVELS), *islice(bids, LEVELS)]
    text = "".join(number.replace(".", "").lstrip("0") for level in levels for number in level)
    return crc32(text.encode())
