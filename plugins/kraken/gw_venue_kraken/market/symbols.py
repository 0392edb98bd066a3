"""Discovery: what Kraken trades, from REST AssetPairs and Assets (API sheet §2.5, §3.1, §3.2).

The symbol is the v2 name (`BTC/USD`); REST key, altname and v1 name are aliases.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

import msgspec

from gw_venue_kraken import names
from gw_venue_kraken.envelope import KEEP_S, public_request, result_of
from gw_venue_kraken.settings import KrakenSettings
from gwcore.errors import DecodeError
from gwcore.model import Instrument
from gwcore.numbers import EXPONENT_MAX, decimal_text
from gwcore.rest import HttpFlow, HttpRequest, HttpResponse

INTERNATIONAL = "international"
_ASSET_CLASSES = ("currency", "tokenized_asset")


class RestAsset(msgspec.Struct, gc=False):
    """`{"aclass":"currency","altname":"XBT","decimals":10,"display_decimals":5,"collateral_value":0.99,"status":"enabled",
    "margin_rate":"0.01"}`"""

    altname: str
    status: str | None = None
    decimals: int | None = None
    margin_rate: object = None


class RestPair(msgspec.Struct, gc=False):
    """One pair of AssetPairs. 2021 had no cost_decimals, costmin, tick_size, status and execution_venue; dark pools have no
    wsname."""

    altname: str
    base: str
    quote: str
    pair_decimals: int
    lot_decimals: int
    wsname: str | None = None
    aclass_base: str | None = None
    aclass_quote: str | None = None
    cost_decimals: int | None = None
    tick_size: object = None
    ordermin: object = None
    costmin: object = None
    status: str | None = None
    execution_venue: str | None = None
    leverage_buy: tuple[int, ...] = ()
    leverage_sell: tuple[int, ...] = ()
    fees: list[tuple[object, object]] = []
    fees_maker: list[tuple[object, object]] = []
    fee_volume_currency: str | None = None
    long_position_limit: object = None
    short_position_limit: object = None
    margin_call: object = None
    margin_stop: object = None


_rows_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_assets_of = msgspec.json.Decoder(dict[str, RestAsset], float_hook=str).decode
_pair_of = msgspec.json.Decoder(RestPair, float_hook=str).decode
_MALFORMED = (msgspec.MsgspecError, ValueError, RecursionError)


class KrakenSymbols:
    """The venue's list of instruments over REST."""

    def __init__(self, settings: KrakenSettings) -> None:
        self._settings = settings

    def discover(self) -> HttpFlow[Sequence[Instrument]]:
        """All pairs that have a websocket name, sorted by symbol.

        A pair that can't be read is left out: the `instrument` channel offers it again, as a new listing. Raises
        VenueUnavailable, VenueRejected, AuthenticationError by the sheet's table (§2.2), and DecodeError where no pair at
        all can be read.
        """
        found: dict[str, Instrument] = {}
        classes = _ASSET_CLASSES if self._settings.include_tokenized_assets else _ASSET_CLASSES[:1]
        for asset_class in classes:
            assets = yield from self._assets(asset_class)
            pairs = yield from self._pairs(asset_class)
            for key, raw in pairs.items():
                try:
                    instrument = instrument_of(key, _pair_of(raw), assets)
                except _MALFORMED:
                    continue
                if instrument is not None:
                    found.setdefault(instrument.symbol, instrument)
        if not found:
            raise DecodeError("AssetPairs: not one pair in it can be read")
        return sorted(found.values(), key=lambda each: each.symbol)

    def _assets(self, asset_class: str) -> Generator[HttpRequest, HttpResponse, Mapping[str, RestAsset]]:
        parameters = {} if asset_class == _ASSET_CLASSES[0] else {"aclass": asset_class}
        response = yield public_request(self._settings.rest_url, "Assets", parameters, keep_s=KEEP_S)
        try:
            return _assets_of(result_of(response, "Assets"))
        except _MALFORMED as error:
            raise DecodeError(f"Assets: {error}") from None

    def _pairs(self, asset_class: str) -> Generator[HttpRequest, HttpResponse, Mapping[str, msgspec.Raw]]:
        parameters = {} if asset_class == _ASSET_CLASSES[0] else {"aclass_base": asset_class}
        if self._settings.execution_venue != INTERNATIONAL:
            parameters["execution_venue"] = self._settings.execution_venue
        response = yield public_request(self._settings.rest_url, "AssetPairs", parameters, keep_s=KEEP_S)
        try:
            return _rows_of(result_of(response, "AssetPairs"))
        except _MALFORMED as error:
            raise DecodeError(f"AssetPairs: {error}") from None


def instrument_of(key: str, pair: RestPair, assets: Mapping[str, RestAsset]) -> Instrument | None:
    """One pair as an Instrument; None for a pair without websocket name. Raises ValueError for facts that can't be true."""
    parts = names.split_pair(pair.wsname or "")
    symbol = names.v2_symbol(pair.wsname or "")
    if parts is None or symbol is None:
        return None
    price_decimals, quantity_decimals = decimals(pair.pair_decimals), decimals(pair.lot_decimals)
    return Instrument(
        symbol=symbol,
        base=parts[0],
        quote=parts[1],
        venue_symbol=key,
        aliases=tuple(
            dict.fromkeys(name for name in (key, pair.altname, pair.wsname) if name is not None and name != symbol)
        ),
        price_decimals=price_decimals,
        quantity_decimals=quantity_decimals,
        cost_decimals=pair.cost_decimals,
        tick_size=names.optional_fact(pair.tick_size) or names.step_text(price_decimals),
        lot_size=names.step_text(quantity_decimals),
        min_quantity=names.optional_fact(pair.ordermin),
        min_cost=names.optional_fact(pair.costmin),
        status=names.trading_status(pair.status),
        venue_status=pair.status,
        leverage_buy=pair.leverage_buy,
        leverage_sell=pair.leverage_sell,
        position_limit_long=names.optional_fact(pair.long_position_limit),
        position_limit_short=names.optional_fact(pair.short_position_limit),
        taker_fees=_fees(pair.fees),
        maker_fees=_fees(pair.fees_maker),
        fee_volume_currency=_asset_name(pair.fee_volume_currency, assets),
        base_class=pair.aclass_base,
        quote_class=pair.aclass_quote,
        execution_venue=names.execution_venue(pair.execution_venue),
        margin_call=names.optional_fact(pair.margin_call),
        margin_stop=names.optional_fact(pair.margin_stop),
        **_asset_facts("base", pair.base, assets),
        **_asset_facts("quote", pair.quote, assets),
    )


def decimals(value: int) -> int:
    """A number of decimals, checked: what follows from it must stay printable. Raises ValueError."""
    if not 0 <= value <= EXPONENT_MAX:
        raise ValueError(f"{value} decimals")
    return value


def _fees(rows: list[tuple[object, object]]) -> tuple[tuple[str, str], ...]:
    return tuple((decimal_text(volume), decimal_text(percent)) for volume, percent in rows)


def _asset_name(asset_id: str | None, assets: Mapping[str, RestAsset]) -> str | None:
    asset = assets.get(asset_id) if asset_id is not None else None
    return names.v2_asset(asset.altname) if asset is not None else asset_id


def _asset_facts(role: str, asset_id: str, assets: Mapping[str, RestAsset]) -> dict[str, Any]:
    asset = assets.get(asset_id)
    if asset is None:
        return {}
    return {
        f"{role}_status": names.asset_status(asset.status),
        f"{role}_decimals": asset.decimals,
        f"{role}_margin_rate": names.optional_fact(asset.margin_rate),
    }
