"""Who listens to which account, and what they are sent: `executions` and `balances` with `sequence` (sheet 4.12, 4.13)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from gw_sim_kraken.accounts import balance_frames, execution_frames
from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.accounts.amounts import ZERO, from_scaled
from gw_sim_kraken.accounts.ledger import LedgerEntry
from gw_sim_kraken.accounts.tokens import Token
from gw_sim_kraken.connections import Connection
from gw_sim_kraken.counters import POINT
from gw_sim_kraken.feed import Topic
from gw_sim_kraken.orders.own_order import CANCELED, EXPIRED, FILLED, NEW, OwnFill, OwnOrder
from gw_sim_kraken.texts import SECOND_NS

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

EXECUTIONS, BALANCES = "executions", "balances"
#: Fills in a snapshot (sheet 4.12).
SNAPSHOT_FILLS = 50
#: Reports that go out with `order_status: false`.
_ALWAYS = frozenset({NEW, "trade", FILLED, CANCELED, EXPIRED})
_RATECOUNT_DECIMALS = 2
#: How long a frame that is to come behind another waits for one.
_HELD_NS = SECOND_NS


@dataclass(slots=True, eq=False)
class PrivateSubscription:
    """One channel of one account on one connection. `fed`: its snapshot has gone out, updates may follow."""

    connection: Connection
    channel: str
    token: Token
    snapshot: bool = True
    snap_orders: bool = True
    snap_trades: bool = False
    order_status: bool = True
    ratecounter: bool = False
    fed: bool = False
    ended: bool = False
    sequence: int = 0
    not_before_ns: int = 0  # frames that a fault delayed keep their order
    held: bytes = field(default=b"", init=False)  # a frame that waits for the one that follows

    @property
    def account(self) -> str:
        """Whose."""
        return self.token.key.account


class PrivateStreams:
    """Sends what happens in accounts. Every frame of a subscription takes the next number."""

    def __init__(self, exchange: SimulatedKraken) -> None:
        self._exchange = exchange
        self._all: dict[tuple[int, str], PrivateSubscription] = {}

    # -- subscriptions -----------------------------------------------------------------------------------------

    def add(self, subscription: PrivateSubscription) -> None:
        """Enter one; its token lives as long as it does."""
        key = (subscription.connection.number, subscription.channel)
        self._all[key] = subscription
        subscription.token.uses.add(key)

    def find(self, connection: int, channel: str) -> PrivateSubscription | None:
        """The one of a connection and channel."""
        return self._all.get((connection, channel))

    def remove(self, connection: int, channel: str) -> None:
        """Strike one."""
        subscription = self._all.pop((connection, channel), None)
        if subscription is not None:
            subscription.ended = True
            subscription.token.uses.discard((connection, channel))

    def drop(self, connection: int) -> None:
        """Strike all of a connection that is gone."""
        for channel in (EXECUTIONS, BALANCES):
            self.remove(connection, channel)

    def is_fed(self, connection: int) -> bool:
        """Whether a connection has a private subscription."""
        return any((connection, channel) in self._all for channel in (EXECUTIONS, BALANCES))

    def connections_of(self, account: str) -> list[int]:
        """Connections with a subscription of an account (empty: of any), in the order in which they came."""
        return sorted({key[0] for key, one in self._all.items() if account in ("", one.account)})

    def __len__(self) -> int:
        return len(self._all)

    # -- what is sent ------------------------------------------------------------------------------------------

    def feed(self, _when_ns: int, subscription: PrivateSubscription) -> None:
        """Send the snapshot; updates follow."""
        if subscription.ended:
            return
        account = self._exchange.accounts.get(subscription.account)
        subscription.fed = True
        if not subscription.snapshot:
            return
        if subscription.channel == BALANCES:
            assets = self._exchange.feed.listing.assets
            rows = [balance_frames.asset_row(assets[name], amount) for name, amount in account.balances.items()]
        else:
            rows = [execution_frames.open_order(order) for order in account.open_orders.values()]
            rows = rows if subscription.snap_orders else []
            if subscription.snap_trades:
                rows += past_trades(account, SNAPSHOT_FILLS)
        self.send(subscription, "snapshot", rows)

    def report(self, account: Account, order: OwnOrder, exec_type: str, time_ns: int) -> None:
        """Something became of an order."""
        self._execution(account, order, exec_type, execution_frames.report(order, exec_type, time_ns))

    def fill(self, account: Account, fill: OwnFill) -> None:
        """An order traded; its sums are those after this fill."""
        order = fill.order
        row = execution_frames.trade(fill, order.filled, order.cost, order.average())
        self._execution(account, order, "trade", row)

    def on_entry(self, account: Account, entry: LedgerEntry) -> None:
        """A ledger line was written."""
        row = balance_frames.entry_row(entry, self._exchange.feed.listing.assets[entry.asset].precision)
        for subscription in self.listeners(account.name, BALANCES):
            self.send(subscription, "update", [row])

    def listeners(self, account: str, channel: str) -> list[PrivateSubscription]:
        """Those of an account and channel whose snapshot has gone out."""
        return [
            one for one in self._all.values() if one.fed and one.channel == channel and account in ("", one.account)
        ]

    def send(self, subscription: PrivateSubscription, kind: str, rows: Sequence[str]) -> None:
        """One frame with the next number; faults may keep it back or send it twice."""
        make = balance_frames.frame if subscription.channel == BALANCES else execution_frames.frame
        faults = self._exchange.account_faults
        copies = faults.copies(subscription.channel, kind, rows)
        if copies != 1:
            self._exchange.count_fault("duplicate_executions" if copies else "drop_executions")
        if copies == 0 and faults.drop_without_gap:
            return
        subscription.sequence += 1
        if self._exchange.faults.silences(Topic(subscription.channel, "")):
            return
        for number in range(copies):
            if number and not faults.duplicate_same_sequence:
                subscription.sequence += 1
            self._deliver(subscription, make(kind, rows, subscription.sequence), is_update=kind == "update")

    def _deliver(self, subscription: PrivateSubscription, frame: bytes, *, is_update: bool) -> None:
        """A frame goes out: at once, late, or behind the one that follows it, as faults have it."""
        exchange, faults = self._exchange, self._exchange.account_faults
        if subscription.channel == EXECUTIONS and is_update:
            if faults.swaps and not subscription.held:
                faults.swaps -= 1
                exchange.count_fault("swap_executions")
                subscription.held = frame
                # Where nothing follows it comes by itself.
                exchange.schedule.at(exchange.now_ns + _HELD_NS, self._release, subscription)
                return
            if faults.executions_delay_ns:
                exchange.count_fault("delay_executions")
                delayed_ns = exchange.now_ns + faults.executions_delay_ns
                subscription.not_before_ns = max(subscription.not_before_ns, delayed_ns)
        if subscription.not_before_ns > exchange.now_ns:
            exchange.schedule.at(subscription.not_before_ns, self._send_late, subscription, frame)
        else:
            exchange.send(subscription.connection.number, frame)
        self._release(exchange.now_ns, subscription)

    def _send_late(self, _when_ns: int, subscription: PrivateSubscription, frame: bytes) -> None:
        if not subscription.ended:
            self._exchange.send(subscription.connection.number, frame)

    def _release(self, _when_ns: int, subscription: PrivateSubscription) -> None:
        frame, subscription.held = subscription.held, b""
        if frame and not subscription.ended:
            self._exchange.send(subscription.connection.number, frame)

    def _execution(self, account: Account, order: OwnOrder, exec_type: str, row: str) -> None:
        for subscription in self.listeners(account.name, EXECUTIONS):
            if not subscription.order_status and exec_type not in _ALWAYS:
                continue
            sent = row
            if subscription.ratecounter:
                level = account.engine_counter(order.symbol).level(self._exchange.now_ns)
                points = from_scaled(level * 10**_RATECOUNT_DECIMALS // POINT, _RATECOUNT_DECIMALS)
                sent = execution_frames.with_ratecount(row, format(max(points, ZERO), "f"))
            self.send(subscription, "update", [sent])


def past_trades(account: Account, count: int) -> list[str]:
    """The last `count` fills, newest first."""
    fills: Iterable[OwnFill] = islice(reversed(account.fills), count)
    return [execution_frames.past_trade(fill) for fill in fills]
