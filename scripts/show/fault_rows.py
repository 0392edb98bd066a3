"""The faults of the table that virtual time allows: rows F1-F11, F21, F22, F39 of the fault matrix, and the detectors."""

from __future__ import annotations

from typing import Any

from fault_stage import Fault, Row
from stage import Stage

from gwcore.model import GatewayStatus, StreamState, StreamStatus
from gwcore.testing.links import Direction
from gwcore.testing.network import ConnectMode

#: Symbols of the rows about a whole connection.
MANY = 12


def _switch(name: str, **options: Any) -> Any:
    return lambda stage, symbol: stage.fault(name, symbol=symbol, **options)


def _all(name: str, **options: Any) -> Any:
    return lambda stage, symbol: stage.fault(name, **options)


def _link(act: Any) -> Any:
    return lambda stage, symbol: [act(link) for link in stage.network.links]


def _no_end(stage: Stage, symbol: str) -> None:
    pass


def _starve_and_renew(stage: Stage, symbol: str) -> None:
    for each in stage.simulator.feed.listing.pairs:
        stage.fault("starve", symbol=each)
    for link in stage.network.links:
        link.cut()


def _starve_one(stage: Stage, symbol: str) -> None:
    stage.fault("starve", symbol=symbol)
    for link in stage.network.links:
        link.cut()


def _not_cycled(stage: Stage, row: Row) -> None:
    connects = stage.gateway.hub.connections[0].connects
    row.notes = [f"{connects} connections, the cut included: only that symbol is tried again"]
    if connects != 2:
        row.wrong.append("the connection was cycled for one symbol")


def _connects(mode: ConnectMode) -> Any:
    def strike(stage: Stage, symbol: str) -> None:
        stage.network.connect_mode = mode
        for link in stage.network.links:
            link.cut()

    return strike


def _let_in(stage: Stage, symbol: str) -> None:
    stage.network.connect_mode = ConnectMode.OK
    stage.fault("restore")


def _refuse(stage: Stage, symbol: str) -> None:
    stage.fault("refuse", count=1000, status=429)
    for link in stage.network.links:
        link.cut()


def _attempts(stage: Stage, row: Row) -> None:
    # Five minutes and more of refusals; Kraken allows 150 attempts in ten minutes.
    attempts = sum(connection.connects for connection in stage.gateway.hub.connections)
    row.notes = [f"{attempts} attempts in 300 s, 75 allowed"]
    if attempts > 75:
        row.wrong.append("a storm of connects")


def _renewed(stage: Stage, row: Row) -> None:
    connects = stage.gateway.hub.connections[0].connects
    row.notes = [f"{connects} connections: a new one when nothing of it is fed"]
    if connects < 3:
        row.wrong.append("the connection was not replaced")


def _one_connection(stage: Stage, row: Row) -> None:
    if stage.gateway.hub.connections[0].connects != 1:
        row.wrong.append("the connection was cycled")
    row.notes = ["the connection stays"]


def _quarantined(stage: Stage, row: Row) -> None:
    _one_connection(stage, row)
    states = [each.state for each in stage.events(StreamStatus) if each.channel == "book"]
    row.notes = ["QUARANTINED after 5, then one try a minute"]
    if StreamState.QUARANTINED not in states:
        row.wrong.append("not put in quarantine")


def _confirmed(stage: Stage, row: Row) -> None:
    _one_connection(stage, row)
    row.notes = ["true at the venue: confirmed by a fresh snapshot, LIVE while it lasts"]


def _in_the_end_all(stage: Stage, row: Row) -> None:
    states = [
        subscription.state
        for machine in stage.gateway.machine.machines
        for subscription in machine.subscriptions.topics.values()
    ]
    row.notes = [f"{len(states)} subscriptions wanted, {states.count(StreamState.LIVE)} LIVE in the end"]
    if states.count(StreamState.LIVE) != len(states):
        row.wrong.append("wanted is not confirmed")


def _cut_leader(stage: Stage, symbol: str) -> None:
    leader = next(connection for connection in stage.gateway.hub.connections if connection.leads)
    link: Any = leader._connection
    link.cut("connection reset")


def _taken_over(stage: Stage, row: Row) -> None:
    causes = [each.cause for each in stage.events(GatewayStatus) if each.component == "standby.md.0"]
    row.notes = ["the standby goes on: nothing is STALE"]
    if causes[-1:] != ["takes over: connection reset"]:
        row.wrong.append("the standby did not take over")


def _skew(stage: Stage, symbol: str) -> None:
    stage.clock.skew_ns = 3600 * 10**9


def _no_skew(stage: Stage, symbol: str) -> None:
    stage.clock.skew_ns = -3600 * 10**9


FAULTS = (
    Fault(
        "F1 one silent channel",
        "book of one symbol silent, heartbeats go on",
        _switch("silence", channel="book"),
        of_message=False,
        limit_s=61.0,
        note=_one_connection,
    ),
    Fault("F2 acked, not fed: one", "reset; then one symbol is acked and not fed", _starve_one, of_message=False, whole=True,
          lasts_s=30.0, note=_not_cycled),
    Fault(
        "F2 acked, not fed: all",
        "a new connection whose subscriptions are all starved",
        _starve_and_renew,
        of_message=False,
        whole=True,
        lasts_s=40.0,
        sim={"pairs": MANY},
        note=_renewed,
    ),
    Fault("F3 half-open", "the venue is gone without a word", _link(lambda link: link.half_open()), mend=_no_end,
          of_message=False, whole=True, limit_s=10.5),
    Fault("F3 one-way stall", "nothing arrives any more", _link(lambda link: link.stall(Direction.DOWN)), mend=_no_end,
          of_message=False, whole=True, limit_s=10.5),
    Fault("F4 reset", "reset, frames in flight lost", _link(lambda link: link.cut("connection reset", keep=0)),
          mend=_no_end, of_message=False, whole=True, limit_s=0.5),
    Fault("F4 reset, with standby", "the leading connection of two is reset", _cut_leader, mend=_no_end,
          is_harmless=True, lasts_s=10.0, has_standby=True, note=_taken_over),
    Fault("F6 latency 3 s", "each frame 3 s later than before", lambda stage, symbol: stage.network.set_spike(3.0),
          mend=lambda stage, symbol: stage.network.set_spike(0.0), lasts_s=60.0, is_harmless=True),
    Fault("F7 accepted, then closed", "each connect is closed at once", _connects(ConnectMode.DROP), mend=_let_in,
          of_message=False, whole=True, lasts_s=300.0, note=_attempts),
    Fault("F7 refused (429)", "each handshake is refused", _refuse, of_message=False, whole=True, lasts_s=300.0,
          note=_attempts),
    Fault("F7 no answer", "connects time out", _connects(ConnectMode.TIMEOUT), mend=_let_in, of_message=False,
          whole=True, lasts_s=300.0, note=_attempts),
    Fault("F8 100 symbols, limited", "reset of 100 symbols; 15 requests a second are allowed",
          _link(lambda link: link.cut()), mend=_no_end, of_message=False, whole=True,
          sim={"pairs": 100, "requests_per_s_max": 15, "rate": 60.0}, venue={"topics_per_request": 3},
          note=_in_the_end_all),
    Fault("F9 bad checksum", "one update", _switch("wrong_checksum"), limit_s=0.0, note=_one_connection),
    Fault("F9 bad checksum, for ever", "every update and snapshot of a symbol for 60 s",
          _switch("wrong_checksum", count=-1, snapshots=True), lasts_s=60.0, limit_s=0.0, note=_quarantined),
    Fault("F9 corrupt level", "one quantity in the best ten", _switch("corrupt_level", depth=10), limit_s=0.0,
          note=_one_connection),
    Fault("F10 missing update", "one update withheld", _switch("drop_update", depth=10), limit_s=0.0,
          note=_one_connection),
    Fault("F10 duplicated update", "two updates sent twice", _switch("duplicate_update", count=2), is_harmless=True,
          note=_one_connection),
    Fault("F10 crossed", "a bid above the best ask", _switch("cross"), limit_s=0.0, note=_confirmed),
    Fault("F10 locked", "a bid at the best ask", _switch("cross", locked=True), limit_s=0.0, note=_confirmed),
    Fault("uninitialised, a side lost", "all asks gone", _switch("empty_side"), limit_s=0.0, note=_confirmed),
    Fault("jump away from trades", "asks three times as dear", _switch("jump"), limit_s=0.0, note=_confirmed),
    Fault("time backwards", "one update a year old", _switch("old_time"), limit_s=0.0, note=_one_connection),
    Fault("F11 malformed, unknown", "20 broken frames, 20 of an unknown channel",
          lambda stage, symbol: (stage.fault("malformed", count=20), stage.fault("unknown_channel", count=20)),
          is_harmless=True, note=_one_connection),
    Fault("F21 precision", "one more decimal of a price", _switch("precision"), limit_s=0.1, note=_one_connection),
    Fault("F22 maintenance", "system status for 60 s", _all("status", system="maintenance"), whole=True, lasts_s=60.0,
          of_message=False, limit_s=0.2),
    Fault("F22 cancel_only", "of one pair for 60 s", _switch("pair_status"), lasts_s=60.0, of_message=False, limit_s=0.2,
          note=_one_connection),
    Fault("F39 clock", "wall clock an hour ahead, then an hour behind", _skew, mend=_no_skew, lasts_s=30.0,
          is_harmless=True, note=_one_connection),
    Fault("quiet, not silent", "nothing changes for an hour, heartbeats go on", _all("freeze"), lasts_s=3600.0,
          is_harmless=True, note=_one_connection),
)  # fmt: skip
