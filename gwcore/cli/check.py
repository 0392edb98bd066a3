"""`gw check`: lint configuration files; with `--connect` try the venue too, and write a report about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gwcore.cli.options import GreedyCommand, sources_of, venue_options
from gwcore.config import ConfigFaults, FlagValue, LoadedConfig, Sources, lint_config, load_config
from gwcore.errors import ConfigError, GatewayError, PluginError
from gwcore.plugins import VENUE, plugin_names
from gwcore.redaction import redact

#: How many books are watched, and for how long, where nothing else is said.
PAIRS, DURATION_S = 20, 60.0


@click.command(cls=GreedyCommand, name="check")
@click.argument("paths", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--connect", is_flag=True, help="Connect to the venue and write a report; FILEs are its configuration.")
@click.option(
    "--pairs", type=click.IntRange(1), default=PAIRS, show_default=True, help="Books watched, unless --symbols."
)
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Where the report goes.")
@venue_options
def command(paths: tuple[Path, ...], connect: bool, pairs: int, report: Path | None, **options: Any) -> int:
    """Check configuration files, each by itself: all faults at once, with line and cure.

    Loads the plugins that a file has tables for, builds the venue it chooses, and connects to nothing. Exit code 2 where
    there is a fault.

    With --connect: name resolution, TLS and round trip of each address of the venue, the offset of its clock, and for
    --duration seconds (60) frames, fields and checksums of --pairs books (20). Public data alone; no key is used. Writes a
    redacted report to --report. Without --venue and FILE the one venue that is installed is meant. Exit code 1 where
    something was found, 3 where the venue can't be reached.
    """
    if connect:
        options["files"] = (*paths, *options["files"])
        return _connect(_load(options), pairs, report)
    given = [name for name, value in (*options.items(), ("report", report)) if value]
    if given:
        raise click.UsageError(f"--{given[0].replace('_', '-')} goes with --connect")
    if not paths:
        raise click.UsageError("give the files to check, or --connect")
    return _lint(paths)


def _lint(files: tuple[Path, ...]) -> int:
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


def _load(options: dict[str, Any]) -> LoadedConfig:
    sources = sources_of(options)
    installed = plugin_names(VENUE)
    if options["venue"] is None and not sources.files and len(installed) == 1:
        chosen = FlagValue("the one venue installed", ("gateway", "venue"), installed[0])
        sources = Sources(files=sources.files, environ=sources.environ, flags=(chosen, *sources.flags))
    return load_config(sources)


def _connect(loaded: LoadedConfig, pairs: int, file: Path | None) -> int:
    # Late: it brings the network's libraries, and a wrong flag needs none.
    from gwcore.cli.check_report import exit_code, report_file, show_report
    from gwcore.runtime.venue.live import check_live

    file = report_file(loaded.config, file)
    duration_s = loaded.config.gateway.duration_s or DURATION_S
    click.echo(f"looking at {loaded.config.venue.spec.name} for about {duration_s:g} s", err=True)
    found = check_live(loaded.config, pairs=pairs, duration_s=duration_s)
    file.write_bytes(found.redacted())
    show_report(found)
    click.echo(f"report: {file}", err=True)
    return exit_code(found)
