"""The native floor: C++ that only parses the frames, keeps the books and compares every checksum. Built here, with g++.

    python floor.py WORKLOAD PLACE

Prints one JSON object a variant (`scan`: a scanner that assumes Kraken's order of keys; `simdjson`), or {"skipped": why}.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from workload import DEPTH

SOURCE = Path(__file__).with_name("native") / "floor.cpp"
VARIANTS = ("scan", "simdjson")


def build(place: Path) -> str:
    """Compile it where it is older than its source; empty, or why it can't be."""
    target = place / "floor"
    if target.exists() and target.stat().st_mtime >= SOURCE.stat().st_mtime:
        return ""
    compiler = shutil.which("g++")
    if compiler is None:
        return "no g++ (Debian: apt install g++ libsimdjson-dev zlib1g-dev)"
    command = [compiler, "-O3", "-march=native", "-std=c++20", str(SOURCE), "-o", str(target)]
    for libraries in (["-lsimdjson", "-lz"], ["-lz"]):
        done = subprocess.run([*command, *libraries], capture_output=True, text=True, timeout=120, check=False)
        if done.returncode == 0:
            return ""
    return f"g++ could not build it (Debian: apt install zlib1g-dev): {done.stderr.strip()[-200:]}"


def measure(workload: Path, place: Path) -> dict[str, dict[str, Any]]:
    """Figures of each variant."""
    cause = build(place)
    found: dict[str, dict[str, Any]] = {}
    for variant in VARIANTS:
        if cause:
            found[variant] = {"skipped": cause}
            continue
        command = [str(place / "floor"), str(workload.with_suffix(".frames")), str(DEPTH), variant]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 2:
            found[variant] = {"skipped": "built without it (Debian: apt install libsimdjson-dev)"}
        else:
            found[variant] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), Path(sys.argv[2]))))
