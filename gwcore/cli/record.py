"""`gw record`: a venue's frames into a file that `gw sim --replay` plays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gwcore.cli.options import GreedyCommand, sources_of, venue_options
from gwcore.config import load_config

#: Mebibytes of one file, and how many files are kept.
PART_MB, PARTS = 256, 16


@click.command(cls=GreedyCommand, name="record")
@venue_options
@click.option(
    "-o", "--output", required=True, metavar="FILE", type=click.Path(path_type=Path), help="Where to; a new file."
)
@click.option(
    "--part-mb", type=click.IntRange(1), default=PART_MB, show_default=True, help="Go on in a new file at this size."
)
@click.option(
    "--parts", type=click.IntRange(1), default=PARTS, show_default=True, help="Files kept; the oldest are removed."
)
def command(output: Path, part_mb: int, parts: int, **options: Any) -> int:
    """Record every frame that comes and goes, as JSON lines, until Ctrl-C or --duration.

    It connects, subscribes and heals as `gw run` does and keeps nothing else. Secrets are masked, all other bytes stay as
    they are. FILE goes on in FILE.0002 and so on, each of which begins with the books as they stood. `gw sim VENUE
    --replay FILE` plays them. Exit code 1 where the disk ended it or frames were lost.
    """
    loaded = load_config(sources_of(options))
    # Late: it brings the network's libraries, and a wrong flag needs none.
    from gwcore.runtime.record import record

    found = record(loaded.config, output, part_bytes_max=part_mb * 1024 * 1024, parts_max=parts)
    click.echo(f"{found.frames} frames, {found.bytes} bytes in {output}", err=True)
    if found.lost:
        click.echo(f"gw: {found.lost} frames were lost", err=True)
    if found.failed is not None:
        click.echo(f"gw: {found.failed}", err=True)
    return 1 if found.lost or found.failed is not None else 0
