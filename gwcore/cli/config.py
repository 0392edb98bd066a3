"""`gw config`: a configuration to start from, and the one that `gw run` would use with the same flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import orjson

import gwcore
from gwcore.cli.options import GreedyCommand, config_options, sources_of
from gwcore.config import ConfigRow, config_rows, load_config
from gwcore.config.rows import DEFAULT
from gwcore.errors import ConfigError
from gwcore.plugins import VENUE, plugin_names
from gwcore.suggest import did_you_mean

#: Folder of the files to start from: in a wheel beside the code, in a clone of the repository above it.
_FOLDERS = (Path(gwcore.__file__).parent / "conf", Path(gwcore.__file__).parent.parent / "conf")


@click.group(name="config")
def command() -> None:
    """Look at the configuration."""


@command.command()
@click.argument("name")
def init(name: str) -> int:
    """Print a configuration to start from: every setting of the venue NAME with its default and what it means.

    `gw config init kraken > k.toml`, then `gw check k.toml` and `gw run --config k.toml`.
    """
    files = {path.stem: path for folder in _FOLDERS for path in sorted(folder.glob("*.toml"))}
    path = files.get(name)
    if path is not None:
        click.echo(path.read_text(encoding="utf-8"), nl=False)
        return 0
    if name in plugin_names(VENUE):
        # A third party's venue: its own page says which settings it has.
        click.echo(f'[gateway]\nvenue = "{name}"\ntransports = ["unix"]\n\n[venue.{name}]')
        return 0
    names = sorted({*files, *plugin_names(VENUE)})
    raise ConfigError(
        f"there is no configuration to start from for {name!r}", hint=did_you_mean(name, names, what="names")
    )


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
