"""Every fuzz target holds for its seeds, for small changes of them, and for all that it was once found to fail on.

`make fuzz MINUTES=n` looks further, by coverage. What it finds is mended and added to FOUND.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import core_targets
import pytest
import targets
import venue_targets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
_DEEP = b"[" * 100_000
FOUND: tuple[tuple[str, bytes], ...] = (
    ("capture", _DEEP),  # RecursionError of a capture that nests too deeply, and of a frame to be captured
    ("capture", b'{"frame":' + _DEEP),
    ("capture", b"{} "),  # the blank was lost
    ("journal", b"\x01\x00\x1f\x1f\x00\x00"),  # blocks of one segment in another's file were given as its records
)
_EDITS = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 8), st.binary(max_size=6)), min_size=1, max_size=5)
_SLOW = {"configuration", "websocket_frames"}


@pytest.fixture(scope="module")
def seeds() -> dict[str, list[bytes]]:
    return {name: [seed for seed in targets.seeds(name) if len(seed) < 60_000] for name in targets.TARGETS}


@pytest.mark.parametrize("name", targets.TARGETS)
def test_seeds_hold(name: str, seeds: dict[str, list[bytes]]) -> None:
    assert seeds[name]
    for seed in seeds[name]:
        targets.TARGETS[name](seed)


@pytest.mark.parametrize(
    ("name", "data"), FOUND, ids=lambda value: value if isinstance(value, str) else repr(value[:16])
)
def test_what_was_found_stays_mended(name: str, data: bytes) -> None:
    targets.TARGETS[name](data)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_changed_seeds_hold(name: str, seeds: dict[str, list[bytes]]) -> None:
    @settings(max_examples=40 if name in _SLOW else 150, deadline=None, database=None)
    @given(which=st.integers(0, 10_000), edits=_EDITS)
    def check(which: int, edits: list[tuple[int, int, bytes]]) -> None:
        data = bytearray(seeds[name][which % len(seeds[name])])
        for place, removed, added in edits:
            place %= len(data) + 1
            data[place : place + removed] = added
        targets.TARGETS[name](bytes(data))

    check()


@pytest.mark.parametrize("name", targets.TARGETS)
def test_any_bytes_hold(name: str) -> None:
    @settings(max_examples=40 if name in _SLOW else 150, deadline=None, database=None)
    @given(data=st.binary(max_size=400))
    def check(data: bytes) -> None:
        targets.TARGETS[name](data)

    check()


# --- frames by their grammar ----------------------------------------------------------------------------------------------

_NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from(
        ["0.00000001", "1e-8", "1E400", "-0", "123456789012345678901234567890.5", "9" * 80, "1e41", "00.1"]
    ),
    st.decimals(allow_nan=False, allow_infinity=False).map(lambda value: f"{value:f}"[:70]),
)
_TEXTS = st.sampled_from(
    ["BTC/USD", "NO/PE", "", "online", "buy", "2026-01-02T03:04:05.000006Z", "2026-13-02T03:04:05Z", "9999-12-31T23:59:59Z",
     "0001-01-01T00:00:00Z", "snapshot", "\x00", "é" * 50]
)  # fmt: skip
_KEYS = (
    "symbol",
    "bids",
    "asks",
    "checksum",
    "timestamp",
    "price",
    "qty",
    "side",
    "ord_type",
    "trade_id",
    "bid",
    "bid_qty",
    "ask",
    "last",
    "volume",
    "vwap",
    "open",
    "high",
    "low",
    "close",
    "trades",
    "interval",
    "interval_begin",
    "system",
    "connection_id",
    "assets",
    "pairs",
    "id",
    "status",
    "base",
    "quote",
    "qty_precision",
    "price_precision",
    "qty_increment",
    "price_increment",
    "qty_min",
    "cost_min",
    "upcoming_maintenance",
    "emergency",
)


class _Raw(str):
    """A number as it stands on the wire."""


def _text(value: Any) -> str:
    if isinstance(value, _Raw):
        return value
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_text(one) for one in value) + "]"
    return json.dumps(value)


_LEVEL = st.fixed_dictionaries(
    {"price": _NUMBERS.map(lambda n: _Raw(str(n))), "qty": _NUMBERS.map(lambda n: _Raw(str(n)))}
)
_ANY = st.one_of(
    _NUMBERS.map(lambda number: _Raw(str(number))), _TEXTS, st.none(), st.booleans(), st.lists(_LEVEL, max_size=3)
)
_ROW = st.dictionaries(st.sampled_from(_KEYS), _ANY, max_size=14)
_BOOK_ROW = st.builds(
    dict,
    _ROW,
    symbol=st.just("BTC/USD"),
    bids=st.lists(_LEVEL, max_size=4),
    asks=st.lists(_LEVEL, max_size=4),
    checksum=st.one_of(st.integers(0, 2**32), _ANY),
)
_FRAMES = st.fixed_dictionaries(
    {
        "channel": st.sampled_from(
            ["book", "trade", "ticker", "ohlc", "instrument", "status", "heartbeat", "executions"]
        ),
        "type": st.sampled_from(["snapshot", "update", "digest"]),
        "data": st.one_of(
            st.lists(st.one_of(_ROW, _BOOK_ROW), max_size=3),
            st.fixed_dictionaries({"assets": st.lists(_ROW, max_size=2), "pairs": st.lists(_ROW, max_size=3)}),
        ),
    },
    optional={"timestamp": _TEXTS, "sequence": _ANY},
)
_REPLIES = st.fixed_dictionaries(
    {"method": st.sampled_from(["subscribe", "unsubscribe", "pong", "add_order"])},
    optional={
        "req_id": _ANY,
        "success": _ANY,
        "error": _TEXTS,
        "symbol": _TEXTS,
        "result": st.dictionaries(st.sampled_from(["channel", "symbol", "depth", "snapshot", "interval"]), _ANY),
    },
)


@settings(max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frame=st.one_of(_FRAMES, _REPLIES))
def test_frames_made_by_the_grammar(frame: dict[str, Any]) -> None:
    venue_targets.kraken_frame(_text(frame).encode())


# --- the command ----------------------------------------------------------------------------------------------------------


def test_an_input_can_be_run_again(tmp_path: Path) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"{}")
    command = [sys.executable, str(ROOT / "fuzz/run.py"), "repro", "archive", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert (result.returncode, result.stdout) == (0, f"archive: {file} holds\n")


def test_the_journal_that_is_spoilt_is_whole_before() -> None:
    core_targets.journal(b"")
    assert sum(name.endswith(".gwj") for name, _ in core_targets.journal_files()) == 3
