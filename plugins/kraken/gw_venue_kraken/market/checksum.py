"""The v2 book checksum (API sheet §5.1): CRC-32 over the best ten levels of each side, asks first.

Module-level functions and nothing else, so that two equal `BookRule`s compare equal.
"""

from __future__ import annotations

from zlib import crc32

#: How many levels of each side are summed, whatever the subscribed depth.
CHECKSUM_LEVELS = 10


def level_text(price: int, quantity: int) -> bytes:
    """One level's part: price and quantity as scaled integers, printed without point and leading zeros (§5.1 rule 2)."""
    return b"%d%d" % (price, quantity)


def text_checksum(bids: bytes, asks: bytes) -> int:
    """CRC-32 of the parts of all asks, then of all bids, both best first: an unsigned 32-bit number (§5.1 rules 1, 3, 4)."""
    return crc32(asks + bids)
