"""Counts what a stopped gateway's own JetStream stores, by its server's word, and compares with a demo's summary."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import nats
from gw_sinks.embedded import EmbeddedServer, sink_directory


async def count(state_dir: Path) -> dict[str, int]:
    """Messages by stream."""
    server = EmbeddedServer(sink_directory(state_dir), store_bytes_max=1 << 33, name="show")
    where = await server.ensure_running()
    client = await nats.connect(where.url, user=where.user, password=where.password.reveal())
    try:
        streams = await client.jetstream().streams_info()
        return {info.config.name or "": info.state.messages for info in streams}
    finally:
        await client.close()
        await server.stop()


def main() -> int:
    summary = json.loads(Path(sys.argv[1]).read_text())
    streams = asyncio.run(count(Path(summary["state_dir"])))
    told = summary["jetstream_messages"]
    print(f"JetStream counts {streams}; the summary says {told} of {summary['journal_records']} journalled")
    return 0 if sum(streams.values()) == told == summary["journal_records"] else 1


if __name__ == "__main__":
    sys.exit(main())
