"""All accounts of the simulated exchange, their keys and tokens. Keys come from the seed alone."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.accounts.amounts import from_scaled
from gw_sim_kraken.accounts.api_key import TRADING_PERMISSIONS, ApiKey
from gw_sim_kraken.accounts.ids import Ids
from gw_sim_kraken.accounts.ledger import LedgerEntry
from gw_sim_kraken.accounts.settlement import Settlement
from gw_sim_kraken.accounts.tiers import TIERS
from gw_sim_kraken.accounts.tokens import Tokens
from gw_sim_kraken.accounts.trader import Trader
from gw_sim_kraken.accounts.valuation import Valuation
from gw_sim_kraken.counters import DecayingCounter
from gw_sim_kraken.feed import Feed
from gw_sim_kraken.market.day import DAY_NS
from gw_sim_kraken.market.seeded import SeededFeed

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

#: Usual orders of a market that an account can pay for at the start, on either side.
_START_ORDERS = 200
#: Keys of one account.
KEYS_MAX = 100


class Accounts:
    """`account1`, `account2`, ... with a key each. Raises ValueError for accounts beside a recording."""

    def __init__(self, exchange: SimulatedKraken, feed: Feed) -> None:
        settings = exchange.settings
        if settings.accounts and not isinstance(feed, SeededFeed):
            raise ValueError("accounts need a seeded market, not a replay")
        if settings.tier not in TIERS:
            raise ValueError(f"no tier {settings.tier!r}; there are: {', '.join(TIERS)}")
        self._exchange = exchange
        self._feed = feed
        self.ids = Ids(Random(f"{settings.seed}/ids"))
        self.valuation = Valuation(feed)
        self.settlement = Settlement(feed.listing, self.ids, self.valuation, self._on_entry)
        self.tokens = Tokens()
        self.by_name: dict[str, Account] = {}
        self.keys: dict[str, ApiKey] = {}
        for number in range(1, settings.accounts + 1):
            name = f"account{number}"
            self.by_name[name] = Account(name, TIERS[settings.tier], settings.account_rows_max)
            self.by_name[name].post_id = self.ids.make("T")
            self.add_key(name, Ids(Random(f"{settings.seed}/key/{name}")))

    def start(self, now_ns: int) -> None:
        """The first deposits, a day before the opening: enough of both assets of the first markets."""
        pairs = list(self._feed.listing.pairs.values())[: self._exchange.settings.account_pairs]
        for account in self.by_name.values():
            assert isinstance(self._feed, SeededFeed), "checked when it was made"
            amounts: dict[str, Decimal] = {}
            for pair in pairs:
                price, quantity = self._feed.usual(pair.symbol)
                base = from_scaled(quantity, pair.qty_precision) * _START_ORDERS
                for asset, amount in ((pair.base, base), (pair.quote, base * from_scaled(price, pair.price_precision))):
                    amounts[asset] = amounts.get(asset, Decimal(0)) + amount
            if self._exchange.settings.account_rate > 0:
                rng = Random(f"{self._exchange.settings.seed}/trader/{account.name}")
                Trader(self._exchange, self._feed, account, rng).start(now_ns)
            for asset, amount in amounts.items():
                self.settlement.transfer(account, "deposit", asset, amount, max(0, now_ns - DAY_NS))

    def get(self, name: str) -> Account:
        """The account of a name; an empty one means the only or first. Raises ValueError naming those there are."""
        account = self.by_name.get(name or next(iter(self.by_name), ""))
        if account is None:
            known = ", ".join(self.by_name) or "none: start with accounts=1 or more"
            raise ValueError(f"no account {name!r}; there are: {known}")
        return account

    def add_key(
        self, account: str, ids: Ids | None = None, permissions: frozenset[str] = TRADING_PERMISSIONS
    ) -> ApiKey:
        """One more key of an account. Raises ValueError beyond KEYS_MAX."""
        made, owner = ids or self.ids, self.get(account)
        name = f"key{1 + sum(key.account == account for key in self.keys.values())}"
        if name == f"key{KEYS_MAX + 1}":
            raise ValueError(f"{account} has {KEYS_MAX} keys already")
        counter = DecayingCounter(owner.tier.rest_max, owner.tier.rest_decay_milli)
        key = ApiKey(account, name, made.key(), made.secret(), counter, self._exchange.now_ns, permissions)
        self.keys[key.public] = key
        return key

    def keys_of(self, account: str) -> list[ApiKey]:
        """The keys of an account, oldest first."""
        return [key for key in self.keys.values() if key.account == account]

    def _on_entry(self, account: Account, entry: LedgerEntry) -> None:
        self._exchange.streams.on_entry(account, entry)
