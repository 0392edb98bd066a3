"""The faults of trading requests by name; see `fault_switch`. `method` has the WebSocket's names for REST too."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gw_sim_kraken import modes
from gw_sim_kraken.accounts.amounts import to_scaled
from gw_sim_kraken.faults import trade_faults as kinds
from gw_sim_kraken.faults.trade_faults import ANY, METHODS, REST, WEBSOCKET, TradeFault
from gw_sim_kraken.market.seeded import SeededFeed
from gw_sim_kraken.orders.parsing import number
from gw_sim_kraken.orders.request import OrderRefused

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

_MILLISECOND_NS = 1_000_000
#: Longest delay that a fault plans.
_MS_MAX = 3_600_000
_METHODS = (ANY, *METHODS.values())
_WAYS = (ANY, WEBSOCKET, REST)


class TradeSwitch:
    """Each call says in one sentence what it did. Raises ValueError naming what there is."""

    def __init__(self, exchange: SimulatedKraken) -> None:
        self._exchange = exchange

    def table(self) -> dict[str, Callable[..., str]]:
        """Names and calls."""
        return {
            kinds.LOSE: self._lose_replies,
            kinds.LATE: self._late_replies,
            kinds.DOUBLE: self._double_replies,
            kinds.TAKE_LATE: self._take_late,
            kinds.LIVE_LATE: self._live_late,
            kinds.REFUSE: self._refuse_orders,
            kinds.CLOSE: self._close_after,
            kinds.MODE: self._mode_on_order,
            kinds.LOSE_REQUEST: self._lose_requests,
            kinds.FILL: self._fill_first,
            "reply_order": self._reply_order,
            "delay_executions": self._delay_executions,
            "swap_executions": self._swap_executions,
            "index": self._index,
        }

    def restore(self) -> None:
        """End all of them."""
        self._exchange.trade_faults.restore()
        self._exchange.triggers.restore()

    def _arm(self, on: bool, fault: TradeFault, said: str) -> str:
        if fault.method not in _METHODS:
            raise ValueError(f"no method {fault.method!r}; there are: {', '.join(_METHODS)}")
        if fault.way not in _WAYS:
            raise ValueError(f"no way {fault.way!r}; there are: {', '.join(_WAYS)}")
        if fault.account:
            self._exchange.accounts.get(fault.account)
        if not 0 <= fault.delay_ns <= _MS_MAX * _MILLISECOND_NS:
            raise ValueError(f"ms is 0 to {_MS_MAX}")
        if not on:
            self._exchange.trade_faults.disarm(fault.kind, fault.method, fault.way, fault.account)
            return f"{fault.kind} is off"
        self._exchange.trade_faults.arm(fault)
        which = "trading requests" if fault.method == ANY else fault.method
        return f"the next {fault.count} {which} {said}"

    def _lose_replies(
        self, count: int = 1, method: str = ANY, way: str = WEBSOCKET, account: str = "", on: bool = True
    ) -> str:  # fmt: skip
        fault = TradeFault(kind=kinds.LOSE, count=count, method=method, way=way, account=account)
        return self._arm(on, fault, "are carried out and not answered")

    def _lose_requests(
        self, count: int = 1, method: str = ANY, way: str = ANY, account: str = "", status: int = 0, on: bool = True
    ) -> str:  # fmt: skip
        fault = TradeFault(
            kind=kinds.LOSE_REQUEST, count=count, method=method, way=way, account=account, status=_no_success(status)
        )
        return self._arm(on, fault, "never reach the engine and are not answered")

    def _fill_first(
        self, percent: int = 100, count: int = 1, method: str = ANY, way: str = ANY, account: str = "", on: bool = True
    ) -> str:  # fmt: skip
        if not 1 <= percent <= 100:
            raise ValueError("percent is 1 to 100")
        fault = TradeFault(kind=kinds.FILL, count=count, method=method, way=way, account=account, percent=percent)
        return self._arm(on, fault, f"find the order that they name filled to {percent} % of what was left")

    def _late_replies(
        self, ms: int = 5000, count: int = 1, method: str = ANY, account: str = "", on: bool = True
    ) -> str:  # fmt: skip
        """REST answers at once or not at all here: there `take_late` and `lose_replies` do it."""
        fault = TradeFault(
            kind=kinds.LATE, count=count, method=method, way=WEBSOCKET, account=account, delay_ns=ms * _MILLISECOND_NS
        )
        return self._arm(on, fault, f"are carried out at once and answered {ms} ms later")

    def _double_replies(
        self, ms: int = 0, count: int = 1, method: str = ANY, account: str = "", on: bool = True
    ) -> str:  # fmt: skip
        fault = TradeFault(
            kind=kinds.DOUBLE, count=count, method=method, way=WEBSOCKET, account=account, delay_ns=ms * _MILLISECOND_NS
        )
        return self._arm(on, fault, f"are answered twice, {ms} ms apart")

    def _take_late(
        self, ms: int = 5000, count: int = 1, method: str = ANY, way: str = ANY, account: str = "", status: int = 504,
        on: bool = True,
    ) -> str:  # fmt: skip
        """Over the WebSocket the answer comes then too; REST answers `status` at once (0: not at all)."""
        fault = TradeFault(
            kind=kinds.TAKE_LATE, count=count, method=method, way=way, account=account, status=_no_success(status),
            delay_ns=ms * _MILLISECOND_NS,
        )  # fmt: skip
        return self._arm(on, fault, f"reach the engine {ms} ms later")

    def _live_late(self, ms: int = 5000, count: int = 1, account: str = "", on: bool = True) -> str:
        fault = TradeFault(kind=kinds.LIVE_LATE, count=count, account=account, delay_ns=ms * _MILLISECOND_NS)
        return self._arm(on, fault, f"are accepted, and the order is live {ms} ms later")

    def _refuse_orders(
        self, error: str = "EOrder:Rate limit exceeded", count: int = 1, method: str = ANY, way: str = ANY,
        account: str = "", after: bool = False, on: bool = True,
    ) -> str:  # fmt: skip
        fault = TradeFault(
            kind=kinds.REFUSE, count=count, method=method, way=way, account=account, error=error, after=after
        )
        return self._arm(on, fault, f"are answered {error}{', though they are carried out' if after else ''}")

    def _close_after(
        self, count: int = 1, method: str = ANY, account: str = "", abort: bool = False, reply: bool = False,
        reports: bool = True, on: bool = True,
    ) -> str:  # fmt: skip
        fault = TradeFault(
            kind=kinds.CLOSE, count=count, method=method, way=WEBSOCKET, account=account, abort=abort, reply=reply,
            reports=reports,
        )  # fmt: skip
        return self._arm(on, fault, "are carried out, then their connection is closed")

    def _mode_on_order(
        self, system: str = "cancel_only", count: int = 1, method: str = ANY, way: str = ANY, account: str = "",
        on: bool = True,
    ) -> str:  # fmt: skip
        if system not in modes.SYSTEMS:
            raise ValueError(f"no system status {system!r}; there are: {', '.join(modes.SYSTEMS)}")
        fault = TradeFault(kind=kinds.MODE, count=count, method=method, way=way, account=account, system=system)
        return self._arm(on, fault, f"find the exchange in mode {system}")

    def _reply_order(self, first: bool = True, on: bool = True) -> str:
        self._exchange.trade_faults.reply_first = first if on else None
        return f"replies come {'before' if first else 'after'} the reports" if on else "replies come as it happens"

    def _delay_executions(self, ms: int = 1000, on: bool = True) -> str:
        if not 0 <= ms <= _MS_MAX:
            raise ValueError(f"ms is 0 to {_MS_MAX}")
        self._exchange.account_faults.executions_delay_ns = ms * _MILLISECOND_NS if on else 0
        return f"executions come {ms} ms late" if on else "executions come in time"

    def _swap_executions(self, count: int = 1, on: bool = True) -> str:
        self._exchange.account_faults.swaps = count if on else 0
        return f"the next {count} frames of executions come behind those that follow them" if on else "in order"

    def _index(self, symbol: str, price: object = "0", on: bool = True) -> str:
        feed = self._exchange.feed
        if not isinstance(feed, SeededFeed):
            raise ValueError("this fault needs a seeded market, not a replay")
        market = feed.market(symbol)
        if not on:
            self._exchange.triggers.fix_index(market, None)
            return f"the index of {symbol} is its last price"
        try:
            found = number(price, "price")
        except OrderRefused:
            found = number("0", "price")
        if to_scaled(found, market.pair.price_precision) < 1:
            raise ValueError(f"price {price!r:.40} is no price of {symbol}")
        self._exchange.triggers.fix_index(market, found)
        return f"the index of {symbol} is {price}"


def _no_success(status: int) -> int:
    """The status of an answer that is none. Raises ValueError for those that clients would read."""
    if status != 0 and not 300 <= status <= 599:
        raise ValueError("status is 0 (no answer) or an HTTP status from 300 to 599")
    return status
