"""A simulated Kraken that notes when requests for orders arrive and when the reports of them leave; for `order_bench.py`.

    python timed_venue.py KEYS_FOLDER TIMES_FILE PAIRS RATE

Times are of the monotonic clock, which all processes of a machine share. Ends on SIGTERM and then writes a line for each
order: client id, arrival, departure of its first report.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gwcore.plugins import load_simulator
from gwcore.testing.serve import Server, serve_until_signal

_CLIENT_ID = re.compile(rb'"cl_ord_id":"([0-9a-f]{32})"')


class TimedVenue:
    """The simulator, with a clock at its door."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.arrived: dict[bytes, int] = {}
        self.left: dict[bytes, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def receive(self, connection: int, frame: bytes, now_ns: int) -> None:
        """A frame of the gateway."""
        at_ns = time.monotonic_ns()
        if b'"add_order"' in frame:
            found = _CLIENT_ID.search(frame)
            if found is not None:
                self.arrived[found.group(1)] = at_ns
        self._inner.receive(connection, frame, now_ns)

    def advance(self, now_ns: int) -> Sequence[Any]:
        """Frames for the gateway."""
        items: Sequence[Any] = self._inner.advance(now_ns)
        at_ns = time.monotonic_ns()
        for item in items:
            if item.frame is not None and b'"executions"' in item.frame:
                for name in _CLIENT_ID.findall(item.frame):
                    self.left.setdefault(name, at_ns)
        return items


def main() -> None:
    """Serve until told to end."""
    keys, times, pairs, rate = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    spec = load_simulator("kraken")
    chosen = {"pairs": pairs, "rate": rate, "accounts": 1, "levels": 10, "deep_pairs": 0, "latency": False}
    venue = TimedVenue(spec.create(spec.settings(**chosen, account_pairs=pairs)))
    keys.mkdir(mode=0o700)
    for name, (key, secret) in venue.credentials().items():
        for kind, value in (("key", key), ("secret", secret)):
            path = keys / f"{name}.{kind}"
            path.touch(mode=0o600)
            path.write_text(value)

    def ready(server: Server) -> None:
        sys.stdout.write(f"ready {server.ws_url} {server.rest_url}\n")
        sys.stdout.flush()

    serve_until_signal(venue, "127.0.0.1", 0, ready)  # type: ignore[arg-type]
    with times.open("w") as file:
        for name, at_ns in venue.arrived.items():
            file.write(f"{name.decode()} {at_ns} {venue.left.get(name, 0)}\n")


main()
