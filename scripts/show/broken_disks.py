"""Real gateways on disks that break: power cuts, a failing sync, a full volume, flipped bits (rows F24-F27)."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from small_volume import MEGABYTE, leave_free, small_volume

from gwcore.cli.log import command as log_command
from gwcore.journal.scan import RecordFilter, scan
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.testing.processes import Gw, Process, ProcessError, Sim, ask, ending, read_lines, wait_for

RATE = 1000
SYMBOLS = ("BTC/USD", "ETH/USD", "SOL/USD")
SMALL_SEGMENTS = {"GW_JOURNAL__SEGMENT_BYTES": "500000"}
CUTS = ("VANISH", "TORN", "REORDERED")
#: How long a gateway runs before the power goes.
POWER_S = (2.0, 4.0)
FLIPS = 24
READY_TIMEOUT_S = 240.0

DEGRADED_WITHIN_S = 1.0


class Broken(Exception):
    """Something that must hold does not."""


def must(condition: object, what: str) -> None:
    if not condition:
        raise Broken(what)


def gateway(folder: Path, sim: Sim, state: str, *arguments: str, **environment: str) -> Gw:
    """A gateway on `folder/state`."""
    symbols = [word for symbol in SYMBOLS for word in ("--symbols", symbol)]
    return Gw(folder, sim, *symbols, *arguments, state=state, **(SMALL_SEGMENTS | environment))


def wait_ready(process: Gw) -> None:
    """Wait until it is up; a busy machine gets its time."""
    process.wait_for("the gateway to be ready", lambda: process.status().get("ready"), timeout_s=READY_TIMEOUT_S)


def verify(state_dir: Path) -> tuple[int, str]:
    """`gw log verify`: exit code and last line."""
    result = CliRunner().invoke(log_command, ["verify", "--state-dir", str(state_dir)])
    return result.exit_code, result.output


def verified(state_dir: Path) -> str:
    """Its last word, which must be ok."""
    code, said = verify(state_dir)
    must(code == 0, f"verify says: {said}")
    return said.strip().splitlines()[-1]


def metric(found: str, name: str, **labels: str) -> float:
    """One sample of a scrape; 0 where it is absent."""
    text = ",".join(f'{key}="{value}"' for key, value in labels.items())
    pattern = rf"^{name}{re.escape('{' + text + '}') if text else ''} (\S+)$"
    match = re.search(pattern, found, re.MULTILINE)
    return float(match[1]) if match else 0.0


def scrape(process: Gw) -> str:
    return ask(f"{process.metrics_url}/metrics").decode()


def state_of(process: Gw) -> str:
    return str(process.status().get("state", ""))


def journal_events(state_dir: Path, *kinds: str) -> list[tuple[int, dict[str, Any]]]:
    """(published_ns, event) of some kinds."""
    records = scan(DirectoryStorage(state_dir), RecordFilter(kinds=kinds))
    return [(record.published_ns, json.loads(record.payload)["event"]) for record in records]


def contiguous(state_dir: Path) -> int:
    """Records of the journal; each session's sequences must follow each other."""
    last: dict[tuple[str, str], int] = {}
    count = 0
    for record in scan(DirectoryStorage(state_dir), RecordFilter()):
        key = (record.partition, record.session_id)
        must(record.sequence == last.get(key, 0) + 1, f"{key}: {record.sequence} follows {last.get(key, 0)}")
        last[key] = record.sequence
        count += 1
    return count


# --- F24 ------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def lossy(source: Path, mountpoint: Path) -> Iterator[None]:
    """The lossy file system, mounted."""
    mountpoint.mkdir(exist_ok=True)
    server = subprocess.Popen([sys.executable, "-m", "gwcore.testing.lossyfs", str(source), str(mountpoint)])
    try:
        wait_for("the lossy file system", lambda: os.path.ismount(mountpoint), timeout_s=240)
        yield
    finally:
        subprocess.run(["fusermount3", "-u", "-z", str(mountpoint)], check=False)
        server.wait(20)


def power_cuts(folder: Path, sim: Sim) -> None:
    """What was reported as synced before the cut must be there after it, whatever the disk made of the rest."""
    chance, source = random.Random(24), folder / "disk-0"
    (source / "state").mkdir(parents=True)
    for number, mode in enumerate(CUTS * 2, 1):
        left = folder / f"disk-{number}"
        with lossy(source, folder / "mnt"):
            process = gateway(folder / "mnt", sim, "state", "--sink", "file")
            with contextlib.ExitStack() as stack:
                stack.callback(process.kill)
                wait_ready(process)
                time.sleep(chance.uniform(*POWER_S))
                seen = scrape(process)
                with contextlib.suppress(OSError):
                    (folder / "mnt" / ".cut").write_text(f"{mode} {number} {left}")
        promised = {name: int(metric(seen, "gw_journal_synced_position", journal=name)) for name in ("md", "st")}
        fed = int(metric(seen, "gw_sink_position", sink="file", journal="md"))
        torn = sum(int(size) for size in re.findall(r"(\d+) bytes of an unfinished", verify(left / "state")[1]))
        began_s = time.monotonic()
        process = gateway(left, sim, "state", "--sink", "file")
        with ending(process):
            wait_ready(process)
            took_s = time.monotonic() - began_s
        there = dict.fromkeys(promised, 0)
        for record in scan(DirectoryStorage(left / "state"), RecordFilter()):
            there[record.journal_class] += 1
        for name, position in promised.items():
            must(there[name] >= position, f"{mode}: {name} promised {position}, found {there[name]}")
        contiguous(left / "state")
        print(
            f"F24 power cut {number}, {mode}: md promised {promised['md']} (archive {fed}), all there; torn {torn} bytes; "
            f"ready again after {took_s:.1f} s; verify: {verified(left / 'state')}",
            flush=True,
        )
        source = left


# --- F25 ------------------------------------------------------------------------------------------------------------------


def failing_sync(folder: Path, sim: Sim) -> None:
    """fdatasync says EIO six times: DEGRADED within a second, a new segment, nothing missing, no restart."""
    process = gateway(folder, sim, "eio")
    with ending(process):
        wait_ready(process)
        log = folder / "strace.txt"
        inject = "inject=fdatasync:error=EIO:when=3..8"
        options = ["-f", "-ttt", "-e", "trace=fdatasync", "-e", inject, "-o", str(log), "-p", str(process.pid)]
        tracer = subprocess.Popen(["strace", *options], stderr=subprocess.DEVNULL)
        try:
            wait_for("DEGRADED", lambda: state_of(process) == "DEGRADED", timeout_s=240)
            wait_for("READY again", lambda: state_of(process) == "READY", timeout_s=240)
            abandoned = metric(scrape(process), "gw_journal_abandoned_total")
        finally:
            tracer.terminate()
            tracer.wait(10)
    failed_s = min(float(line.split()[1]) for line in log.read_text().splitlines() if "INJECTED" in line)
    told = [(ns / 1e9, event) for ns, event in journal_events(process.state_dir, "gateway_status")]
    degraded_s = min(at_s for at_s, event in told if event.get("state") == "DEGRADED")
    ready_s = min(at_s for at_s, event in told if event.get("state") == "READY" and at_s > degraded_s)
    must(degraded_s - failed_s < DEGRADED_WITHIN_S, f"DEGRADED only after {degraded_s - failed_s:.3f} s")
    must(abandoned >= 1, "no segment was left behind")
    count = contiguous(process.state_dir)
    print(
        f"F25 fsync EIO: DEGRADED after {degraded_s - failed_s:.3f} s, {abandoned:g} segments left behind, READY by itself "
        f"after {ready_s - degraded_s:.1f} s, {count} records without a gap; verify: {verified(process.state_dir)}",
        flush=True,
    )


# --- F26 ------------------------------------------------------------------------------------------------------------------


def first_s(events: list[tuple[int, dict[str, Any]]], wanted: Callable[[dict[str, Any]], bool]) -> float | None:
    return next((ns / 1e9 for ns, event in events if wanted(event)), None)


def full_disk(folder: Path, sim: Sim, *, reserve: int, pending: int) -> None:
    """The volume fills up under load, and is given room again."""
    mountpoint = folder / f"volume-{reserve}-{pending}"
    with small_volume(mountpoint, 64 * MEGABYTE):
        limits = {"GW_JOURNAL__RESERVE_BYTES": str(reserve), "GW_JOURNAL__PENDING_BYTES_MAX": str(pending)}
        process = gateway(mountpoint, sim, "state", "--transport", "unix", **limits)
        outside = folder / mountpoint.name.replace("volume", "client")
        outside.mkdir()
        with ending(process):
            wait_ready(process)
            tail = Process("tail", ["tail", "--unix-path", str(process.socket_path)], outside)
            with ending(tail):
                tail.wait_for("the first event", lambda: read_lines(tail.out))
                ballast = mountpoint / "ballast"
                leave_free(ballast, 2 * reserve + MEGABYTE if reserve > MEGABYTE else 0)
                filled_s = time.time()
                wait_for("DEGRADED", lambda: state_of(process) == "DEGRADED", timeout_s=240)
                before = len(read_lines(tail.out))
                if pending < 10 * MEGABYTE:
                    wait_for(
                        "records that are not journalled",
                        lambda: metric(scrape(process), "gw_journal_dropped_total", journal="md") > 0,
                        timeout_s=120,
                    )
                wait_for("events at the client meanwhile", lambda: len(read_lines(tail.out)) > before + RATE)
                ballast.unlink()
                freed_s = time.time()
                wait_for("READY again", lambda: state_of(process) == "READY", timeout_s=240)
                time.sleep(1.0)
        told = journal_events(process.state_dir, "gateway_status", "gap")
        lines = [json.loads(line) for line in read_lines(tail.out)]
        stale = sum(
            line["event"].get("update_type") == "STALE"
            for line in lines
            if line["header"]["published_ns"] < freed_s * 1e9
        )
        said = verified(process.state_dir)
        degraded_s = first_s(told, lambda event: event.get("state") == "DEGRADED")
        alarm_s = first_s(told, lambda event: event.get("cause") == "low_space")
        ready_s = first_s([one for one in told if one[0] > freed_s * 1e9], lambda event: event.get("state") == "READY")
        must(degraded_s is not None and ready_s is not None, "DEGRADED and READY are in the journal")
        must(stale == 0, f"{stale} books went stale at the client")
        assert degraded_s is not None
        assert ready_s is not None
        words = f"DEGRADED {degraded_s - filled_s:.2f} s after the disk was filled"
        if reserve > MEGABYTE:
            must(alarm_s is not None and alarm_s < degraded_s, "the alarm comes before the volume is full")
            assert alarm_s is not None
            words = f"alarm {degraded_s - alarm_s:.1f} s before DEGRADED at the reserve"
        else:
            must(degraded_s - filled_s < DEGRADED_WITHIN_S, words)
        gaps = [event for _, event in told if event["kind"] == "gap"]
        if pending < 10 * MEGABYTE:
            words += check_gaps(process.state_dir, gaps)
        else:
            words += f"; {contiguous(process.state_dir)} records without a gap"
        print(
            f"F26 disk full (reserve {reserve} bytes): {words}; the client got events all the time, none STALE; READY "
            f"{ready_s - freed_s:.1f} s after there was room, no restart; verify: {said}",
            flush=True,
        )


def check_gaps(state_dir: Path, gaps: list[dict[str, Any]]) -> str:
    """Each gap told must be the one that the journal states."""
    stated = {
        (found[0], found[1], int(found[2]), int(found[3]))
        for found in re.findall(r"not journalled, as the journal says: (\S+) (\S+) (\d+)-(\d+)", verify(state_dir)[1])
    }
    told = {
        (gap["partition"], gap["session_id"], gap["first_sequence"], gap["last_sequence"])
        for gap in gaps
        if gap.get("partition")
    }
    must(stated and stated == told, f"gaps told {told}, gaps in the journal {stated}")
    return f"; {sum(last - first + 1 for *_, first, last in told)} records lost, told as Gap with the very bounds"


# --- F27 ------------------------------------------------------------------------------------------------------------------


def flipped_bits(folder: Path, sim: Sim) -> None:
    """One bit in a copy of the journal: verify names file and offset, what is before it can be read."""
    process = gateway(folder, sim, "whole")
    with ending(process):
        wait_ready(process)
        wait_for("compressed segments", lambda: len(list(process.state_dir.rglob("*.gwj.zst"))) >= 2)
    files = sorted(path for path in (process.state_dir / "journal" / "md").iterdir() if ".gwj" in path.name)
    chance, worst_s, named = random.Random(27), 0.0, 0
    for number in range(FLIPS):
        copy = folder / f"flipped-{number}"
        shutil.copytree(process.state_dir, copy, ignore=shutil.ignore_patterns("run"))
        path = copy / files[number % len(files)].relative_to(process.state_dir)
        data = bytearray(path.read_bytes())
        place = chance.randrange(len(data))
        what = "bit"
        if number % 6 == 5:
            del data[place:]
            what = "truncation"
        else:
            data[place] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        began_s = time.monotonic()
        code, said = verify(copy)
        worst_s = max(worst_s, time.monotonic() - began_s)
        bad = re.search(r"BAD (\S+) at offset (\d+)", said)
        is_tail = what == "truncation" and path == copy / files[-1].relative_to(process.state_dir)
        if is_tail:  # nothing tells a cut last commit from a torn one
            must((code == 0 and "unfinished" in said) or code == 1, f"{what} of {path.name} at {place}: {said}")
        else:
            must(code == 1 and bad, f"{what} in {path.name} at {place}: verify says {said}")
            assert bad is not None
            must(bad[1].split("/")[-1][:20] >= path.name[:20], f"{what} in {path.name}: verify names {bad[1]}")
            if bad[1].endswith(path.name):
                must(int(bad[2]) <= place, f"{what} in {path.name} at {place}: verify names {bad[2]}")
            named += 1
        result = CliRunner().invoke(log_command, ["cat", "--state-dir", str(copy), "--kinds", "market_by_price"])
        readable = result.stdout.count("\n")
        must(readable > 0 or path.name == files[0].name, f"nothing before {path.name} can be read")
        shutil.rmtree(copy)
    print(
        f"F27 {FLIPS} copies with a flipped bit or a file cut short: {named} named with file and offset, the others are torn "
        f"tails; at most {worst_s:.1f} s; what is before can be read; the journal itself: {verified(process.state_dir)}",
        flush=True,
    )


def main() -> int:
    """All rows; exit code 1 where one does not hold."""
    if os.geteuid() != 0 or sys.platform != "linux":
        print("this show mounts file systems: run it as root, on Linux", file=sys.stderr)
        return 1
    good = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sim = Sim(folder, "--rate", str(RATE), "--seed", "4")
        rows: list[Callable[[], None]] = [
            lambda: power_cuts(folder, sim),
            lambda: failing_sync(folder, sim),
            lambda: full_disk(folder, sim, reserve=8 * MEGABYTE, pending=64 * MEGABYTE),
            lambda: full_disk(folder, sim, reserve=1, pending=64 * MEGABYTE),
            lambda: full_disk(folder, sim, reserve=1, pending=2 * MEGABYTE),
            lambda: flipped_bits(folder, sim),
        ]
        with ending(sim):
            chosen = sys.argv[1:] or [str(number) for number in range(len(rows))]
            for number in map(int, chosen):
                try:
                    rows[number]()
                except (Broken, ProcessError) as error:
                    good = False
                    print(f"row {number}: {error}", flush=True)
    print("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
