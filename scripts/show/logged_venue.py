"""A simulated Kraken that notes every state of a book that it sends; for `lossy_way.py`.

    python logged_venue.py HOST LOG_FILE PAIRS RATE

Ends on SIGTERM and then writes a line for each book message: when it left (wall clock, ns), symbol, the venue's time in
it, its checksum, and `s` for a snapshot or `u` for an update.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from gwcore.plugins import load_simulator
from gwcore.testing.serve import Server, serve_until_signal


class LoggedVenue:
    """The simulator, with a notebook at its door."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.left: list[tuple[int, bytes]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def advance(self, now_ns: int) -> Sequence[Any]:
        """Frames for the gateway."""
        items: Sequence[Any] = self._inner.advance(now_ns)
        at_ns = time.time_ns()
        self.left += [(at_ns, item.frame) for item in items if item.frame is not None and b'"book"' in item.frame[:40]]
        return items


def main() -> None:
    """Serve until told to end."""
    host, log, pairs, rate = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    spec = load_simulator("kraken")
    chosen = {"pairs": pairs, "rate": rate, "deep_pairs": 0, "latency": False, "seed": 5, "trades_max": 20_000}
    venue = LoggedVenue(spec.create(spec.settings(**chosen)))

    def ready(server: Server) -> None:
        sys.stdout.write(f"ready {server.ws_url} {server.rest_url}\n")
        sys.stdout.flush()

    serve_until_signal(venue, host, 0, ready)  # type: ignore[arg-type]
    with log.open("w") as file:
        for at_ns, frame in venue.left:
            said = orjson.loads(frame)
            for row in said["data"]:
                line = (at_ns, row["symbol"], row["timestamp"], row["checksum"], said["type"][0])
                file.write(" ".join(map(str, line)) + "\n")


main()
