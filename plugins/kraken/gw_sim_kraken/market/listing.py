"""What is listed: assets and pairs, as REST and the `instrument` channel show them (sheet 2.5, 4.6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gw_sim_kraken import names
from gw_sim_kraken.texts import increment_text, number_text


@dataclass(slots=True)
class Asset:
    """One currency. `name` is the v2 name."""

    name: str
    precision: int = 8
    precision_display: int = 5
    status: str = "enabled"
    borrowable: bool = False
    collateral: str = ""
    margin_rate: str = ""


@dataclass(slots=True)
class Pair:
    """One market. Precisions and status change while it runs; amounts are wire text."""

    symbol: str
    base: str
    quote: str
    price_precision: int
    qty_precision: int
    cost_precision: int = 5
    qty_min: str = "0"
    cost_min: str = "0.5"
    status: str = "online"
    marginable: bool = False
    has_index: bool = True
    margin_initial: str = "0.20"
    position_limit_long: int = 0
    position_limit_short: int = 0
    key: str = ""  # the REST key, where the pair had another name before
    increment: str = ""  # price step, where it is not the smallest printable one
    raw: bytes = b""  # the row as a file gave it: goes out as it is

    @property
    def tick_text(self) -> str:
        """The price step as plain wire text."""
        return self.increment or number_text(1, self.price_precision)

    @property
    def rest_key(self) -> str:
        """The key in AssetPairs."""
        return self.key or names.rest_key(self.base, self.quote)

    @property
    def altname(self) -> str:
        """REST's other name."""
        return names.altname(self.base, self.quote)

    @property
    def wsname(self) -> str:
        """The v1 name."""
        return names.wsname(self.base, self.quote)


@dataclass(slots=True)
class Listing:
    """All assets and pairs, by v2 name."""

    assets: dict[str, Asset] = field(default_factory=dict)
    pairs: dict[str, Pair] = field(default_factory=dict)
    raw_assets: list[bytes] = field(default_factory=list)  # asset rows of a file, as they were
    exponents: bool = False
    _by_name: dict[str, Pair] = field(default_factory=dict)

    def add(self, pair: Pair) -> None:
        """List a pair, and its assets where they are new."""
        self.pairs[pair.symbol] = pair
        for name in (pair.base, pair.quote):
            self.assets.setdefault(name, Asset(name))
        for alias in (pair.altname, pair.wsname, pair.rest_key, pair.symbol):
            self._by_name[alias] = pair

    def remove(self, pair: Pair) -> None:
        """Strike a pair and its names; its assets stay."""
        del self.pairs[pair.symbol]
        self._by_name = {name: each for name, each in self._by_name.items() if each is not pair}

    def find(self, name: str) -> Pair | None:
        """The pair that REST knows under `name`: id, altname, v1 or v2 name."""
        return self._by_name.get(name)


def asset_row(asset: Asset) -> str:
    """An `instrument` asset as JSON text."""
    collateral = f',"collateral_value":{asset.collateral}' if asset.collateral else ""
    rate = f',"margin_rate":{asset.margin_rate}' if asset.borrowable else ""
    return (
        f'{{"id":"{asset.name}","status":"{asset.status}","precision":{asset.precision},'
        f'"precision_display":{asset.precision_display},"borrowable":{_flag(asset.borrowable)}{collateral}{rate}}}'
    )


def pair_row(pair: Pair, *, exponents: bool) -> str:
    """An `instrument` pair as JSON text."""
    if pair.raw:
        return pair.raw.decode()
    tick = increment_text(pair.price_precision, exponent=exponents)
    lot = increment_text(pair.qty_precision, exponent=exponents)
    margin = (
        f'"margin_initial":{pair.margin_initial},"position_limit_long":{pair.position_limit_long},'
        f'"position_limit_short":{pair.position_limit_short},'
        if pair.marginable
        else ""
    )
    return (
        f'{{"symbol":"{pair.symbol}","base":"{pair.base}","quote":"{pair.quote}","status":"{pair.status}",'
        f'"qty_precision":{pair.qty_precision},"qty_increment":{lot},"price_precision":{pair.price_precision},'
        f'"cost_precision":{pair.cost_precision},"marginable":{_flag(pair.marginable)},'
        f'"has_index":{_flag(pair.has_index)},"cost_min":{pair.cost_min},{margin}"tick_size":{tick},'
        f'"price_increment":{tick},"qty_min":{pair.qty_min},"execution_venue":"international"}}'
    )


def instrument_snapshot(listing: Listing) -> bytes:
    """The frame with everything."""
    assets = [row.decode() for row in listing.raw_assets] or [asset_row(asset) for asset in listing.assets.values()]
    return _frame("snapshot", assets, listing.pairs.values(), exponents=listing.exponents)


def instrument_update(listing: Listing, pairs: Iterable[Pair]) -> bytes:
    """A frame with changed pairs."""
    return _frame("update", [], pairs, exponents=listing.exponents)


def _frame(kind: str, assets: list[str], pairs: Iterable[Pair], *, exponents: bool) -> bytes:
    rows = ",".join(pair_row(pair, exponents=exponents) for pair in pairs)
    return (
        f'{{"channel":"instrument","type":"{kind}","data":{{"assets":[{",".join(assets)}],"pairs":[{rows}]}}}}'
    ).encode()


def _flag(value: bool) -> str:
    return "true" if value else "false"
