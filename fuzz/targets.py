"""All fuzz targets by name, and the inputs that each starts from. Recordings are read where they lie, never copied here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import core_targets
import venue_targets
from gw_sim_kraken.plugin import create
from gw_sim_kraken.settings import SimKrakenSettings
from gw_sinks.zstd import FrameWriter

from gwcore import wire
from gwcore.rest import HttpRequest
from gwcore.testing.fixtures import fixtures_dir, received_frames

TARGETS: dict[str, Callable[[bytes], None]] = {
    "kraken_frame": venue_targets.kraken_frame,
    "kraken_rest": venue_targets.kraken_rest,
    "book": venue_targets.book,
    "client_protocol": core_targets.client_protocol,
    "websocket_frames": core_targets.websocket_frames,
    "configuration": core_targets.configuration,
    "journal": core_targets.journal,
    "journal_segment": core_targets.journal_segment,
    "archive": core_targets.archive,
    "capture": core_targets.capture,
}
#: Inputs taken of one recording: they repeat each other.
FRAMES_MAX = 200
ROOT = Path(__file__).resolve().parents[1]
_START_NS = 1_790_000_000_000_000_000


def _simulated_frames() -> list[bytes]:
    """What the simulator says of every channel in a few seconds: there without any recording."""
    simulator = create(SimKrakenSettings(pairs=2, rate=50, latency=False, deep_pairs=0))
    number = simulator.open("/v2", _START_NS)
    assert isinstance(number, int)
    for channel in ("instrument", "book", "trade", "ticker", "ohlc"):
        wanted = {} if channel == "instrument" else {"symbol": ["BTC/USD"]}
        request = {"method": "subscribe", "params": {"channel": channel, **wanted}, "req_id": 1}
        simulator.receive(number, json.dumps(request).encode(), _START_NS)
    simulator.receive(number, b'{"method":"subscribe","params":{"channel":"book","symbol":["NO/PE"]}}', _START_NS)
    frames = simulator.advance(_START_NS + 2_000_000_000)
    return [frame.frame for frame in frames if frame.frame is not None]


def _simulated_answers() -> list[bytes]:
    simulator = create(SimKrakenSettings(pairs=2, rate=50, latency=False, deep_pairs=0))
    asked = (
        (b"\x00", "AssetPairs"),
        (b"\x00", "Assets"),
        (b"\x90", "Time"),
        (b"\xb0", "Trades?pair=XXBTZUSD"),
        (b"\xd0", "OHLC?pair=XXBTZUSD"),
    )
    return [
        which + simulator.http(HttpRequest(method="GET", url=f"/0/public/{name}"), _START_NS).body
        for which, name in asked
    ]


def _recorded(pattern: str) -> Iterator[bytes]:
    for path in sorted(fixtures_dir().glob(pattern)):
        if path.suffix == ".jsonl":
            yield from islice(received_frames(path), FRAMES_MAX)
        else:
            yield path.read_bytes()


def _server_frame(body: bytes) -> bytes:
    size = len(body)
    head = bytes([0x81, size]) if size < 126 else b"\x81\x7e" + size.to_bytes(2)
    return head + body


def seeds(name: str) -> list[bytes]:
    """The inputs that a target starts from."""
    frames = [frame for frame in _simulated_frames() if len(frame) < 60_000]
    requests = [
        wire.frame_request(one)
        for one in (
            wire.Hello(name="x"),
            wire.Subscribe(request_id=1, symbols=("*",), kinds=("trade_summary",), resume={"md.0": ("S", 1)}),
            wire.Unsubscribe(request_id=2, subscription=1),
            wire.SnapshotRequest(request_id=3),
            wire.Ping(),
        )
    ]
    record = core_targets._record(1).payload
    made: dict[str, Callable[[], list[bytes]]] = {
        "kraken_frame": lambda: (
            frames + list(_recorded("kraken-spot/ws-v2-*")) + list(_recorded("kraken-spot/docs-ws-v2-*"))
        ),
        "kraken_rest": lambda: _simulated_answers() + [b"\x00" + one for one in _recorded("kraken-spot/rest-*.json")],
        "book": lambda: [bytes(range(256)), b"\x02" + b"\x06\x00\x10\x00\x05\x07\x00\x11\x00\x05" * 20],
        "client_protocol": lambda: [b"\x05" + b"".join(requests), b"\x00" + wire.frame_event(record), record],
        "websocket_frames": lambda: [b"\x07" + b"".join(_server_frame(one) for one in frames[:8] if len(one) < 60_000)],
        "configuration": lambda: [path.read_bytes() for path in sorted((ROOT / "conf").glob("*.toml"))],
        "journal": lambda: [
            b"\x00\x00\x10\xff",
            b"\x01\x00\x60\x03\x00\x00\x20\x19",
            b"\x02\x01\x00\x10\x00\x00\x54\x40",
        ],
        "journal_segment": lambda: [content for _, content in core_targets.journal_files()],
        "archive": lambda: [record, FrameWriter(1).end(record + b"\n"), (record + b"\n") * 3],
        "capture": lambda: [b'{"rx_ns":1,"dir":"rx","frame":%b}\n{"rx_ns":2,"frame_base64":"AAAA"}\n' % frames[0]],
    }
    return made[name]()
