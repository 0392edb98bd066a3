"""The NATS transport against bare nats-py, on one nats-server, in turns: CPU an event of this process.

    python nats_live.py RECORDS ROUNDS FOLDER

`bare` is what a program does that uses the library as its page says: `await client.publish(subject, payload, headers=...)`
for each event, with the same subjects, headers and payloads, then a flush. The transport gets the events as the core hands
them over, some of them a turn of the loop, and its linger is on. Prints one JSON object with a list of figures for each.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nats
from contestants.base import Meter
from gw_transports.nats import NatsTransport
from gw_transports.nats_settings import NatsTransportSettings
from jetstream import make_records
from nats.aio.client import Client

from gwcore.model import Record
from gwcore.nats_connection import flush_client
from gwcore.runtime.clock import SystemClock
from gwcore.subjects import Subjects
from gwcore.testing.nats_server import NatsServer
from gwcore.transport import ClientInfo, ClientWriter, TransportContext
from gwcore.wire import ClientRequest, Hello, Welcome

#: Events of one turn of the loop, as at 2,000 messages a second.
TURN = 8


class Port:
    """The core as far as the bus needs it: says welcome, and hands over what it is given."""

    def __init__(self) -> None:
        self.writer: ClientWriter | None = None

    def open(self, client: ClientInfo, writer: ClientWriter) -> Port:
        self.writer = writer
        return self

    def submit(self, request: ClientRequest) -> None:
        if isinstance(request, Hello):
            assert self.writer is not None
            welcome = Welcome(
                version="0", venue="v", environment="e", source="s", client_id="1", heartbeat_s=5.0, sessions={}
            )
            self.writer.write_message(welcome)

    def pause(self) -> None:
        raise RuntimeError("the server is too slow for this benchmark")

    def resume(self) -> None:
        """Never paused."""

    def closed(self) -> None:
        """The benchmark ends."""


async def transport_round(port: Port, transport: NatsTransport, turns: Sequence[Sequence[Record]]) -> None:
    """Hand over turn by turn, then wait until the server has all."""
    assert port.writer is not None
    for turn in turns:
        port.writer.write_events(turn)
        await asyncio.sleep(0)
    assert transport.bus is not None
    last = turns[-1][-1]
    while transport.bus._confirmed.get(last.partition) != (last.session_id, last.sequence):  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def bare_round(client: Client, subjects: Subjects, turns: Sequence[Sequence[Record]]) -> None:
    """The same events by the library's own publish."""
    for turn in turns:
        for record in turn:
            headers = {"Gw-Schema": "1", "Gw-Kind": record.kind, "Gw-Event": record.event_id}
            await client.publish(subjects.of_record(record), record.payload, headers=headers)
        await asyncio.sleep(0)
    await flush_client(client, 30.0)


async def measure(count: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Both, in turns; CPU and wall microseconds an event."""
    server = NatsServer(folder).start()
    figures: dict[str, list[dict[str, float]]] = {"transport": [], "bare": []}
    try:
        port, ready = Port(), asyncio.get_running_loop().create_future()
        context = TransportContext(
            venue="kraken",
            environment="bench",
            source="b",
            state_dir=folder,
            clock=SystemClock(),
            ready=ready.set_result,
        )
        transport = NatsTransport(NatsTransportSettings(url=server.url), context)
        running = asyncio.create_task(transport.run(port))
        await ready
        client = await nats.connect(server.url)
        subjects = Subjects("bench", "bare")
        for number in range(rounds + 1):  # the first warms up
            records = make_records(count, f"S{number}")
            turns = [records[start : start + TURN] for start in range(0, count, TURN)]
            usages = {
                "transport": await _time(lambda turns=turns: transport_round(port, transport, turns)),
                "bare": await _time(lambda turns=turns: bare_round(client, subjects, turns)),
            }
            for name, usage in usages.items() if number else ():
                figures[name].append({key: value / count * 1e6 for key, value in usage.items()})
        await client.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    finally:
        server.kill()
    return figures


async def _time(work: Callable[[], Any]) -> dict[str, float]:
    meter = Meter()
    meter.begin()
    await work()
    meter.end()
    assert meter.usage is not None
    return {"cpu_us": meter.usage.cpu_s, "wall_us": meter.usage.wall_s}


def main() -> None:
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))))


if __name__ == "__main__":
    main()
