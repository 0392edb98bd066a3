"""Same seed and same calls, same bytes: in another process and with another hash seed too."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

_SCRIPT = """
import hashlib, json
from gw_sim_kraken.plugin import create
from gw_sim_kraken.settings import SimKrakenSettings
T0, S = 1_790_000_000_000_000_000, 1_000_000_000
def run(seed):
    k = create(SimKrakenSettings(seed=seed, pairs=12, rate=200, deep_pairs=1))
    out = hashlib.sha256()
    c, d = k.open("/v2", T0), k.open("/v2", T0 + 5)
    for channel in ("book", "trade", "ticker", "ohlc"):
        symbols = list(k.feed.listing.pairs)
        for n in (c, d):
            request = {"method": "subscribe", "params": {"channel": channel, "symbol": symbols}}
            k.receive(n, json.dumps(request).encode(), T0 + n)
    k.receive(d, b'{"method":"subscribe","params":{"channel":"instrument"}}', T0 + 100)
    k.fault("corrupt_level", count=3)
    now = T0
    while now < T0 + 2 * S:
        for item in k.advance(now):
            out.update(b"%d %r" % (item.connection, item.frame))
        now = k.next_ns()
    return out.hexdigest()
print(run(7), run(8))
"""


def _run(hash_seed: str) -> list[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], env=environment, capture_output=True, text=True, timeout=50, check=True
    )
    return done.stdout.split()


def test_two_processes_send_the_same_bytes() -> None:
    first, second = _run("1"), _run("2")
    assert first == second
    assert first[0] != first[1], "the seed changes nothing"
    assert len(first[0]) == len(hashlib.sha256().hexdigest())
