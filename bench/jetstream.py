"""The JetStream sink by itself against a bare window of acknowledgements, on one embedded nats-server, in turns.

    python jetstream.py RECORDS ROUNDS STATE_DIR

The bare window is the least that publishing with acknowledgement can be with nats-py: `publish` with the message id as
header and a reply subject, one subscription that counts, at most 2000 on their way. CPU is this process's.
Prints one JSON object with a list of figures for each, interleaved.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nats
from contestants.base import Meter
from gw_sinks import jetstream as jetstream_module
from gw_sinks.embedded import read_embedded
from gw_sinks.jetstream_settings import JetStreamSettings
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import StreamConfig

from gwcore import wire
from gwcore.model import Envelope, Header, MarketByPriceUpdate, PriceLevel, Record, UpdateType
from gwcore.runtime.clock import SystemClock
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.sink import SinkContext

WINDOW = 2000
BATCH = 512
SYMBOLS = 50


def make_records(count: int, session_id: str) -> list[Record]:
    """Book events of the usual size, as the journal hands them out."""
    records = []
    for number in range(1, count + 1):
        symbol = f"T{number % SYMBOLS:03d}/USD"
        levels = (PriceLevel(f"64{number % 1000:03d}.1", "0.12345678"), PriceLevel("64000.1", "1.00000000"))
        event = MarketByPriceUpdate(
            symbol=symbol,
            update_type=UpdateType.INCREMENTAL,
            bids=levels,
            checksum=number,
            venue_time_ns=1_795_348_800_000_000_000 + number,
        )
        header = Header(
            v=1,
            venue="kraken",
            source="bench",
            partition="md.0",
            session_id=session_id,
            sequence=number,
            topic_sequence=number,
            published_ns=number,
        )
        payload = wire.encode(Envelope(header=header, event=event))
        kind, update_type = "market_by_price", UpdateType.INCREMENTAL
        records.append(Record("md.0", session_id, number, kind, symbol, None, update_type, number, payload, number))
    return records


class BareWindow:
    """Publishes records with message ids and waits while too many are not acknowledged."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._sent = self._acknowledged = 0
        self._room = asyncio.Event()

    async def start(self) -> None:
        """Subscribe to the acknowledgements."""
        self._inbox = self._client.new_inbox()
        await self._client.subscribe(f"{self._inbox}.*", cb=self._on_answer)

    async def _on_answer(self, message: Msg) -> None:
        if b'"error"' in message.data:
            raise RuntimeError(message.data.decode())
        self._acknowledged += 1
        self._room.set()

    async def publish(self, records: Sequence[Record]) -> None:
        """Send all of them."""
        for record in records:
            while self._sent - self._acknowledged >= WINDOW:
                self._room.clear()
                await self._room.wait()
            self._sent += 1
            await self._client.publish(
                f"bare.{record.symbol}".replace("/", "-"),
                record.payload,
                reply=f"{self._inbox}.{self._sent}",
                headers={"Nats-Msg-Id": record.event_id},
            )

    async def wait_acknowledged(self) -> None:
        """All of them have an answer."""
        while self._acknowledged < self._sent:
            self._room.clear()
            await self._room.wait()


async def measure(count: int, rounds: int, state_dir: Path) -> dict[str, Any]:
    """Both, in turns; CPU and wall microseconds an event."""
    positions: dict[str, int] = {}
    storage = DirectoryStorage(state_dir)
    context = SinkContext(
        venue="kraken",
        environment="sim",
        source="bench",
        state_dir=state_dir,
        storage=storage.child("sinks/jetstream"),
        clock=SystemClock(),
        progress=lambda name, position: positions.__setitem__(name, position),
        status=lambda cause, detail, _=None: print(f"sink: {cause}: {detail}", file=sys.stderr) if cause else None,
    )
    sink = jetstream_module.create(JetStreamSettings(), context)
    figures: dict[str, list[dict[str, float]]] = {"sink": [], "bare": []}
    try:
        await sink.connect({})
        server = read_embedded(state_dir)
        client = await nats.connect(server.url, user=server.user, password=server.password.reveal())
        await client.jetstream().add_stream(StreamConfig(name="bare", subjects=["bare.>"]))
        window = BareWindow(client)
        await window.start()
        for number in range(rounds + 1):  # the first warms up
            first = number * count
            records = [
                record._replace(position=first + record.position) for record in make_records(count, f"S{number}")
            ]
            batches = [records[start : start + BATCH] for start in range(0, count, BATCH)]
            usages = {"sink": await _time(sink.write, sink.flush, batches)}
            usages["bare"] = await _time(window.publish, window.wait_acknowledged, batches)
            if positions["md"] != first + count:
                raise RuntimeError(f"the sink says {positions}, {first + count} were written")
            for name, usage in usages.items() if number else ():
                figures[name].append({k: v / count * 1e6 for k, v in usage.items()})
        await client.close()
    finally:
        await sink.close()
        shutil.rmtree(state_dir, ignore_errors=True)
    return figures


async def _time(write: Any, flush: Any, batches: Sequence[Sequence[Record]]) -> dict[str, float]:
    meter = Meter()
    meter.begin()
    for batch in batches:
        await write(batch)
    await flush()
    meter.end()
    assert meter.usage is not None
    return {"cpu_us": meter.usage.cpu_s, "wall_us": meter.usage.wall_s}


def main() -> None:
    count, rounds, state_dir = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    begun_s = time.monotonic()
    figures = asyncio.run(measure(count, rounds, state_dir))
    print(json.dumps(figures | {"took_s": time.monotonic() - begun_s}))


if __name__ == "__main__":
    main()
