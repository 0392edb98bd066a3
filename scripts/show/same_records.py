"""One run of a gateway with both transports and both sinks: who holds what, and what is told where one event is missing.

While it runs, proxies withhold one event of one symbol from a Unix client, a NATS client and a plain NATS subscriber of one
subject: each has to tell the gap. At the end all that `gw tail` printed, over the Unix socket and over NATS, is compared
with what JetStream stored and the file archive holds, byte for byte in each partition. Transport and sink share one server.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import nats
from gw_sinks.zstd import decompress
from withholding import NatsWithholding, UnixWithholding

from gwcore.client import Client, connect
from gwcore.model import Gap
from gwcore.testing.nats_server import NatsServer
from gwcore.testing.processes import Gw, Process, ProcessError, Sim, ending, read_lines

SYMBOL, KIND = "BTC/USD", "market_by_price"
SUBJECT = "gw.sim.kraken.md.market_by_price.BTC-USD"
STREAMS = ("gw-sim-kraken-md", "gw-sim-kraken-st")
PAIRS, RATE = 20, 400
#: How long both clients listen at least, and how many events each gap watcher reads behind the withheld one.
RUN_S = 20.0
BEHIND = 30
#: Messages asked of JetStream at once, and how long an answer may take.
FETCH, FETCH_S = 500, 5.0

Lines = dict[str, list[bytes]]


def by_partition(lines: list[bytes]) -> Lines:
    """Numbered events of each partition, in the order they stand."""
    found: Lines = defaultdict(list)
    for line in lines:
        header = json.loads(line)["header"]
        if "sequence" in header:
            found[header["partition"]].append(line)
    return dict(found)


def archived(state_dir: Path) -> Lines:
    """Events of the file archive; its files are by kind, so their order is that of the sequences."""
    lines: list[bytes] = []
    for path in (state_dir / "sinks" / "file").rglob("*.jsonl.zst"):
        lines += decompress(path.read_bytes()).split(b"\n")[:-1]
    found = by_partition(lines)
    return {name: sorted(part, key=lambda line: json.loads(line)["header"]["sequence"]) for name, part in found.items()}


async def stored(url: str) -> Lines:
    """Events as JetStream stored them."""
    client = await nats.connect(url)
    lines: list[bytes] = []
    try:
        jetstream = client.jetstream()
        for name in STREAMS:
            count = (await jetstream.stream_info(name)).state.messages
            reader = await jetstream.pull_subscribe(">", stream=name, durable=None)
            while count > 0:
                for message in await reader.fetch(min(FETCH, count), timeout=FETCH_S):
                    lines.append(message.data)
                    await message.ack()
                    count -= 1
    finally:
        await client.close()
    return by_partition(lines)


def compare(held: dict[str, Lines]) -> list[str]:
    """Where holders differ from the archive."""
    complaints = []
    archive = held["archive"]
    for holder, partitions in held.items():
        for name in sorted(partitions.keys() | archive.keys()):
            mine, whole = partitions.get(name, []), archive.get(name, [])
            if mine != whole:
                first = next(
                    (n for n, pair in enumerate(zip(mine, whole, strict=False)) if pair[0] != pair[1]),
                    min(len(mine), len(whole)),
                )
                complaints.append(
                    f"{holder} and archive differ in {name}: {len(mine)} and {len(whole)} events, first at {first}"
                )
    return complaints


# --- one event is withheld --------------------------------------------------------------------------------------------


class Withheld:
    """Which event it is: chosen once, and the same for all who must do without it."""

    def __init__(self) -> None:
        self.number = 0  # topic_sequence

    def wanted(self, header: dict[str, Any], event: dict[str, Any]) -> bool:
        return (
            event["kind"] == KIND
            and event.get("symbol") == SYMBOL
            and event.get("update_type") == "INCREMENTAL"
            and header.get("topic_sequence") == self.number
        )


async def watch_client(client: Client, last: int) -> tuple[list[Gap], bool]:
    """Gaps that a client of one symbol tells, and whether its book is LIVE again at the end."""
    gaps: list[Gap] = []
    async for envelope in client:
        if isinstance(envelope.event, Gap):
            gaps.append(envelope.event)
        elif (envelope.header.topic_sequence or 0) >= last:
            break
    await client.snapshot([SYMBOL], [KIND])
    return gaps, client.books[SYMBOL].state.value == "LIVE"


async def watch_subject(url: str, ready: asyncio.Event, last: asyncio.Future[int]) -> list[tuple[int, int]]:
    """What a plain subscriber of one subject finds missing: (first, last) by `topic_sequence` alone."""
    client = await nats.connect(url)
    holes, before = [], 0
    try:
        subscription = await client.subscribe(SUBJECT)
        await client.flush()
        ready.set()
        async for message in subscription.messages:
            number = json.loads(message.data)["header"].get("topic_sequence")
            if number is None:
                continue
            if before and number != before + 1:
                holes.append((before + 1, number - 1))
            before = number
            if last.done() and number >= last.result():
                return holes
    finally:
        await client.close()
    return holes


async def withhold(folder: Path, gateway: Gw, server: NatsServer) -> list[str]:
    """All three watchers, each behind a proxy that withholds the same event."""
    chosen = Withheld()
    unix, over_nats, plain = (
        UnixWithholding(chosen.wanted),
        NatsWithholding(chosen.wanted),
        NatsWithholding(chosen.wanted),
    )
    await unix.start(folder / "proxy.sock", gateway.socket_path)
    await over_nats.start("127.0.0.1", server.port)
    await plain.start("127.0.0.1", server.port)
    ready, last = asyncio.Event(), asyncio.get_running_loop().create_future()
    subscriber = asyncio.create_task(watch_subject(plain.url, ready, last))
    clients = [await connect(folder / "proxy.sock"), await connect(f"{over_nats.url}/sim/kraken")]
    for client in clients:
        await client.subscribe([SYMBOL], [KIND])
    await ready.wait()
    async for envelope in clients[0]:
        if envelope.header.topic_sequence is not None:
            # Far enough ahead that nobody has had it.
            chosen.number = envelope.header.topic_sequence + BEHIND
            last.set_result(chosen.number + BEHIND)
            break
    told = [await watch_client(client, chosen.number + BEHIND) for client in clients]
    holes = await subscriber
    for client in clients:
        await client.close()
    for proxy in (unix, over_nats, plain):
        await proxy.stop()
    complaints = []
    for name, proxy, (gaps, is_live) in zip(("Unix client", "NATS client"), (unix, over_nats), told, strict=True):
        found = [(gap.cause, gap.symbol, gap.channel, gap.dropped) for gap in gaps]
        print(f"  {name} of {SYMBOL}: withheld {len(proxy.withheld)}, told {found}, book LIVE again: {is_live}")
        if len(proxy.withheld) != 1 or found != [("CLIENT_TOPIC_SEQUENCE", SYMBOL, KIND, 1)] or not is_live:
            complaints.append(f"the {name} does not tell the one gap")
    print(f"  plain subscriber of {SUBJECT}: withheld {len(plain.withheld)}, missing topic_sequence {holes}")
    if len(plain.withheld) != 1 or holes != [(chosen.number, chosen.number)]:
        complaints.append("the plain subscriber does not find the one hole")
    return complaints


def main() -> int:
    begin = time.monotonic()
    complaints: list[str] = []
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        server = NatsServer(folder / "nats").start()
        try:
            sim = Sim(folder, "--pairs", str(PAIRS), "--rate", str(RATE), "--seed", "5")
            with ending(sim):
                components = ["--transport", "unix", "nats", "--sink", "jetstream", "file", "--nats-url", server.url]
                gateway = Gw(folder, sim, "--symbols", "*", *components)
                with ending(gateway):
                    gateway.wait_ready()
                    where = {
                        "unix": ["--unix-path", str(gateway.socket_path)],
                        "nats": ["--address", f"{server.url}/sim/kraken"],
                    }
                    tails = {
                        name: Process(f"tail-{name}", ["tail", *way, "--from", "start"], folder)
                        for name, way in where.items()
                    }
                    print("one event withheld on the way:")
                    complaints += asyncio.run(withhold(folder, gateway, server))
                    time.sleep(max(0.0, RUN_S - (time.monotonic() - begin)))
                    gateway.end()
                    for tail in tails.values():
                        tail.wait()
            held = {name: by_partition(read_lines(tail.out)) for name, tail in tails.items()}
            held["JetStream"] = asyncio.run(stored(server.url))
            held["archive"] = archived(gateway.state_dir)
        except ProcessError as error:
            print(error, file=sys.stderr)
            return 1
        finally:
            server.stop()
    complaints += compare(held)
    counts = ", ".join(f"{name} {sum(map(len, partitions.values()))}" for name, partitions in held.items())
    parts = ", ".join(f"{name} {len(lines)}" for name, lines in sorted(held["archive"].items()))
    print(
        f"one run, {PAIRS} pairs, both transports and both sinks on one server: events held by {counts}; by partition {parts}"
    )
    if not complaints:
        print("  the same bytes in the same order in every partition, at all four")
    print(
        *complaints,
        *(["holds"] if not complaints else ["DOES NOT HOLD"]),
        f"({time.monotonic() - begin:.0f} s)",
        sep="\n",
    )
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
