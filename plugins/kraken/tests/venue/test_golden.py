"""A readable sample of frames and what they become, kept as text beside this file."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from gw_venue_kraken.market.market_data import KrakenMarketData

GOLDEN = Path(__file__).with_name("golden.txt")


def answers(codec: KrakenMarketData, frame: str) -> list[str]:
    return [
        f"< {type(message).__name__} {msgspec.json.encode(message).decode()}"
        for message in codec.decode(frame.encode(), 0)
    ]


def test_the_sample_decodes_as_written(codec: KrakenMarketData) -> None:
    kept = GOLDEN.read_text().splitlines()
    now: list[str] = []
    for line in kept:
        if line.startswith("<"):
            continue
        now.append(line)
        if line.startswith("> "):
            now.extend(answers(codec, line[2:]))
    if os.environ.get("GW_GOLDEN") == "write":
        GOLDEN.write_text("\n".join(now) + "\n")
    assert now == kept
