"""`gw check`: lint configuration files without connecting."""

from __future__ import annotations

from pathlib import Path

import click

from gwcore.config import ConfigFaults, Sources, lint_config
from gwcore.errors import ConfigError, GatewayError, PluginError
from gwcore.redaction import redact


@click.command(name="check")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
def command(files: tuple[Path, ...]) -> int:
    """Check configuration files, each by itself: all faults at once, with line and cure.

    Loads the plugins that a file has tables for, builds the venue it chooses, and connects to nothing. Exit code 2 where
    there is a fault.
    """
    faulty = 0
    for file in files:
        try:
            lint_config(Sources(files=(file,)))
        except (ConfigError, PluginError) as error:
            faulty += 1
            _show(error)
        else:
            click.echo(f"{file}: ok")
    return 2 if faulty else 0


def _show(error: GatewayError) -> None:
    for fault in error.faults if isinstance(error, ConfigFaults) else (error,):
        click.echo(redact(str(fault)), err=True)
