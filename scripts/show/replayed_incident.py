"""Breaks books as the demo does, takes the incident files the gateway wrote, plays them to a fresh gateway, and compares.

What must be equal, for each file: the STALE (symbol, reason, detail with both checksums), and every book event of that
symbol from the file's opening up to it, level by level and by the venue's own times.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from gwcore.capture import SUFFIX, CaptureHead, read_frames, read_head
from gwcore.testing.processes import Gw, ProcessError, Sim, ending, wait_for

Event = dict[str, Any]
Breaks = tuple[tuple[str, dict[str, Any]], ...]

#: As scripts/demo.py: a market of this size, and one wrong quantity in this book.
MARKET = ("--pairs", "8", "--rate", "400", "--seed", "7")
DEMO: Breaks = (("corrupt_level", {"symbol": "BTC/USD", "count": 1}),)
#: Other ways to break one, with a ring so short that it no longer holds the snapshots: the file opens with made ones.
OTHERS: Breaks = (
    ("corrupt_level", {"symbol": "BTC/USD", "count": 1}),
    ("drop_update", {"symbol": "ETH/USD", "count": 1}),
    ("wrong_checksum", {"symbol": "SOL/USD", "count": 1}),
    ("malformed", {"count": 1}),
)
SHORT_RING = {"GW_CAPTURE__RING_S": "3"}
WARM_UP_FRAMES = 2_500  # of about 400 a second
EVENTS_MIN = 20  # book events before the STALE that must be equal


def gw(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [str(Path(sys.executable).parent / "gw"), *arguments]
    return subprocess.run(command, capture_output=True, check=False, timeout=120)


def journalled(state_dir: Path, symbol: str) -> list[Event]:
    """All book events of a symbol, in order, each with its header."""
    out = gw("log", "cat", "--state-dir", str(state_dir), "--symbols", symbol, "--kinds", "market_by_price").stdout
    return [json.loads(line) for line in out.splitlines()]


def files(state_dir: Path) -> list[Path]:
    return sorted((state_dir / "incidents").glob(f"*{SUFFIX}"))


def make_incidents(folder: Path, breaks: Breaks, environment: dict[str, str]) -> Path:
    """One run with all the breaks; returns its state directory."""
    sim = Sim(folder, *MARKET)
    with ending(sim):
        gateway = Gw(folder, sim, **environment)
        with ending(gateway):
            gateway.wait_ready()
            enough = gateway.status()["connections"][0]["frames"] + WARM_UP_FRAMES
            wait_for("the market to run", lambda: gateway.status()["connections"][0]["frames"] > enough, timeout_s=90)
            for number, (fault, options) in enumerate(breaks, 1):
                sim.fault(fault, **options)
                wait_for(f"the incident of {fault}", lambda n=number: len(files(gateway.state_dir)) >= n)
    return gateway.state_dir


def head_of(incident: Path) -> CaptureHead:
    with incident.open("rb") as file:
        head = read_head(file.readline())
    assert head is not None
    return head


def alike(state_dir: Path, head: CaptureHead) -> CaptureHead | None:
    """The incident of a replay that is about the same: the ring may hold earlier ones, which come again too."""
    found = (head_of(incident) for incident in files(state_dir))
    return next((one for one in found if (one.reason, one.symbols) == (head.reason, head.symbols)), None)


def is_stale(envelope: Event, head: CaptureHead) -> bool:
    event = envelope["event"]
    return event["update_type"] == "STALE" and event.get("reason") == head.reason


def replayed(incident: Path, head: CaptureHead, folder: Path) -> Path:
    """Play the file to a fresh gateway until it has said the same; returns its state directory."""
    sim = Sim(folder, "--replay", str(incident), "--speed", "10", "--set", "replay_settle_s=1")
    with ending(sim):
        gateway = Gw(folder, sim)
        with ending(gateway):
            gateway.wait_for("the same incident", lambda: alike(gateway.state_dir, head))
    return gateway.state_dir


def history(events: list[Event], head: CaptureHead, since_ns: int) -> tuple[list[Any], Event | None]:
    """What the events before the STALE said of the book since a time of the venue, and the STALE."""
    said: list[Any] = []
    for envelope in events:
        event = envelope["event"]
        if is_stale(envelope, head):
            return said, event
        if event["update_type"] == "INCREMENTAL" and event["venue_time_ns"] > since_ns:
            said.append((event["venue_time_ns"], event.get("bids"), event.get("asks"), event.get("checksum")))
        elif event["update_type"] != "INCREMENTAL":
            said = []
    return said, None


def opening_ns(incident: Path, symbol: str) -> int | None:
    """The venue's time of the book that the file opens with; None where it holds the venue's own snapshot."""
    from gw_venue_kraken.times import time_ns

    for captured in read_frames(incident.open("rb"), incident.name):
        if captured.synthetic and captured.frame.startswith(b'{"channel":"book"'):
            row = json.loads(captured.frame)["data"][0]
            if row["symbol"] == symbol:
                return time_ns(row["timestamp"])
    return None


def show_book(incident: Path, head: CaptureHead, original: Path, folder: Path) -> bool:
    (symbol,) = head.symbols
    opened_ns = opening_ns(incident, symbol)
    since_ns = opened_ns or 0
    again = replayed(incident, head, folder)
    before, stale = history(journalled(original, symbol), head, since_ns)
    before_again, stale_again = history(journalled(again, symbol), head, since_ns)
    keys = ("symbol", "update_type", "reason", "detail")
    says, says_again = ([(event or {}).get(key) for key in keys] for event in (stale, stale_again))
    is_equal = stale is not None and says == says_again and before == before_again and len(before) >= EVENTS_MIN
    lines = sum(1 for _ in incident.open("rb"))
    opens = "opens with the book as it stood" if opened_ns else "holds the first snapshot"
    print(f"{incident.name}: {lines} lines, {incident.stat().st_size} bytes, {opens}")
    print(f"  {says[2]}: {says[3]}")
    print(
        f"  replayed: {says_again[2]}: {says_again[3]}; {len(before_again)} of {len(before)} events before it, equal: "
        f"{before == before_again}"
    )
    event_id = f"{head.session_id}:{head.sequences[0]}"
    explained = gw("log", "explain", event_id, "--state-dir", str(original))
    print(f"  gw log explain {event_id}: {explained.stdout[:60].decode()}...")
    last = list(read_frames(incident.open("rb"), incident.name))[-1].frame
    return is_equal and explained.stdout == last + b"\n"


def show_undecodable(incident: Path, head: CaptureHead, folder: Path) -> bool:
    head_again = alike(replayed(incident, head, folder), head)
    print(f"{incident.name}: {head.detail}")
    print(f"  replayed: {head_again.detail if head_again else None}")
    return head_again is not None and (head.reason, head.detail) == (head_again.reason, head_again.detail)


def show(folder: Path, breaks: Breaks, environment: dict[str, str]) -> bool:
    """One run of the market, and the replay of each of its files."""
    folder.mkdir()
    original = make_incidents(folder, breaks, environment)
    results = []
    for number, incident in enumerate(files(original)):
        head = head_of(incident)
        below = folder / str(number)
        below.mkdir()
        if head.symbols:
            results.append(show_book(incident, head, original, below))
        else:
            results.append(show_undecodable(incident, head, below))
    return all(results) and len(results) >= len(breaks)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        print("the demo:")
        good = show(Path(name) / "demo", DEMO, {})
        print("other breaks:")
        good = show(Path(name) / "others", OTHERS, SHORT_RING) and good
    print("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ProcessError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
