"""`gw symbols`: what a gateway serves: the reference data of its instruments."""

from __future__ import annotations

import click

from gwcore.cli.gateways import GatewayChoice, gateway_options
from gwcore.client import connect_sync
from gwcore.model import ReferenceData
from gwcore.wire import encode

_COLUMNS = ("SYMBOL", "STATUS", "KIND", "TICK", "LOT", "MIN QUANTITY", "MIN COST", "ALIASES")


@click.command(name="symbols")
@click.argument("globs", metavar="[GLOB]...", nargs=-1)
@gateway_options
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="json: one event a line.")
def command(globs: tuple[str, ...], gateway: GatewayChoice, output: str) -> int:
    """List the instruments that match, all without GLOB.

    Exit code 1 where none does.
    """
    with connect_sync(gateway.find(), name="gw symbols") as client:
        envelopes = client.snapshot(globs, ["reference_data"])
    found = [envelope.event for envelope in envelopes if isinstance(envelope.event, ReferenceData)]
    found.sort(key=lambda event: event.symbol)
    if output == "json":
        for event in found:
            click.echo(encode(event))
    elif found:
        _print_table(found)
    if not found:
        click.echo(f"gw: no instrument matches {' '.join(globs) or '*'}", err=True)
    return 0 if found else 1


def _print_table(events: list[ReferenceData]) -> None:
    rows = [_COLUMNS]
    rows += [
        (
            event.symbol,
            event.status.value,
            event.instrument_kind.value,
            event.tick_size,
            event.lot_size,
            event.min_quantity or "",
            event.min_cost or "",
            " ".join(event.aliases),
        )
        for event in events
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
