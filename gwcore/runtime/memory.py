"""Memory that a burst took is given back to the system, now and then. It must not touch anything that is in use."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Awaitable, Callable
from typing import Any, Final

#: How often. It takes some milliseconds on another thread; what a burst leaves behind is not worth more.
TRIM_EVERY_S: Final = 30.0

#: Gives back what is free; returns whether there was anything.
Trim = Callable[[int], int]


def find_trim() -> Trim | None:
    """The C library's `malloc_trim`; None where it has none (it is glibc's)."""
    found: Trim | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found


async def give_back(offload: Callable[..., Awaitable[Any]], trim: Trim | None) -> None:
    """Trim for as long as the gateway runs.

    glibc keeps freed pages below the highest one in use, in an arena for each thread: one slow disk or busy second, when
    thousands of records waited, would be seen in the resident memory for good, and the next one on top of it.
    """
    while trim is not None:
        await asyncio.sleep(TRIM_EVERY_S)
        await offload(trim, 0)
