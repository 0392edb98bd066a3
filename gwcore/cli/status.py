"""`gw status`: how a gateway stands: what is wrong first, then its parts, in a few lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import click
import orjson

from gwcore.cli.accounts import connect_as
from gwcore.cli.ctl import operator_options
from gwcore.cli.gateways import GatewayChoice
from gwcore.cli.watch_rows import duration_text
from gwcore.errors import ConfigError, NotConnected

#: Clients and incidents shown.
SHOWN_MAX = 5
#: How often a gateway that is waited for is asked.
ASK_AGAIN_S = 0.25
_UNITS = ("B", "kB", "MB", "GB", "TB")


@click.command(name="status")
@click.option(
    "--wait", "wait_s", metavar="S", type=click.FloatRange(min=0), default=0.0, help="Wait so long until it is ready."
)
@operator_options
def command(gateway: GatewayChoice, token: str | None, output: str, wait_s: float) -> int:
    """Show how a gateway stands: what is wrong, streams, books, sinks, clients, accounts, disk, incidents.

    Clients are named to its operator, accounts to him and to whom they are granted. Exit code 0 where it is ready, 1 where it
    is not, 3 where it does not answer.
    """
    deadline_s = time.monotonic() + wait_s
    while True:
        try:
            report = _ask(gateway, token)
        except (NotConnected, ConfigError):
            if time.monotonic() >= deadline_s:
                raise
        else:
            if report["ready"] or time.monotonic() >= deadline_s:
                break
        time.sleep(ASK_AGAIN_S)
    if output == "json":
        click.echo(orjson.dumps(report))
    else:
        for line in status_lines(report):
            click.echo(line)
    sys.stdout.flush()
    return 0 if report["ready"] else 1


def _ask(gateway: GatewayChoice, token: str | None) -> dict[str, Any]:
    with connect_as(gateway, token, command="status") as client:
        return client.control("status").result


def status_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The report for people. What is wrong has an exclamation mark and comes first."""
    is_well = report["ready"] and not report["problems"]
    state = report["state"] if report["ready"] else f"{report['state']}, NOT READY"
    up = duration_text(report["time_ns"] - report["started_ns"])
    head = f"{report['name']}  {report['venue']} {report['environment']}  {state}"
    yield click.style(head, fg="green" if is_well else "yellow" if report["ready"] else "red", bold=True) + (
        f"  up {up}  pid {report['pid']}  version {report['version']}"
    )
    for problem in report["problems"]:
        yield click.style(f"! {problem}", fg="red" if not report["ready"] else "yellow")
    for connection in report["connections"]:
        yield _line(f"connection {connection['name']}", _connection(connection))
    for channel, states in report["streams"].items():
        yield _line(f"stream {channel}", _counts(states))
    yield _line("books", _books(report))
    for sink in report["sinks"]:
        state = "connected" if sink["is_connected"] else f"NOT CONNECTED {sink['cause']}"
        behind = f"behind by {sink['backlog']} events, {size_text(sink['backlog_bytes'])}, {sink['backlog_s']:.1f} s"
        meaning = f"; an ack means {sink['ack_meaning']}" if sink["ack_meaning"] else ""
        yield _line(f"sink {sink['name']}", f"{state}; {behind}{meaning}")
    yield from _clients(report["clients"])
    for account in report["accounts"]:
        halted = f" HALTED: {account['cause']}" if account["is_halted"] else ""
        yield _line(
            f"account {account['name']}", f"{account['state']}{halted}; {account['discrepancies']} discrepancies"
        )
    disk = report["disk"]
    stored = ", ".join(f"{name} {size_text(size)}" for name, size in disk["journal_bytes"].items())
    yield _line(
        "disk", f"{size_text(disk['free_bytes'])} free; journal: {stored}; {size_text(disk['pending_bytes'])} unsynced"
    )
    yield _line(
        "speed", f"receipt to publication {_latency(report)}; event loop late by {report['loop_lag_s'] * 1e3:.1f} ms"
    )
    incidents = report["incidents"]
    last = "".join(f"\n{'':14}{name}" for name in incidents["last"][:SHOWN_MAX])
    yield _line("incidents", f"{incidents['count']} kept{last}")
    if report["addresses"].get("metrics"):
        yield _line("status page", report["addresses"]["metrics"].removesuffix("metrics"))


def size_text(size: float) -> str:
    """Bytes for people: `512 B`, `3.4 MB`."""
    for unit in _UNITS[:-1]:
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} {_UNITS[-1]}"


def _line(what: str, text: str) -> str:
    return f"{what:<13} {text}"


def _counts(states: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items(), key=lambda each: -each[1]))


def _connection(connection: Mapping[str, Any]) -> str:
    state = "up" if connection["is_open"] else f"DOWN: {connection['last_cause'] or 'connecting'}"
    parts = [state + ("" if connection["leads"] else " (standby)"), f"{connection['symbols']} symbols"]
    parts += [f"{connection['frames']} frames", f"connected {connection['connects']} times"]
    if connection["round_trip_ns"]:
        parts.append(f"ping {duration_text(connection['round_trip_ns'])}")
    return "; ".join(parts)


def _books(report: Mapping[str, Any]) -> str:
    parts = [_counts(report["books"]) or "none"]
    oldest = report["oldest_book"]
    if oldest is not None:
        parts.append(f"oldest LIVE data {oldest['age_s']:.1f} s ({oldest['symbol']})")
    parts += [
        f"\n{'':14}{book['symbol']} {book['state']} for {book['for_s']:.1f} s: {book['reason']} {book['detail'] or ''}"
        for book in report["bad_books"]
    ]
    if report["bad_books_count"] > len(report["bad_books"]):
        parts.append(f"\n{'':14}and {report['bad_books_count'] - len(report['bad_books'])} more")
    return "; ".join(parts).replace("; \n", "\n")


def _clients(clients: Mapping[str, Any]) -> Iterator[str]:
    cut = f"; cut: {_counts(clients['cut'])}" if clients["cut"] else ""
    worst = f"{size_text(clients['worst_buffer_bytes'])} of {size_text(clients['buffer_bytes_max'])}"
    yield _line("clients", f"{clients['count']} of {clients['max']}; fullest buffer {worst}{cut}")
    for each in clients["named"][:SHOWN_MAX]:
        slow = " TOO SLOW: market data is skipped" if each["is_conflating"] else ""
        buffer = size_text(each["buffered_bytes"])
        yield f"{'':14}{each['id']} {each['identity']} {each['name']}: {buffer} buffered, {each['events']} events{slow}"
    if len(clients["named"]) > SHOWN_MAX:
        yield f"{'':14}and {clients['count'] - SHOWN_MAX} more: --output json"


def _latency(report: Mapping[str, Any]) -> str:
    return f"p50 {duration_text(report['latency_p50_ns'])}, p99 {duration_text(report['latency_p99_ns'])}"
