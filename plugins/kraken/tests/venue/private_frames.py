"""The recorded private frames and answers, and what they become, in words. The test and the show of issue 7 share it.

The recordings stay outside the repository; only what they mean to us is kept, in `private.golden.txt`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from gw_venue_kraken.accounts import fees
from gw_venue_kraken.accounts import private_messages as wire
from gw_venue_kraken.accounts import private_rest as rest
from gw_venue_kraken.accounts.account import KrakenAccount
from gw_venue_kraken.rest_names import RestNames
from gw_venue_kraken.settings import KrakenSettings

from gwcore.model import Instrument
from gwcore.rest import HttpResponse
from gwcore.testing.fixtures import fixture_path
from gwcore.venue import Account, AccountSnapshot, Signer

GOLDEN = Path(__file__).with_name("private.golden.txt")
STREAMS = ("docs-ws-v2-examples.jsonl", "ws-v2-control-and-private-2026.jsonl", "ws-v2-kraken-async-rs.jsonl")
ANSWERS = ("rest-kraken-async-rs.jsonl", "rest-kraken-net.jsonl", "rest-nautilus.jsonl")
#: Keys that name an answer by what is in its rows.
OF_ROWS = ("posstatus", "hold_trade")
PRIVATE = ("executions", "balances")
#: What recorded fees are of.
INSTRUMENTS = (
    Instrument(
        symbol="BTC/USD",
        base="BTC",
        quote="USD",
        venue_symbol="XXBTZUSD",
        price_decimals=1,
        quantity_decimals=8,
        tick_size="0.1",
        lot_size="0.00000001",
    ),
)


class NoSigner:
    """Signs nothing: decoding needs no key."""

    key = "key"
    passphrase = ""

    def sign(self, algorithm: str, message: bytes) -> bytes:
        return b""

    def now_ns(self) -> int:
        return 0

    def nonce(self) -> int:
        return 1


def codec(signer: Signer | None = None) -> KrakenAccount:
    return KrakenAccount(KrakenSettings(), Account(name="main", signer=signer or NoSigner()), RestNames())


def stream_frames() -> Iterator[tuple[str, bytes]]:
    """(where it stands, frame) of each recorded frame that the private host sent."""
    for file in STREAMS:
        for number, line in enumerate(fixture_path(f"kraken-spot/{file}").read_bytes().splitlines(), 1):
            raw = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
            frame = bytes(raw.get("message") or raw.get("frame") or line)
            message = json.loads(frame)
            if not isinstance(message, dict) or "params" in message:
                continue  # a request of a client
            channel = (
                message.get("channel") or (message.get("result") or {}).get("channel", "")
                if isinstance(message.get("result", {}), dict)
                else ""
            )
            if channel in PRIVATE:
                yield f"{file}:{number}", frame


def learned_names() -> RestNames:
    """Names of REST by the recorded lists of assets and pairs."""
    names = RestNames()
    flow = names.learn(KrakenSettings())
    next(flow)
    bodies = [
        fixture_path(f"kraken-spot/{file}").read_bytes()
        for file in ("rest-Assets-2026-02.json", "rest-AssetPairs-2021.json")
    ]
    try:
        for body in bodies:
            whole = body if b'"result"' in body[:200] else b'{"error":[],"result":' + body + b"}"
            flow.send(HttpResponse(status=200, body=whole))
    except StopIteration:
        pass
    return names


def rest_answers() -> Iterator[tuple[str, Any]]:
    """(where it stands, the part of an account's download it becomes) of each recorded private answer."""
    names = learned_names()
    readers: list[tuple[str, Callable[[bytes], Any]]] = [
        (
            "open",
            lambda body: [rest.order_update("main", k, o, names) for k, o in wire.open_orders_of(body).open.items()],
        ),
        (
            "closed",
            lambda body: [
                rest.order_update("main", k, o, names) for k, o in wire.closed_orders_of(body).closed.items()
            ],
        ),
        (
            "trades",
            lambda body: [rest.trade_update("main", k, t, names) for k, t in wire.trades_of(body).trades.items()],
        ),
        ("posstatus", lambda body: rest.positions("main", wire.positions_of(body).values(), names)),
        ("hold_trade", lambda body: rest.funds("main", wire.rest_balances_of(body), names)),
        ("eb", lambda body: [rest.trade_balance("main", wire.trade_balance_of(body), "USD")]),
        ("fees", lambda body: fees.fees("main", INSTRUMENTS, wire.trade_volume_of(body), names)),
        ("token", lambda body: [f"expires {wire.token_of(body).expires} s"]),
        ("permissions", lambda body: [", ".join(wire.rights_of(body).permissions)]),
    ]
    for file in ANSWERS:
        for number, line in enumerate(fixture_path(f"kraken-spot/{file}").read_bytes().splitlines(), 1):
            result = json.loads(line).get("body")
            result = result.get("result") if isinstance(result, dict) else None
            if not isinstance(result, dict) or not result:
                continue
            first = next(iter(result.values()))
            for key, read in readers:
                if key in (first if key in OF_ROWS and isinstance(first, dict) else result):
                    body = msgspec.json.decode(line, type=dict[str, msgspec.Raw])["body"]
                    raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])["result"]
                    yield f"{file}:{number}", read(bytes(raw))
                    break


def lines_of(message: Any) -> Iterator[str]:
    """A message in words, one line each."""
    if isinstance(message, AccountSnapshot):
        yield f"AccountSnapshot orders={message.orders is not None} funds={message.funds is not None}"
        for part in (*(message.orders or ()), *message.trades, *(message.funds or ())):
            yield f"  {type(part).__name__} {msgspec.json.encode(part).decode()}"
    elif isinstance(message, msgspec.Struct):
        yield f"{type(message).__name__} {msgspec.json.encode(message).decode()}"
    else:
        yield repr(message)


def all_lines() -> list[str]:
    """The whole golden file."""
    lines: list[str] = []
    for place, frame in stream_frames():
        lines.append(f"> {place}")
        for message in codec().decode(frame, 0):
            lines += [f"< {line}" for line in lines_of(message)]
    for place, messages in rest_answers():
        lines.append(f"> {place}")
        for message in messages:
            lines += [f"< {line}" for line in lines_of(message)]
    return lines
