"""What a trade does to an account: cost, fee, ledger lines, positions (sheet 2.6, 3.9, 4.13)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.accounts.amounts import ZERO, rounded
from gw_sim_kraken.accounts.ids import Ids
from gw_sim_kraken.accounts.ledger import LedgerEntry
from gw_sim_kraken.accounts.position import Position
from gw_sim_kraken.accounts.tiers import FEES, fee_step
from gw_sim_kraken.accounts.valuation import Valuation
from gw_sim_kraken.market.frames import Trade
from gw_sim_kraken.market.listing import Listing
from gw_sim_kraken.market.matching import BUY
from gw_sim_kraken.orders.own_order import OwnFill, OwnOrder

#: Decimals of `fee_usd_equiv` where the quote asset is not the dollar.
_USD_DECIMALS = 4
EntryListener = Callable[[Account, LedgerEntry], None]


class Settlement:
    """Books trades and transfers. `on_entry` is told of each ledger line once it is in the account."""

    def __init__(self, listing: Listing, ids: Ids, valuation: Valuation, on_entry: EntryListener) -> None:
        self._listing = listing
        self._ids = ids
        self._valuation = valuation
        self._on_entry = on_entry

    def transfer(self, account: Account, kind: str, asset: str, amount: Decimal, now_ns: int) -> LedgerEntry:
        """A deposit, or a withdrawal (negative amount). The asset is listed."""
        return self._post(account, kind, kind, asset, amount, ZERO, self._ids.make("A"), now_ns)

    def trade(self, account: Account, order: OwnOrder, trade: Trade, *, is_maker: bool) -> OwnFill:
        """Book one trade of an order: the order's sums, the ledger, the position. Returns the fill."""
        pair = order.market.pair
        price, quantity = Decimal(trade.price), Decimal(trade.quantity)
        cost = rounded(price * quantity, pair.cost_precision)
        step = FEES[fee_step(account.volume(trade.time_ns))]
        percent = step.maker if is_maker else step.taker
        in_base = order.fee_in_base and not order.leverage
        fee_asset = pair.base if in_base else pair.quote
        fee_decimals = self._listing.assets[pair.base].precision if in_base else pair.cost_precision
        fee = rounded((quantity if in_base else cost) * percent / 100, fee_decimals)
        usd_decimals = pair.cost_precision if pair.quote == "USD" else _USD_DECIMALS
        fee_usd = rounded(fee * self._valuation.rate(fee_asset), usd_decimals)
        exec_id = self._ids.make("T")
        status, position_id, margin = "", "", ZERO
        if order.leverage:
            profit, status, position_id, margin = self._move_positions(account, order, exec_id, trade, cost, fee)
            rows = [("margin", "margin-trade", pair.quote, profit, fee)]
        else:
            sign = 1 if order.side == BUY else -1
            rows = [
                ("trade", "trade", pair.base, sign * quantity, fee if in_base else ZERO),
                ("trade", "trade", pair.quote, -sign * cost, ZERO if in_base else fee),
            ]
        entries = [self._post(account, *row, exec_id, trade.time_ns) for row in rows]
        fill = OwnFill(
            exec_id, trade.trade_id, order, price, quantity, cost, fee, fee_asset, fee_usd, is_maker, trade.time_ns,
            margin, status, position_id, tuple(entry.ledger_id for entry in entries),
        )  # fmt: skip
        account.add_fill(fill)
        account.add_volume(trade.time_ns, cost * self._valuation.rate(pair.quote))
        order.fills.append(fill)
        order.filled += quantity
        order.cost += cost
        order.fee += fee
        order.fee_usd += fee_usd
        return fill

    def settle(self, account: Account, order: OwnOrder, base: Decimal, quote: Decimal, now_ns: int) -> None:
        """Close positions without a trade: signed amounts change the balances, what was opened ends without profit."""
        pair, left, ref_id = order.market.pair, order.quantity, self._ids.make("T")
        for position in list(account.positions.values()):
            if position.market is order.market and position.side != order.side and left:
                taken = min(left, position.open_quantity)
                cost = position.opening_cost(taken, pair.cost_precision)
                self._close(account, position, taken, cost, ZERO, pair.cost_precision)
                left -= taken
        for asset, amount in ((pair.base, base), (pair.quote, quote)):
            self._post(account, "settled", "margin-settle", asset, amount, ZERO, ref_id, now_ns)

    def _post(
        self, account: Account, kind: str, category: str, asset: str, amount: Decimal, fee: Decimal, ref_id: str,
        time_ns: int,
    ) -> LedgerEntry:  # fmt: skip
        decimals = self._listing.assets[asset].precision
        amount, fee = rounded(amount, decimals), rounded(fee, decimals)
        balance = rounded(account.balance(asset) + amount - fee, decimals)
        entry = LedgerEntry(self._ids.make("L"), ref_id, time_ns, kind, category, asset, amount, fee, balance)
        account.add_entry(entry)
        self._on_entry(account, entry)
        return entry

    def _move_positions(
        self, account: Account, order: OwnOrder, exec_id: str, trade: Trade, cost: Decimal, fee: Decimal
    ) -> tuple[Decimal, str, str, Decimal]:
        """Close what is open on the other side, oldest first; what is left opens a position of its own.

        Returns realised profit, the word for executions, the position's id, and the margin that was bound.
        """
        decimals = order.market.pair.cost_precision
        price, quantity = Decimal(trade.price), Decimal(trade.quantity)
        left, cost_left, fee_left, profit, status, moved = quantity, cost, fee, ZERO, "", exec_id
        for position in list(account.positions.values()):
            if position.market is not order.market or position.side == order.side or not left:
                continue
            taken = min(left, position.open_quantity)
            whole = taken == left
            share_cost = cost_left if whole else rounded(cost * taken / quantity, decimals)
            share_fee = fee_left if whole else rounded(fee * taken / quantity, decimals)
            profit += self._close(account, position, taken, share_cost, share_fee, decimals)
            left, cost_left, fee_left = left - taken, cost_left - share_cost, fee_left - share_fee
            status = "closing" if position.open_quantity else "closed"
            moved = moved if moved != exec_id else position.position_id
        if not left:
            return profit, status, moved, ZERO
        margin = rounded(cost_left / order.leverage, decimals)
        account.positions[exec_id] = Position(
            exec_id, order.order_id, order.market, order.side, order.order_type, order.leverage, left, price,
            cost_left, fee_left, margin, trade.time_ns,
        )  # fmt: skip
        return profit, status or "opened", moved, margin

    def _close(
        self, account: Account, position: Position, taken: Decimal, cost: Decimal, fee: Decimal, decimals: int
    ) -> Decimal:
        """Close a part; the parts of the opening cost add up to the whole. Returns the profit."""
        opening = position.opening_cost(taken, decimals)
        position.closed_quantity += taken
        profit = cost - opening if position.side == BUY else opening - cost
        position.closed_cost += cost
        position.closed_fee += fee
        position.profit += profit
        if not position.open_quantity:
            del account.positions[position.position_id]
            account.closed_positions.append(position)
        return profit
