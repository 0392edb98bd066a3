"""The mode of the whole exchange (sheet 3.8): said on every socket, and books start again after maintenance (sheet 7.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gw_sim_kraken.market.frames import status_frame

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken
    from gw_sim_kraken.market.listing import Pair

ONLINE, MAINTENANCE = "online", "maintenance"
SYSTEMS = (ONLINE, MAINTENANCE, "cancel_only", "post_only")

#: What a pair may be while its orders are matched.
_MATCHING = frozenset({ONLINE, "limit_only", "reduce_only"})


def matches(exchange: SimulatedKraken, pair: Pair) -> bool:
    """Whether orders of a pair are matched now."""
    return exchange.system == ONLINE and pair.status in _MATCHING


def set_system(exchange: SimulatedKraken, system: str, upcoming: Sequence[str] = (), *, resends: bool = True) -> None:
    """Change the mode and say so. `resends`: books start again with snapshots where maintenance ends.

    Raises ValueError for a mode that Kraken does not have.
    """
    if system not in SYSTEMS:
        raise ValueError(f"no system status {system!r}; there are: {', '.join(SYSTEMS)}")
    before, exchange.system = exchange.system, system
    exchange.upcoming = tuple(upcoming)
    exchange.feed.mode = system
    exchange.send_all(status_frame(system, None, exchange.upcoming))
    if system == MAINTENANCE and exchange.settings.maintenance_closes:
        cut_all(exchange)
    if before == MAINTENANCE and system != before and resends:
        send_books_again(exchange)


def send_books_again(exchange: SimulatedKraken) -> None:
    """After downtime on open sockets each book starts with a new snapshot."""
    for symbol in exchange.board.symbols():
        for subscription in exchange.board.of_symbol(symbol, "book"):
            exchange.desk.feed(exchange.now_ns, subscription)


def cut_all(exchange: SimulatedKraken, *, abort: bool = False) -> int:
    """Close every connection; returns how many."""
    chosen = list(exchange.connections)
    for number in chosen:
        exchange.cut(number, abort=abort)
    return len(chosen)
