"""`gw book`: one symbol's book, once, and only while it may be used."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import orjson

from gwcore.cli.gateways import GatewayChoice, gateway_options
from gwcore.client import connect_sync
from gwcore.errors import ConfigError
from gwcore.model import Envelope, MarketByPriceUpdate, PriceLevel, UpdateType

_KIND = "market_by_price"
_GLOB_CHARACTERS = frozenset("*?[")


@click.command(name="book")
@click.argument("symbol")
@gateway_options
@click.option("--levels", metavar="N", type=click.IntRange(min=1), default=10, help="Levels a side; the default is 10.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to print.")
def command(symbol: str, gateway: GatewayChoice, levels: int, output: str) -> int:
    """Print the book of SYMBOL as it is now.

    Exit code 1, with the reason, where the gateway does not vouch for it.
    """
    if _GLOB_CHARACTERS & set(symbol):
        raise ConfigError(f"{symbol!r} names no single book", place="SYMBOL", hint="write one symbol, as BTC/USD")
    with connect_sync(gateway.find(), name="gw book") as client:
        envelopes = client.snapshot([symbol], [_KIND])
    for envelope in envelopes:
        event = envelope.event
        if isinstance(event, MarketByPriceUpdate) and event.symbol == symbol:
            return _show(envelope, event, levels, as_json=output == "json")
    click.echo(f"gw: the gateway keeps no book of {symbol}: see `gw symbols`", err=True)
    return 1


def _show(envelope: Envelope, event: MarketByPriceUpdate, levels: int, *, as_json: bool) -> int:
    is_live = event.update_type is UpdateType.SNAPSHOT
    reason = "" if is_live else (event.reason.value if event.reason else "no reason given")
    if not is_live:
        detail = f" ({event.detail})" if event.detail else ""
        click.echo(f"gw: the book of {event.symbol} is {event.update_type.value}: {reason}{detail}", err=True)
    bids, asks = event.bids[:levels], event.asks[:levels]
    if as_json:
        document = {
            "symbol": event.symbol,
            "state": "LIVE" if is_live else event.update_type.value,
            "reason": reason or None,
            "bids": [[level.price, level.quantity] for level in bids],
            "asks": [[level.price, level.quantity] for level in asks],
            "depth": event.depth,
            "checksum": event.checksum,
            "venue_time_ns": event.venue_time_ns,
            "published_ns": envelope.header.published_ns,
            "after_sequence": envelope.header.after_sequence,
        }
        click.echo(orjson.dumps(document))
    elif is_live:
        _print_book(envelope, event, bids, asks)
    return 0 if is_live else 1


def _print_book(
    envelope: Envelope, event: MarketByPriceUpdate, bids: tuple[PriceLevel, ...], asks: tuple[PriceLevel, ...]
) -> None:
    time_ns = event.venue_time_ns or envelope.header.published_ns
    # Seconds and nanoseconds apart, so that no binary float touches the time.
    moment = datetime.fromtimestamp(time_ns // 10**9, tz=UTC).replace(tzinfo=None).isoformat(sep=" ")
    click.echo(f"{event.symbol}  LIVE  {moment}.{time_ns % 10**9 // 10**6:03d} UTC  depth {event.depth}")
    width = max([len(text) for level in (*bids, *asks) for text in (level.price, level.quantity)] + [8])
    click.echo(f"{'quantity':>{width}}  {'bid':>{width}}  {'ask':<{width}}  {'quantity':<{width}}".rstrip())
    for row in range(max(len(bids), len(asks))):
        bid = bids[row] if row < len(bids) else PriceLevel("", "")
        ask = asks[row] if row < len(asks) else PriceLevel("", "")
        line = f"{bid.quantity:>{width}}  {bid.price:>{width}}  {ask.price:<{width}}  {ask.quantity:<{width}}"
        click.echo(line.rstrip())
