"""From `gw run` on the command line to every book LIVE: real processes, a simulated Kraken of PAIRS pairs on loopback.

python start_up.py PAIRS [NAME=VALUE ...]      settings as environment variables
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from gwcore.testing.processes import Gw, Sim, ending


def main() -> None:
    pairs, environment = sys.argv[1], dict(text.split("=", 1) for text in sys.argv[2:])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sim = Sim(folder, "--pairs", pairs, "--rate", "200", "--seed", "1")
        begun_s = time.monotonic()
        gateway = Gw(folder, sim, "--transport", "unix", **environment)
        with ending(gateway, sim):
            gateway.wait_ready()
            took_s = time.monotonic() - begun_s
            books = gateway.status()["books"]
    print(json.dumps({"pairs": int(pairs), "took_s": took_s, "books": books}))


if __name__ == "__main__":
    main()
