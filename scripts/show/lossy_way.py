"""Row F5 over real TCP: packets lost and a narrow line between a simulated Kraken and a gateway, as processes, each in a
network namespace of its own. Judged by what the venue sent: was what clients took for good ever a book that it never had, and
how long after the venue had moved on was it still taken for good?

Usage: lossy_way.py. Prints a line a fault; exits 1 where one does not hold, 2 where this machine can't show it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from far_rooms import NoRooms, Room, rooms
from fault_stage import Row
from gw_venue_kraken.settings import KrakenSettings
from gw_venue_kraken.times import time_ns
from gw_venue_kraken.venue import KrakenStreams

from gwcore.client import connect_sync
from gwcore.journal.scan import RecordFilter, scan
from gwcore.model import Gap, GapState, MarketByPriceUpdate, UpdateType
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.testing.oracles import check_book_streams
from gwcore.testing.processes import Gw, Process, ProcessError, ask, wait_for
from gwcore.wire import decode_envelope

PAIRS = 10
#: Runs at once: they mostly wait.
AT_ONCE = 3
HEAL_S = 150.0
#: All books have to stay LIVE for so long to count as healed.
CALM_S = 3.0
#: A book may be taken for good this long after the venue moved on: a ping leaves every 5 s, its answer may be missing for
#: twice `[detection] lag_s` (5 s), and clocks are read twice a second. Silence and lateness of a message come sooner.
OLDEST_S = 15.5


@dataclass(frozen=True, slots=True)
class Way:
    """One fault of the line. Loss in percent of the packets that come in at either end."""

    name: str
    injected: str
    at_gateway: int = 0
    at_venue: int = 0
    bits_per_s: int | None = None
    rate: float = 100.0  # data messages a second over all pairs
    lasts_s: float = 40.0
    must_lag: bool = False


WAYS = (
    Way("F5 narrow line", "64 kbit/s for 60 s under a feed of about 400 kbit/s", bits_per_s=64_000, rate=250.0,
        lasts_s=60.0, must_lag=True),
    Way("F5 loss 30 %", "30 % of the packets, both ways", 30, 30),
    Way("F5 loss 30 %, down", "30 % of those to the gateway", at_gateway=30),
    Way("F5 loss 30 %, up", "30 % of those to the venue", at_venue=30),
    Way("F5 loss 10 %", "10 % of the packets, both ways", 10, 10),
    Way("F5 loss 1 %", "1 % of the packets, both ways", 1, 1),
)  # fmt: skip


class _Venue:
    """The logged simulator, in its room."""

    def __init__(self, folder: Path, room: Room, rate: float) -> None:
        self._room, self.log = room, folder / "venue.log"
        told = folder / "venue.out"
        script = str(Path(__file__).with_name("logged_venue.py"))
        command = [sys.executable, script, room.address, str(self.log), str(PAIRS), str(rate)]
        with told.open("wb") as out:
            self._process = room.do(subprocess.Popen, command, stdin=subprocess.DEVNULL, stdout=out)
        line = wait_for("the venue", lambda: text if (text := told.read_text()).endswith("\n") else None)
        self.ws_url, self.rest_url = line.split()[1] + "/v2", line.split()[2]

    def ask(self, path: str, body: object = None) -> Any:
        """Its control port."""
        return json.loads(self._room.do(ask, f"{self.rest_url}/sim/{path}", body))

    def end(self) -> None:
        """Let it write its log."""
        self._process.terminate()
        self._process.wait(30)


class _Run:
    """One way, played."""

    def __init__(self, way: Way, folder: Path) -> None:
        self.way, self.folder = way, folder
        self.row = Row(way.name, way.injected, of_message=False)
        self.lag_s = 0.0
        self.packets = 0
        self._venue_room, self._room = rooms()

    def play(self) -> Row:
        """Strike, mend, compare, judge."""
        venue = _Venue(self.folder, self._venue_room, self.way.rate)
        self._gateway = gateway = self._room.do(Gw, self.folder, venue, "--transport", "unix")  # type: ignore[arg-type]
        tail = None
        try:
            self._wait("all books to be live", self._is_live)
            tail = Process("tail", ["tail", "--unix-path", str(gateway.socket_path)], self.folder)
            wait_for("the client", lambda: tail.text() if tail is not None else None)
            struck_ns, mended_ns = self._fault()
            self._heal(mended_ns)
            self._compare(venue)
        except ProcessError as error:
            self.row.wrong.append(str(error)[:300])
            struck_ns = mended_ns = time.time_ns()
        finally:
            for process in (tail, gateway):
                if process is not None:
                    process.end()
            venue.end()
            self._room.close()
            self._venue_room.close()
        self._judge(venue.log, struck_ns, mended_ns)
        if tail is not None:
            self._judge_told(tail)
        return self.row

    def _status(self) -> dict[str, Any]:
        return self._room.do(self._gateway.status)

    def _is_live(self) -> bool:
        return self._status().get("books") == {"LIVE": PAIRS}

    def _wait(self, what: str, condition: Any, timeout_s: float = 60.0) -> None:
        wait_for(what, condition, timeout_s=timeout_s)

    def _fault(self) -> tuple[int, int]:
        """Strike, look at the gauge meanwhile, mend; when that was (wall clock, ns)."""
        way, struck_ns = self.way, time.time_ns()
        self._room.lose(way.at_gateway)
        self._venue_room.lose(way.at_venue)
        if way.bits_per_s is not None:
            self._venue_room.narrow(way.bits_per_s)
        end_s = time.monotonic() + way.lasts_s
        while time.monotonic() < end_s:
            time.sleep(0.5)
            self._look()
        self.packets = self._room.lost() + self._venue_room.lost()
        self._room.lose(0)
        self._venue_room.lose(0)
        if way.bits_per_s is not None:
            self._venue_room.narrow(None)
        return struck_ns, time.time_ns()

    def _look(self) -> None:
        text = self._room.do(ask, f"{self._gateway.metrics_url}/metrics").decode()
        lags = [float(value) for value in re.findall(r"^gw_lag_seconds\{[^}]*\} (\S+)$", text, re.MULTILINE)]
        self.lag_s = max([self.lag_s, *lags])

    def _heal(self, mended_ns: int) -> None:
        live_ns: list[int] = []

        def is_healed() -> bool:
            self._look()
            if not self._is_live():
                live_ns.clear()
                return False
            live_ns.append(time.time_ns())
            return live_ns[-1] - live_ns[0] >= CALM_S * 1e9

        self._wait("all books to be live again", is_healed, HEAL_S)
        self.row.healed_s.append((live_ns[0] - mended_ns) / 1e9)

    def _compare(self, venue: _Venue) -> None:
        """The market stands still: each book a client is given is the venue's."""
        venue.ask("fault", {"name": "freeze"})
        different: list[str] = []

        def is_same() -> bool:
            with connect_sync(self._gateway.socket_path, name="compare") as client:
                events = [each.event for each in client.snapshot(kinds=["market_by_price"])]
            different.clear()
            for event in events:
                assert isinstance(event, MarketByPriceUpdate)
                book = venue.ask(f"truth?symbol={event.symbol}&depth=10")["book"]
                mine = [[[level.price, level.quantity] for level in side] for side in (event.bids, event.asks)]
                if mine != [book["bids"], book["asks"]]:
                    different.append(event.symbol)
            return len(events) == PAIRS and not different

        self._wait(f"books to be the venue's: {different}", is_same, 30.0)

    # --- what was published, beside what the venue sent ---------------------------------------------------------------

    def _judge(self, log: Path, struck_ns: int, mended_ns: int) -> None:
        row = self.row
        storage = DirectoryStorage(self._gateway.state_dir)
        records = [record for record in scan(storage, RecordFilter()) if record.journal_class == "md"]
        row.wrong += check_book_streams(records, KrakenStreams(KrakenSettings()).book_rule)[:2]
        sent = _venue_states(log)
        oldest_s, live = 0.0, dict[str, tuple[int, int] | None]()  # symbol -> the venue's state that clients hold
        first_stale_ns = None
        for record in records:
            envelope = decode_envelope(record.payload)
            event = envelope.event
            if isinstance(event, Gap):
                row.lost += event.state is GapState.LOST
            if not isinstance(event, MarketByPriceUpdate):
                continue
            now_ns, states = envelope.header.published_ns, sent.get(event.symbol, {})
            held = live.get(event.symbol)
            moved_on_ns = states[held] if held is not None else None
            if moved_on_ns is not None:
                oldest_s = max(oldest_s, (now_ns - moved_on_ns) / 1e9)
            live[event.symbol] = None
            if event.update_type is UpdateType.STALE:
                if struck_ns <= now_ns and not self._is_end(event):
                    first_stale_ns = first_stale_ns or now_ns
                    row.published.add(f"STALE {event.reason.value if event.reason else ''}")
                continue
            assert event.venue_time_ns is not None
            assert event.checksum is not None
            state = (event.venue_time_ns, event.checksum)
            if state not in states:
                row.wrong.append(f"{event.symbol}: a book that the venue never had")
            else:
                live[event.symbol] = state
        if first_stale_ns is not None:
            row.detected_s.append((first_stale_ns - struck_ns) / 1e9)
        lost = f"{self.packets} packets lost, " if self.packets else ""
        row.notes.append(
            f"{lost}{len(records)} records; a book was LIVE at most {oldest_s:.1f} s after the venue had moved on "
            f"({OLDEST_S:g} s allowed); `gw_lag_seconds` up to {self.lag_s:.1f}"
        )
        if oldest_s > OLDEST_S:
            row.wrong.append("too old and LIVE")
        if self.way.must_lag and (self.lag_s < 5.0 or "STALE LAG" not in row.published):
            row.wrong.append("the lag was not told")
        if self.way.bits_per_s is None and not self.packets:
            row.wrong.append("no packet was lost")

    @staticmethod
    def _is_end(event: MarketByPriceUpdate) -> bool:
        return "stop" in (event.detail or "")

    def _judge_told(self, tail: Process) -> None:
        """A client that was there all the time was told each state with its reason."""
        if not self.way.must_lag:
            return
        told = [json.loads(line) for line in tail.text().splitlines() if '"LAG"' in line]
        kinds = {each["event"]["kind"] for each in told}
        if not kinds >= {"market_by_price", "top_of_book", "stream_status"}:
            self.row.wrong.append(f"clients were told of the lag by {sorted(kinds)} alone")


def _venue_states(log: Path) -> dict[str, dict[tuple[int, int], int | None]]:
    """Symbol -> each state that the venue sent (its time, its checksum) -> when the next one left; None: none did."""
    found: dict[str, dict[tuple[int, int], int | None]] = {}
    last: dict[str, tuple[int, int]] = {}
    for line in log.read_text().splitlines():
        left_ns, symbol, stamp, checksum, _ = line.split()
        states, state = found.setdefault(symbol, {}), (time_ns(stamp), int(checksum))
        if state in states:
            continue  # a snapshot of what was sent before, say
        if symbol in last:
            states[last[symbol]] = int(left_ns)
        states[state], last[symbol] = None, state
    return found


def measure(ways: tuple[Way, ...] = WAYS) -> list[Row] | str:
    """All ways; or why this machine can't show them."""
    try:
        for room in rooms():
            room.narrow(64_000)
            room.lose(1)
            room.close()
    except NoRooms as error:
        return str(error)

    def play(way: Way) -> Row:
        with tempfile.TemporaryDirectory(prefix="gw-way-") as name:
            return _Run(way, Path(name)).play()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(play, ways))


if __name__ == "__main__":
    rows = measure(tuple(way for way in WAYS if len(sys.argv) < 2 or sys.argv[1] in way.name))
    if isinstance(rows, str):
        print(f"NOT SHOWN: {rows}")
        sys.exit(2)
    for each in rows:
        print(f"{'ok ' if each.is_good else 'BAD'} {' | '.join(each.cells())}")
    sys.exit(0 if all(each.is_good for each in rows) else 1)
