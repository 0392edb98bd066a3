"""Runs one fuzz target, or one input of it again. Called by scripts/fuzz.

    run.py TARGET MINUTES       coverage-guided where atheris is installed, else by plain mutation, which is said
    run.py repro TARGET FILE    exit code 1 and the traceback where the input still fails

New inputs are kept in .fuzz/corpus/TARGET, failing ones in fuzz/crashes.
"""

from __future__ import annotations

import hashlib
import logging
import random
import sys
import time
import traceback
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))
CRASHES = FOLDER / "crashes"
CORPUS = FOLDER.parent / ".fuzz" / "corpus"
#: Largest input, longest time for one, most memory of one target.
INPUT_BYTES_MAX = 64 * 1024
INPUT_S_MAX = 20
MEMORY_MB_MAX = 2048
_JOINS = (b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"-1", b"1e400", b"9" * 40, b"\xff", b"\x00", b"[" * 2000)

try:
    import atheris
except ImportError:
    atheris = None


def write_seeds(name: str) -> Path:
    """The corpus of a target, with the seeds in it."""
    import targets

    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    for seed in targets.seeds(name):
        if len(seed) <= INPUT_BYTES_MAX:
            folder.joinpath(hashlib.sha256(seed).hexdigest()[:20]).write_bytes(seed)
    return folder


def guided(name: str, minutes: float) -> None:
    """libFuzzer with coverage of our packages; it ends the process."""
    with atheris.instrument_imports(include=["gwcore", "gw_venue_kraken"]):
        import targets
    folder = write_seeds(name)
    options = (
        f"-max_total_time={round(minutes * 60)}",
        f"-max_len={INPUT_BYTES_MAX}",
        f"-timeout={INPUT_S_MAX}",
        f"-rss_limit_mb={MEMORY_MB_MAX}",
        f"-artifact_prefix={CRASHES}/{name}-",
        "-print_final_stats=1",
        "-verbosity=0",
    )
    atheris.Setup([sys.argv[0], *options, str(folder)], targets.TARGETS[name])
    atheris.Fuzz()


def mutated(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """A few random changes."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        place = rng.randint(0, len(out))
        kind = rng.randrange(6)
        if kind == 0 and out:
            out[place % len(out)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del out[place : place + rng.randint(1, 40)]
        elif kind == 2:
            out[place:place] = rng.choice(_JOINS)
        elif kind == 3:
            start = rng.randint(0, len(other))
            out[place:place] = other[start : start + rng.randint(1, 200)]
        elif kind == 4:
            out[place:place] = rng.randbytes(rng.randint(1, 8))
        else:
            out[place:] = out[place : place + rng.randint(0, 200)] * 2
    return bytes(out[:INPUT_BYTES_MAX])


def plain(name: str, minutes: float) -> int:
    """Mutation without coverage."""
    import targets

    check, inputs = targets.TARGETS[name], targets.seeds(name)
    seed = time.time_ns()
    rng, runs, end = random.Random(seed), 0, time.monotonic() + minutes * 60
    while time.monotonic() < end:
        data = mutated(rng.choice(inputs), rng.choice(inputs), rng)
        runs += 1
        try:
            check(data)
        except Exception:
            file = CRASHES / f"{name}-crash-{hashlib.sha256(data).hexdigest()[:20]}"
            file.write_bytes(data)
            traceback.print_exc()
            return 1
    print(f"stat::number_of_executed_units: {runs} (without coverage: atheris is not installed)")
    return 0


def repro(name: str, file: str) -> int:
    """One input again."""
    import targets

    try:
        targets.TARGETS[name](Path(file).read_bytes())
    except Exception:
        traceback.print_exc()
        return 1
    print(f"{name}: {file} holds")
    return 0


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    CRASHES.mkdir(exist_ok=True)
    if sys.argv[1] == "repro":
        sys.exit(repro(*sys.argv[2:4]))
    if atheris is None:
        sys.exit(plain(sys.argv[1], float(sys.argv[2])))
    guided(sys.argv[1], float(sys.argv[2]))
