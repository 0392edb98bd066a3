"""`gw config show`: the configuration that `gw run` would use with the same flags."""

from __future__ import annotations

from typing import Any

import click
import orjson

from gwcore.cli.options import GreedyCommand, config_options, sources_of
from gwcore.config import ConfigRow, config_rows, load_config
from gwcore.config.rows import DEFAULT


@click.group(name="config")
def command() -> None:
    """Look at the configuration."""


@command.command(cls=GreedyCommand, name="show")
@config_options
@click.option("--effective", is_flag=True, help="All values; without it only those that are not defaults.")
@click.option("--origin", is_flag=True, help="Where each value comes from: default, FILE:LINE, variable or flag.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to print.")
def show(effective: bool, origin: bool, output: str, **options: Any) -> int:
    """Show what `gw run` would use with the same flags. Secrets are references and stay so."""
    rows = config_rows(load_config(sources_of(options)))
    for row in rows:
        if effective or row.origin != DEFAULT:
            click.echo(_json(row, origin) if output == "json" else _text(row, origin))
    return 0


def _json(row: ConfigRow, origin: bool) -> str:
    fields = row._asdict() if origin else {"key": row.key, "value": row.value}
    return orjson.dumps(fields).decode()


def _text(row: ConfigRow, origin: bool) -> str:
    value = "" if row.value is None else orjson.dumps(row.value).decode()
    text = f"{row.key} = {value}".rstrip()
    return f"{text}  # {row.origin}" if origin else text
