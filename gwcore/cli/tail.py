"""`gw tail`: a gateway's events as they come, one a line, each exactly the bytes that were sent."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from gwcore.cli.gateways import GatewayChoice, check_kinds, gateway_options, split_list
from gwcore.client import SyncClient, connect_sync
from gwcore.errors import ConfigError, NotConnected
from gwcore.model import Gap
from gwcore.wire import ResumeToken

#: Events taken and written at once.
BATCH_EVENTS_MAX = 1000


@click.command(name="tail")
@gateway_options
@click.option("--symbols", metavar="GLOB", multiple=True, help="Symbols, as BTC/* or BTC/USD,ETH/USD; all without it.")
@click.option("--kinds", metavar="K,...", multiple=True, help="Kinds of event, as market_by_price; all without it.")
@click.option(
    "--from", "start", metavar="start|TOKEN", help="start: replay this session; a resume token (JSON or a file): go on."
)
@click.option("--count", metavar="N", type=click.IntRange(min=1), help="End after this many events.")
@click.option("--timeout", metavar="S", type=click.FloatRange(min=0), help="End after this many seconds.")
def command(
    gateway: GatewayChoice,
    symbols: tuple[str, ...],
    kinds: tuple[str, ...],
    start: str | None,
    count: int | None,
    timeout: float | None,
) -> int:
    """Print events as JSON lines.

    Exit code 0 where --count was reached, or, without it, at the time-out or when the gateway said goodbye; else 1. What was
    printed ends with a resume token on stderr, for --from.
    """
    chosen = split_list(kinds)
    check_kinds(chosen)
    token = None if start in (None, "start") else read_token(start or "")
    with connect_sync(gateway.find(), name="gw tail") as client:
        client.subscribe(split_list(symbols), chosen, from_start=start == "start", resume=token)
        try:
            return _copy(client, sys.stdout.buffer, count, timeout)
        finally:
            if client.token:  # nothing came: there is nothing to go on after
                click.echo(f"gw: resume token: {msgspec.json.encode(client.token).decode()}", err=True)


def read_token(text: str) -> ResumeToken:
    """A resume token from its JSON text or from the file that holds it. Raises ConfigError."""
    place = "--from"
    if not text.lstrip().startswith("{"):
        place = text
        try:
            text = Path(text).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"can't read a resume token: {error}", place="--from", hint="start, JSON, or a file"
            ) from error
    try:
        return msgspec.json.decode(text, type=ResumeToken)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ConfigError(
            f"no resume token: {error}", place=place, hint='it looks like {"md.0":["<session>",17]}'
        ) from error


def _copy(client: SyncClient, output: BinaryIO, count: int | None, timeout_s: float | None) -> int:
    left = math.inf if count is None else count
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while left > 0:
        wait_s = None if deadline is None else deadline - time.monotonic()
        if wait_s is not None and wait_s <= 0:
            return 0 if count is None else 1
        try:
            batch = client.batch(int(min(left, BATCH_EVENTS_MAX)), timeout_s=wait_s)
        except NotConnected as error:
            click.echo(f"gw: {error}", err=True)
            return 0 if count is None and client.goodbye else 1
        for delivery in batch:
            if delivery.payload:
                output.write(delivery.payload + b"\n")
                left -= 1
            elif isinstance(delivery.envelope.event, Gap):
                click.echo(f"gw: missing: {msgspec.json.encode(delivery.envelope.event).decode()}", err=True)
        # The batch is all that was there, so nothing more comes right now or it is large: either way it is worth a write.
        output.flush()
    return 0
