"""A callback of the loop that raises ends the process; other things the loop reports do not."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gwcore.runtime.crash import install_crash_handler


def _raise() -> None:
    raise KeyError("a bug in a timer")


def test_a_callback_that_raises_stops_the_process_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        stopped: asyncio.Future[str] = loop.create_future()
        install_crash_handler(loop, stopped.set_result)
        loop.call_soon(_raise)
        return await asyncio.wait_for(stopped, 5.0)

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(main()) == "a callback failed: KeyError: 'a bug in a timer'"
    assert "a bug in a timer" in caplog.text


def test_what_a_transport_reports_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        stopped: list[str] = []
        install_crash_handler(loop, stopped.append)
        loop.call_exception_handler({"message": "Fatal error on transport", "exception": OSError("gone")})
        return stopped

    assert asyncio.run(main()) == []
