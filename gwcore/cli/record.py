"""`gw record`: a venue's frames into a file that `gw sim --replay` plays."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gwcore.runtime.capture.record import Recording

from gwcore.cli.options import GreedyCommand, sources_of, venue_options
from gwcore.config import load_config
from gwcore.errors import ConfigError
from gwcore.settings import GatewayConfig

FRAMES_SUFFIX = ".frames.jsonl"
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
    "--licence",
    metavar="TEXT",
    help="Make it a recording for the conformance cards, with NAME.meta.toml and NAME.http.jsonl beside it.",
)
@click.option(
    "--parts", type=click.IntRange(1), default=PARTS, show_default=True, help="Files kept; the oldest are removed."
)
def command(output: Path, part_mb: int, parts: int, licence: str | None, **options: Any) -> int:
    """Record every frame that comes and goes, as JSON lines, until Ctrl-C or --duration.

    It connects, subscribes and heals as `gw run` does and keeps nothing else. Secrets are masked, all other bytes stay as
    they are. FILE goes on in FILE.0002 and so on, each of which begins with the books as they stood. `gw sim VENUE
    --replay FILE` plays them. Exit code 1 where the disk ended it or frames were lost.

    With --licence FILE is NAME.frames.jsonl in a folder of recordings for `gw conform`: the first connection, with the HTTP
    that was answered. The text says under which licence the venue's data is; public data alone is recorded.
    """
    if licence is not None and not output.name.removesuffix(FRAMES_SUFFIX) + FRAMES_SUFFIX == output.name:
        raise click.UsageError(f"--licence makes a recording for the cards: FILE has to end with {FRAMES_SUFFIX}")
    loaded = load_config(sources_of(options))
    # Late: it brings the network's libraries, and a wrong flag needs none.
    from gwcore.runtime.capture.record import record

    found = record(loaded.config, output, part_bytes_max=part_mb * 1024 * 1024, parts_max=parts)
    click.echo(f"{found.frames} frames, {found.bytes} bytes in {output}", err=True)
    if licence is not None and not found.lost and found.failed is None:
        _for_cards(loaded.config, output, found, licence)
    if found.lost:
        click.echo(f"gw: {found.lost} frames were lost", err=True)
    if found.failed is not None:
        click.echo(f"gw: {found.failed}", err=True)
    return 1 if found.lost or found.failed is not None else 0


def _for_cards(config: GatewayConfig, output: Path, found: Recording, licence: str) -> None:
    """The capture becomes a recording in its place. Raises ConfigError where it can't be one; then it stays a capture."""
    from gwcore.testing.conformance.captured import recording_of
    from gwcore.testing.conformance.recording import write_recording

    if len(found.opened_ns) > found.connections:
        raise ConfigError(
            "a connection was lost while it was recorded", place=str(output), hint="record again, in another file"
        )
    name = output.name.removesuffix(FRAMES_SUFFIX)
    recording = recording_of(output, name, found.topics, found.exchanges, found.opened_ns)
    venue = f"venue {config.venue.spec.name}, environment {config.gateway.env}, by gw record"
    day = f"{datetime.now(tz=UTC):%Y-%m-%d}"
    for path in write_recording(output.parent, recording, origin=venue, licence=licence, recorded=day):
        click.echo(str(path), err=True)
