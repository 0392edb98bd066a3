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


#: glibc's names for what `mallopt` sets (malloc.h).
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
#: Heaps of the C library: the loop's and one for all other threads, which wait for the interpreter's lock anyway.
ARENAS_MAX: Final = 2
#: A buffer of this size is a mapping of its own, which is gone when it is freed: blocks of the journal and frames of its
#: compression would else leave holes that a growing limit of glibc's keeps adding to.
MAPPED_BYTES_MIN: Final = 128 * 1024


def calm_allocator() -> None:
    """Keep the C library from a heap for each thread and from holding on to large buffers. Before threads start."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_ARENA_MAX, ARENAS_MAX)
        set_option(_MMAP_THRESHOLD, MAPPED_BYTES_MIN)


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
