"""Status: how one gateway stands, in one mapping for `gw status` and the status page; read when somebody asks.

What is wrong comes first, in sentences that name the cause. Who asks sees accounts and clients as far as they are granted.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gwcore
from gwcore.capture import SUFFIX
from gwcore.engine.accounts.state import AccountState
from gwcore.engine.clients.access import Grant
from gwcore.engine.clients.control import Operator
from gwcore.engine.market.subscription import Subscription
from gwcore.model import StreamState
from gwcore.runtime.app import Gateway
from gwcore.runtime.capture.incidents import FOLDER
from gwcore.runtime.control.controls import Answer, Question
from gwcore.runtime.journal.backlog import measure_backlog
from gwcore.runtime.journal.sinks import CLASSES
from gwcore.runtime.observability.liveness import stuck_parts

#: Books, clients and incidents named; the rest is counted. An answer has to fit into one message of a transport.
NAMED_MAX = 10
#: Symbols named in one problem.
SYMBOLS_MAX = 5
#: A sink that is this far behind is a problem, though it is connected.
BACKLOG_S = 30.0
#: Free space below this many reserves of the journal is a problem.
SPACE_RESERVES = 2

_NS = 1_000_000_000


class Status:
    """`not_ready`: reasons; `stall`: who holds up the event loop, and `lag_s` how late it was at the last look."""

    def __init__(
        self, gateway: Gateway, not_ready: Callable[[], list[str]], stall: Callable[[], str], lag_s: Callable[[], float]
    ) -> None:
        self._gateway = gateway
        self._not_ready = not_ready
        self._stall = stall
        self._lag_s = lag_s

    def add(self) -> None:
        """Let clients ask."""
        self._gateway.controls.add("status", Question(answer=self._answer))

    def _answer(self, asked: object, operator: Operator) -> Answer:
        report = self.report(operator.grant)
        return Answer("ready" if report["ready"] else "not ready", report)

    def report(self, grant: Grant | None = None) -> dict[str, Any]:
        """All of it. Without a grant no client and no account is named."""
        gateway, not_ready = self._gateway, self._not_ready()
        now_ns = gateway.ports.clock.now_ns()
        sinks, accounts = self._sinks(now_ns), self._accounts(grant)
        return {
            "name": gateway.name,
            "venue": gateway.config.venue.spec.name,
            "environment": gateway.config.gateway.env,
            "version": gwcore.__version__,
            "pid": os.getpid(),
            "started_ns": gateway.started_ns,
            "time_ns": now_ns,
            "state": gateway.machine.gateway_state.value,
            "ready": not not_ready,
            "not_ready": not_ready,
            "problems": [*self._problems(sinks, accounts)],
            "symbols": len(gateway.machine.instruments),
            "connections": self._connections(),
            "streams": self._streams(),
            **self._books(),
            "sinks": sinks,
            "clients": self._clients(grant),
            "accounts": accounts,
            "disk": self._disk(),
            "journal_failed": gateway.journal.failed,
            "incidents": self._incidents(),
            "events": gateway.publisher.events,
            "latency_p50_ns": gateway.publisher.latency.quantile_ns(0.5),
            "latency_p99_ns": gateway.publisher.latency.quantile_ns(0.99),
            "loop_lag_s": self._lag_s(),
            "last_stall": self._stall(),
            "addresses": gateway.addresses,
        }

    # --- what is wrong ------------------------------------------------------------------------------------------------

    def _problems(self, sinks: Sequence[dict[str, Any]], accounts: Sequence[dict[str, Any]]) -> Iterable[str]:
        gateway = self._gateway
        yield from stuck_parts(gateway)
        yield from self._not_ready()
        yield from self._bad_streams()
        if gateway.journal.failed:
            yield f"the journal can't be written: {gateway.journal.failed}"
        free, reserve = gateway.ports.storage.free_bytes(), gateway.config.journal.reserve_bytes
        if free < SPACE_RESERVES * reserve:
            yield f"{free} bytes are free on the journal's volume; below {reserve} it stops"
        for sink in sinks:
            if not sink["is_connected"]:
                why = ": ".join(part for part in (sink["cause"], sink["detail"]) if part)
                yield f"sink {sink['name']} is not connected: {why or 'connecting'}; {sink['backlog']} events wait"
            elif sink["backlog_s"] > BACKLOG_S:
                yield f"sink {sink['name']} is {sink['backlog_s']:.0f} s behind: {sink['backlog']} events"
        for account in accounts:
            if account["is_halted"]:
                yield f"account {account['name']} is halted: {account['cause']}"
        conflating = [session.client_id for session in gateway.fanout.sessions if session.is_conflating]
        if conflating:
            yield f"too slow, so that market data is skipped for them: {_some(conflating)}"
        if self._stall():
            yield f"the event loop was held up: {self._stall()}"

    def _bad_streams(self) -> Iterable[str]:
        """Streams that are not LIVE, together by channel, state and reason; those of a lost connection are its problem."""
        bad: defaultdict[tuple[str, str, str], list[Subscription]] = defaultdict(list)
        for machine in self._gateway.machine.machines:
            if machine.is_open:
                for topic, each in machine.subscriptions.topics.items():
                    if each.state is not StreamState.LIVE and each.reason is not None:
                        bad[topic.channel.value, each.state.value, each.reason.value].append(each)
        for (channel, state, reason), found in bad.items():
            symbols = _some(sorted(each.topic.symbol or "" for each in found))
            detail = next((each.detail for each in found if each.detail), None)
            yield f"{channel} of {symbols} is {state}: {reason}{f' ({detail})' if detail else ''}"

    # --- the parts ----------------------------------------------------------------------------------------------------

    def _connections(self) -> list[dict[str, Any]]:
        return [
            {
                "name": connection.name,
                "is_open": connection.machine.is_open,
                "leads": connection.leads,
                "symbols": len(connection.machine.instruments),
                "frames": connection.machine.frames,
                "connects": connection.connects,
                "round_trip_ns": connection.machine.round_trip_ns,
                "last_cause": connection.last_cause,
            }
            for connection in self._gateway.hub.connections
        ]

    def _streams(self) -> dict[str, dict[str, int]]:
        states: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for machine in self._gateway.machine.machines:
            for topic, subscription in machine.subscriptions.topics.items():
                states[topic.channel.value][subscription.state.value] += 1
        return {channel: dict(counts) for channel, counts in sorted(states.items())}

    def _books(self) -> dict[str, Any]:
        now_ns = self._gateway.ports.clock.monotonic_ns()
        states: Counter[str] = Counter()
        bad: list[dict[str, Any]] = []
        oldest: tuple[int, str | None] = (-1, None)
        for machine in self._gateway.machine.machines:
            for symbol, book in machine.books.of_symbol.items():
                states[book.state.value] += 1
                age_ns = machine.watch.quiet.age_ns(book.topic, now_ns)
                if book.state is StreamState.LIVE:
                    oldest = max(oldest, (age_ns or 0, symbol))
                    continue
                bad.append(
                    {
                        "symbol": symbol,
                        "state": book.state.value,
                        "reason": book.reason.value if book.reason else None,
                        "detail": book.detail,
                        "for_s": (now_ns - book.since_ns) / _NS,
                        "resubscribes": book.resubscribes,
                    }
                )
        bad.sort(key=lambda each: -each["for_s"])
        worst = {"symbol": oldest[1], "age_s": oldest[0] / _NS} if oldest[1] is not None else None
        return {"books": dict(states), "oldest_book": worst, "bad_books": bad[:NAMED_MAX], "bad_books_count": len(bad)}

    def _sinks(self, now_ns: int) -> list[dict[str, Any]]:
        found = []
        for runner in self._gateway.sinks:
            backlogs = [measure_backlog(self._gateway.journal, name, runner.progress[name], now_ns) for name in CLASSES]
            found.append(
                {
                    "name": runner.name,
                    "is_connected": runner.is_connected,
                    "backlog": sum(each.events for each in backlogs),
                    "backlog_bytes": sum(each.bytes for each in backlogs),
                    "backlog_s": max(each.seconds for each in backlogs),
                    "cause": runner.cause,
                    "detail": runner.detail,
                    "ack_meaning": runner.ack_meaning,
                    "progress": dict(runner.progress),
                }
            )
        return found

    def _clients(self, grant: Grant | None) -> dict[str, Any]:
        sessions = sorted(self._gateway.fanout.sessions, key=lambda session: -session.buffered_bytes)
        may_see = grant is not None and "admin" in grant.verbs
        named = [
            {
                "id": session.client_id,
                "name": session.client.name,
                "identity": session.client.identity,
                "buffered_bytes": session.buffered_bytes,
                "is_conflating": session.is_conflating,
                "events": session.events_sent,
            }
            for session in (sessions[:100] if may_see else ())
        ]
        settings = self._gateway.fanout.settings
        return {
            "count": len(sessions),
            "max": settings.clients_max,
            "buffer_bytes_max": settings.buffer_bytes_max,
            "worst_buffer_bytes": max((session.buffered_bytes for session in sessions), default=0),
            "cut": dict(self._gateway.fanout.cut),
            "conflations": self._gateway.fanout.conflations,
            "named": named,
        }

    def _accounts(self, grant: Grant | None) -> list[dict[str, Any]]:
        """All for an operator of the gateway; else those that are granted."""
        return [
            {
                "name": each.account.name,
                "state": each.machine.state.value,
                "is_ready": each.machine.state is AccountState.READY,
                "is_halted": each.is_halted,
                "cause": each.halt_cause,
                "connects": each.connects,
                "discrepancies": each.machine.discrepancies,
            }
            for each in self._gateway.accounts.connections
            if grant is not None and ("admin" in grant.verbs or grant.has_account(each.account.name))
        ]

    def _disk(self) -> dict[str, Any]:
        journal = self._gateway.journal
        return {
            "free_bytes": self._gateway.ports.storage.free_bytes(),
            "reserve_bytes": self._gateway.config.journal.reserve_bytes,
            "journal_bytes": {name: journal.stored_bytes(name) for name in CLASSES},
            "pending_bytes": sum(journal.pending_bytes(name) for name in CLASSES),
        }

    def _incidents(self) -> dict[str, Any]:
        storage = self._gateway.ports.storage.child(FOLDER)
        names = sorted(name for name in storage.list() if name.endswith(SUFFIX))
        last = [f"{FOLDER}/{name}" for name in reversed(names[-NAMED_MAX:])]
        return {"count": len(names), "outcomes": dict(self._gateway.captures.outcomes()), "last": last}


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SYMBOLS_MAX} more" if len(names) > SYMBOLS_MAX else ""
    return f"{', '.join(names[:SYMBOLS_MAX])}{more}"
