"""`gw quality`: how good one day's market data was, read from the file archive."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import orjson

from gwcore.archive.quality import DayQuality, SymbolQuality, as_json, day_bytes, day_quality
from gwcore.cli.archives import open_archive, parse_day
from gwcore.cli.progress import progress_of_bytes

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TITLES = (
    "symbol",
    "% live",
    "% of day",
    "events",
    "gaps",
    "resubscribes",
    "publish p50/p99",
    "venue p50/p99",
    "stale",
)


@click.command(name="quality")
@click.option("--day", required=True, metavar="D", callback=parse_day, help="The day, as 2026-01-31 (UTC).")
@click.option("--state-dir", metavar="DIR", type=click.Path(path_type=Path), help="Read the archive of this gateway.")
@click.option("--archive", metavar="DIR", type=click.Path(path_type=Path), help="Read the archive in this folder.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to print.")
def command(day: str, state_dir: Path | None, archive: Path | None, output: str) -> int:
    """Per symbol: how long its book was live, why it was not, gaps, resubscribes, latencies.

    "% live" is of the time a gateway ran, "% of day" of the 24 hours. Gaps are found/filled/lost. Latencies are from receipt
    to publication, and from the venue's time stamp to receipt, which holds both clocks' offset. Files that a gateway is
    still writing are not in it: they are finished every 15 minutes.
    """
    storage = open_archive(state_dir, archive)
    with progress_of_bytes(f"quality of {day}", day_bytes(storage, day)) as advance:
        found = day_quality(storage, day, on_read=advance)
    if output == "json":
        click.echo(orjson.dumps(as_json(found), option=orjson.OPT_INDENT_2))
    else:
        _show(found)
    return 0


def _show(found: DayQuality) -> None:
    for span in found.runs:
        click.echo(f"ran           {_iso(span.begin_ns)} to {_iso(span.end_ns)}")
    click.echo(f"gaps          {_gaps(found.gaps)} of the gateway itself (found/filled/lost)")
    rows = [_TITLES, *(_row(found, symbol, quality) for symbol, quality in sorted(found.symbols.items()))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES) - 1)]
    for symbol, *cells, last in rows:
        aligned = (text.rjust(width) for text, width in zip(cells, widths[1:], strict=True))
        click.echo("  ".join((symbol.ljust(widths[0]), *aligned, last)).rstrip())
    for warning in found.warnings:
        click.echo(f"gw: {warning}", err=True)


def _row(found: DayQuality, symbol: str, quality: SymbolQuality) -> tuple[str, ...]:
    return (
        symbol,
        f"{found.live_share_of_run(symbol):.3%}",
        f"{found.live_share_of_day(symbol):.3%}",
        str(quality.events),
        _gaps(quality.gaps),
        str(quality.resubscribes),
        f"{_ms(quality.publish.quantile_ns(0.5))}/{_ms(quality.publish.quantile_ns(0.99))}",
        f"{_ms(quality.venue.quantile_ns(0.5))}/{_ms(quality.venue.quantile_ns(0.99))}",
        ", ".join(f"{reason} {count}" for reason, count in sorted(quality.stale.items())),
    )


def _gaps(counts: Mapping[str, int]) -> str:
    return "/".join(str(counts.get(state, 0)) for state in ("OPEN", "CLOSED", "LOST"))


def _ms(latency_ns: int | None) -> str:
    return "-" if latency_ns is None else f"{latency_ns / 1e6:.3g} ms"


def _iso(time_ns: int) -> str:
    moment = _EPOCH + timedelta(microseconds=time_ns // 1000)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
