"""The publisher over a client that answers when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from gw_sinks.jetstream_causes import Tail
from gw_sinks.jetstream_publisher import Publisher
from gw_sinks.jetstream_settings import JetStreamSettings
from nats.aio.msg import Msg

from gwcore.model import Record
from gwcore.runtime.clock import SystemClock
from gwcore.subjects import Subjects


class Line:
    """As much of a nats client as a publisher uses."""

    is_closed = False
    max_payload = 1_000_000

    def __init__(self) -> None:
        self.answer: Callable[[Msg], Awaitable[None]]

    def new_inbox(self) -> str:
        return "inbox"

    async def subscribe(self, subject: str, cb: Callable[[Msg], Awaitable[None]]) -> None:
        self.answer = cb

    async def _send_command(self, data: bytes) -> None:
        pass

    async def _flush_pending(self) -> None:
        pass


def test_whoever_waits_for_acknowledgements_finds_progress_reported(
    records: Callable[..., Sequence[Record]],
) -> None:
    """Also where the last answer came in the very turn of the loop in which somebody asks."""
    line: Any = Line()
    told: list[int] = []

    async def main() -> None:
        publisher = Publisher(
            line,
            "md",
            subjects=Subjects("sim", "toy"),
            tail=Tail(0, 0),
            writer="me",
            settings=JetStreamSettings(),
            clock=SystemClock(),
            on_progress=told.append,
            on_failure=lambda failure: None,
            explain=lambda: None,
        )
        await publisher.start()
        await publisher.publish(records(1, 3))
        for number in range(3):
            await line.answer(Msg(_client=line, subject=f"inbox.{number}", data=b'{"stream":"md","seq":1}'))
        await publisher.wait_acknowledged()
        assert told == [3]
        await asyncio.sleep(0)
        publisher.stop()

    asyncio.run(main())
    assert told == [3]
