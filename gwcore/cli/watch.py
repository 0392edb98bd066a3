"""`gw watch`: books of a gateway, live in the terminal; plain lines where there is none. `q` or Ctrl-C ends it."""

from __future__ import annotations

import math
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gwcore.cli.gateways import GatewayChoice, gateway_options
from gwcore.cli.watch_rows import KINDS, Row, Rows, duration_text
from gwcore.client import SyncClient, connect_sync
from gwcore.errors import NotConnected

#: How often the screen, and the plain lines, are brought up to date (seconds).
SCREEN_S = 0.25
LINES_S = 1.0
#: Lines of a terminal that are not rows: title, head, rules, what is left out.
_FRAME_LINES = 6
#: States in red: nothing is on its way by itself soon.
_BAD = frozenset({"STALE", "QUARANTINED", "REJECTED"})
_RETRY_S = 24 * 3600.0


@click.command(name="watch")
@click.argument("glob", default="*")
@gateway_options
@click.option("--duration", metavar="S", type=click.FloatRange(min=0), help="End after this many seconds.")
def command(glob: str, gateway: GatewayChoice, duration: float | None) -> int:
    """Show the books that match GLOB, live.

    A gateway that goes away and comes back is followed. q or Ctrl-C ends it.
    """
    deadline = None if duration is None else time.monotonic() + duration
    with connect_sync(gateway.find(), name="gw watch", reconnect_s=_RETRY_S) as client:
        client.subscribe([glob], KINDS)
        try:
            if sys.stdout.isatty():
                _watch_screen(client, deadline)
            else:
                _watch_lines(client, deadline)
        except KeyboardInterrupt:
            return 0
    return 0


def _watch_screen(client: SyncClient, deadline: float | None) -> None:
    console = Console()
    # The other screen of the terminal is written as a whole and only where it changed: nothing scrolls, nothing flickers.
    with keyboard() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        for rows, title in _frames(client, deadline, SCREEN_S):
            live.update(
                _table(urgent_first(rows), title, max(1, console.size.height - _FRAME_LINES), console.size.width),
                refresh=True,
            )
            if pressed() in ("q", "Q"):
                return


def _watch_lines(client: SyncClient, deadline: float | None) -> None:
    shown: dict[str, int] = {}
    for rows, _ in _frames(client, deadline, LINES_S):
        for row in rows:
            if shown.get(row.symbol) != row.updated_ns:
                shown[row.symbol] = row.updated_ns
                click.echo(plain_line(row))


def plain_line(row: Row) -> str:
    """One row as a line of `key=value`."""
    cells = {
        "state": row.state,
        "reason": row.reason,
        "bid": row.bid,
        "ask": row.ask,
        "spread": row.spread,
        "trade": row.trade,
        "rate": f"{row.rate:.1f}",
        "gateway": duration_text(row.gateway_ns),
        "client": duration_text(row.client_ns),
    }
    return " ".join([row.symbol, *(f"{key}={value}" for key, value in cells.items() if value)])


def _frames(client: SyncClient, deadline: float | None, interval_s: float) -> Iterator[tuple[list[Row], str]]:
    rows = Rows()
    rows.measure(time.time_ns())
    end_s = math.inf if deadline is None else deadline
    next_s = min(time.monotonic() + interval_s, end_s)
    while True:
        now_s = time.monotonic()
        if now_s >= next_s:
            next_s = min(now_s + interval_s, end_s)
            welcome = client.welcome
            if welcome is None:
                rows.disconnected("DISCONNECT")
            rows.measure(time.time_ns())
            yield rows.sorted(), f"{welcome.source} ({welcome.environment})" if welcome else "not connected, trying"
            if now_s >= end_s:
                return
        try:
            batch = client.batch(timeout_s=max(0.0, next_s - time.monotonic()))
        except NotConnected as error:
            click.echo(f"gw: {error}", err=True)
            raise
        rows.apply((delivery.envelope for delivery in batch), time.time_ns())


#: Columns, and which go first where the terminal is narrow: a price that is cut off is a price somebody misreads.
COLUMNS = ("symbol", "state", "bid", "ask", "spread", "last trade", "upd/s", "gateway", "to here", "age")
_GO_FIRST = ("to here", "gateway", "upd/s", "last trade", "age", "spread", "ask", "bid")
#: What a column takes beside its text: a rule and two blanks.
_RULES = 3


def _cells(row: Row, now_ns: int) -> tuple[str, ...]:
    return (
        row.symbol,
        f"{row.state} {row.reason}".rstrip(),
        row.bid,
        row.ask,
        row.spread,
        row.trade,
        f"{row.rate:.1f}",
        duration_text(row.gateway_ns),
        duration_text(row.client_ns),
        duration_text(now_ns - row.updated_ns) if row.updated_ns else "",
    )


def urgent_first(rows: list[Row]) -> list[Row]:
    """Those that are not LIVE before the others, since the terminal may be too short for all; else in their order."""
    return sorted(rows, key=lambda row: row.state in ("LIVE", "UNKNOWN"))


def fitting(cells: list[tuple[str, ...]], width: int) -> list[str]:
    """The columns that can be shown whole in this width; symbol and state always are."""
    wide = {name: max([len(name), *(len(row[place]) for row in cells)]) for place, name in enumerate(COLUMNS)}
    shown = list(COLUMNS)
    for name in _GO_FIRST:
        if sum(wide[each] + _RULES for each in shown) + 1 <= width:
            break
        shown.remove(name)
    return shown


def _table(rows: list[Row], title: str, rows_max: int, width: int) -> Table:
    live, now_ns = sum(row.is_live for row in rows), time.time_ns()
    cells = [_cells(row, now_ns) for row in rows[:rows_max]]
    shown = fitting(cells, width)
    table = Table(
        title=f"{title}   {live} of {len(rows)} books live   q ends",
        title_style="bold green" if live == len(rows) else "bold red",
        caption=f"... and {len(rows) - rows_max} more: narrow GLOB" if len(rows) > rows_max else None,
        expand=True,
    )
    for name in shown:
        table.add_column(name, no_wrap=True, justify="left" if name in ("symbol", "state") else "right")
    for row, texts in zip(rows, cells, strict=False):
        colour = "green" if row.is_live else "red" if row.state in _BAD else "yellow"
        chosen = [
            Text(text, style=colour if name == "state" else "")
            for name, text in zip(COLUMNS, texts, strict=True)
            if name in shown
        ]
        table.add_row(*chosen)
    return table


@contextmanager
def keyboard() -> Iterator[Callable[[], str]]:
    """Keys without Enter: gives a function that returns the key pressed since, or "". The terminal is put back at the end."""
    if not sys.stdin.isatty():
        yield lambda: ""
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def pressed() -> str:
        if not select.select([descriptor], [], [], 0)[0]:
            return ""
        return os.read(descriptor, 1).decode(errors="replace")

    try:
        tty.setcbreak(descriptor)
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
