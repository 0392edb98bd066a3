"""Cards D: what a codec makes of frames: messages or DecodeError and nothing else, and always the same."""

from __future__ import annotations

import typing
from collections.abc import Iterator

from gwcore.errors import DecodeError
from gwcore.testing.conformance.card import Card, require
from gwcore.testing.conformance.golden import golden_lines
from gwcore.testing.conformance.mutations import mutations
from gwcore.testing.conformance.stage import Stage
from gwcore.testing.conformance.tape import Asked, Received, Tape, ask, comparable
from gwcore.testing.conformance.venue_case import Source, VenueCase
from gwcore.testing.seeds import SeededRandom
from gwcore.venue import MarketDataCodec, MarketDataMessage

#: Frames that are mutated, of each kind (by the types of their messages).
FRAMES_OF_A_KIND = 4
KINDS_MAX = 40
MUTATIONS = 60
#: Larger frames get fewer: they take longer and are more of the same.
LARGE_FRAME_BYTES = 32 * 1024
MUTATIONS_LARGE = 6
#: Seconds of a simulator's frames that are decoded.
SAMPLE_S = 10.0
_MESSAGES = typing.get_args(MarketDataMessage)


def sample(case: VenueCase, source: Source) -> Stage:
    """A run in which nothing was done; made once a case. It is not judged here."""
    key = f"sample {source.name}"
    if key not in case.kept:
        stage = Stage(case, source)
        length_s = stage.length_s()
        stage.run(SAMPLE_S if length_s is None else length_s + 0.001)
        case.kept[key] = stage
    return case.kept[key]  # type: ignore[no-any-return]


# --- D10 --------------------------------------------------------------------------------------------------------------


def check_mutations(case: VenueCase) -> None:
    """Cut and mutated frames give messages or DecodeError."""
    for source in case.sources():
        for number, tape in enumerate(sample(case, source).tapes()):
            random = SeededRandom(case.seed, f"{source.name} {number}")
            codec = case.streams().market_data(tape.shard)
            codec.open()
            for entry in tape.entries:
                if isinstance(entry, Asked):
                    ask(codec, entry)
            for frame in _kinds(case, source, tape):
                count = MUTATIONS if len(frame) <= LARGE_FRAME_BYTES else MUTATIONS_LARGE
                for what, mutant in mutations(frame, random, count):
                    _check_mutant(codec, mutant, f"{source.name}, seed {case.seed}, {what}: {mutant!r:.300}")


def _kinds(case: VenueCase, source: Source, tape: Tape) -> Iterator[bytes]:
    """A few frames of each kind."""
    codec = case.streams().market_data(tape.shard)
    codec.open()
    counts: dict[tuple[str, ...], int] = {}
    for entry in tape.entries:
        if isinstance(entry, Asked):
            ask(codec, entry)
        elif isinstance(entry, Received):
            try:
                messages = codec.decode(entry.frame, entry.at_ns)
            except DecodeError as error:
                raise AssertionError(f"{source.name}: a frame as it was recorded can't be decoded: {error}") from error
            kind = tuple(dict.fromkeys(type(each).__name__ for each in messages))
            if kind in counts or len(counts) < KINDS_MAX:
                counts[kind] = counts.get(kind, 0) + 1
                if counts[kind] <= FRAMES_OF_A_KIND:
                    yield entry.frame


def _check_mutant(codec: MarketDataCodec, frame: bytes, where: str) -> None:
    try:
        messages = codec.decode(frame, 0)
    except DecodeError:
        return
    except Exception as error:
        raise AssertionError(f"{where}: raises {type(error).__name__}: {error!s:.200}") from error
    strange = [each for each in messages if not isinstance(each, _MESSAGES)]
    require(not strange, f"{where}: gives a {type(strange[0]).__name__ if strange else ''}, which is no message")


# --- D20, D30 ---------------------------------------------------------------------------------------------------------


def check_repeatable(case: VenueCase) -> None:
    """Two codecs that are told the same say the same: nothing is shared between them, nothing left to chance."""
    for source in case.sources():
        for tape in sample(case, source).tapes():
            streams = case.streams()
            first, second = streams.market_data(tape.shard), streams.market_data(tape.shard)
            number = 0
            for entry in tape.entries:
                if isinstance(entry, Asked):
                    require(
                        list(ask(first, entry)) == list(ask(second, entry)),
                        f"{source.name}: two new codecs ask differently for {entry.topics[:2]}",
                    )
                elif isinstance(entry, Received):
                    number += 1
                    one = [comparable(each) for each in first.decode(entry.frame, entry.at_ns)]
                    other = [comparable(each) for each in second.decode(entry.frame, entry.at_ns)]
                    require(
                        one == other,
                        f"{source.name}: frame {number} {entry.frame!r:.120} is {one!r:.200} and {other!r:.200}",
                    )


def check_golden(case: VenueCase) -> None:
    """Recordings decode to the messages that somebody has read."""
    reviewed = 0
    for source in case.sources():
        if source.recording is None or source.recording.golden is None:
            continue
        reviewed += 1
        kept = source.recording.golden.read_text(encoding="utf-8").splitlines()
        now = golden_lines(case, source)
        for number, (line, other) in enumerate(zip(kept, now, strict=False), 1):
            require(
                line == other,
                f"{source.recording.golden.name}:{number}: {_difference(line, other)}",
            )
        require(
            len(kept) == len(now), f"{source.recording.golden.name}: had {len(kept)} messages, now there are {len(now)}"
        )
    if not reviewed:
        case.notes.warn("no recording has a golden file: `gw conform NAME --write-golden` writes them, for you to read")


def _difference(line: str, other: str) -> str:
    """Where two texts part, with a little of what is before."""
    pairs = enumerate(zip(line, other, strict=False))
    same = next((at for at, (one, two) in pairs if one != two), min(len(line), len(other)))
    start = max(0, same - 60)
    return f"at {same} was …{line[start : same + 120]}… and is …{other[start : same + 120]}…"


CARDS = (
    Card(id="VEN-D10", law="cut or mutated frames raise only DecodeError", check=check_mutations),
    Card(id="VEN-D20", law="two codecs, the same frames, the same messages", check=check_repeatable),
    Card(id="VEN-D30", law="recordings decode to their reviewed messages", check=check_golden),
)
