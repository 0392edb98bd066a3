"""`gw plugins`: what is installed, and whether it loads. Each plugin is tried in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import click
import msgspec
import orjson

from gwcore.errors import PluginError
from gwcore.plugins import LOADERS, PluginEntry, list_plugins
from gwcore.redaction import redact

#: How long one plugin may take to load before it counts as broken, and how many are tried at once.
PROBE_S = 20.0
PROBES_AT_ONCE = 4
REASON_LENGTH_MAX = 400

_PROBE = "import sys; from gwcore.cli.plugins import probe; sys.exit(probe(sys.argv[1], sys.argv[2]))"
#: Stands before the answer of a probe, whatever else the plugin prints.
_MARK = "gw-probe:"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRow:
    """One line of the listing; `status` is `ok` or `broken`, then `reason` says why."""

    kind: str
    name: str
    distribution: str
    version: str
    module: str
    status: str
    reason: str = ""
    summary: str = ""


class _Answer(msgspec.Struct):
    summary: str = ""
    reason: str = ""


@click.command(name="plugins")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to print.")
def command(output: str) -> int:
    """List the installed plugins; a broken one is a row with its reason.

    Exit code 1 where one of them is broken.
    """
    entries = list_plugins()
    with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
        rows = list(pool.map(_row, entries))
    if output == "json":
        for row in rows:
            click.echo(orjson.dumps(row).decode())
    elif rows:
        _print_table(rows)
    else:
        click.echo("no plugin is installed", err=True)
    return 1 if any(row.status != "ok" for row in rows) else 0


def probe(kind: str, name: str) -> int:
    """Load one plugin in this process and print what became of it. Run in a child process."""
    try:
        spec = LOADERS[kind](name)
    except PluginError as error:
        answer = _Answer(reason=str(error))
    else:
        answer = _Answer(summary=str(spec.summary))
    click.echo(f"\n{_MARK}{msgspec.json.encode(answer).decode()}")
    return 0


def _row(entry: PluginEntry) -> PluginRow:
    answer = _ask(entry)
    return PluginRow(
        kind=entry.kind,
        name=entry.name,
        distribution=entry.distribution,
        version=entry.version,
        module=entry.module,
        status="broken" if answer.reason else "ok",
        reason=answer.reason,
        summary=answer.summary,
    )


def _ask(entry: PluginEntry) -> _Answer:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        child = subprocess.run(
            [sys.executable, "-c", _PROBE, entry.kind, entry.name],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _Answer(reason=f'{entry.kind} "{entry.name}" does not load within {PROBE_S:.0f} s; mend or uninstall it')
    except OSError as error:
        return _Answer(reason=f"can't start a process to try it: {error}")
    _, mark, answer = child.stdout.decode(errors="replace").rpartition(f"\n{_MARK}")
    if not mark:
        return _Answer(reason=_end_of(child))
    found = msgspec.json.decode(answer, type=_Answer)
    return _Answer(summary=found.summary, reason=redact(found.reason)[:REASON_LENGTH_MAX])


def _end_of(child: subprocess.CompletedProcess[bytes]) -> str:
    said = child.stderr.decode(errors="replace").strip().splitlines()
    tail = f": {redact(said[-1])}"[:REASON_LENGTH_MAX] if said else ""
    return f"its import ended the process (exit code {child.returncode}){tail}"


def _print_table(rows: list[PluginRow]) -> None:
    cells = [("KIND", "NAME", "DISTRIBUTION", "VERSION", "STATUS", "")]
    cells += [
        (row.kind, row.name, row.distribution, row.version, row.status, row.reason or row.summary) for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    for line in cells:
        click.echo("  ".join([*(line[column].ljust(widths[column]) for column in range(5)), line[5]]).rstrip())
