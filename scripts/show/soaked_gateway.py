"""A million messages through a real gateway with faults of the line and the venue on: memory, descriptors, right books.

Simulated Kraken -> fault proxy -> `gw run` with a Unix client, as processes. Faults strike in turn; between them the market
is held now and then, and every book that is not marked must be the venue's. In the end the oracle judges all that was
published: each book is replayed from the journal and must hold the venue's checksum at every message.

Usage: soaked_gateway.py [--messages N] [--rate N]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gw_venue_kraken.settings import KrakenSettings
from gw_venue_kraken.venue import KrakenStreams

from gwcore.client import connect_sync
from gwcore.journal.scan import RecordFilter, scan
from gwcore.model import MarketByPriceUpdate, UpdateType
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.testing.oracles import check_book_streams
from gwcore.testing.processes import Gw, ProcessError, Sim, ask, ending, wait_for
from gwcore.testing.proxy import ProxyThread, proxy_thread

MESSAGES = 1_000_000
RATE = 3_000
PAIRS = 10
#: How long a fault lasts, and the calm behind it.
FAULT_S, CALM_S = 2.0, 2.0
#: So many faults, then the books are compared.
FAULTS_A_ROUND = 6
SLOPE_MAX = 1.0  # MiB a minute
HEAL_S = 120.0
#: Trades of a symbol that the simulated venue remembers: more than a minute of them; Kraken forgets none. Of one that forgets
#: within seconds no gap could be filled, and later trades wait in memory until the gateway has asked eight times in vain.
TRADES_KEPT = 20_000
#: A connection to REST is kept alive or is not, whenever one looks; anything that leaks does so with each of the faults.
HTTP_IDLE = 1
#: Whatever happens, the show ends.
LIMIT_S = 3 * 3600.0
#: What fills up by design is kept small, so that it is full long before the second half; healing is quick.
SETTINGS = {
    "GW_JOURNAL__MEMORY_RECORDS": "2000",
    "GW_JOURNAL__SEGMENT_BYTES": "2000000",
    "GW_CAPTURE__RING_BYTES_MAX": "1000000",
    "GW_HEALING__RECONNECT_MAX_S": "2",
    "GW_HEALING__QUARANTINE_RETRY_S": "5",
}

#: Where, name, options.
FAULTS: Sequence[tuple[str, str, dict[str, Any]]] = (
    ("venue", "corrupt_level", {"count": 20}),
    ("line", "delay", {"delay_s": 0.1, "jitter_s": 0.2}),
    ("venue", "drop_update", {"count": 20}),
    ("line", "reset", {}),
    ("venue", "wrong_checksum", {"count": 10, "snapshots": True}),
    ("line", "truncate", {"chance": 0.01, "count": 10}),
    ("venue", "blank_book", {}),
    ("line", "corrupt", {"chance": 0.01, "count": 10}),
    ("venue", "downtime", {"said": False, "books": "zeroed", "resend": "old", "trading": True}),
    ("line", "duplicate", {"chance": 0.01, "count": 10}),
    ("venue", "malformed", {"count": 20}),
    ("line", "half_close", {"way": "down"}),
    ("venue", "silence", {"channel": "book"}),
    ("line", "reorder", {"chance": 0.01, "count": 10}),
    ("venue", "downtime", {"sockets": "abort", "connects": 503}),
    ("line", "answer", {"status": 429, "body": "text"}),
    ("venue", "unfed", {"count": 3}),
    ("line", "cut_at", {"byte": 50_000, "how": "reset", "count": 2}),
    ("venue", "rate_limit", {"messages": 3, "window_s": 1}),
    ("line", "drip", {"size": 500}),
    ("venue", "unknown_channel", {"count": 20}),
    ("line", "accept_close", {"count": 2}),
)


class Proxied:
    """The simulator as the gateway sees it."""

    def __init__(self, sim: Sim, proxy: ProxyThread) -> None:
        self.rest_url = f"http://{proxy.address}"
        self.ws_url = f"ws://{proxy.address}{urlsplit(sim.ws_url).path}"


class Soak:
    """The processes, and what was seen of them."""

    def __init__(self, sim: Sim, proxy: ProxyThread, gateway: Gw, messages: int) -> None:
        self.sim, self.proxy, self.gateway, self.messages = sim, proxy, gateway, messages
        self.samples: list[tuple[int, float, float, int]] = []  # messages, seconds, MiB, descriptors
        self.struck: Counter[str] = Counter()
        self.compared = 0
        self.wrong: list[str] = []
        self._since_s = time.monotonic()

    def frames(self) -> int:
        """Messages that the gateway got so far."""
        status = self.gateway.status()
        return sum(one["frames"] for one in status["connections"]) if status else 0

    def sample(self) -> int:
        """Look at the process once; returns the messages so far."""
        folder = Path("/proc", str(self.gateway.pid))
        resident = next(line for line in (folder / "status").read_text().splitlines() if line.startswith("VmRSS"))
        descriptors = len(list((folder / "fd").iterdir()))
        frames = self.frames()
        self.samples.append((frames, time.monotonic() - self._since_s, int(resident.split()[1]) / 1024, descriptors))
        return frames

    def watch(self, seconds: float) -> int:
        """Sample once a second for so long."""
        end, frames = time.monotonic() + seconds, 0
        while True:
            frames = self.sample()
            if time.monotonic() >= end:
                return frames
            time.sleep(1.0)

    def strike(self, place: str, name: str, options: dict[str, Any]) -> int:
        """One fault and the calm behind it."""
        self.struck[f"{place}.{name}"] += 1
        (self.proxy if place == "line" else self.sim).fault(name, **options)
        self.watch(FAULT_S)
        self.proxy.fault("restore")
        self.sim.fault("restore")
        return self.watch(CALM_S)

    def compare(self) -> None:
        """Wait until all is live, hold the market, and compare every book that is not marked."""
        self.gateway.wait_for(
            "all books to be live", lambda: self.gateway.status().get("books") == {"LIVE": PAIRS}, timeout_s=HEAL_S
        )
        self.sim.fault("freeze")
        try:
            found = {"all": "nothing compared"}
            with contextlib.suppress(ProcessError):
                wait_for("the last messages to arrive", lambda: self._differences(found) == {}, timeout_s=10.0)
            self.compared += PAIRS
            self.wrong += [f"{symbol}: {text}" for symbol, text in found.items()]
        finally:
            self.sim.fault("freeze", on=False)

    def _differences(self, found: dict[str, str]) -> dict[str, str]:
        found.clear()
        with connect_sync(self.gateway.socket_path, name="compare") as client:
            envelopes = client.snapshot(kinds=["market_by_price"])
        if not envelopes:
            found["all"] = "no book came"
        for envelope in envelopes:
            event = envelope.event
            assert isinstance(event, MarketByPriceUpdate)
            if event.update_type is UpdateType.STALE:
                continue
            url = f"{self.sim.rest_url}/sim/truth?symbol={event.symbol}&depth={max(len(event.bids), len(event.asks))}"
            truth = json.loads(ask(url))["book"]
            mine = [[[level.price, level.quantity] for level in side] for side in (event.bids, event.asks)]
            if mine != [truth["bids"], truth["asks"]]:
                found[event.symbol] = (
                    f"{mine[0][:1]} {mine[1][:1]}, at the venue {truth['bids'][:1]} {truth['asks'][:1]}"
                )
        return found

    def run(self) -> None:
        """Faults in turn until the messages are through."""
        number, end = 0, time.monotonic() + LIMIT_S
        while True:
            frames = self.strike(*FAULTS[number % len(FAULTS)])
            number += 1
            if number % FAULTS_A_ROUND == 0:
                self.compare()
            if frames >= self.messages or time.monotonic() > end:
                self.compare()
                return

    def slope(self) -> float:
        """MiB a minute over the second half of the messages, by least squares."""
        total = self.samples[-1][0]
        points = [(seconds / 60, mib) for frames, seconds, mib, _ in self.samples if frames >= total / 2]
        mean_x = sum(x for x, _ in points) / len(points)
        mean_y = sum(y for _, y in points) / len(points)
        spread = sum((x - mean_x) ** 2 for x, _ in points)
        return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0

    def descriptors(self) -> tuple[int, int]:
        """Median of the first and of the second half: a connection that is being made, and a client, come and go."""
        half = self.samples[-1][0] / 2
        first = sorted(count for frames, _, _, count in self.samples if frames < half)
        second = sorted(count for frames, _, _, count in self.samples if frames >= half)
        return first[len(first) // 2], second[len(second) // 2]


def judge(soak: Soak, state_dir: Path) -> bool:
    """Print the figures; whether all holds."""
    total, seconds, mib, _ = soak.samples[-1]
    slope, (first, second) = soak.slope(), soak.descriptors()
    streams = KrakenStreams(KrakenSettings())
    records = 0

    def md() -> Any:
        nonlocal records
        for record in scan(DirectoryStorage(state_dir), RecordFilter()):
            if record.journal_class == "md":
                records += 1
                yield record

    violations = check_book_streams(md(), streams.book_rule)
    print(f"{total} messages in {seconds:.0f} s, {sum(soak.struck.values())} faults of {len(soak.struck)} kinds")
    print(
        f"resident memory {mib:.1f} MiB at the end, slope of the second half {slope:+.2f} MiB/min (below {SLOPE_MAX:g})"
    )
    most = max(count for *_, count in soak.samples)
    tenths = [min(soak.samples, key=lambda one: abs(one[0] - total * n / 10)) for n in range(1, 11)]
    print("  by tenths of the messages: " + " ".join(f"{mib:.1f}" for _, _, mib, _ in tenths))
    print(f"descriptors: median {first} in the first half, {second} in the second, {most} at most")
    print(f"books compared with the venue {soak.compared}, unmarked and wrong {len(soak.wrong)}")
    print(f"oracle over {records} published records: {len(violations)} violations")
    for text in (*soak.wrong[:5], *violations[:5]):
        print(f"  {text}")
    return (
        total >= soak.messages
        and slope < SLOPE_MAX
        and second <= first + HTTP_IDLE
        and not soak.wrong
        and not violations
    )


def main() -> int:
    """Prints the figures; 0 when all hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--rate", type=int, default=RATE)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gw-soak-") as name:
        folder = Path(name)
        sim = Sim(folder, "--pairs", str(PAIRS), "--rate", str(options.rate), "--set", "connects_max=0", "--set", "skew=0.5",
                  "--set", f"trades_max={TRADES_KEPT}")  # fmt: skip
        parts = urlsplit(sim.rest_url)
        with ending(sim), proxy_thread(str(parts.hostname), int(parts.port or 0)) as proxy:
            gateway = Gw(folder, Proxied(sim, proxy), "--transport", "unix", **SETTINGS)  # type: ignore[arg-type]
            with ending(gateway):
                gateway.wait_ready()
                soak = Soak(sim, proxy, gateway, options.messages)
                soak.run()
                gateway.end()
            good = judge(soak, gateway.state_dir)
    print("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
