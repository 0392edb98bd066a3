"""The example's wheel in an environment with nothing else in it: found, checked, run, healed after a lost change. See 9-2."""

from __future__ import annotations

import asyncio
import filecmp
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nats
from gw_sinks.embedded import read_embedded

from gwcore.testing.processes import ask, wait_for
from gwcore.testing.wheels import build_wheel, new_environment

ROOT = Path(__file__).resolve().parents[2]
#: Events read until it is plain that no snapshot follows.
EVENTS_MAX = 10_000
PROJECTS = (".", "plugins/sinks", "plugins/transports", "examples/gw-venue-demo")


def say(text: str) -> None:
    """One line, at once."""
    print(text, flush=True)


def install(folder: Path) -> Path:
    """The four wheels and what they need; where programs are."""
    wheels = [build_wheel(ROOT / project, folder / "dist") for project in PROJECTS]
    core, *others = wheels
    say(f"built {', '.join(wheel.name for wheel in wheels)}")
    return new_environment(folder / "environment", [f"{core}[embedded,nats]", *others])


def differences(programs: Path) -> list[str]:
    """Files in which the installed packages differ from the checkout's; and those that name the example."""
    where = "import gwcore, pathlib; print(pathlib.Path(gwcore.__file__).parent.parent)"
    site = Path(subprocess.check_output([str(programs / "python"), "-c", where], text=True, cwd=programs).strip())
    command = ["git", "ls-files", "gwcore", "plugins/sinks/gw_sinks", "plugins/transports/gw_transports"]
    found = []
    files = subprocess.check_output(command, cwd=ROOT, text=True).split()
    for name in files:
        installed = site / name.removeprefix("plugins/sinks/").removeprefix("plugins/transports/")
        if not installed.is_file() or not filecmp.cmp(ROOT / name, installed, shallow=False):
            found.append(f"differs: {name}")
        if b"gw_venue_demo" in installed.read_bytes() or b"gw_sim_demo" in installed.read_bytes():
            found.append(f"names the example: {name}")
    say(
        f"diff of gwcore, gw_sinks and gw_transports, installed against the checkout: {len(files)} files, {found or 'none'}"
    )
    return found


async def stored(state: Path) -> list[dict]:
    """Book events of BTC/USD in JetStream; none while the sink has not made its stream."""
    server = read_embedded(state)
    client = await nats.connect(server.url, user=server.user, password=server.password.reveal())
    try:
        subject = "gw.sim.demo.md.market_by_price.BTC-USD"
        subscription = await client.jetstream().subscribe(subject, stream="gw-sim-demo-md", ordered_consumer=True)
        events = []
        while True:
            try:
                events.append(json.loads((await subscription.next_msg(timeout=1)).data)["event"])
            except nats.errors.TimeoutError:
                return events
            if len(events) >= EVENTS_MAX:
                return events
            if events[-1]["update_type"] == "SNAPSHOT" and any(each["update_type"] == "STALE" for each in events):
                return events
    except nats.js.errors.NotFoundError:
        return []
    finally:
        await client.close()


def start(programs: Path, folder: Path, name: str, *arguments: str) -> tuple[subprocess.Popen[bytes], Path]:
    """A `gw` command of the new environment, and what it writes."""
    out = folder / f"{name}.out"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with out.open("wb") as file:
        return subprocess.Popen([str(programs / "gw"), *arguments], stdout=file, stderr=file, env=environment), out


def run(programs: Path, folder: Path) -> bool:
    """Simulator, gateway and client; a change is lost; whether all that should be was seen."""
    sim, said = start(programs, folder, "sim", "sim", "demo", "--port", "0")
    started = [sim]
    try:
        line = wait_for(
            "the simulator", lambda: next(filter(lambda x: x.startswith("ready"), said.read_text().splitlines()), "")
        )
        words = dict(word.split("=", 1) for word in line.split()[1:])
        state = folder / "state"
        options = [
            "--venue",
            "demo",
            "--env",
            "sim",
            "--state-dir",
            str(state),
            "--transport",
            "unix",
            "--sink",
            "jetstream",
        ]
        addresses = ["--rest-url", words["rest"], "--ws-public-url", words["ws"]]
        gateway, _ = start(programs, folder, "gateway", "run", *options, *addresses)
        started.append(gateway)
        socket = state / "run" / "gw.sock"
        wait_for("the gateway's socket", socket.exists)
        which = ["--symbols", "BTC/USD", "--kinds", "market_by_price"]
        tail, seen = start(programs, folder, "tail", "tail", "--unix-path", str(socket), *which)
        started.append(tail)
        wait_for("a live book at the client", lambda: "SNAPSHOT" in seen.read_text())
        ask(f"{words['control']}fault", {"name": "lose_change", "product": "BTC-USD"})
        wait_for("STALE at the client", lambda: '"STALE"' in seen.read_text())
        wait_for("SNAPSHOT after it", lambda: '"SNAPSHOT"' in seen.read_text().partition('"STALE"')[2])
        connects = json.loads(ask(f"{words['control']}stats"))["connects"]
        say(f"client: live, STALE after a lost change, live again; connections to the venue so far: {connects}")
        events = wait_for("the events in JetStream", lambda: asyncio.run(stored(state)))
        kinds = [event["update_type"] for event in events]
        counts = {kind: kinds.count(kind) for kind in sorted(set(kinds))}
        healed = "STALE" in kinds and "SNAPSHOT" in kinds[kinds.index("STALE") :]
        say(f"JetStream: {counts} of BTC/USD, a SNAPSHOT after the STALE: {healed}")
        return healed and connects == 1
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(30)


def main() -> int:
    """0 where the line holds."""
    with tempfile.TemporaryDirectory(prefix="gw-show-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        programs = install(folder)
        listed = subprocess.run([str(programs / "gw"), "plugins"], capture_output=True, text=True, check=False)
        say(listed.stdout.rstrip())
        command = [str(programs / "gw"), "conform", "demo", "--tests", str(ROOT / "examples/gw-venue-demo/tests")]
        cards = subprocess.run(command, capture_output=True, text=True, check=False)
        say(f"gw conform demo: {cards.stderr.strip()}")
        good = [listed.returncode == 0, cards.returncode == 0, not differences(programs), run(programs, folder)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
