"""Client ids in Kraken's grammar (API sheet §3.5): 32 hex digits, the first half ours, the second the number."""

from __future__ import annotations

import re

#: "gw-order" in hex: our orders are told from others at a glance, and two gateways' by their numbers.
PREFIX = b"gw-order".hex()
_NUMBER_MAX = 2**64 - 1
_HEX = re.compile(r"[0-9a-f]{32}", re.ASCII).fullmatch


def client_id(number: int) -> str:
    """A `cl_ord_id` for a number of up to 64 bits. Injective. Raises ValueError for a number that is none."""
    if not 0 <= number <= _NUMBER_MAX:
        raise ValueError(f"no client id for {number}: it takes numbers from 0 to 2^64 - 1")
    return f"{PREFIX}{number:016x}"


def number_of(word: str) -> int | None:
    """The number of a client id of ours; None for any other."""
    text = plain_id(word)
    return int(text[len(PREFIX) :], 16) if _HEX(text) and text.startswith(PREFIX) else None


def plain_id(word: str) -> str:
    """A `cl_ord_id` as we write it. It is kept as 128 bits, so that one of ours may come back with a UUID's dashes, or in
    capitals; everybody else's stays as it is."""
    text = word.replace("-", "").lower()
    return text if text.startswith(PREFIX) and _HEX(text) else word


def optional_plain_id(word: str | None) -> str | None:
    """`plain_id`, with None for None."""
    return None if word is None else plain_id(word)
