"""`gw log`: what a journal holds, whether it is whole, and its events. It only reads, also beside a running gateway."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import orjson

from gwcore.cli.log_explain import command as explain
from gwcore.cli.log_stats import JournalStats, collect_stats
from gwcore.errors import ConfigError
from gwcore.journal.files import FOLDER
from gwcore.journal.hold import Hold
from gwcore.journal.scan import RecordFilter, scan
from gwcore.journal.verify import ClassReport, JournalReport, verify
from gwcore.model import TYPE_OF_KIND
from gwcore.ports import Storage
from gwcore.suggest import did_you_mean

#: A whole number from here on is nanoseconds since the epoch, below it seconds.
_NANOSECONDS_FROM = 10**14
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AGO = re.compile(r"(\d+)([smhd])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _moment(context: click.Context, option: click.Parameter, value: str | None) -> int | None:
    """A point in time, as nanoseconds since the epoch."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        number = int(text)
        return number if number >= _NANOSECONDS_FROM else number * 1_000_000_000
    try:
        if ago := _AGO.match(text):
            return _nanoseconds(datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])}))
        moment = datetime.fromisoformat(text)
        return _nanoseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f'"{text}" is no time: write 2026-01-31T12:00:00Z, seconds since the epoch, or an age as 15m',
            context,
            option,
        ) from None


def _kinds(context: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
    """Names of kinds, with commas between, each known."""
    kinds = tuple(kind.strip() for kind in value.split(",") if kind.strip())
    for kind in kinds:
        if kind not in TYPE_OF_KIND:
            hint = did_you_mean(kind, TYPE_OF_KIND, what="kinds")
            raise click.BadParameter(f'no kind "{kind}" ({hint})', context, option)
    return kinds


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


_state_dir = click.option(
    "--state-dir",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The gateway's state directory; the journal is in it.",
)
_output = click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to print.")


def filter_options(function: Any) -> Any:
    """Give a command `--from`, `--to`, `--symbols` and `--kinds`."""
    options = (
        click.option("--from", "from_ns", callback=_moment, metavar="T", help="Only events published at T or later."),
        click.option("--to", "to_ns", callback=_moment, metavar="T", help="Only events published at T or earlier."),
        click.option("--symbols", multiple=True, metavar="GLOB", help="Only these symbols, and events without one."),
        click.option("--kinds", callback=_kinds, default="", metavar="K,...", help="Only these kinds."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.group(name="log")
def command() -> None:
    """Look into a gateway's journal.

    Nothing is changed; a gateway may be running on it. T is 2026-01-31T12:00:00Z, seconds since the epoch, or an age as 15m.
    """


@command.command(name="stats")
@_state_dir
@filter_options
@_output
def stats(
    state_dir: Path,
    from_ns: int | None,
    to_ns: int | None,
    symbols: tuple[str, ...],
    kinds: tuple[str, ...],
    output: str,
) -> None:
    """Count events by kind, update type and reason, and list sequences and sessions."""
    storage = _open(state_dir)
    wanted = RecordFilter(from_ns=from_ns, to_ns=to_ns, symbols=symbols, kinds=kinds)
    found = collect_stats(storage, wanted)
    if output == "json":
        click.echo(orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2))
    else:
        _show_stats(found)


@command.command(name="verify")
@_state_dir
@_output
def verify_command(state_dir: Path, output: str) -> int:
    """Check every record, hash, position and sequence.

    Exit code 1 where something is wrong; the first bad place is named. A last block that is cut short is told and no fault: a
    gateway that runs is just writing it, or one was stopped and will cut it on its next start.
    """
    report = verify(_open(state_dir))
    if output == "json":
        body = {"ok": report.ok, "classes": {entry.journal_class: asdict(entry) for entry in report.classes}}
        click.echo(orjson.dumps(body, option=orjson.OPT_INDENT_2))
    else:
        _show_report(report)
    if not report.ok:
        click.get_current_context().exit(1)
    return 0


command.add_command(explain)


@command.command(name="cat")
@_state_dir
@filter_options
@_output
def cat(
    state_dir: Path,
    from_ns: int | None,
    to_ns: int | None,
    symbols: tuple[str, ...],
    kinds: tuple[str, ...],
    output: str,
) -> None:
    """Print events as JSON lines, byte for byte as journalled, in the order they were published.

    Both outputs are the same here: the events are JSON.
    """
    wanted = RecordFilter(from_ns=from_ns, to_ns=to_ns, symbols=symbols, kinds=kinds)
    stream = sys.stdout.buffer
    for record in scan(_open(state_dir), wanted):
        stream.write(record.payload + b"\n")
    stream.flush()


def _open(state_dir: Path) -> Storage:
    from gwcore.runtime.journal.storage import DirectoryStorage  # late: `gw --help` needs no storage

    if not (state_dir / FOLDER).is_dir():
        raise ConfigError(
            f"no journal in {state_dir}",
            hint="give the state directory of a gateway that has run, see `gw run --state-dir`",
        )
    return DirectoryStorage(state_dir)


def _show_report(report: JournalReport) -> None:
    for entry in report.classes:
        click.echo(_describe(entry))
        for gap in entry.gaps:
            click.echo(
                f"  not journalled, as the journal says: {gap.partition} {gap.session_id} "
                f"{gap.first_sequence}-{gap.last_sequence}"
            )
        if entry.torn_file:
            click.echo(
                f"  {entry.torn_bytes} bytes of an unfinished commit in {entry.torn_file} at offset {entry.torn_offset}"
            )
    for fault in report.faults:
        click.echo(f"BAD {fault.file} at offset {fault.offset}: {fault.cause}")
    click.echo("ok" if report.ok else "not ok")


def _describe(entry: ClassReport) -> str:
    if not entry.segments:
        return f"{entry.journal_class}: empty"
    end = "closed in good order" if entry.clean else "not closed"
    return (
        f"{entry.journal_class}: {entry.records} records, positions {entry.first_position}-{entry.last_position}, "
        f"{entry.segments} segments, {entry.bytes} bytes, {end}"
    )


def _show_stats(found: JournalStats) -> None:
    click.echo(f"records       {found.records}")
    if found.records:
        click.echo(f"published     {_iso(found.first_ns)} to {_iso(found.last_ns)}")
    for journal_class, entry in found.classes.items():
        click.echo(
            f"class {journal_class:<7} {entry.records} records, {entry.payload_bytes} bytes of events, "
            f"{entry.segments} segments of {entry.file_bytes} bytes"
        )
        if entry.hold is not None:
            click.echo(f"  kept        {_describe_hold(entry.hold)}")
    counted = {"kind": found.kinds, "update type": found.update_types, "stale reason": found.stale_reasons}
    for title, counts in counted.items():
        for name, count in counts.items():
            click.echo(f"{title:<13} {name} {count}")
    for partition, sessions in found.partitions.items():
        for session in sessions:
            click.echo(
                f"partition     {partition} session {session.session_id} "
                f"sequences {session.first_sequence}-{session.last_sequence} ({session.records})"
            )


def _describe_hold(hold: Hold) -> str:
    rate = f"{hold.bytes_per_hour / 1e6:.1f} MB an hour, {hold.stored_share:.0%} of it where compressed"
    if hold.hours is None:
        return f"for ever: it has no limit (at {rate})"
    by = f"{hold.bytes_max} bytes" if hold.limit == "bytes" else "its age"
    return f"for {hold.hours:.1f} hours, limited by {by} (at {rate})"


def _iso(time_ns: int) -> str:
    moment = _EPOCH + timedelta(microseconds=time_ns // 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
