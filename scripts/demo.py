"""The demo: everything the README's first picture shows, in half a minute, on this machine alone.

It uses only what a user has: `gw sim`, `gw run`, the Python client, plain nats-py, and the files the file sink wrote.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections import Counter, deque
from decimal import Decimal
from pathlib import Path
from typing import Any

import nats
from gw_sinks.embedded import EmbeddedServer, read_embedded, sink_directory
from gw_sinks.zstd import decompress

from gwcore.client import Client, connect
from gwcore.model import MarketByPriceUpdate, TradeSummary, UpdateType
from gwcore.testing.processes import Gw, ProcessError, Sim, ending

FOLDER = Path(".demo")
PAIRS, RATE = 8, 400
SHOWN = 6  # symbols in the table
SECONDS = 18
BREAK_AT, STOP_WATCHING_AT = 6, 12
VICTIM = "BTC/USD"
STREAMS = ("gw-sim-kraken-md", "gw-sim-kraken-st")

BOLD, RED, GREEN, DIM, PLAIN = (
    ("\033[1m", "\033[31m", "\033[32m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("",) * 5
)


def say(text: str = "") -> None:
    """One line, at once."""
    print(text, flush=True)


def plain(price: Decimal | None) -> str:
    """A price without an exponent."""
    return "-" if price is None else format(price, "f")


class Watcher:
    """What a client sees: books through `client.books`, last trades, latencies, and the life of the victim."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.trades: dict[str, str] = {}
        self.latencies_ns: deque[int] = deque(maxlen=20_000)
        self.events: Counter[str] = Counter()
        self.stale: list[dict[str, Any]] = []
        self.begin = time.monotonic()

    async def watch(self) -> None:
        """Read events until cancelled."""
        async for envelope in self.client:
            event, header = envelope.event, envelope.header
            self.events[type(event).__name__] += 1
            if header.sequence is not None and header.received_ns is not None:
                self.latencies_ns.append(time.time_ns() - header.received_ns)
            if isinstance(event, TradeSummary) and event.trades:
                trade = event.trades[-1]
                self.trades[event.symbol] = f"{trade.side.value.lower():4} {trade.quantity} @ {trade.price}"
            elif isinstance(event, MarketByPriceUpdate) and event.symbol == VICTIM:
                self._note(event, header.published_ns)

    def _note(self, event: MarketByPriceUpdate, published_ns: int) -> None:
        if event.update_type is UpdateType.STALE:
            reason = event.reason.value if event.reason else "?"
            self.stale.append({"symbol": event.symbol, "reason": reason, "stale_ns": published_ns})
            say(f"{RED}{BOLD}  {VICTIM} is STALE: {reason}: {event.detail}{PLAIN}")
            say(f"{RED}  reading a price from it now raises BookNotLive; the other books go on{PLAIN}")
        elif event.update_type is UpdateType.SNAPSHOT and self.stale and "healed_ms" not in self.stale[-1]:
            healed_ms = self.stale[-1]["healed_ms"] = round((published_ns - self.stale[-1]["stale_ns"]) / 1e6, 1)
            say(f"{GREEN}{BOLD}  {VICTIM} is LIVE again after {healed_ms} ms: fresh snapshot, right checksum{PLAIN}")

    def quantile_us(self, share: float) -> float | None:
        """A quantile of receipt-to-client latency, in microseconds."""
        ordered = sorted(self.latencies_ns)
        return round(ordered[int(share * (len(ordered) - 1))] / 1000, 1) if ordered else None

    def table(self, stored: int) -> None:
        """Print the books as they are."""
        elapsed = time.monotonic() - self.begin
        say(f"{DIM}{f'{elapsed:.1f} s':18}{'bid':>14} {'ask':>14} {'spread':>14}   last trade{PLAIN}")
        for symbol in sorted(self.client.books)[:SHOWN]:
            book = self.client.books[symbol]
            top = book.peek()
            bid, ask = top.best_bid, top.best_ask
            colour = GREEN if book.state.value == "LIVE" else RED
            prices = " ".join(f"{plain(price):>14}" for price in (bid and bid.price, ask and ask.price, top.spread))
            say(f"{symbol:10}{colour}{book.state.value:8}{PLAIN}{prices}   {self.trades.get(symbol, '')}")
        p50, p99 = self.quantile_us(0.5), self.quantile_us(0.99)
        counts = f"{self.events.total()} events here, {stored} messages in JetStream"
        say(f"{DIM}  {counts}, gateway's receipt to this client p50 {p50} us, p99 {p99} us{PLAIN}")
        say()


async def stored_messages(gateway: Gw) -> int:
    """What the gateway's own JetStream counts while it runs."""
    where = read_embedded(gateway.state_dir)
    client = await nats.connect(where.url, user=where.user, password=where.password.reveal())
    try:
        jetstream = client.jetstream()
        return sum([(await jetstream.stream_info(name)).state.messages for name in STREAMS])
    finally:
        await client.close()


async def final_count(state_dir: Path) -> int:
    """What JetStream counts after the gateway ended: its server is started once more on the same store."""
    server = EmbeddedServer(sink_directory(state_dir), store_bytes_max=1 << 33, name="demo")
    where = await server.ensure_running()
    client = await nats.connect(where.url, user=where.user, password=where.password.reveal())
    try:
        jetstream = client.jetstream()
        return sum([(await jetstream.stream_info(name)).state.messages for name in STREAMS])
    finally:
        await client.close()
        await server.stop()


async def watch(gateway: Gw, sim: Sim) -> Watcher:
    """The part with the camera on."""
    async with await connect(str(gateway.socket_path), name="demo") as client:
        watcher = Watcher(client)
        await client.subscribe()
        reading = asyncio.create_task(watcher.watch())
        for second in range(SECONDS):
            await asyncio.sleep(1)
            if second == BREAK_AT:
                say(f"{BOLD}Now the exchange sends one wrong quantity in {VICTIM}'s book.{PLAIN}")
                # The simulator's HTTP is small and local; asking it from here keeps the story in one place.
                await asyncio.to_thread(lambda: sim.fault("corrupt_level", symbol=VICTIM, count=1))
            if second in (2, 5, STOP_WATCHING_AT, SECONDS - 1):
                watcher.table(await stored_messages(gateway))
        reading.cancel()
        return watcher


def archived_lines(state_dir: Path) -> int:
    """Lines in the file sink's files."""
    files = (state_dir / "sinks" / "file").rglob("*.jsonl.zst")
    return sum(decompress(path.read_bytes()).count(b"\n") for path in files)


def journalled(state_dir: Path) -> dict[str, Any]:
    """What `gw log stats` counts."""
    gw = str(Path(sys.executable).parent / "gw")
    out = subprocess.run(
        [gw, "log", "stats", "--state-dir", str(state_dir), "--output", "json"], capture_output=True, check=True
    )
    found: dict[str, Any] = json.loads(out.stdout)
    return found


def summarise(watcher: Watcher, state_dir: Path, exit_code: int) -> dict[str, Any]:
    """The figures of this run."""
    stats = journalled(state_dir)
    return {
        "symbols": len(watcher.client.books),
        "journal_records": stats["records"],
        "jetstream_messages": asyncio.run(final_count(state_dir)),
        "archive_lines": archived_lines(state_dir),
        "client_events": watcher.events.total(),
        "latency_p50_us": watcher.quantile_us(0.5),
        "latency_p99_us": watcher.quantile_us(0.99),
        "stale": [{key: value for key, value in one.items() if key != "stale_ns"} for one in watcher.stale],
        "gateway_exit_code": exit_code,
        "state_dir": str(state_dir),
    }


def verdict(summary: dict[str, Any]) -> list[str]:
    """What is wrong with it; nothing, if all is well."""
    complaints = []
    counts = {summary[key] for key in ("journal_records", "jetstream_messages", "archive_lines")}
    if len(counts) != 1:
        complaints.append(f"journal, JetStream and archive do not hold the same number of records: {sorted(counts)}")
    if [one for one in summary["stale"] if "healed_ms" not in one] or len(summary["stale"]) != 1:
        complaints.append("the broken book was not declared STALE once and healed")
    if summary["gateway_exit_code"] != 0:
        complaints.append(f"the gateway ended with {summary['gateway_exit_code']}")
    return complaints


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    say(f"{BOLD}gw sim kraken{PLAIN}: a simulated Kraken with {PAIRS} pairs")
    sim = Sim(FOLDER, "--pairs", str(PAIRS), "--rate", str(RATE), "--seed", "7")
    with ending(sim):
        say(f"{BOLD}gw run --venue kraken --env sim --transport unix --sink file --sink jetstream{PLAIN}")
        gateway = Gw(FOLDER, sim, "--transport", "unix", "--sink", "file", "--sink", "jetstream")
        with ending(gateway):
            gateway.wait_ready()
            say(f"ready; clients on {gateway.socket_path}, metrics on {gateway.metrics_url}/metrics")
            say()
            watcher = asyncio.run(watch(gateway, sim))
            say(f"{BOLD}SIGTERM{PLAIN}: clients are told, sinks drained, journal closed")
            exit_code = gateway.end()
    summary = summarise(watcher, gateway.state_dir, exit_code)
    (FOLDER / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    say(json.dumps(summary, indent=2))
    complaints = verdict(summary)
    for complaint in complaints:
        say(f"{RED}{complaint}{PLAIN}")
    say(f"{BOLD}{'Something is wrong.' if complaints else 'Done.'}{PLAIN} Figures: .demo/summary.json, logs beside it.")
    return 1 if complaints else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ProcessError as error:
        say(str(error))
        sys.exit(1)
