"""Replays recordings through `gw sim` and `gw run`, and compares what a client, the file sink and JetStream hold.

The oracle is a naive book of Decimals fed with the recorded frames themselves: nothing of it is the gateway's.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import nats
from gw_sinks.embedded import EmbeddedServer, sink_directory
from gw_sinks.zstd import decompress

from gwcore.testing.fixtures import FixturesMissing, fixture_path, received_frames
from gwcore.testing.processes import Gw, Process, ProcessError, Sim, ending, read_lines

#: Recording, symbol, depth, and which book frame is withheld in the run with a loss (an update that others follow).
RECORDINGS = (
    ("ws-v2-book-btcusd-d10-2023-first-half.jsonl", "BTC/USD", 10, 15),
    ("ws-v2-book-btcusd-d10-2026.jsonl", "BTC/USD", 10, 15),
    ("ws-v2-book-minagbp-d25-resubscribe.jsonl", "MINA/GBP", 25, 4),
)
STREAMS = {"md": "gw-sim-kraken-md", "st": "gw-sim-kraken-st"}

Levels = dict[Decimal, Decimal]


class NaiveBook:
    """A side is a dict; applied in order, cut to depth at the end of each message."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.bids: Levels = {}
        self.asks: Levels = {}

    def apply(self, is_snapshot: bool, bids: list[Any], asks: list[Any], price: str, quantity: str) -> None:
        if is_snapshot:
            self.bids, self.asks = {}, {}
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for level in levels:
                if Decimal(level[quantity]):
                    side[Decimal(level[price])] = Decimal(level[quantity])
                else:
                    side.pop(Decimal(level[price]), None)
        self.bids = dict(sorted(self.bids.items(), reverse=True)[: self.depth])
        self.asks = dict(sorted(self.asks.items())[: self.depth])

    def levels(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return tuple(self.bids.items()), tuple(self.asks.items())


def oracle_books(recording: Path, depth: int) -> list[Any]:
    """The book after each book frame of the recording."""
    book, states = NaiveBook(depth), []
    for frame in received_frames(recording):
        says = json.loads(frame, parse_float=Decimal, parse_int=Decimal)
        if says.get("channel") == "book":
            row = says["data"][0]
            book.apply(says["type"] == "snapshot", row["bids"], row["asks"], "price", "qty")
            states.append(book.levels())
    return states


def last_checksum(recording: Path) -> int:
    """The checksum of the last book frame: it names the book the client must end with."""
    books = [frame for frame in received_frames(recording) if b'"channel":"book"' in frame]
    return int(json.loads(books[-1])["data"][0]["checksum"])


def client_books(events: list[dict[str, Any]], depth: int) -> list[Any]:
    """The book after each book event of the client; STALE is an empty book."""
    book, states = NaiveBook(depth), []
    for event in events:
        kind = event["update_type"]
        book.apply(kind != "INCREMENTAL", event.get("bids", []), event.get("asks", []), "price", "quantity")
        states.append(book.levels() if kind != "STALE" else None)
    return states


def by_partition(lines: list[bytes]) -> dict[str, list[bytes]]:
    """Lines of each partition, in the order they stand."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for line in lines:
        found[json.loads(line)["header"]["partition"]].append(line)
    return dict(found)


def sequence(line: bytes) -> int:
    return int(json.loads(line)["header"]["sequence"])


def file_lines(state_dir: Path) -> list[bytes]:
    """All lines of the file sink, in order of sequence (files are by kind)."""
    lines: list[bytes] = []
    for path in (state_dir / "sinks" / "file").rglob("*.jsonl.zst"):
        lines += decompress(path.read_bytes()).split(b"\n")[:-1]
    return sorted(lines, key=sequence)


async def stream_lines(state_dir: Path) -> tuple[list[bytes], int]:
    """All messages of the streams of the gateway's own server, as stored, and how many the server counts."""
    server = EmbeddedServer(sink_directory(state_dir), store_bytes_max=1 << 33, name="show")
    where = await server.ensure_running()
    client = await nats.connect(where.url, user=where.user, password=where.password.reveal())
    lines: list[bytes] = []
    counted = 0
    try:
        jetstream = client.jetstream()
        for name in STREAMS.values():
            state = (await jetstream.stream_info(name)).state
            counted += state.messages
            for number in range(state.first_seq, state.last_seq + 1):
                message = await jetstream.get_msg(name, seq=number)
                lines.append(message.data or b"")
    finally:
        await client.close()
        await server.stop()
    return lines, counted


def run(name: str, symbol: str, depth: int, folder: Path, *drop: str) -> dict[str, Any]:
    """One run of the whole chain; returns what each holder has."""
    recording = fixture_path(f"kraken-spot/{name}")
    last = last_checksum(recording)
    sim = Sim(folder, "--replay", str(recording), "--speed", "20", *drop)
    with ending(sim):
        sinks = ["--transport", "unix", "--sink", "file", "--sink", "jetstream"]
        gateway = Gw(folder, sim, "--symbols", symbol, "--book-depth", str(depth), *sinks)
        with ending(gateway):
            gateway.wait_ready()
            tail = Process("tail", ["tail", "--unix-path", str(gateway.socket_path), "--from", "start"], folder)

            def is_over() -> bool:
                return any(b'"checksum":%d' % last in line for line in read_lines(tail.out)[-8:])

            tail.wait_for("the end of the recording at the client", is_over, timeout_s=120)
            gateway.end()
            tail.wait(30)
    lines, counted = asyncio.run(stream_lines(gateway.state_dir))
    return {
        "client": read_lines(tail.out),
        "file": file_lines(gateway.state_dir),
        "jetstream": lines,
        "counted": counted,
        "log": gateway.errors(),
    }


#: Records of the gateway's own end that no client can be there for.
AFTER_GOODBYE_MAX = 0


def compare(held: dict[str, Any]) -> list[str]:
    """What differs between the holders; nothing, if all is well."""
    client, file, jetstream = (by_partition(held[holder]) for holder in ("client", "file", "jetstream"))
    # The client left when the gateway said goodbye; what the gateway said after that has no client to hold it.
    complaints = []
    if file != jetstream:
        complaints.append("file and JetStream differ")
    for partition, lines in file.items():
        mine = client.get(partition, [])
        if mine != lines[: len(mine)] or len(mine) < len(lines) - AFTER_GOODBYE_MAX:
            complaints.append(f"client and file differ in {partition}: {len(mine)} and {len(lines)} records")
    if held["counted"] != len(held["file"]):
        complaints.append(f"JetStream counts {held['counted']} messages, the file sink {len(held['file'])} lines")
    return complaints


def book_events(lines: list[bytes]) -> list[dict[str, Any]]:
    events = [json.loads(line)["event"] for line in lines]
    return [event for event in events if event["kind"] == "market_by_price"]


def show(name: str, symbol: str, depth: int, dropped: int) -> bool:
    """One recording, whole and with a loss; prints both, returns whether both hold."""
    oracle = oracle_books(fixture_path(f"kraken-spot/{name}"), depth)
    with tempfile.TemporaryDirectory() as folder:
        held = run(name, symbol, depth, Path(folder))
    complaints = compare(held)
    states = client_books(book_events(held["client"]), depth)
    while states and states[-1] is None:
        states.pop()  # STALE as the gateway stops
    if states != oracle:
        complaints.append(f"books differ: {sum(a != b for a, b in zip(states, oracle, strict=False))} states of them")
    counts = " = ".join(f"{holder} {len(held[holder])}" for holder in ("client", "file", "jetstream"))
    print(f"{name}: records {counts}; books {len(states)}/{len(oracle)} equal level by level", *complaints, sep="\n  ")

    with tempfile.TemporaryDirectory() as folder:
        lost = run(name, symbol, depth, Path(folder), "--drop", str(dropped))
    lost_complaints = compare(lost)
    events = book_events(lost["client"])
    stale = [index for index, event in enumerate(events) if event["update_type"] == "STALE"]
    bad = [index for index in stale if events[index].get("reason") != "DISCONNECT"]
    lost_states = client_books(events, depth)
    while lost_states and lost_states[-1] is None:
        lost_states.pop()
    if len(bad) != 1 or events[bad[0] + 1]["update_type"] != "SNAPSHOT":
        lost_complaints.append(f"expected one STALE and then a SNAPSHOT, got {len(bad)} STALE")
    if not lost_states or lost_states[-1] != oracle[-1]:
        lost_complaints.append("the last book differs from the recording's")
    if any(state is not None and state not in oracle for state in lost_states):
        lost_complaints.append("the client saw a book that the recording never had")
    reasons = [events[index]["reason"] for index in bad]
    print(f"  frame {dropped} withheld: STALE {reasons}, then LIVE, last book equal", *lost_complaints, sep="\n  ")
    return not complaints and not lost_complaints


def main() -> int:
    try:
        good = [show(*recording) for recording in RECORDINGS]
    except (FixturesMissing, ProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    print("holds" if all(good) else "DOES NOT HOLD")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
