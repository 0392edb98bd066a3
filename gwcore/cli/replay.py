"""`gw replay`: what a gateway once said, served to clients as if it were said now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gwcore.cli.archives import open_archive
from gwcore.cli.log import filter_options
from gwcore.cli.sim import SpeedType
from gwcore.errors import ConfigError
from gwcore.journal.scan import RecordFilter

if TYPE_CHECKING:
    from gwcore.runtime.capture.recordings import JournalRecording, Recording


@click.command(name="replay")
@click.option("--state-dir", metavar="DIR", type=click.Path(path_type=Path), help="Replay the journal of this gateway.")
@click.option(
    "--archive", metavar="DIR", type=click.Path(path_type=Path), help="Replay the file archive in this folder."
)
@click.option("--unix-path", required=True, metavar="P", help="The socket to serve; no gateway may be serving it.")
@click.option("--speed", type=SpeedType(), default=1.0, help="1 is as it was, max as fast as clients take it.")
@filter_options
@click.option(
    "--start",
    type=click.Choice(["client", "now"]),
    default="client",
    help="Begin when the first client has subscribed, or at once.",
)
@click.option("--loop", is_flag=True, help="At the end say goodbye to clients and begin again.")
def command(
    state_dir: Path | None,
    archive: Path | None,
    unix_path: str,
    speed: float,
    from_ns: int | None,
    to_ns: int | None,
    symbols: tuple[str, ...],
    kinds: tuple[str, ...],
    start: str,
    loop: bool,
) -> int:
    """Serve recorded events on a Unix socket: the same bytes in the same order, so that a strategy can be run on yesterday.

    Clients connect as to a gateway; its welcome calls the environment "replay". With --from, the state at that time is made
    from what was before and told first. The replay waits for its slowest client up to 30 s. It ends when all is played.
    T is 2026-01-31T12:00:00Z, seconds since the epoch, or an age as 15m.
    """
    if (state_dir is None) == (archive is None):
        raise ConfigError("--state-dir and --archive each choose a recording", hint="give one of them")
    # Late: asyncio, transports and their libraries only when serving.
    from gwcore.runtime.capture.recordings import ArchiveRecording
    from gwcore.runtime.capture.replay import ReplayOptions
    from gwcore.runtime.capture.replay_process import run_replay

    topics = RecordFilter(symbols=symbols, kinds=kinds)
    options = ReplayOptions(
        speed=speed,
        from_ns=from_ns,
        to_ns=to_ns,
        loop=loop,
        wait_for_client=start == "client",
        filtered=bool(symbols or kinds),
    )
    recording: Recording
    if archive is not None:
        opened = ArchiveRecording(open_archive(None, archive), topics, from_ns=from_ns, to_ns=to_ns)
        for warning in opened.reader.warnings:
            click.echo(f"gw: {warning}", err=True)
        recording = opened
    else:
        recording = _journal(Path(state_dir or ""), topics)
    path = Path(unix_path).expanduser().absolute()
    played = run_replay(recording, options, path, lambda address: click.echo(f"ready {address}"))
    click.echo(f"gw: {played} events replayed", err=True)
    return 0


def _journal(state_dir: Path, topics: RecordFilter) -> JournalRecording:
    from gwcore.runtime.capture.recordings import JournalRecording
    from gwcore.runtime.journal.storage import DirectoryStorage

    if not (state_dir / "journal").is_dir():
        raise ConfigError(
            f"no journal in {state_dir}", hint="give the state directory of a gateway that has run, or --archive"
        )
    return JournalRecording(DirectoryStorage(state_dir), topics)
