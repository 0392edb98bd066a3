"""What accounts are worth in USD by the last trades: for fees, volumes and margin (sheet 2.6 TradeBalance)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.accounts.amounts import ZERO, rounded
from gw_sim_kraken.accounts.position import Position
from gw_sim_kraken.feed import Feed
from gw_sim_kraken.market.matching import BUY
from gw_sim_kraken.market.seeded import SeededFeed

_DOLLAR = "USD"
#: Markets by which an asset is valued that has none with the dollar.
_BRIDGES = ("BTC", "ETH", "EUR", "USDT")
_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class MarginFigures:
    """All in USD. `margin`: bound; `net`: unrealised profit; `cost`, `value`: of the open positions."""

    equivalent: Decimal
    margin: Decimal
    net: Decimal
    cost: Decimal
    value: Decimal

    @property
    def equity(self) -> Decimal:
        """Trade balance with the unrealised profit."""
        return self.equivalent + self.net

    @property
    def free(self) -> Decimal:
        """What new positions can bind."""
        return self.equity - self.margin


class Valuation:
    """Reads the markets, changes nothing."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def last(self, symbol: str) -> Decimal:
        """Price of the last trade."""
        assert isinstance(self._feed, SeededFeed), "accounts exist beside a seeded market only"
        return Decimal(self._feed.market(symbol).trades[-1].price)

    def rate(self, asset: str) -> Decimal:
        """Dollars for one unit of an asset; 0 where no market tells."""
        if asset == _DOLLAR:
            return Decimal(1)
        pairs = self._feed.listing.pairs
        if f"{asset}/{_DOLLAR}" in pairs:
            return self.last(f"{asset}/{_DOLLAR}")
        for bridge in _BRIDGES:
            if f"{bridge}/{_DOLLAR}" not in pairs:
                continue
            if f"{asset}/{bridge}" in pairs:
                return self.last(f"{asset}/{bridge}") * self.last(f"{bridge}/{_DOLLAR}")
            if f"{bridge}/{asset}" in pairs:
                return self.last(f"{bridge}/{_DOLLAR}") / self.last(f"{bridge}/{asset}")
        return ZERO

    def position_value(self, position: Position) -> tuple[Decimal, Decimal, Decimal]:
        """(cost, value, unrealised profit) of the open part, in the quote asset at the pair's cost decimals."""
        pair = position.market.pair
        cost = rounded(position.cost * position.open_share, pair.cost_precision)
        value = rounded(self.last(position.symbol) * position.open_quantity, pair.cost_precision)
        return cost, value, value - cost if position.side == BUY else cost - value

    def figures(self, account: Account) -> MarginFigures:
        """Of an account as it is now."""
        equivalent = sum((amount * self.rate(asset) for asset, amount in account.balances.items()), ZERO)
        margin = net = cost = value = ZERO
        for position in account.positions.values():
            rate = self.rate(position.market.pair.quote)
            one = self.position_value(position)
            margin += position.margin * position.open_share * rate
            cost, value, net = cost + one[0] * rate, value + one[1] * rate, net + one[2] * rate
        return MarginFigures(*(rounded(one, _DECIMALS) for one in (equivalent, margin, net, cost, value)))
