"""Cards M40 to M60: what goes wrong on one connection, and that it stays one bad thing (law 3) and is healed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gwcore.errors import DecodeError
from gwcore.model import Channel, MarketByPriceUpdate, StaleReason, UpdateType
from gwcore.testing.conformance.card import Card, require
from gwcore.testing.conformance.line import Line
from gwcore.testing.conformance.stage import NANOSECONDS, SETTLE_S, Stage, name
from gwcore.testing.conformance.tape import Asked, Tape, ask
from gwcore.testing.conformance.venue_case import Source, VenueCase
from gwcore.venue import Frame, MarketDataCodec, Support

_BOOKS = frozenset({Support.MARKET_BY_PRICE})
_PROOFS = frozenset({Support.BOOK_CHECKSUM, Support.BOOK_SEQUENCE})
#: Changes of a book before one of it is damaged.
CHANGES_BEFORE = 3
#: Changes within which damage has to be noticed, else another one is tried: a checksum does not see all levels.
CHANGES_TO_NOTICE = 6
TRIES_MAX = 25
DAMAGE_S = 120.0
HEAL_S = 60.0
#: After healing, this much longer.
AFTER_S = 5.0
#: A venue that may be silent for longer than this is not watched.
SILENCE_S_MAX = 120.0

#: Makes another frame of one, or None where it can't (or where the frame is to be lost).
Change = Callable[[MarketDataCodec, Frame, MarketByPriceUpdate], Frame | None]


# --- M40 --------------------------------------------------------------------------------------------------------------


def check_damage(case: VenueCase) -> None:
    """One book message is lost, or altered: that book is stale once, it alone is asked for again, and mute meanwhile."""
    for source in case.sources():
        _check_damage(case, source, "lost", None)
        if Support.BOOK_CHECKSUM in case.spec.supports:
            _check_damage(case, source, "altered", _with_other_quantity)


def _check_damage(case: VenueCase, source: Source, what: str, change: Change | None) -> None:
    damage = _Damage(what, change)
    stage = Stage(case, source, intercept=damage)
    stage.settle()
    length_s = stage.length_s()
    stage.run(DAMAGE_S if length_s is None else length_s, until=lambda: damage.is_over)
    where = f"{source.name}, {damage.tries} book messages {what}"
    require(damage.tries, f"{where}: no change of a book came that could be damaged")
    require(damage.is_noticed, f"{where}: none of it was noticed, and clients go on trusting the book")
    line, symbol = damage.line, damage.symbol
    assert line is not None
    noticed_ns = stage.now_ns
    if source.answers:
        healed = stage.run(HEAL_S, until=lambda: line.is_live(symbol))
        require(healed, f"{where}: {symbol} is not live again after {HEAL_S:g} s")
        stage.run(AFTER_S)
    else:
        spent_s = (stage.now_ns - line.tapes[0].opened_ns) / NANOSECONDS
        stage.run(max(0.0, (length_s or 0.0) - spent_s) + 1.0)
    _judge(stage, damage, f"{where}: {symbol}", noticed_ns)


def _judge(stage: Stage, damage: _Damage, where: str, noticed_ns: int) -> None:
    line, symbol = damage.line, damage.symbol
    assert line is not None
    count = line.stale_count(symbol)
    require(count == 1, f"{where}: published as STALE {count} times, not once")
    _check_mute(line, symbol, where)
    can_unsubscribe = line.machine.limits.can_unsubscribe
    by_request = hasattr(line.streams.market_data(line.shard), "snapshot")
    for other_line, other in stage.books():
        if other != symbol:
            stale = [each for each in other_line.books_seen(other) if each.update_type is UpdateType.STALE]
            # Where the venue can't unsubscribe, a new connection is the only way, and all books on it know.
            alone = can_unsubscribe or by_request
            bad = [each for each in stale if alone or each.reason is not StaleReason.DISCONNECT]
            require(not bad, f"{where} was damaged, and {other} is STALE too: {bad and bad[0].reason}")
    if not can_unsubscribe and not by_request:
        require(line.closings, f"{where}: it can only be healed by a new connection, and there was none")
        return
    require(not line.closings, f"{where}: the whole connection was closed for it: {line.closings[:1]}")
    asked = line.asked(since_ns=noticed_ns)
    strange = [name(topic) for entry in asked for topic in entry.topics if topic[:2] != (Channel.BOOK, symbol)]
    require(not strange, f"{where}: with it these are asked for again: {', '.join(strange[:3])}")
    if by_request:
        asked_by_http = [at_ns for at_ns, topic in line.fetched if topic is not None and topic.symbol == symbol]
        require(asked_by_http and asked_by_http[-1] >= noticed_ns, f"{where}: its snapshot was not asked for again")
        return
    require(any(entry.unsubscribes for entry in asked), f"{where}: it was not unsubscribed")
    if stage.source.answers:
        require(any(not entry.unsubscribes for entry in asked), f"{where}: it was not subscribed again")


def _check_mute(line: Line, symbol: str, where: str) -> None:
    """Between STALE and the next SNAPSHOT there is nothing of it."""
    for events in (line.books_seen(symbol), line.tops_seen(symbol)):
        is_stale = False
        for event in events:
            if is_stale and event.update_type is UpdateType.INCREMENTAL:
                raise AssertionError(f"{where}: a change was published while it was stale")
            is_stale = event.update_type is UpdateType.STALE


class _Damage:
    """An Intercept: waits for a healthy book, then damages one change of it; another one where that went unnoticed."""

    def __init__(self, what: str, change: Change | None) -> None:
        self.what = what
        self.tries = 0
        self.line: Line | None = None
        self.symbol = ""
        self._change = change
        self._scouts: dict[int, _Scout] = {}
        self._changes: dict[str, int] = {}
        self._since = 0  # changes of the damaged book since

    @property
    def is_noticed(self) -> bool:
        """Whether the damaged book is stale, or was."""
        return self.line is not None and self.line.stale_count(self.symbol) > 0

    @property
    def is_over(self) -> bool:
        """Whether it was noticed, or there is nothing more to try."""
        return self.is_noticed or (self.tries >= TRIES_MAX and self._since > CHANGES_TO_NOTICE)

    def __call__(self, line: Line, frame: Frame) -> Frame | None:
        scout = self._scouts.setdefault(line.shard.index, _Scout(line))
        update = scout.only_change(frame)
        if update is None or self.is_noticed or not line.is_live(update.symbol):
            return frame
        count = self._changes[update.symbol] = self._changes.get(update.symbol, 0) + 1
        if self.symbol not in ("", update.symbol) or count <= CHANGES_BEFORE:
            return frame
        if self.tries:
            self._since += 1
            if self._since <= CHANGES_TO_NOTICE or self.tries >= TRIES_MAX:
                return frame
        damaged = self._change(scout.codec, frame, update) if self._change is not None else None
        if damaged is None and self._change is not None:
            return frame  # there is nothing in it to be altered
        self.line, self.symbol = line, update.symbol
        self.tries += 1
        self._since = 0
        return damaged


class _Scout:
    """A second codec that is told what the first one is, to say what a frame holds before it is delivered."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._tape: Tape | None = None
        self._told = 0
        self.codec: MarketDataCodec

    def only_change(self, frame: Frame) -> MarketByPriceUpdate | None:
        """The change of one book that the frame is; None for any other frame."""
        tape = self._line.tapes[-1]
        if tape is not self._tape:
            self._tape, self._told = tape, 0
            self.codec = self._line.streams.market_data(self._line.shard)
            self.codec.open()
        for entry in tape.entries[self._told :]:
            if isinstance(entry, Asked):
                ask(self.codec, entry)
        self._told = len(tape.entries)
        try:
            messages = self.codec.decode(frame, 0)
        except DecodeError:
            return None
        if len(messages) != 1 or not isinstance(messages[0], MarketByPriceUpdate):
            return None
        update = messages[0]
        known = update.symbol in self._line.machine.books.of_symbol
        return update if known and update.update_type is UpdateType.INCREMENTAL else None


def _with_other_quantity(codec: MarketDataCodec, frame: Frame, update: MarketByPriceUpdate) -> Frame | None:
    """The frame with another last digit in one quantity; None where no quantity stands in it once, as text."""
    for level in (*update.bids, *update.asks):
        text = level.quantity.encode()
        if frame.count(text) != 1 or not any(digit in b"123456789" for digit in text):
            continue
        digit = text[-1:]
        other = frame.replace(
            text, text[:-1] + (b"1" if digit == b"9" or not digit.isdigit() else bytes([text[-1] + 1]))
        )
        try:
            messages = codec.decode(other, 0)
        except DecodeError:
            continue
        if len(messages) == 1 and isinstance(messages[0], MarketByPriceUpdate) and messages[0] != update:
            return other
    return None


# --- M50 --------------------------------------------------------------------------------------------------------------


def check_disconnect(case: VenueCase) -> None:
    """The connection goes: each live book is stale once. It comes back: each begins with a snapshot."""
    for source in case.sources():
        stage = Stage(case, source)
        stage.settle()
        marks = {line.shard.index: len(line.seen) for line in stage.lines}
        for line in stage.lines:
            stage.cut(line, "cut by the card")
        for line, symbol in stage.books():
            where, since = f"{source.name}: {symbol}", marks[line.shard.index]
            events = line.books_seen(symbol, since)
            reasons = [event.reason for event in events if event.update_type is UpdateType.STALE]
            require(
                len(events) == 1 and reasons == [StaleReason.DISCONNECT],
                f"{where}: after the connection was lost it was published as {[each.update_type.value for each in events]}",
            )
        stage.run(1.0, until=partial(_is_open, stage))
        live = stage.run(SETTLE_S, until=stage.is_all_live)
        waiting = [f"{name(topic)} {state.value}" for topic, state in stage.unsettled().items()]
        require(live, f"{source.name}: not live again {SETTLE_S:g} s after a reconnect: {', '.join(waiting[:5])}")
        for line, symbol in stage.books():
            where, events = f"{source.name}: {symbol}", line.books_seen(symbol, marks[line.shard.index])
            first = events[1].update_type
            require(first is UpdateType.SNAPSHOT, f"{where}: after a reconnect it begins with {first.value}")
            count = sum(event.update_type is UpdateType.STALE for event in events)
            require(count == 1, f"{where}: published as STALE {count} times for one lost connection")


def _is_open(stage: Stage) -> bool:
    return all(line.machine.is_open for line in stage.lines)


# --- M60 --------------------------------------------------------------------------------------------------------------


def check_silence(case: VenueCase) -> None:
    """Nothing at all arrives: the connection is given up within the time the plugin states, and that is not long."""
    for group_name, group in case.streams().limits.groups.items():
        require(
            0 < group.silence_s <= SILENCE_S_MAX,
            f"group {group_name}: silence_s is {group.silence_s:g}; a dead connection has to be noticed within "
            f"{SILENCE_S_MAX:g} s",
        )
    for source in case.sources():
        stage = Stage(case, source)
        stage.settle()
        stage.is_mute = True
        for line in stage.lines:
            silence_s, began_ns = line.machine.limits.silence_s, stage.now_ns
            stage.run(silence_s + 1.0, until=partial(bool, line.closings))
            where = f"{source.name}, group {line.shard.group}"
            require(line.closings, f"{where}: not given up after {silence_s:g} s without a frame")
            took_s = (line.closings[0].at_ns - began_ns) / NANOSECONDS
            require(took_s <= silence_s + 0.001, f"{where}: given up after {took_s:g} s, not {silence_s:g}")


CARDS = (
    Card(
        id="VEN-M40",
        law="damage to one book: one STALE, that symbol alone asked for again, mute until its snapshot",
        check=check_damage,
        needs=_BOOKS,
        needs_one_of=_PROOFS,
    ),
    Card(
        id="VEN-M50",
        law="a lost connection: each live book STALE once, a snapshot first afterwards",
        check=check_disconnect,
        needs=_BOOKS,
    ),
    Card(id="VEN-M60", law="silence trips the deadline", check=check_silence),
)
