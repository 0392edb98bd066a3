"""`gw ls`: the gateways of this user that run now."""

from __future__ import annotations

import time
from dataclasses import asdict

import click
import orjson

from gwcore.cli.watch_rows import duration_text
from gwcore.runtime.control.running import Running, find_running


@click.command(name="ls")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to print.")
def command(output: str) -> int:
    """List the gateways that run on this machine as the same user.

    Client commands find the only one by themselves; of several, choose with --name. Exit code 1 where none runs.
    """
    running = find_running()
    if output == "json":
        for each in running:
            click.echo(orjson.dumps(asdict(each)))
    else:
        table = [("name", "venue", "env", "pid", "up", "clients come by", "state"), *map(_row, running)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for row in table if running else ():
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if not running:
        click.echo("gw: no gateway runs as this user; of another user, give --state-dir or --address", err=True)
    return 0 if running else 1


def _row(each: Running) -> tuple[str, ...]:
    ways = ", ".join(sorted(each.addresses.keys() - {"metrics"})) or "none"
    up = duration_text(time.time_ns() - each.started_ns)
    return each.name, each.venue, each.environment, str(each.pid), up, ways, each.state_dir
