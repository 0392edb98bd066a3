"""Cards M10 to M30 and M70: subscribing, a healthy market, frames nobody knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from gwcore.engine.market.shards import WHOLE_VENUE
from gwcore.model import Channel, Instrument, StreamState, UpdateType
from gwcore.testing.conformance.card import Card, require
from gwcore.testing.conformance.cards_instruments import discovered
from gwcore.testing.conformance.line import Line
from gwcore.testing.conformance.stage import NANOSECONDS, SETTLE_S, Stage, name
from gwcore.testing.conformance.venue_case import Source, VenueCase
from gwcore.venue import Request, Shard, Support, Topic, VenueLimits

_BOOKS = frozenset({Support.MARKET_BY_PRICE})
#: A healthy run lasts this many times as long as silence may, so that a quiet venue shows that it is heard ...
SILENCES = 2.0
#: ... but no longer than this.
HEALTHY_S_MAX = 120.0
#: Requests are made for this many symbols more than fit in two of them.
EXTRA_SYMBOLS = 3
#: ... but for no more than this.
SYMBOLS_MAX = 1_000
STRANGER = "ZZQXJ"


# --- M10 --------------------------------------------------------------------------------------------------------------


def check_batches(case: VenueCase) -> None:
    """A frame asks for no more than the limits say, and every topic is asked for once, however many there are."""
    limits = case.streams().limits
    _check_limits(limits)
    _, instruments = discovered(case)[0]
    for group_name, group in limits.groups.items():
        count = min(2 * group.topics_per_request + EXTRA_SYMBOLS, SYMBOLS_MAX)
        known = {each.symbol: each for each in _many(instruments, count)}
        channels = [channel for channel in case.channels() if channel in group.channels]
        for topics in (_topics(channel, known, case.depth()) for channel in channels):
            shard = Shard(index=0, group=group_name, topics=topics, instruments=known)
            codec = case.streams().market_data(shard)
            codec.open()
            where = f"group {group_name}, {len(topics)} topics of {topics[0].channel.value}"
            asked = codec.subscribe(topics)
            ids = [request.request_id for request in asked]
            _check_requests(f"{where}: subscribe", asked, topics, group.topics_per_request, unasked=not asked)
            if group.can_unsubscribe:
                left = codec.unsubscribe(topics)
                ids += [request.request_id for request in left]
                _check_requests(f"{where}: unsubscribe", left, topics, group.topics_per_request, unasked=not asked)
            require(len(set(ids)) == len(ids), f"{where}: two requests have the same id")


def _check_limits(limits: VenueLimits) -> None:
    require(limits.groups, "the limits name no group of connections")
    owners = Counter(channel for group in limits.groups.values() for channel in group.channels)
    shared = [channel.value for channel, count in owners.items() if count > 1]
    require(not shared, f"channel {', '.join(shared)} is in more than one group")
    require(list(limits.depths) == sorted(set(limits.depths)), f"depths {limits.depths} do not ascend")
    for group_name, group in limits.groups.items():
        for key in ("symbols_per_connection", "topics_per_request", "requests_per_s", "connects", "connects_window_s"):
            require(getattr(group, key) > 0, f"group {group_name}: {key} is {getattr(group, key)}")


def _many(instruments: Sequence[Instrument], count: int) -> list[Instrument]:
    """So many instruments: those there are, then made-up ones."""
    made = [_stranger(instruments[0], f"{STRANGER}{number}") for number in range(max(0, count - len(instruments)))]
    return [*instruments, *made][:count]


def _stranger(instrument: Instrument, base: str) -> Instrument:
    """An instrument that no venue lists."""

    def renamed(text: str) -> str:
        return text.replace(instrument.base, base, 1) if instrument.base in text else base + text

    return msgspec.structs.replace(
        instrument,
        symbol=renamed(instrument.symbol),
        base=base,
        venue_symbol=renamed(instrument.venue_symbol) if instrument.venue_symbol else None,
        aliases=(),
    )


def _topics(channel: Channel, known: Mapping[str, Instrument], depth: int) -> tuple[Topic, ...]:
    if channel in WHOLE_VENUE:
        return (Topic(channel),)
    parameter = {Channel.BOOK: depth, Channel.OHLC: 60}.get(channel, 0)
    return tuple(Topic(channel, symbol, parameter) for symbol in known)


def _check_requests(
    where: str, asked: Sequence[Request], topics: tuple[Topic, ...], most: int, *, unasked: bool
) -> None:
    if unasked and topics[0].channel in WHOLE_VENUE:
        return  # the venue sends it by itself
    found: Counter[Topic] = Counter()
    for request in asked:
        frame, mine = request.frame, request.topics
        require(frame, f"{where}: an empty frame")
        require(mine, f"{where}: a request about no topic")
        require(len(mine) <= most, f"{where}: {len(mine)} topics in one frame, the limit is {most}")
        found.update(mine)
    missing = [name(topic) for topic in topics if not found[topic]]
    require(not missing, f"{where}: {len(missing)} of them are not asked for, first {', '.join(missing[:3])}")
    twice = [name(topic) for topic, count in found.items() if count > 1]
    require(not twice, f"{where}: asked for more than once: {', '.join(twice[:3])}")
    strange = [name(topic) for topic in found if topic not in set(topics)]
    require(not strange, f"{where}: asks for what nobody wants: {', '.join(strange[:3])}")


# --- M20 --------------------------------------------------------------------------------------------------------------


def check_answers(case: VenueCase) -> None:
    """Each topic is acknowledged or refused, also one that the venue does not have."""
    for source in case.sources():
        stage = Stage(case, source, extra=_one_stranger if source.answers else lambda known: ())
        ack_s = max(line.machine.limits.ack_timeout_s for line in stage.lines)
        stage.run(SETTLE_S, until=partial(_is_answered, stage))
        for topic, state in stage.unsettled().items():
            is_stranger = topic.symbol is not None and STRANGER in topic.symbol
            require(
                is_stranger and state is StreamState.REJECTED,
                f"{source.name}: {name(topic)} is {state.value} after {SETTLE_S:g} s (an answer may take {ack_s:g} s)",
            )
        for line in stage.lines:
            live = [topic for topic, state in line.states().items() if state is StreamState.LIVE]
            strange = [name(topic) for topic in live if topic.symbol is not None and STRANGER in topic.symbol]
            require(not strange, f"{source.name}: {', '.join(strange)}: live, and there is no such symbol")


def _is_answered(stage: Stage) -> bool:
    return all(state is StreamState.REJECTED for state in stage.unsettled().values())


def _one_stranger(known: Mapping[str, Instrument]) -> Sequence[Instrument]:
    first = next(iter(known.values()))
    return [_stranger(first, STRANGER)]


# --- M30 --------------------------------------------------------------------------------------------------------------


def check_healthy(case: VenueCase) -> None:
    """Nothing is wrong, so nothing is subscribed again, no book is stale, no connection closed, no frame undecodable."""
    for source in case.sources():
        healthy_stage(case, source)


def healthy_stage(case: VenueCase, source: Source) -> Stage:
    """A run in which nothing goes wrong; made once a case. Fails the card where something did."""
    key = f"healthy {source.name}"
    if key in case.kept:
        return case.kept[key]  # type: ignore[no-any-return]
    stage = Stage(case, source)
    stage.settle()
    silence_s = max(line.machine.limits.silence_s for line in stage.lines)
    length_s = stage.length_s()
    spent_s = (stage.now_ns - stage.lines[0].tapes[0].opened_ns) / NANOSECONDS
    if length_s is None:
        stage.run(min(SILENCES * silence_s, HEALTHY_S_MAX))
    else:
        # The recording ends, and what follows is silence that is not the venue's.
        stage.run(min(max(0.0, length_s - spent_s) + 0.001, max(silence_s - 0.001, 0.0) + length_s))
    for line in stage.lines:
        _check_line(source, line)
    books = stage.books()
    if books:
        changes = sum(
            event.update_type is UpdateType.INCREMENTAL for line, symbol in books for event in line.books_seen(symbol)
        )
        require(changes, f"{source.name}: not one change of a book in it, so nothing is shown")
    case.kept[key] = stage
    return stage


def _check_line(source: Source, line: Line) -> None:
    machine = line.machine
    require(
        not machine.plugin_errors,
        f"{source.name}: decode raised what it may not, {machine.plugin_errors} times: {machine.last_undecodable}",
    )
    require(
        not machine.undecodable,
        f"{source.name}: {machine.undecodable} frames can't be decoded, the last: {machine.last_undecodable}",
    )
    require(not line.closings, f"{source.name}: closed: {line.closings and line.closings[0].reason}")
    for symbol in line.symbols_of_books():
        stale = [each for each in line.books_seen(symbol) if each.update_type is UpdateType.STALE]
        what = f"{stale[0].reason} {stale[0].detail}" if stale else ""
        require(not stale, f"{source.name}: the book of {symbol} was stale: {what}")
        require(line.is_live(symbol), f"{source.name}: the book of {symbol} is not live at the end")
        first = line.books_seen(symbol)[0]
        require(first.update_type is UpdateType.SNAPSHOT, f"{source.name}: {symbol} begins with {first.update_type}")
    asked = Counter(topic for entry in line.asked() for topic in entry.topics)
    again = [name(topic) for topic, count in asked.items() if count > 1]
    require(not again, f"{source.name}: subscribed again: {', '.join(again[:5])}")
    if machine.unknown:
        most = ", ".join(f"{what} ({count})" for what, count in machine.unknown.most_common(3))
        raise AssertionError(f"{source.name}: frames of a healthy run are unknown: {most}")


# --- M70 --------------------------------------------------------------------------------------------------------------


def check_unknown_frames(case: VenueCase) -> None:
    """A frame that this version does not know is counted, and changes nothing."""
    for source in case.sources():
        stage = Stage(case, source)
        stage.settle()
        for line in stage.lines:
            for frame in case.unknown_frames:
                _check_unknown(stage, line, frame)


def _check_unknown(stage: Stage, line: Line, frame: bytes) -> None:
    where = f"{stage.source.name}: frame {frame!r:.80}"
    machine = line.machine
    counted, seen, errors, asked = line.counted(), len(line.seen), machine.plugin_errors, machine.subscriptions.requests
    closings = len(line.closings)
    stage.give(line, frame)
    machine.on_burst_end(stage.now_ns)
    require(machine.plugin_errors == errors, f"{where}: decode raised {machine.last_undecodable}")
    require(len(line.seen) == seen, f"{where}: published {line.seen[seen:][:1]}")
    require(line.counted() == counted + 1, f"{where}: was counted {line.counted() - counted} times, not once")
    require(machine.subscriptions.requests == asked, f"{where}: made us ask the venue for something")
    require(len(line.closings) == closings, f"{where}: closed the connection")
    require(stage.is_all_live(), f"{where}: a subscription is no longer live")


CARDS = (
    Card(
        id="VEN-M10",
        law="subscribe and unsubscribe name every topic once, in batches within the limits",
        check=check_batches,
    ),
    Card(id="VEN-M20", law="every topic ends acknowledged or refused", check=check_answers),
    Card(
        id="VEN-M30",
        law="a healthy market: nothing is subscribed again, nothing is STALE, every frame is known",
        check=check_healthy,
        needs=_BOOKS,
    ),
    Card(id="VEN-M70", law="an unknown frame is counted and changes nothing", check=check_unknown_frames),
)
