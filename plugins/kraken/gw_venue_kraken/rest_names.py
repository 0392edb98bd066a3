"""RestNames: from REST's ids of pairs and assets to the v2 names that everything here goes by (API sheet §3.1)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gw_venue_kraken import names
from gw_venue_kraken.envelope import public_request, result_of
from gw_venue_kraken.settings import KrakenSettings
from gwcore.errors import DecodeError
from gwcore.rest import HttpFlow

#: Unknown names that are remembered.
NAMES_MAX = 10_000


class _Asset(msgspec.Struct, gc=False):
    altname: str


class _Pair(msgspec.Struct, gc=False):
    altname: str
    wsname: str | None = None


_assets_of = msgspec.json.Decoder(dict[str, _Asset]).decode
_pairs_of = msgspec.json.Decoder(dict[str, _Pair]).decode


class RestNames:
    """Learned once, by the first account that needs them, and again where a name is not known."""

    def __init__(self) -> None:
        self._symbols: Mapping[str, str] = {}
        self._assets: Mapping[str, str] = {}
        self._unknown: set[str] = set()  # names that had to be left as they are since the lists were learned
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

    def _found(self, table: Mapping[str, str], name: str) -> str:
        found = table.get(name)
        if found is None:
            if name not in self._hopeless and len(self._unknown) < NAMES_MAX:
                self._unknown.add(name)
            return name
        return found

    def learn(self, settings: KrakenSettings) -> HttpFlow[None]:
        """Ask REST for all pairs and assets. Raises VenueError."""
        response = yield public_request(settings.rest_url, "Assets")
        try:
            assets = _assets_of(result_of(response, "Assets"))
            response = yield public_request(settings.rest_url, "AssetPairs")
            pairs = _pairs_of(result_of(response, "AssetPairs"))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise DecodeError(f"names of pairs and assets: {error}") from None
        symbols: dict[str, str] = {}
        for key, pair in pairs.items():
            symbol = names.v2_symbol(pair.wsname or "")
            if symbol is not None:
                symbols |= {name: symbol for name in (key, pair.altname, pair.wsname, symbol) if name}
        by_asset = {asset.altname: names.v2_asset(asset.altname) for asset in assets.values()}
        by_asset |= {key: names.v2_asset(asset.altname) for key, asset in assets.items()}
        self._symbols, self._assets = symbols, by_asset
        if len(self._hopeless) < NAMES_MAX:
            self._hopeless |= {name for name in self._unknown if name not in symbols and name not in by_asset}
        self._unknown.clear()
