"""`gw archive`: whether a file archive is whole. It only reads, also beside a running gateway."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
import orjson

from gwcore.archive.manifest import Origin
from gwcore.archive.names import list_archive
from gwcore.archive.verify import ArchiveReport, verify_archive, write_missing_manifests
from gwcore.cli.archives import open_archive, parse_day
from gwcore.cli.progress import progress_of_bytes


@click.group(name="archive")
def command() -> None:
    """Look into the file sink's archive."""


@command.command(name="verify")
@click.argument("folder", required=False, metavar="[DIR]", type=click.Path(path_type=Path))
@click.option("--state-dir", metavar="DIR", type=click.Path(path_type=Path), help="Check the archive of this gateway.")
@click.option("--day", metavar="D", callback=parse_day, help="Only the files of this day, as 2026-01-31 (UTC).")
@click.option(
    "--write-missing", is_flag=True, help="First write a manifest for each file without one, from what it holds now."
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to print.")
def verify(folder: Path | None, state_dir: Path | None, day: str | None, write_missing: bool, output: str) -> int:
    """Check the archive in DIR: SHA-256 and counts of each file, and that no event is missing between files.

    Exit code 1 where something is wrong, or there is nothing to check; the first bad file comes first. Files that a
    gateway is still writing are read as far as they are durable.
    """
    storage = open_archive(state_dir, folder)
    if write_missing:
        for name in write_missing_manifests(storage, Origin(venue="", environment="", source="")):
            click.echo(
                f"gw: {name}: a manifest was written; that it is as it was written can't be told any more", err=True
            )
    total = 0
    for file in list_archive(storage):
        total += storage.size(file.name) if day in (None, file.date) else 0
    with progress_of_bytes("verify", total) as advance:
        report = verify_archive(storage, day=day, on_read=advance)
    if output == "json":
        click.echo(orjson.dumps({"ok": report.ok, **asdict(report)}, option=orjson.OPT_INDENT_2))
    else:
        _show(report)
    is_empty = report.ok and not report.files and not report.files_open
    if is_empty:
        click.echo("gw: nothing was checked: nothing is written yet, or this is no archive", err=True)
    if not report.ok or is_empty:
        click.get_current_context().exit(1)
    return 0


def _show(report: ArchiveReport) -> None:
    ratio = report.bytes_raw / report.bytes_compressed if report.bytes_compressed else 0.0
    click.echo(
        f"{report.files} files, {report.lines} lines, {report.bytes_raw} bytes in {report.bytes_compressed} ({ratio:.1f} : 1)"
    )
    for one in report.sessions:
        click.echo(
            f"partition {one.partition} session {one.session_id} sequences {one.first_sequence}-{one.last_sequence} "
            f"({one.lines})"
        )
    if report.stated_missing:
        click.echo(f"{report.stated_missing} sequences are missing, as Gap events in the archive say")
    for fault in report.faults:
        click.echo(f"BAD {fault.file}: {fault.cause}")
    if report.files_open:
        click.echo(f"{report.files_open} files are not finished: what is durable of them counts for the sequences")
    if report.files or report.files_open or not report.ok:
        click.echo("ok" if report.ok else "not ok")
