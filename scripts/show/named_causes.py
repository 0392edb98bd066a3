"""Issue 10, line 3: eleven faults, one after the other; each time `gw status` and the metrics name the cause.

A gateway with an account, a Unix socket, files and JetStream runs against the simulator. Before each fault `gw status` has no
line with an exclamation mark; then the fault is made, and within WAIT_S such a line must match, and a metric must say the
same; then the fault is taken away, and the line must go (but for the last two, which end with the gateway). Exits 1 where
one does not.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import account_processes as processes
from prometheus_client.parser import text_string_to_metric_families

from gwcore.client import connect_sync
from gwcore.testing.nats_server import NatsServer
from gwcore.testing.processes import Gw, ProcessError, Sim, ask, ending, wait_for

GW = str(Path(sys.executable).parent / "gw")
WAIT_S = 60.0
BTC, ETH, SOL = "BTC/USD", "ETH/USD", "SOL/USD"

Samples = dict[tuple[str, tuple[str, ...]], float]


class Fault(NamedTuple):
    """`make` and `end` it; `line`: what `gw status` has to say; `metric`: what has to be true of the samples."""

    name: str
    make: Callable[[], object]
    end: Callable[[], object] | None
    line: str
    metric: Callable[[Samples], bool]
    metric_name: str


def scrape(gateway: Gw) -> Samples:
    families = text_string_to_metric_families(ask(f"{gateway.metrics_url}/metrics").decode())
    return {(each.name, tuple(each.labels.values())): each.value for family in families for each in family.samples}


def status(gateway: Gw) -> tuple[int, str]:
    command = [GW, "status", "--unix-path", str(gateway.socket_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def problems(gateway: Gw) -> list[str]:
    return [line for line in status(gateway)[1].splitlines() if line.startswith("! ")]


def ctl(gateway: Gw, *arguments: str) -> None:
    subprocess.run([GW, "ctl", *arguments, "--unix-path", str(gateway.socket_path)], capture_output=True, check=True)


def feed_faults(sim: Sim, gateway: Gw) -> Iterator[Fault]:
    def stale(reason: str) -> Callable[[Samples], bool]:
        return lambda found: found["gw_book_stale_total", (reason,)] >= 1

    def resubscribed(fault: str, **options: object) -> Callable[[], None]:
        def make() -> None:
            sim.fault(fault, **options)
            ctl(gateway, "resubscribe", str(options["symbol"]))

        return make

    def healed(fault: str, symbol: str) -> Callable[[], None]:
        def end() -> None:
            if fault:
                sim.fault(fault, on=False, symbol=symbol)
            ctl(gateway, "resubscribe", symbol)

        return end

    yield Fault(
        "a book that differs from the venue's", lambda: sim.fault("corrupt_level", symbol=BTC, count=1), healed("", BTC),
        rf"book of {BTC} is QUARANTINED: CHECKSUM", stale("CHECKSUM"), "gw_book_stale_total{CHECKSUM}",
    )  # fmt: skip
    yield Fault(
        "a feed that is silent", lambda: sim.fault("silence", symbol=ETH), healed("silence", ETH),
        rf"book of {ETH} is \w+: (SILENCE|NO_SNAPSHOT)", stale("SILENCE"), "gw_book_stale_total{SILENCE}",
    )  # fmt: skip
    yield Fault(
        "a subscription that is refused", resubscribed("reject", symbol=SOL, text="EGeneral:Not offered"),
        healed("reject", SOL), rf"book of {SOL} is REJECTED: REJECTED \(EGeneral:Not offered\)",
        lambda found: found["gw_feed_faults_total", ("book", "REJECTED")] >= 1, "gw_feed_faults_total{book,REJECTED}",
    )  # fmt: skip
    yield Fault(
        "a subscription without a snapshot", resubscribed("starve", symbol=SOL), healed("starve", SOL),
        rf"book of {SOL} is \w+: NO_SNAPSHOT",
        lambda found: found["gw_book_resyncs_total", ("NO_SNAPSHOT",)] >= 1, "gw_book_resyncs_total{NO_SNAPSHOT}",
    )  # fmt: skip
    yield Fault(
        "a venue in maintenance", lambda: sim.fault("status", system="maintenance"),
        lambda: sim.fault("status", system="online"), r"book of .* is STALE: VENUE_STATUS", stale("VENUE_STATUS"),
        "gw_book_stale_total{VENUE_STATUS}",
    )  # fmt: skip
    yield Fault(
        "a venue that is gone", lambda: sim.fault("downtime", sockets="abort", connects=503),
        lambda: sim.fault("downtime", on=False), r"connection md\.0 is down: .*503",
        lambda found: found["gw_connection_up", ("md.0",)] == 0 and found["gw_ready", ()] == 0,
        "gw_connection_up, gw_ready",
    )  # fmt: skip


def other_faults(sim: Sim, gateway: Gw, server: NatsServer) -> Iterator[Fault]:
    yield Fault(
        "a sink whose server is gone", server.kill, server.start,
        r"sink jetstream is not connected: \S+.*events wait",
        lambda found: found["gw_sink_up", ("jetstream",)] == 0, "gw_sink_up{jetstream}",
    )  # fmt: skip
    slow: list[object] = []

    def stop_reading() -> None:
        client = connect_sync(gateway.socket_path, name="slow", queue_events_max=10)
        client.subscribe()
        slow.append(client)

    yield Fault(
        "a client that does not read", stop_reading, lambda: slow.pop().close(),  # type: ignore[attr-defined]
        r"too slow, so that market data is skipped for them: unix-\d+",
        lambda found: found["gw_client_conflations_total", ()] >= 1, "gw_client_conflations_total",
    )  # fmt: skip

    def refuse_account() -> None:
        sim.fault("refuse_token")
        sim.fault("end_session", account="account1")

    yield Fault(
        "an account that can't log in", refuse_account, lambda: sim.fault("refuse_token", on=False),
        r"account account1 is (closed|connecting)",
        lambda found: found["gw_account_up", ("account1",)] == 0, "gw_account_up{account1}",
    )  # fmt: skip
    yield Fault(
        "an account whose key was revoked", lambda: sim.fault("revoke_key", account="account1"), None,
        r"account account1 is halted: .*Invalid key",
        lambda found: found["gw_account_halted", ("account1",)] == 1, "gw_account_halted{account1}",
    )  # fmt: skip


def tell(verdict: str, what: str, *lines: str) -> None:
    print(verdict, what, *(f"\n        {line}" for line in lines), flush=True)


def play(gateway: Gw, fault: Fault) -> bool:
    """Make one fault; returns whether it was named, and said to be over."""
    wait_for("all to be well before", lambda: status(gateway)[0] == 0 and not problems(gateway), timeout_s=WAIT_S)
    started_s = time.monotonic()
    fault.make()
    line = ""

    def named() -> bool:
        nonlocal line
        line = next((each for each in problems(gateway) if re.search(fault.line, each)), "")
        return bool(line) and fault.metric(scrape(gateway))

    try:
        wait_for("the cause", named, timeout_s=WAIT_S)
        tell("ok     ", f"{fault.name} ({time.monotonic() - started_s:.1f} s)", line[:150], fault.metric_name)
        if fault.end is not None:
            fault.end()
            wait_for("it to be over", lambda: status(gateway)[0] == 0 and not problems(gateway), timeout_s=WAIT_S)
    except ProcessError as error:
        tell(
            "FAILED ",
            f"{fault.name}: {error}",
            f"gw status: {problems(gateway)}",
            f"wanted: {fault.line}",
            fault.metric_name,
        )
        return False
    return True


@contextmanager
def stage(folder: Path, **environment: str) -> Iterator[tuple[Sim, Gw, NatsServer]]:
    server = NatsServer(folder / "nats").start()
    sim = processes.make_sim(folder, accounts=1)
    config = processes.config_file(folder, "account1")
    lines = config.read_text().replace('accounts = ["*"]', 'accounts = ["*"]\nverbs = ["md", "read", "admin"]')
    config.write_text(lines)
    gateway = processes.start(
        folder, sim, config, "--sink", "file", "--sink", "jetstream", "--nats-url", server.url,
        GW_HEALING__QUARANTINE_AFTER="1", GW_HEALING__QUARANTINE_RETRY_S="600", GW_HEALING__RECONNECT_MAX_S="1",
        GW_DETECTION__BOOK_QUIET_S="2", GW_CLIENTS__BUFFER_BYTES_MAX="20000", **environment,
    )  # fmt: skip
    try:
        with ending(gateway, sim):
            gateway.wait_ready()
            yield sim, gateway, server
    finally:
        server.stop()


def main() -> int:
    held = []
    with tempfile.TemporaryDirectory() as name, stage(Path(name)) as (sim, gateway, server):
        for faults in (feed_faults(sim, gateway), other_faults(sim, gateway, server)):
            for fault in faults:
                held.append(play(gateway, fault))
                if not held[-1]:
                    return 1
    with tempfile.TemporaryDirectory() as name:
        # A disk can't be filled here without harm to others: the reserve is set so that what is free is little beside it.
        reserve = int(shutil.disk_usage(name).free * 0.7)
        with stage(Path(name), GW_JOURNAL__RESERVE_BYTES=str(reserve)) as (_, gateway, _):
            line = next((each for each in problems(gateway) if "bytes are free on the journal's volume" in each), "")
            found = scrape(gateway)
            is_low = found["gw_journal_free_bytes", ()] < 2 * found["gw_journal_reserve_bytes", ()]
            held.append(bool(line) and is_low)
            tell("ok     " if held[-1] else "FAILED ", "a disk that is nearly full", line, "gw_journal_free_bytes")
    print(f"{sum(held)} of {len(held)} faults are named by `gw status` and by the metrics")
    return 0 if all(held) and len(held) >= 10 else 1


if __name__ == "__main__":
    sys.exit(main())
