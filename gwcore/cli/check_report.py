"""What `gw check --connect` prints of its report, and where the report goes."""

from __future__ import annotations

import os
from pathlib import Path

import click

from gwcore.errors import ConfigError
from gwcore.redaction import redact
from gwcore.runtime.venue.live_check import LiveReport
from gwcore.runtime.venue.probe import EndpointReport
from gwcore.settings import GatewayConfig


def report_file(config: GatewayConfig, file: Path | None) -> Path:
    """Where the report goes; asked before the minute of looking. Raises ConfigError where nothing can be written there."""
    chosen = file or Path(f"gw-check-{config.venue.spec.name}-{config.gateway.env}.json")
    folder = chosen.absolute().parent
    if not folder.is_dir() or chosen.is_dir() or not os.access(folder, os.W_OK):
        raise ConfigError(
            f"the report can't be written to {chosen}", hint="name a file in a folder of yours with --report"
        )
    return chosen


def exit_code(report: LiveReport) -> int:
    """0: nothing found; 1: something; 3: the venue can't be reached."""
    if not report.is_reachable:
        return 3
    return 1 if report.faults else 0


def show_report(report: LiveReport) -> None:
    """The report in some lines."""
    for name, endpoint in report.endpoints.items():
        click.echo(redact(f"{name:<10} {_endpoint(endpoint)}"))
    clock = report.clock
    if clock.low_ms is not None and clock.high_ms is not None:
        click.echo(f"clock      the venue's is {clock.low_ms:+.0f} to {clock.high_ms:+.0f} ms from ours")
    books, frames = report.books, report.frames
    if books.symbols:
        click.echo(f"frames     {frames.received} in {books.seconds:g} s, {frames.undecodable} that can't be read")
        click.echo(
            f"new        {len(frames.unknown_frames)} kinds of frames, {len(frames.unknown_fields or {})} fields"
        )
        click.echo(
            f"books      {books.live} of {len(books.symbols)} LIVE, {books.checksums_passed} checksums passed, "
            f"{sum(books.stale.values())} times one went bad"
        )
    for fault in report.faults:
        click.echo(redact(f"FOUND      {fault}"))
    click.echo("ok" if not report.faults else "not ok")


def _endpoint(endpoint: EndpointReport) -> str:
    if endpoint.failed is not None:
        return f"{endpoint.url} FAILED: {endpoint.failed}"
    steps = {"DNS": endpoint.dns_ms, "TCP": endpoint.tcp_ms, "TLS": endpoint.tls_ms}
    parts = [f"{name} {took_ms:.1f} ms" for name, took_ms in steps.items() if took_ms is not None]
    if endpoint.tls is not None:
        parts.append(f"{endpoint.tls}, certificate until {endpoint.certificate.get('not_after', '?')}")
    if endpoint.round_trips_ms:
        parts.append(f"round trip {min(endpoint.round_trips_ms):.1f} ms")
    return f"{endpoint.url} {', '.join(parts)}"
