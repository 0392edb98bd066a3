"""The Kraken scenario of the seeded simulation: plugin, simulator, its truth and its faults. Tests and scripts share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gwcore.book import _BookSide
from gwcore.engine.market.books import BookKeeper
from gwcore.engine.market.subscriptions import SubscriptionSet
from gwcore.plugins import load_simulator, load_sink, load_venue
from gwcore.settings import (
    ClientSettings,
    GatewaySettings,
    HealingSettings,
    JournalSettings,
    SelectedSink,
    SelectedVenue,
)
from gwcore.testing.faults import (
    CLIENT_FAULTS,
    CLOCK_FAULTS,
    NETWORK_FAULTS,
    Ender,
    FaultKind,
    FaultTargets,
    simulator_fault,
)
from gwcore.testing.oracles import TrueLevels, TrueTrade
from gwcore.testing.seeds import SeededRandom
from gwcore.testing.simulation import Scenario

PAIRS = 6
RATE = 40.0  # messages a second


def simulator_faults(symbols: tuple[str, ...]) -> tuple[FaultKind, ...]:
    """What the simulated venue itself can do wrong."""

    def of_symbol(**options: Any) -> Any:
        return lambda rng: {"symbol": rng.pick(symbols), **options}

    def burst(rng: SeededRandom) -> dict[str, Any]:
        # Several in a row, snapshots too: the healing of one fault meets the next.
        return {"symbol": rng.pick(symbols), "count": rng.integer(1, 8), "snapshots": rng.chance(0.5)}

    restore = ("restore", {})
    return (
        simulator_fault("corrupt_level", "corrupt_level", burst, end=restore),
        simulator_fault("wrong_checksum", "wrong_checksum", burst, end=restore),
        simulator_fault("old_time", "old_time", burst, end=restore),
        simulator_fault("jump", "jump", of_symbol(), end=restore, may_miss=True),
        # One that found nothing to strike ends with its time: the last message before the comparison can't be missed.
        simulator_fault("drop_update", "drop_update", of_symbol(count=1), end=restore),
        simulator_fault("duplicate_update", "duplicate_update", of_symbol(count=2), end=restore),
        simulator_fault("silence", "silence", of_symbol(channel="book"), end=restore, lasts_s=(1.0, 15.0)),
        simulator_fault("trades_withheld", "silence", of_symbol(channel="trade"), end=restore, lasts_s=(1.0, 8.0)),
        simulator_fault("starve", "starve", of_symbol(), end=restore, lasts_s=(1.0, 15.0)),
        simulator_fault("close", "close", lambda rng: {"abort": rng.chance(0.5)}),
        simulator_fault("refuse", "refuse", lambda rng: {"count": rng.integer(1, 5), "status": 503}, end=restore),
        simulator_fault("http", "http", lambda rng: {"body": rng.pick(("html", "torn", ""))}, end=restore),
        simulator_fault("stop_heartbeats", "stop_heartbeats", lambda rng: {}, end=restore, lasts_s=(1.0, 15.0)),
        simulator_fault("unknown_channel", "unknown_channel", lambda rng: {"count": 2}),
        simulator_fault("malformed", "malformed", lambda rng: {"count": 5}),
        simulator_fault("cross", "cross", of_symbol(), end=restore, may_miss=True),
        simulator_fault("empty_side", "empty_side", of_symbol(), end=restore, may_miss=True),
        simulator_fault("precision", "precision", of_symbol(), end=restore),
        simulator_fault("pair_status", "pair_status", of_symbol(), end=restore),
        simulator_fault("maintenance", "status", lambda rng: {"system": "maintenance"}, end=restore),
        *downtime_faults(symbols),
        simulator_fault("cancel_only", "status", lambda rng: {"system": "cancel_only"}, end=restore),
    )


def downtime_faults(symbols: tuple[str, ...]) -> tuple[FaultKind, ...]:
    """The venue is down in the ways that people reported, feeds what is not so, or takes less than it is asked for."""

    def downtime(rng: SeededRandom) -> dict[str, Any]:
        return {
            "sockets": rng.pick(("open", "open", "close", "abort")),
            "books": rng.pick(("", "zeroed", "no_bids", "no_asks")),
            "said": rng.chance(0.5),
            "trading": rng.chance(0.5),
            "heartbeats": rng.chance(0.7),
            "connects": rng.pick((0, 503)),
            "resend": rng.pick(("new", "old", "none")),
        }

    def blanked(rng: SeededRandom) -> dict[str, Any]:
        sides = rng.pick(("both", "bids", "asks"))
        return {"symbol": rng.pick(symbols), "sides": sides, "snapshot": rng.chance(0.5)}

    def limited(rng: SeededRandom) -> dict[str, Any]:
        answer = rng.pick(("error", "ignore", "close"))
        return {"messages": rng.integer(0, 3), "window_s": rng.pick((0, 1, 5)), "answer": answer}

    restore = ("restore", {})
    lasting = {"end": restore, "every_s": (10.0, 30.0)}
    steps = {"announce_s": 1.0, "down_s": 3.0, "cancel_only_s": 2.0, "post_only_s": 2.0}
    return (
        simulator_fault("downtime", "downtime", downtime, **lasting, lasts_s=(1.0, 20.0), may_miss=True),
        simulator_fault("blank_book", "blank_book", blanked),
        simulator_fault(
            "old_book", "old_book", lambda rng: {"symbol": rng.pick(symbols), "after_s": rng.uniform(0.0, 5.0)}
        ),
        simulator_fault(
            "planned", "maintenance", lambda rng: {**steps, "closes": rng.chance(0.5)}, **lasting, lasts_s=(9.0, 12.0)
        ),
        simulator_fault("unfed", "unfed", lambda rng: {"count": rng.integer(1, 4)}, end=restore, lasts_s=(1.0, 15.0)),
        simulator_fault(
            "reject_from", "reject_from", lambda rng: {"number": rng.integer(2, 6)}, **lasting, lasts_s=(1.0, 15.0)
        ),
        simulator_fault("rate_limit", "rate_limit", limited, **lasting, lasts_s=(1.0, 15.0)),
    )


def rejection(symbols: tuple[str, ...]) -> FaultKind:
    """Subscriptions of a symbol are refused for a while, and its book goes bad, so that it has to be subscribed.

    By itself, because the gateway asks again only once a minute.
    """

    def strike(targets: FaultTargets, rng: SeededRandom) -> Ender:
        symbol = rng.pick(symbols)
        targets.simulator.fault("reject", symbol=symbol)
        targets.simulator.fault("wrong_checksum", symbol=symbol)
        targets.network.poke()

        def end() -> None:
            targets.simulator.fault("restore")
            targets.network.poke()

        return end

    return FaultKind(name="reject", strike=strike, lasts_s=(2.0, 6.0))


def true_levels(simulator: Any, symbol: str, depth: int) -> TrueLevels:
    """The simulator's own book."""
    book = simulator.book(symbol, depth)
    return TrueLevels(book.bids, book.asks)


def true_trades(simulator: Any, symbol: str) -> Mapping[int, TrueTrade]:
    """The simulator's own trades."""
    return {
        trade.trade_id: TrueTrade(trade.price, trade.quantity, trade.side.upper()) for trade in simulator.trades(symbol)
    }


def scenario(rate: float = RATE, **options: Any) -> Scenario:
    """Six pairs, the file sink, three clients, and every kind of fault there is."""
    venue = load_venue("kraken")
    simulator = load_simulator("kraken")
    sink = load_sink("file")

    def make_simulator(seed: int) -> Any:
        return simulator.create(simulator.settings(seed=seed, pairs=PAIRS, rate=rate))

    symbols = tuple(make_simulator(1).feed.listing.pairs)
    environment = venue.environments["sim"]
    chosen: dict[str, Any] = {
        "venue": SelectedVenue(spec=venue, settings=venue.settings(**environment, symbols_per_connection=3)),
        "make_simulator": make_simulator,
        "symbols": symbols,
        "true_levels": true_levels,
        "true_trades": true_trades,
        "faults": (*NETWORK_FAULTS, *CLOCK_FAULTS, *CLIENT_FAULTS, *simulator_faults(symbols)),
        "sinks": (SelectedSink(spec=sink, settings=sink.settings()),),
        "gateway": GatewaySettings(env="sim"),
        "healing": HealingSettings(),
        "clients": ClientSettings(buffer_bytes_max=100_000),  # small, so that a client that stalls is conflated
        "journal": JournalSettings(segment_bytes=512 * 1024, memory_records=2_000),
        **options,
    }
    return Scenario(**chosen)


class PlantedBug(NamedTuple):
    """A bug to be put in place of a method; `found_by` is in the violation that it causes."""

    what: str
    place: type
    name: str
    make: Callable[[Any], Any]
    found_by: str


def _no_cut(original: Any) -> Any:
    return lambda self, depth: None


def _no_stale(original: Any) -> Any:
    return lambda self, subscription, cause: None


def _no_third_try(original: Any) -> Any:
    def fail(self: Any, subscription: Any, reason: Any, detail: Any, now_ns: int) -> None:
        original(self, subscription, reason, detail, now_ns)
        if len(subscription.failures) == 2:
            subscription.deadline_ns = None

    return fail


PLANTED_BUGS = (
    PlantedBug("books are not cut to their depth", _BookSide, "cut", _no_cut, "at the venue"),
    PlantedBug("no STALE when the connection is lost", BookKeeper, "on_close", _no_stale, "is gone"),
    PlantedBug(
        "resubscription dropped after the second failure", SubscriptionSet, "fail", _no_third_try, "not all is LIVE"
    ),
)
