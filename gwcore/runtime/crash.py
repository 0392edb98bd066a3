"""What no task catches: an exception in a callback of the loop (timer, frames) ends the process in order, never a zombie."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

_log = logging.getLogger("gwcore.gateway")


def install_crash_handler(loop: asyncio.AbstractEventLoop, stop: Callable[[str], None]) -> None:
    """Call `stop(reason)` when a callback of the loop raises. What the loop only has to say is left to its own handler."""

    def on_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        # Only callbacks carry a handle. Transports report their network errors here too, and they close by themselves.
        if "handle" not in context or not isinstance(error, Exception):
            loop.default_exception_handler(context)
            return
        _log.error("%s", context.get("message"), exc_info=error)
        stop(f"a callback failed: {type(error).__name__}: {error}"[:200])

    loop.set_exception_handler(on_exception)
