"""The faults by name, switched while the exchange runs. Each lasting one takes `on=False`; `restore` ends all.

Book faults (corrupt_level, wrong_checksum, old_time, drop_update, duplicate_update) take `symbol` ("*": whichever comes next)
and `count` (-1: until restored); the first three also `snapshots`, all of them `depth`: then only events count that a book of
this depth is told of, which is what a client of any depth can notice by the checksum when it is 10.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gw_sim_kraken import modes
from gw_sim_kraken.faults import market_faults
from gw_sim_kraken.faults.account_switch import AccountSwitch
from gw_sim_kraken.faults.downtime_faults import DowntimeFaults
from gw_sim_kraken.faults.faults import ANY, CHECKSUM, CORRUPT, DROP, DUPLICATE, OLD_TIME, BookFault, Faults, HttpFault
from gw_sim_kraken.faults.request_faults import RequestFaults
from gw_sim_kraken.faults.trade_switch import TradeSwitch

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

#: Frames or handshakes that one call can order.
COUNT_MAX = 1000
_UNKNOWN = b'{"channel":"surprise","type":"update","data":[{"answer":42}]}'
_MALFORMED = (
    b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":1.0,"qt',
    b'{"channel":"book","type":"update","data":[{"symbol":7,"bids":"none"}]}',
    b"\x00\xff not text",
    b"[]",
    b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","price":"NaN"}]}',
)


class FaultSwitch:
    """Finds a fault by name, checks the options, says in one sentence what it did."""

    def __init__(self, exchange: SimulatedKraken) -> None:
        self._exchange = exchange
        self._market_faults = market_faults.MarketFaults(exchange)
        self._downtime_faults = DowntimeFaults(exchange)
        self._account_switch = AccountSwitch(exchange)
        self._trade_switch = TradeSwitch(exchange)
        self._table: dict[str, Callable[..., str]] = {
            CORRUPT: self._book_fault(CORRUPT),
            CHECKSUM: self._book_fault(CHECKSUM),
            OLD_TIME: self._book_fault(OLD_TIME),
            DROP: self._book_fault(DROP),
            DUPLICATE: self._book_fault(DUPLICATE),
            "freeze": self._freeze,
            "silence": self._silence,
            "starve": self._starve,
            "reject": self._reject,
            "close": self._close,
            "refuse": self._refuse,
            "status": self._status,
            "http": self._http,
            "stop_heartbeats": self._stop_heartbeats,
            "unknown_channel": self._unknown_channel,
            "malformed": self._malformed,
            "restore": self._restore,
            **self._market_faults.table(),
            **self._downtime_faults.table(),
            **RequestFaults(exchange).table(),
            **self._account_switch.table(),
            **self._trade_switch.table(),
        }

    @property
    def names(self) -> tuple[str, ...]:
        """All faults."""
        return tuple(self._table)

    def apply(self, name: str, options: dict[str, Any]) -> str:
        """Do it. Raises ValueError for a name or an option that does not exist, and for a symbol not listed."""
        call = self._table.get(name)
        if call is None:
            raise ValueError(f"no fault {name!r}; there are: {', '.join(sorted(self._table))}")
        known = inspect.signature(call).parameters
        for option in options:
            if option not in known:
                raise ValueError(f"fault {name} has no option {option!r}; it has: {', '.join(known) or 'none'}")
        symbol = options.get("symbol", ANY)
        if symbol != ANY and name != "list_pair" and symbol not in self._exchange.feed.listing.pairs:
            raise ValueError(f"fault {name}: no symbol {symbol!r} is listed here")
        for required in known.values():
            if required.default is inspect.Parameter.empty and required.name not in options:
                raise ValueError(f"fault {name} needs the option {required.name}")
        return call(**options)

    # -- what is sent ------------------------------------------------------------------------------------------

    def _book_fault(self, kind: str) -> Callable[..., str]:
        def arm(symbol: str = ANY, count: int = 1, snapshots: bool = False, depth: int = 0, on: bool = True) -> str:
            faults = self._exchange.faults
            faults.books = [one for one in faults.books if (one.kind, one.symbol) != (kind, symbol)]
            if not on or count == 0:
                return f"{kind} is off for {symbol}"
            faults.books.append(BookFault(kind, symbol, count, snapshots, depth))
            return f"{kind} for the next {count} book updates of {symbol}"

        return arm

    def _freeze(self, on: bool = True) -> str:
        """Stop the market, so that what clients hold can be compared with the truth."""
        exchange = self._exchange
        if exchange.frozen and not on:
            exchange.feed.skip_to(exchange.now_ns)
        exchange.frozen = on
        return f"the market {'stands still' if on else 'goes on'}"

    def _silence(self, channel: str = ANY, symbol: str = ANY, on: bool = True) -> str:
        silenced = self._exchange.faults.silenced
        (silenced.add if on else silenced.discard)((channel, symbol))
        return f"channel {channel} of {symbol} is {'silent' if on else 'heard'}"

    def _starve(self, symbol: str, on: bool = True) -> str:
        exchange = self._exchange
        if on:
            exchange.faults.starved.add(symbol)
            return f"{symbol} is acked and not fed"
        exchange.faults.starved.discard(symbol)
        for subscription in exchange.board.of_symbol(symbol):
            exchange.desk.feed(exchange.now_ns, subscription)
        return f"{symbol} is fed"

    def _reject(self, symbol: str, text: str = "", on: bool = True) -> str:
        rejected = self._exchange.faults.rejected
        if on:
            rejected[symbol] = text or f"Currency pair not supported {symbol}"
            return f"subscriptions of {symbol} are rejected"
        rejected.pop(symbol, None)
        return f"subscriptions of {symbol} are taken"

    def _stop_heartbeats(self, on: bool = True) -> str:
        self._exchange.faults.no_heartbeats = on
        return f"heartbeats are {'off' if on else 'on'}"

    def _unknown_channel(self, count: int = 1) -> str:
        for _ in range(min(count, COUNT_MAX)):
            self._exchange.send_all(_UNKNOWN)
        return f"{count} frames of an unknown channel to {len(self._exchange.connections)} connections"

    def _malformed(self, count: int = 1) -> str:
        for number in range(min(count, COUNT_MAX)):
            self._exchange.send_all(_MALFORMED[number % len(_MALFORMED)])
        return f"{count} malformed frames to {len(self._exchange.connections)} connections"

    # -- connections and HTTP ----------------------------------------------------------------------------------

    def _close(self, connection: int | None = None, abort: bool = False) -> str:
        exchange = self._exchange
        chosen = [number for number in exchange.connections if connection in (None, number)]
        for number in chosen:
            exchange.cut(number, abort=abort)
        return f"{len(chosen)} connections closed"

    def _refuse(self, count: int = 1, status: int = 429, on: bool = True) -> str:
        self._exchange.faults.refusals = [status] * min(count, COUNT_MAX) if on else []
        return f"the next {count} connects are refused with {status}" if on else "connects are taken"

    def _http(
        self, status: int = 503, body: str = "html", error: str = "", path: str = "", count: int = -1,
        after: bool = False, on: bool = True,
    ) -> str:  # fmt: skip
        """`after`: the request is carried out first. Status 0: no answer at all, the line is cut."""
        fault = HttpFault(status, body, error, path, count, after)
        self._exchange.faults.http_fault = fault if on and count else None
        return f"REST answers {error or status or 'nothing'}" if on else "REST answers as usual"

    # -- modes -------------------------------------------------------------------------------------------------

    def _status(self, system: str = "maintenance", upcoming: Sequence[str] = ()) -> str:
        modes.set_system(self._exchange, system, upcoming)
        return f"system is {system}"

    def _restore(self) -> str:
        exchange = self._exchange
        starved = list(exchange.faults.starved)
        exchange.faults = Faults()
        self._freeze(on=False)
        for symbol in starved:
            self._starve(symbol, on=False)
        self._market_faults.restore()
        self._downtime_faults.restore()
        self._account_switch.restore()
        self._trade_switch.restore()
        if exchange.system != "online":
            self._status("online")
        return "all faults are off"
