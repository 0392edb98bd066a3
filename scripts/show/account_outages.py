"""Issue 7, line 2: real processes: fills while disconnected, replays, kill -9; journal, archive, JetStream hold the venue's.

One account, the file and the JetStream sink. 500 fills in one outage while REST lags, 51 in another, old fills sent again as
snapshot and as updates, then kills in the middle of fills with more of them made while nothing runs. Each of the three must
hold exactly the venue's fills, each once, those of an order in the order in which they were made. Exits 1 where one does not.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import nats
from gw_sinks.embedded import EmbeddedServer, sink_directory
from gw_sinks.zstd import decompress
from nats.js.api import AckPolicy, ConsumerConfig

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import account_processes as processes

from gwcore.testing.processes import Gw, Sim, ending, wait_for

ACCOUNT = "account1"
STREAM = "gw-sim-kraken-ex"
KILLS = 4
LAG_MS = 15_000
WAIT_S = 240.0

#: (order, number of the market's trade, id of the fill)
Fill = tuple[str, int, str]


def fills_of(lines: Iterable[bytes]) -> list[Fill]:
    """Fills of encoded events, in order."""
    found: list[Fill] = []
    for line in lines:
        event = json.loads(line)["event"]
        if event["kind"] == "trade_update":
            found += [
                (event["venue_order_id"], int(fill["market_trade_id"]), fill["trade_id"]) for fill in event["fills"]
            ]
    return found


def journal(gateway: Gw) -> list[Fill]:
    """What the journal holds."""
    return fills_of(json.dumps({"event": event}).encode() for event in processes.log_events(gateway, "trade_update"))


def archive(state_dir: Path) -> list[Fill]:
    """What the finished files of the archive hold; their names sort in order."""
    folder = state_dir / "sinks" / "file"
    paths = sorted(path for path in folder.rglob("*.jsonl.zst") if "trade_update" in str(path))
    lines = [line for path in paths for line in decompress(path.read_bytes()).split(b"\n")[:-1]]
    return fills_of(sorted(lines, key=lambda line: json.loads(line)["header"]["published_ns"]))


async def stream(state_dir: Path) -> list[Fill]:
    """What JetStream holds, on the gateway's own server."""
    server = EmbeddedServer(sink_directory(state_dir), store_bytes_max=1 << 33, name="show")
    where = await server.ensure_running()
    client = await nats.connect(where.url, user=where.user, password=where.password.reveal())
    payloads: list[bytes] = []
    try:
        jetstream = client.jetstream()
        config = ConsumerConfig(ack_policy=AckPolicy.NONE)
        subscription = await jetstream.pull_subscribe("", stream=STREAM, config=config)
        left = (await jetstream.stream_info(STREAM)).state.messages
        while left > 0:
            messages = await subscription.fetch(min(1000, left), timeout=10)
            payloads += [message.data for message in messages]
            left -= len(messages)
    finally:
        await client.close()
        await server.stop()
    return fills_of(payloads)


def venue(sim: Sim) -> list[Fill]:
    """What the venue holds, oldest first."""
    return [(fill["order_id"], fill["trade_id"], fill["exec_id"]) for fill in processes.truth(sim, ACCOUNT)["fills"]]


def judge(name: str, found: list[Fill], true: list[Fill]) -> bool:
    """Compare, and say so in one line."""
    ids, expected = [fill[2] for fill in found], {fill[2] for fill in true}
    twice, missing, strange = len(ids) - len(set(ids)), len(expected - set(ids)), len(set(ids) - expected)
    last: dict[str, int] = {}
    disordered = 0
    for order, number, _ in found:
        disordered += number < last.get(order, 0)
        last[order] = max(number, last.get(order, 0))
    print(
        f"{name}: {len(ids)} fills of {len(expected)} at the venue; {missing} missing, {twice} twice, {strange} not the "
        f"venue's, {disordered} out of order in {len(last)} orders",
        flush=True,
    )
    return not (twice or missing or strange or disordered) and len(ids) == len(expected)


def start(folder: Path, sim: Sim, config: Path) -> Gw:
    """The gateway, with its account ready."""
    gateway = processes.start(folder, sim, config, "--sink", "file", "--sink", "jetstream")
    gateway.wait_for("the gateway to be ready", lambda: gateway.status().get("ready"), timeout_s=WAIT_S)
    ready = f'gw_account_ready{{account="{ACCOUNT}"}} 1.0'.encode()
    wait_for("the account", lambda: ready in processes.ask(f"{gateway.metrics_url}/metrics"), timeout_s=WAIT_S)
    return gateway


def wait_all(gateway: Gw, sim: Sim, what: str) -> None:
    """Until the journal has as many fills as the venue."""
    since = time.monotonic()
    count = len(venue(sim))
    wait_for(what, lambda: len(journal(gateway)) >= count, timeout_s=WAIT_S)
    print(f"{what}: all {count} told after {time.monotonic() - since:.0f} s", flush=True)


def outage(gateway: Gw, sim: Sim, count: int) -> None:
    """So many fills without a connection, while REST lags; then more, live."""
    sim.fault("refuse", count=100_000, status=503)
    sim.fault("end_session")
    for number in range(10):
        share = count // 10 + (count % 10 if not number else 0)
        processes.do(sim, "fills", count=share, account=ACCOUNT, maker=True)
    sim.fault("restore")
    sim.fault("rest_lag", ms=LAG_MS)
    for _ in range(5):
        processes.do(sim, "fills", count=3, account=ACCOUNT, maker=True)
    wait_all(gateway, sim, f"{count} fills while disconnected, REST {LAG_MS // 1000} s behind")
    sim.fault("restore")


def play(folder: Path, sim: Sim) -> bool:
    """The whole story."""
    rng = random.Random(7)
    config = processes.config_file(folder, ACCOUNT)
    gateway = start(folder, sim, config)
    with ending(gateway):
        outage(gateway, sim, 500)
        outage(gateway, sim, 51)
        for kind in ("snapshot", "update"):
            sim.fault("replay_fills", count=50, kind=kind)
        for _ in range(KILLS):
            processes.do(sim, "fills", count=100, account=ACCOUNT, maker=True)
            time.sleep(rng.uniform(0.0, 0.15))  # where the kill falls, not what is waited for
            gateway.kill()
            processes.do(sim, "fills", count=60, account=ACCOUNT, maker=True)
            gateway = start(folder, sim, config)
            wait_all(gateway, sim, "killed in the middle of 100 fills, 60 more while down")
        gateway.send(signal.SIGTERM)
        if gateway.wait(60) != 0:
            print("the last stop was not in good order")
    true = venue(sim)
    results = [
        judge("journal", journal(gateway), true),
        judge("archive", archive(gateway.state_dir), true),
        judge("JetStream", asyncio.run(stream(gateway.state_dir)), true),
    ]
    return all(results) and len(true) > 500


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        simulator = processes.make_sim(Path(name), accounts=1)
        with ending(simulator):
            holds = play(Path(name), simulator)
    print("holds" if holds else "DOES NOT HOLD")
    sys.exit(0 if holds else 1)
