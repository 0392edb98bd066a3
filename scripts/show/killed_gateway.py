"""kill -9 of a gateway at random instants under load, again and again on one state directory; then everything is counted.

Each cycle starts the gateway anew (file and JetStream sinks, the latter with a server of its own) and kills it a seeded
time later: while it starts, connects, journals, feeds its sinks. `gw log verify` looks at what each kill left. The last start
ends in order. Then the journal, the archive and the streams must hold the same events, each once.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec
import nats
from click.testing import CliRunner
from gw_sinks.embedded import EmbeddedServer, sink_directory
from gw_sinks.zstd import decompress
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import AckPolicy, ConsumerConfig

from gwcore.cli.log import command as log_command
from gwcore.journal.scan import RecordFilter, scan
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.testing.processes import Gw, ProcessError, Sim, ending

RATE = 2000
SYMBOLS = ("BTC/USD", "ETH/USD", "SOL/USD", "XRP/USD", "ADA/USD")
#: A gateway lives this long from the moment it is ready and under load ...
LOADED_S = (0.0, 2.0)
#: ... but one of so many is killed this long after its start, while it still reads its journal, connects or subscribes.
EARLY_EVERY = 5
EARLY_S = (0.3, 2.5)
#: Small, so that segments are closed and compressed all the time.
SEGMENT_BYTES = "1000000"
STREAMS = ("gw-sim-kraken-md", "gw-sim-kraken-st")
READY_TIMEOUT_S = 240.0
#: Messages fetched from a stream at once.
_FETCH = 2000


class _Header(msgspec.Struct):
    session_id: str
    sequence: int


class _Line(msgspec.Struct):
    header: _Header


_decoder = msgspec.json.Decoder(_Line)
Ids = Counter[tuple[str, int]]


def event_id(payload: bytes) -> tuple[str, int]:
    """Session and sequence of an encoded event."""
    header = _decoder.decode(payload).header
    return header.session_id, header.sequence


def journal_ids(state_dir: Path) -> Ids:
    """Every record of the journal."""
    return Counter(event_id(record.payload) for record in scan(DirectoryStorage(state_dir), RecordFilter()))


def archive_ids(state_dir: Path) -> Ids:
    """Every line of the archive's finished files."""
    found: Ids = Counter()
    for path in (state_dir / "sinks" / "file").rglob("*.jsonl.zst"):
        found.update(event_id(line) for line in decompress(path.read_bytes()).split(b"\n")[:-1])
    return found


async def stream_ids(state_dir: Path) -> Ids:
    """Every message of the streams on the gateway's own server."""
    server = EmbeddedServer(sink_directory(state_dir), store_bytes_max=1 << 33, name="show")
    where = await server.ensure_running()
    client = await nats.connect(where.url, user=where.user, password=where.password.reveal())
    found: Ids = Counter()
    try:
        jetstream = client.jetstream()
        for name in STREAMS:
            config = ConsumerConfig(ack_policy=AckPolicy.NONE)
            subscription = await jetstream.pull_subscribe("", stream=name, config=config)
            left = (await jetstream.stream_info(name)).state.messages
            while left > 0:
                try:
                    messages = await subscription.fetch(min(_FETCH, left), timeout=10)
                except NatsTimeoutError:
                    break  # fewer than the server counts: the comparison says so
                found.update(event_id(message.data) for message in messages)
                left -= len(messages)
    finally:
        await client.close()
        await server.stop()
    return found


def start(folder: Path, sim: Sim) -> Gw:
    """The gateway on the one state directory."""
    symbols = [word for symbol in SYMBOLS for word in ("--symbols", symbol)]
    return Gw(folder, sim, *symbols, "--sink", "file", "--sink", "jetstream", GW_JOURNAL__SEGMENT_BYTES=SEGMENT_BYTES)


def wait_ready(gateway: Gw) -> None:
    """Wait until it is up; a busy machine gets its time."""
    gateway.wait_for("the gateway to be ready", lambda: gateway.status().get("ready"), timeout_s=READY_TIMEOUT_S)


def verify(state_dir: Path) -> tuple[int, str]:
    """`gw log verify`, without the start of a process: exit code and words."""
    result = CliRunner().invoke(log_command, ["verify", "--state-dir", str(state_dir)])
    return result.exit_code, result.output


def kill_again_and_again(folder: Path, sim: Sim, cycles: int, seed: int, limit_s: float) -> tuple[int, list[str]]:
    """All kills. Returns how many were done and what was wrong."""
    chance, complaints, began_s = random.Random(seed), [], time.monotonic()
    for number in range(1, cycles + 1):
        is_early = number % EARLY_EVERY == 0
        life_s = chance.uniform(*(EARLY_S if is_early else LOADED_S))
        gateway = start(folder, sim)
        with ending(gateway):
            if not is_early:
                wait_ready(gateway)
            deadline_s = time.monotonic() + life_s
            while time.monotonic() < deadline_s and gateway.exit_code is None:
                time.sleep(min(0.01, max(0.0, deadline_s - time.monotonic())))
            if gateway.exit_code is not None:
                complaints.append(f"kill {number}: the gateway had ended by itself: {gateway.errors()[-1500:]}")
                return number, complaints
            gateway.kill()
        code, said = verify(gateway.state_dir) if (gateway.state_dir / "journal").is_dir() else (0, "")
        if code != 0:
            complaints.append(f"kill {number} after {life_s:.3f} s: verify says {code}: {said}")
            return number, complaints
        if number % 10 == 0:
            print(f"  {number} kills in {time.monotonic() - began_s:.0f} s, verify clean each time", flush=True)
        if time.monotonic() - began_s > limit_s:
            return number, complaints
    return cycles, complaints


def finish(folder: Path, sim: Sim) -> Path:
    """A last start, which takes all in and ends in order."""
    gateway = start(folder, sim)
    with ending(gateway):
        wait_ready(gateway)
        sim.end()

        def is_fed() -> bool:
            sinks = gateway.status().get("sinks", ())
            return len(sinks) == 2 and all(sink["backlog"] < RATE for sink in sinks)

        gateway.wait_for("the sinks to catch up", is_fed, timeout_s=120)
    if gateway.exit_code != 0:
        raise ProcessError(f"the last gateway ended with {gateway.exit_code}: {gateway.errors()[-2000:]}")
    return gateway.state_dir


def compare(journal: Ids, holder: str, held: Ids) -> list[str]:
    """What a holder lacks, has twice, or has by itself."""
    twice = [key for key, count in held.items() if count > 1]
    missing, strange = list((journal - held).elements()), [key for key in held if key not in journal]
    found = {"missing": missing, "twice": twice, "not in the journal": strange}
    return [f"{holder}: {len(keys)} {what}, such as {sorted(keys)[:3]}" for what, keys in found.items() if keys]


def main() -> int:
    """Print the counts; exit code 1 where the line does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit-s", type=float, default=1e9, help="Stop killing after this long.")
    parser.add_argument("--keep", type=Path, default=None, help="Work here and leave everything.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        try:
            with_sim = Sim(folder, "--rate", str(RATE), "--seed", str(options.seed))
            with ending(with_sim):
                done, complaints = kill_again_and_again(folder, with_sim, options.cycles, options.seed, options.limit_s)
                state_dir = finish(folder, with_sim)
            code, said = verify(state_dir)
            if code:
                complaints.append(f"at the end verify says {code}: {said}")
            journal = journal_ids(state_dir)
            archive, streams = archive_ids(state_dir), asyncio.run(stream_ids(state_dir))
        except (ProcessError, subprocess.SubprocessError) as error:
            print(error, file=sys.stderr)
            return 1
    if max(journal.values(), default=1) > 1:
        complaints.append("the journal holds an id twice")
    complaints += compare(journal, "archive", archive) + compare(journal, "JetStream", streams)
    sessions = len({session for session, _ in journal})
    packed = sum(1 for _ in (state_dir / "journal").rglob("*.gwj.zst"))
    print(
        f"{done} of {options.cycles} kills (seed {options.seed}) under {RATE} messages a second: journal {len(journal)} "
        f"events of {sessions} sessions ({packed} segments compressed), archive {archive.total()}, "
        f"JetStream {streams.total()}",
        *complaints,
        sep="\n  ",
    )
    good = not complaints and len(journal) > 0
    part = "" if done == options.cycles else f" for the part shown: {done} kills within {options.limit_s:g} s"
    print(f"holds{part}" if good else "DOES NOT HOLD")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
