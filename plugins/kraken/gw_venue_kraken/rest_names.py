"""RestNames: from REST's ids of pairs and assets to the v2 names that everything here goes by (API sheet §3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from gw_venue_kraken import names
from gw_venue_kraken.envelope import KEEP_S, public_request, result_of
from gw_venue_kraken.settings import KrakenSettings
from gwcore.errors import DecodeError
from gwcore.model import Side
from gwcore.rest import HttpFlow

#: Unknown names that are remembered.
NAMES_MAX = 10_000


class _Asset(msgspec.Struct, gc=False):
    altname: str


class _Pair(msgspec.Struct, gc=False):
    altname: str
    wsname: str | None = None
    leverage_buy: list[int] = []
    leverage_sell: list[int] = []


_assets_of = msgspec.json.Decoder(dict[str, _Asset]).decode
_pairs_of = msgspec.json.Decoder(dict[str, _Pair]).decode


class PairNames(Protocol):
    """What tells the symbol of a pair."""

    def symbol(self, pair: str) -> str:
        """The symbol of a pair's id, altname or v1 name."""
        ...


class RestNames:
    """Learned once, by the first account that needs them, and again where a name is not known."""

    def __init__(self) -> None:
        self._symbols: Mapping[str, str] = {}
        self._assets: Mapping[str, str] = {}
        self._pairs: Mapping[str, _Pair] = {}  # by symbol
        self._unknown: set[str] = set()  # names that had to be left as they are since the lists were learned
        self._asked = False  # once: from now on a list that is kept does not do, it failed us or lacks a name
        self._hopeless: set[str] = set()  # names that were not in the lists when these were asked for because of them

    @property
    def are_known(self) -> bool:
        """Whether they were learned, and nothing was missing since that may be there now."""
        return bool(self._symbols) and not self._unknown

    def symbol(self, pair: str) -> str:
        """The symbol of a pair's id, altname or v1 name; an unknown one stays as it is, and is asked for next time."""
        return self._found(self._symbols, pair)

    def asset(self, asset_id: str) -> str:
        """The name of an asset by its id."""
        return self._found(self._assets, asset_id)

    def pair(self, symbol: str) -> str:
        """What REST calls a market: its altname where that was learned; requests take the symbol too (§3.1)."""
        found = self._pairs.get(symbol)
        return symbol if found is None else found.altname

    def leverage(self, symbol: str, side: Side) -> int | None:
        """The greatest leverage a market gives to this side; None where none is known."""
        found = self._pairs.get(symbol)
        levels = [] if found is None else found.leverage_buy if side is Side.BUY else found.leverage_sell
        return max(levels, default=None)

    def _found(self, table: Mapping[str, str], name: str) -> str:
        found = table.get(name)
        if found is None:
            if name not in self._hopeless and len(self._unknown) < NAMES_MAX:
                self._unknown.add(name)
            return name
        return found

    def learn(self, settings: KrakenSettings) -> HttpFlow[None]:
        """Ask REST for all pairs and assets; at the start what discovery is told will do. Raises VenueError."""
        url, takes_kept = settings.rest_url, not self._asked
        try:
            response = yield public_request(url, "Assets", keep_s=KEEP_S, takes_kept=takes_kept)
            assets = _assets_of(result_of(response, "Assets"))
            response = yield public_request(url, "AssetPairs", keep_s=KEEP_S, takes_kept=takes_kept)
            pairs = _pairs_of(result_of(response, "AssetPairs"))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise DecodeError(f"names of pairs and assets: {error}") from None
        finally:
            self._asked = True
        symbols: dict[str, str] = {}
        by_symbol: dict[str, _Pair] = {}
        for key, pair in pairs.items():
            symbol = names.v2_symbol(pair.wsname or "")
            if symbol is not None:
                by_symbol[symbol] = pair
                symbols |= {name: symbol for name in (key, pair.altname, pair.wsname, symbol) if name}
        by_asset = {asset.altname: names.v2_asset(asset.altname) for asset in assets.values()}
        by_asset |= {key: names.v2_asset(asset.altname) for key, asset in assets.items()}
        self._symbols, self._assets, self._pairs = symbols, by_asset, by_symbol
        if len(self._hopeless) < NAMES_MAX:
            self._hopeless |= {name for name in self._unknown if name not in symbols and name not in by_asset}
        self._unknown.clear()
