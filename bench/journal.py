"""What the journal costs: append, group commit, reading, verified recovery and `verify`, on a real directory.

python bench/journal.py [--records N] [--rounds N] [--directory DIR]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from gwcore.journal import Journal
from gwcore.journal.verify import verify
from gwcore.model import Record, UpdateType
from gwcore.runtime.clock import SystemClock
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.settings import JournalSettings

PAYLOAD = b'{"x":"' + b"y" * 292 + b'"}'
COMMIT_EVERY = 100  # 2,000 messages a second at the default of 50 ms


def records(count: int) -> list[Record]:
    """Records of 300 bytes on two partitions and 40 symbols."""
    return [
        Record(
            f"md.{number % 2}",
            f"01KAXSESSION0000000000000{number % 2}",
            number // 2 + 1,
            "market_by_price",
            f"SYM{number % 40}/USD",
            None,
            UpdateType.INCREMENTAL,
            1_767_225_600_000_000_000 + number * 500_000,
            PAYLOAD,
        )
        for number in range(count)
    ]


def once(folder: Path, made: list[Record]) -> dict[str, float]:
    """One round: CPU and wall time of each part."""
    settings = JournalSettings(memory_records=1000)
    journal = Journal(DirectoryStorage(folder), SystemClock(), settings)
    append, append_s, commit_s, commit_cpu_s = journal.append, 0.0, 0.0, 0.0
    for start in range(0, len(made), COMMIT_EVERY):
        batch = made[start : start + COMMIT_EVERY]
        begin = time.perf_counter()
        for record in batch:
            append(record)
        append_s += time.perf_counter() - begin
        begin, cpu = time.perf_counter(), time.process_time()
        journal.commit()
        commit_s += time.perf_counter() - begin
        commit_cpu_s += time.process_time() - cpu
    journal.close()
    count = len(made)
    storage = DirectoryStorage(folder)
    begin = time.perf_counter()
    journal = Journal(storage, SystemClock(), settings)
    recovered = count - journal.recovery["md"].segments[-1] + 1
    recovery_s = time.perf_counter() - begin
    begin, found, reader = time.perf_counter(), 0, journal.reader("md", 0)
    while batch := reader.read(1000):
        found += len(batch)
    read_s = time.perf_counter() - begin
    assert found == count
    begin = time.perf_counter()
    assert verify(storage).ok
    verify_s = time.perf_counter() - begin
    stored = sum(storage.size(name) for name in storage.list("journal") if name.endswith(".gwj"))
    return {
        "append_us": append_s / count * 1e6,
        "commit_cpu_us": commit_cpu_s / count * 1e6,
        "commit_records_per_s": count / commit_s,
        "recovery_records_per_s": recovered / recovery_s,
        "read_records_per_s": count / read_s,
        "verify_records_per_s": count / verify_s,
        "bytes_beside_payload": stored / count - len(PAYLOAD),
    }


def yardsticks() -> dict[str, float]:
    """Microseconds for 300 bytes by themselves, to compare machines and runs by."""
    block = PAYLOAD * 100

    def cost(work: Callable[[], object], records_each: int) -> float:
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            for _ in range(2000):
                work()
            times.append((time.perf_counter() - begin) / 2000 / records_each * 1e6)
        return min(times)

    return {
        "crc32_us": cost(lambda: zlib.crc32(PAYLOAD), 1),
        "sha256_each_us": cost(lambda: hashlib.sha256(PAYLOAD).digest(), 1),
        "sha256_block_us": cost(lambda: hashlib.sha256(block).digest(), 100),
        "blake2b_each_us": cost(lambda: hashlib.blake2b(PAYLOAD).digest(), 1),
        "blake2b_block_us": cost(lambda: hashlib.blake2b(block).digest(), 100),
    }


def main() -> int:
    """Print medians as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path, default=None)
    options = parser.parse_args()
    made, rounds = records(options.records), []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(dir=options.directory) as folder:
            rounds.append(once(Path(folder), made))
    result = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    result |= yardsticks()
    sys.stdout.write(json.dumps({name: round(value, 3) for name, value in result.items()}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
