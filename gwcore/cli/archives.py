"""Which archive a command reads: the options `archive`, `quality` and `replay` share."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from gwcore.errors import ConfigError
from gwcore.ports import Storage

#: Where the file sink of a gateway keeps its archive, below the state directory.
_ARCHIVE = Path("sinks", "file")


def archive_path(state_dir: Path | None, archive: Path | None) -> Path:
    """The folder of the archive meant. Raises ConfigError where there is none, or both or neither option is given."""
    if (state_dir is None) == (archive is None):
        raise ConfigError("--state-dir and --archive each choose an archive", hint="give one of them")
    path = archive if archive is not None else Path(state_dir or "") / _ARCHIVE
    if not path.is_dir():
        hint = "give the folder that holds <kind>/date=.../ folders"
        if state_dir is not None:
            hint = "the gateway has to run with --sink file; --archive names an archive that lies elsewhere"
        raise ConfigError(f"no archive in {path}", hint=hint)
    return path


def open_archive(state_dir: Path | None, archive: Path | None) -> Storage:
    """The archive's storage. Raises ConfigError."""
    from gwcore.runtime.journal.storage import DirectoryStorage  # late: `gw --help` needs no storage

    return DirectoryStorage(archive_path(state_dir, archive))


def parse_day(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """A day, as the archive's folders write it."""
    if value is None:
        return None
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise click.BadParameter(f'"{value}" is no day: write 2026-01-31 (UTC)', context, option) from None
