"""A venue of a few lines that numbers its books and keeps all levels: what Kraken can't do wrong, done wrong on one machine.

`play()` gives what the detectors said, and whatever was published of a book that was bad.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "engine"))

from conftest import Bench, ToyCodec, ToyStreams
from gwcore.book import LEVELS_MAX, BookRule, Continuity
from gwcore.engine.market.renewal_asked import renew_symbol
from gwcore.model import Instrument, MarketByPriceUpdate, UpdateType

ROUNDS = 12
#: Five requests without an answer, and the time to leave between them.
UNANSWERED_S = 115.0
SYMBOL = "AAA/USD"


class _NumberedStreams(ToyStreams):
    def book_rule(self, instrument: Instrument, depth: int) -> BookRule:
        decimals = {"price_decimals": instrument.price_decimals, "quantity_decimals": instrument.quantity_decimals}
        return BookRule(**decimals, depth=None, continuity=Continuity.PLUS_ONE)


class _PingedCodec(ToyCodec):
    def ping(self, number: int) -> bytes:
        """A ping that `pong` answers."""
        return b"ping %d" % number


def play() -> tuple[Counter[str], Counter[str], list[str]]:
    """Each fault `ROUNDS` times, each on a machine of its own: reasons, changes of state, violations."""
    reasons: Counter[str] = Counter()
    transitions: Counter[str] = Counter()
    violations: list[str] = []
    many = [[f"{number}.0", "1.00"] for number in range(20, 20 + LEVELS_MAX)]
    faults: dict[str, dict[str, Any]] = {
        "SEQUENCE_GAP": {"bids": [["9.8", "1.00"]], "sequence": 9},
        "DECODE": {"bids": [["nine", "1.00"]], "sequence": 2},
        "OVERFLOW": {"asks": many, "sequence": 2},
    }
    for expected, says in faults.items():
        for _ in range(ROUNDS):
            bench = _live()
            bench.hear(book=SYMBOL, **says)
            reasons += _judge(bench, expected, violations)
    for _ in range(ROUNDS):
        bench = _live()
        bench.machine.remove(SYMBOL, bench.now_ns)
        reasons += _judge(bench, "UNSUBSCRIBED", violations)
    for _ in range(ROUNDS):
        bench = _live()
        renew_symbol(bench.machine, SYMBOL, "somebody", bench.now_ns)
        reasons += _judge(bench, "OPERATOR", violations)
    for _ in range(ROUNDS):
        # Its clock is told by the answer to a ping, and then an update is ten seconds old.
        bench = _live(time_s=4980.0)
        bench.machine.on_close("anew", bench.now_ns)
        bench.machine.on_open(_PingedCodec(), bench.now_ns)
        bench.book.events.clear()
        bench.machine.books.stale.clear()
        _snapshot(bench, time_s=4980.0).hear(pong=1, time_s=5000.0)
        bench.hear(book=SYMBOL, bids=[["9.8", "1.00"]], sequence=2, time_s=4990.0)
        reasons += _judge(bench, "LAG", violations)
    for _ in range(ROUNDS):
        # A venue that never answers, and is not silent: on Kraken the silence would be noticed first.
        bench = Bench(SYMBOL, silence_s=1000.0, ping_s=None).connect().wait(UNANSWERED_S)
        for (before, after), count in bench.machine.watch.states.transitions.items():
            transitions[f"{before.value} -> {after.value}"] += count
    return reasons, transitions, violations


def _live(**more: Any) -> Bench:
    return _snapshot(Bench(SYMBOL, streams=_NumberedStreams()).connect(), **more)


def _snapshot(bench: Bench, **more: Any) -> Bench:
    bench.machine.on_burst_end(bench.now_ns)
    bench.hear(ack=["book", SYMBOL])
    return bench.hear(book=SYMBOL, type="SNAPSHOT", bids=[["9.9", "1.00"]], asks=[["10.0", "1.00"]], sequence=1, **more)


def _judge(bench: Bench, expected: str, violations: list[str]) -> Counter[str]:
    books = [event for event in bench.book.events if isinstance(event, MarketByPriceUpdate)]
    told = [(event.update_type, event.reason.value if event.reason else None) for event in books]
    if told != [(UpdateType.SNAPSHOT, None), (UpdateType.STALE, expected)]:
        violations.append(f"{expected}: published {told}")
    return Counter({reason.value: count for reason, count in bench.machine.books.stale.items()})
