"""Issue 10, line 4: reload under load without a gap.

A gateway with up to 60 of the simulator's pairs, 2,000 messages a second, and two clients that hear everything. Its file
changes REPEATS times: symbols come and go, users and limits change, now and then the file has a fault; each time it is told
so, by `gw ctl reload` or SIGHUP. Then: no client found or was told a gap, was cut or lost its connection; sequences of what
they got have no hole; no book of a symbol that stayed was STALE once; each action is in the events, and `gw log verify`
holds. Exits 1 where any of it does not.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from gwcore.client import SyncClient, connect_sync
from gwcore.model import Control, Gap, MarketByPriceUpdate, UpdateType
from gwcore.testing.processes import Process, Sim, ending

GW = str(Path(sys.executable).parent / "gw")
REPEATS, PAIRS, RATE = 40, 60, 2000
#: Letters with which the moving symbols begin; the rest stays.
KEPT = "[A-L]*"


def write_config(path: Path, sim: Sim, state: Path, turn: int) -> bool:
    """The file of one turn; returns whether it is without a fault."""
    globs = [KEPT, *(["[M-Z]*"] if turn % 3 == 1 else ["[M-R]*"] if turn % 3 == 2 else [])]
    lines = [
        "[gateway]", 'venue = "kraken"', 'env = "sim"', 'transports = ["unix"]', 'sinks = ["file"]',
        f'state_dir = "{state}"', "metrics_port = 0", 'log_format = "text"', f"symbols = {json.dumps(globs)}",
        "[clients]", f"buffer_bytes_max = {64 + turn % 5} _000_000".replace(" ", ""),
        "[venue.kraken]", f'rest_url = "{sim.rest_url}"', f'ws_public_url = "{sim.ws_url}"',
        "[user.someone]", f"uids = [{60000 + turn}]",
    ]  # fmt: skip
    is_bad = turn % 8 == 7
    path.write_text("\n".join([*lines, *(["[healing]", "quarantine_afer = 3"] if is_bad else [])]) + "\n")
    return not is_bad


class Ear:
    """One client and what it got."""

    def __init__(self, socket: Path) -> None:
        self.client: SyncClient = connect_sync(socket, name="ear", queue_events_max=1_000_000)
        self.client.subscribe()
        self.events = 0
        self.told_gaps: list[Gap] = []
        self.controls: list[Control] = []
        self.stale: Counter[tuple[str, str]] = Counter()
        self.updates: Counter[str] = Counter()
        self.holes: list[str] = []
        self._last: dict[tuple[str, str], int] = {}

    def read(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            for delivery in self.client.batch(5000, timeout_s=left):
                self._note(delivery.envelope)

    def _note(self, envelope: Any) -> None:
        self.events += 1
        header, event = envelope.header, envelope.event
        if header.sequence is not None:
            key = (header.partition, header.session_id)
            if key in self._last and header.sequence != self._last[key] + 1:
                self.holes.append(f"{key}: {self._last[key]} then {header.sequence}")
            self._last[key] = header.sequence
        if isinstance(event, Gap):
            self.told_gaps.append(event)
        elif isinstance(event, Control):
            self.controls.append(event)
        elif isinstance(event, MarketByPriceUpdate):
            self.updates[event.symbol] += 1
            if event.update_type is UpdateType.STALE:
                self.stale[event.symbol, str(event.reason.value if event.reason else None)] += 1


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sim = Sim(folder, "--pairs", str(PAIRS), "--rate", str(RATE), "--seed", "10")
        config, state = folder / "k.toml", folder / "state"
        write_config(config, sim, state, 0)
        gateway = Process("gateway", ["run", "--config", str(config)], folder)
        with ending(gateway, sim):
            return judge(folder, sim, gateway, config, state)


def judge(folder: Path, sim: Sim, gateway: Process, config: Path, state: Path) -> int:
    socket = state / "run" / "gw.sock"
    gateway.wait_for("it to be ready", lambda: " ready: " in gateway.errors())
    ears = [Ear(socket), Ear(socket)]
    kept = sorted(symbol for symbol in ears[0].client.call(lambda client: list(client.books)) if symbol[0] <= "L")
    expected: Counter[str] = Counter()
    moved: set[str] = set()
    for turn in range(1, REPEATS + 1):
        is_good = write_config(config, sim, state, turn)
        if turn % 5 == 0:
            gateway.send(signal.SIGHUP)
            expected["failed" if not is_good else "done"] += 1
            what = "by SIGHUP"
        else:
            done = subprocess.run(
                [GW, "ctl", "reload", "--unix-path", str(socket), "--output", "json"],
                capture_output=True,
                text=True,
                check=False,
            )
            what = done.stdout.strip() or done.stderr.strip()
            if (done.returncode == 0) is not is_good:
                print(f"FAILED: turn {turn}: {done.returncode}, {what}")
                return 1
            if is_good:
                moved |= {*json.loads(done.stdout)["result"]["added"], *json.loads(done.stdout)["result"]["left"]}
            expected["done" if is_good else "failed"] += 1
        if turn <= 3 or turn == 7:
            print(f"turn {turn}: {what[:200]}")
        for ear in ears:
            ear.read(0.4)
    for ear in ears:
        ear.read(2.0)
    reconnected = [ear.client.call(lambda client: client.reconnects) for ear in ears]
    found_gaps = [ear.client.call(lambda client: client.gaps) for ear in ears]
    goodbyes = [ear.client.goodbye for ear in ears if ear.client.goodbye]
    for ear in ears:
        ear.client.close()
    exit_code = gateway.end()
    verify = subprocess.run(
        [GW, "log", "verify", "--state-dir", str(state)], capture_output=True, text=True, check=False
    )
    return report(ears, kept, moved, expected, {
        "reconnects": sum(reconnected), "gaps found by clients": sum(found_gaps), "goodbyes": len(goodbyes),
        "gateway's exit code": exit_code, "log verify's exit code": verify.returncode,
    })  # fmt: skip


def report(ears: list[Ear], kept: list[str], moved: set[str], expected: Counter[str], zero: dict[str, int]) -> int:
    by_reason: defaultdict[str, set[str]] = defaultdict(set)
    for symbol, reason in ears[0].stale + ears[1].stale:
        by_reason[reason].add(symbol)
    ends = Counter("failed" if each.failed else "done" for each in ears[0].controls if each.result is not None)
    zero |= {
        "gaps told": sum(len(ear.told_gaps) for ear in ears),
        "holes in sequences": sum(len(ear.holes) for ear in ears),
        "STALE books of symbols that stayed": sum(
            symbol in kept for symbols in by_reason.values() for symbol in symbols
        ),
        "STALE for another reason than UNSUBSCRIBED": sum(
            len(by_reason[each]) for each in by_reason if each != "UNSUBSCRIBED"
        ),
        "silent symbols among those that stayed": sum(ears[0].updates[symbol] < 10 for symbol in kept),
    }
    print(f"{sum(expected.values())} reloads: {dict(expected)}; in the events: {dict(ends)}")
    print(f"{len(kept)} symbols stayed, {len(moved)} came or went; events heard: {[ear.events for ear in ears]}")
    for what, count in zero.items():
        print(f"{'ok     ' if count == 0 else 'FAILED '} {what}: {count}")
    holds = not any(zero.values()) and ends == expected and len(kept) >= 10 and len(moved) >= 10
    print("holds" if holds else "DOES NOT HOLD")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
