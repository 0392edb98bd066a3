"""`gw log explain`: the bytes of the venue that an event came from, found in the gateway's own captures."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import msgspec

from gwcore.capture import RECEIVED, CapturedFrame, CaptureHead, read_frames, read_head
from gwcore.errors import ConfigError, DecodeError, GatewayError
from gwcore.journal.index import SegmentIndex
from gwcore.journal.scan import RecordFilter, scan
from gwcore.model import Envelope, Record
from gwcore.wire import decode_envelope

#: Where captures lie below a state directory.
FOLDERS = ("incidents", "recordings")
_EVENT_ID = re.compile(r"([0-9A-Za-z]+):([1-9][0-9]*)", re.ASCII)


class EventId(NamedTuple):
    """`session_id:sequence`."""

    session_id: str
    sequence: int


class Found(NamedTuple):
    """A frame, and the file it stands in."""

    file: Path
    captured: CapturedFrame


class _OneEvent(RecordFilter):
    """The one record with this id."""

    def __init__(self, wanted: EventId) -> None:
        super().__init__()
        self._wanted = wanted

    def stretches(self, index: SegmentIndex) -> Iterator[tuple[int, int]]:
        """No part of a segment that does not know the session."""
        return super().stretches(index) if index.streams_of(self._wanted.session_id) else iter(())

    def wants(self, record: Record) -> bool:
        """Whether it is the one."""
        return record.sequence == self._wanted.sequence and record.session_id == self._wanted.session_id


def _event_id(context: click.Context, option: click.Parameter, value: str) -> EventId:
    match = _EVENT_ID.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter(
            f'"{value:.60}" is no event id: it is the header\'s session_id, a colon, its sequence', context, option
        )
    return EventId(match[1], int(match[2]))


@click.command(name="explain")
@click.argument("event_id", callback=_event_id)
@click.option(
    "--state-dir",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The gateway's state directory; journal, incidents and recordings are in it.",
)
def command(event_id: EventId, state_dir: Path) -> int:
    """Print the bytes of the venue that an event came from, as they were received.

    They are looked for in the incidents and recordings of the state directory; each frame is one line, and where it stands
    goes to stderr. EVENT_ID is SESSION_ID:SEQUENCE of the event's header. Exit code 1 where no capture holds them.
    """
    envelope = _journalled(state_dir, event_id)
    files = captures(state_dir)
    found = _caused(files, event_id) or (_received(files, envelope) if envelope is not None else [])
    for file, captured in found:
        place = f"{file.relative_to(state_dir)} line {captured.line}"
        click.echo(f"{place}: {captured.connection}, received_ns {captured.time_ns}", err=True)
        sys.stdout.buffer.write(captured.frame + b"\n")
    sys.stdout.buffer.flush()
    if not found:
        click.echo(f"gw: {_why_not(event_id, envelope, files)}", err=True)
    return 0 if found else 1


def captures(state_dir: Path) -> list[Path]:
    """All capture files of a state directory, oldest first."""
    return [file for folder in FOLDERS for file in sorted((state_dir / folder).glob("*.jsonl"))]


def _journalled(state_dir: Path, event_id: EventId) -> Envelope | None:
    from gwcore.runtime.journal.storage import DirectoryStorage  # late: `gw --help` needs no storage

    if not (state_dir / "journal").is_dir():
        raise ConfigError(
            f"no journal in {state_dir}",
            hint="give the state directory of a gateway that has run, see `gw run --state-dir`",
        )
    record = next(iter(scan(DirectoryStorage(state_dir), _OneEvent(event_id))), None)
    return decode_envelope(record.payload) if record is not None else None


def _why_not(event_id: EventId, envelope: Envelope | None, files: list[Path]) -> str:
    name = f"{event_id.session_id}:{event_id.sequence}"
    if envelope is None:
        return f"no event {name} in this journal (retention may have removed it), and no capture names it"
    kind = envelope.event.__struct_config__.tag
    if envelope.header.received_ns is None:
        return f"{name} ({kind}) came from no frame: the gateway said it by itself, or it came over REST"
    return (
        f"no capture holds the bytes of {name} ({kind}): {len(files)} files were looked through; "
        "`gw run --record` keeps all frames"
    )


# --- looking ------------------------------------------------------------------------------------------------------


def _caused(files: list[Path], event_id: EventId) -> list[Found]:
    """The last frame of the incident that says that this event was its outcome."""
    for file in files:
        head = _head(file)
        if head is None or head.session_id != event_id.session_id or event_id.sequence not in head.sequences:
            continue
        received = [one for one in _frames(file) if one.direction == RECEIVED and not one.synthetic]
        if received:
            return [Found(file, received[-1])]
    return []


def _received(files: list[Path], envelope: Envelope) -> list[Found]:
    """Frames that came when the event's did, on its connection; the ones that say the same, where that can be told."""
    header = envelope.header
    if header.received_ns is None:
        return []
    for file in files:
        matching = [
            Found(file, captured)
            for captured in _frames(file, at_ns=header.received_ns)
            if captured.direction == RECEIVED and captured.connection == header.partition and not captured.synthetic
        ]
        if matching:
            return _same(matching, envelope)
    return []


def _head(file: Path) -> CaptureHead | None:
    try:
        with file.open("rb") as lines:
            return read_head(lines.readline())
    except OSError as error:
        click.echo(f"gw: {file}: {error.strerror}", err=True)
        return None


def _frames(file: Path, at_ns: int | None = None) -> Iterator[CapturedFrame]:
    """Frames of a file; a damaged line is told and ends it. With `at_ns` only those of that time."""
    mark = b"" if at_ns is None else b'{"rx_ns":%d,' % at_ns
    try:
        with file.open("rb") as lines:
            # Lines of other times become empty ones, so that the numbers of the lines stay what they are.
            yield from read_frames((line if line.startswith(mark) else b"" for line in lines), str(file))
    except (OSError, ValueError) as error:
        click.echo(f"gw: {error}", err=True)


def _same(found: list[Found], envelope: Envelope) -> list[Found]:
    """One read from the socket may give several frames with one time: those that say what the event says."""
    from gwcore.plugins import load_venue  # late: only an installed venue can tell
    from gwcore.venue import Shard

    if len({one.captured.frame for one in found}) == 1:
        return found[:1]
    try:
        spec = load_venue(envelope.header.venue)
        streams = spec.streams(spec.settings())
        group = next(iter(streams.limits.groups))
    except GatewayError:
        return found
    event = envelope.event
    keys = [getattr(event, key, None) for key in ("symbol", "venue_time_ns")]
    said: list[tuple[Found, bool]] = []
    for one in found:
        try:
            messages = streams.market_data(Shard(index=0, group=group, topics=())).decode(
                one.captured.frame, one.captured.time_ns
            )
        except DecodeError:
            continue
        said += [
            (one, _says(message) == _says(event))
            for message in messages
            if [getattr(message, key, None) for key in ("symbol", "venue_time_ns")] == keys
        ]
    best = [one for one, is_equal in said if is_equal] or [one for one, _ in said]
    return best or found


def _says(message: object) -> object:
    """What a message says, without what the engine fills in."""
    if not isinstance(message, msgspec.Struct):
        return message
    kept = ("bids", "asks", "trades", "bars", "last_price", "checksum")
    return type(message), [getattr(message, key, None) for key in kept]
