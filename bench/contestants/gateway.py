"""The whole gateway: the real `Gateway`, its journal on disk with the committer thread, one Unix client in another process.

`sink=file` adds the file sink. The books compared are those the client rebuilt from what it was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gwcore
from contestants.base import LoopbackContestant, Side, until
from contestants.engine import all_asked, stream_ended
from gwcore.config import Sources, load_config
from gwcore.runtime.app import Gateway, Ports
from gwcore.runtime.clock import SystemClock, SystemIds, SystemRandom
from gwcore.runtime.journal.committer import Committer
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.runtime.libraries import find_client
from gwcore.runtime.process import calm_collector
from gwcore.runtime.venue.network import RealNetwork

BENCH = Path(__file__).parent.parent
_CONFIG = """
[gateway]
venue = "kraken"
env = "sim"
name = "bench"
state_dir = "{state_dir}"
transports = ["unix"]
sinks = {sinks}
symbols = {symbols}
channels = ["book", "trade", "ticker"]
log_level = "error"
[venue.kraken]
rest_url = "{rest_url}"
ws_public_url = "{ws_url}"
[clients]
# The stand-in has no pace but ours: what a slow machine makes the client lag behind is kept, not conflated.
buffer_bytes_max = 268435456
"""


class Loopback(LoopbackContestant):
    """See the module."""

    distribution = "gwcore"

    def __init__(self, *arguments: Any, **options: str) -> None:
        super().__init__(*arguments, **options)
        self.sinks = [name for name in options.get("sink", "").split(",") if name]
        self.name = "gwcore: whole gateway" + (f" + {' + '.join(self.sinks)} sink" if self.sinks else "")
        self.seen: dict[str, Any] = {}

    @property
    def version(self) -> str:
        """Of the checkout."""
        return gwcore.__version__

    def counts(self) -> dict[str, int]:
        """As the client counted."""
        kinds = {"book": "market_by_price", "top": "top_of_book", "trade": "trade_summary", "ticker": "statistics"}
        return {name: self.seen["kinds"].get(kind, 0) for name, kind in kinds.items()} | {"bad": self.seen["bad"]}

    def book(self, symbol: str) -> tuple[Side, Side]:
        """See Contestant."""
        bids, asks = self.seen["books"][symbol]
        return bids, asks

    async def run(self, ws_url: str, rest_url: str) -> None:
        """See LoopbackContestant."""
        place = self.workload.path.parent.parent / "state"
        place.mkdir(exist_ok=True)
        state_dir = Path(tempfile.mkdtemp(dir=place))
        network = RealNetwork(SystemClock(), "bench", find_client(self.options.get("websocket", "websockets")))
        try:
            gateway = self._gateway(state_dir, network, ws_url, rest_url)
            calm_collector()
            run = asyncio.create_task(gateway.run())
            await until(lambda: "unix" in gateway.addresses or run.done(), 0.005, "Unix socket")
            async with self._client(gateway.addresses["unix"]) as client:
                connections = gateway.hub.connections
                await until(all_asked(connections), 0.01, "acknowledged subscriptions")
                self.meter.begin()
                self.start_stream()
                await until(stream_ended(connections, self.workload), 0.005, "end of the stream")
                await until(lambda: _is_drained(gateway), 0.005, "synced journal, empty buffers and sinks")
                self.meter.end()
                assert client.stdin is not None
                assert client.stdout is not None
                client.stdin.close()
                self.seen = json.loads(await client.stdout.read())
                if self.samples is not None:
                    self.samples += self.seen["samples"]
                gateway.request_stop("the bench is over")
                await run
        finally:
            await network.close()
            shutil.rmtree(state_dir, ignore_errors=True)

    def _gateway(self, state_dir: Path, network: RealNetwork, ws_url: str, rest_url: str) -> Gateway:
        logging.basicConfig(level=logging.ERROR)
        file = state_dir / "bench.toml"
        file.write_text(
            _CONFIG.format(
                state_dir=state_dir,
                sinks=json.dumps(self.sinks),
                symbols=json.dumps(list(self.workload.endings)),
                rest_url=rest_url,
                ws_url=ws_url,
            )
        )
        return Gateway(
            load_config(Sources(files=(file,))).config,
            Ports(
                clock=SystemClock(),
                random=SystemRandom(),
                ids=SystemIds(),
                network=network,
                storage=DirectoryStorage(state_dir),
                state_dir=state_dir,
                committer=Committer,
                offload=asyncio.to_thread,
            ),
        )

    @contextlib.asynccontextmanager
    async def _client(self, address: str) -> AsyncIterator[asyncio.subprocess.Process]:
        client = await asyncio.create_subprocess_exec(
            sys.executable,
            str(BENCH / ("unix_client.py" if self.samples is None else "live_client.py")),
            address,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(BENCH)},
            limit=2**26,
        )
        try:
            assert client.stdout is not None
            if await client.stdout.readline() != b"ready\n":
                raise RuntimeError("the client did not come in")
            yield client
        finally:
            if client.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    client.kill()
            await client.wait()


def _is_drained(gateway: Gateway) -> bool:
    return (
        gateway.journal.is_synced()
        and not any(session.buffered_bytes for session in gateway.fanout.sessions)
        and not any(runner.backlog() for runner in gateway.sinks)
    )
