"""The `instrument` channel (API sheet §4.6): keeps what one connection was told, and turns its frames into InstrumentUpdates.

Facts that only REST has (leverage, fees, aliases) come from the instruments the connection was made with; facts that both
have are written as discovery writes them, so that an unchanged pair compares equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from gw_venue_kraken import names
from gw_venue_kraken.market.messages import AssetRow, PairRow, instrument_of, pair_name_of, pair_of
from gw_venue_kraken.market.symbols import decimals
from gwcore.model import Instrument, TradingStatus, UpdateType
from gwcore.venue import InstrumentUpdate, MarketDataMessage, Unknown

_TYPES = {"snapshot": UpdateType.SNAPSHOT, "update": UpdateType.INCREMENTAL}
_MALFORMED = (msgspec.MsgspecError, ValueError, RecursionError)
#: Facts that the v2 interface does not have; an update keeps what REST said of them.
_REST_ONLY = (
    "venue_symbol",
    "aliases",
    "leverage_buy",
    "leverage_sell",
    "taker_fees",
    "maker_fees",
    "fee_volume_currency",
    "margin_call",
    "margin_stop",
    "quote_class",
)


class Catalogue:
    """Instruments and assets as this connection knows them. `instruments` may be a live view: REST's facts may come later."""

    __slots__ = ("_assets", "_live", "instruments")

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._live = instruments
        self.instruments: dict[str, Instrument] = dict(instruments)
        self._assets: dict[str, AssetRow] = {}

    def read(self, frame: bytes) -> list[MarketDataMessage]:
        """The messages of one instrument frame.

        A row that can't be read is Unknown, and its instrument, where known, is kept with status UNKNOWN. Raises ValueError
        (or msgspec's) where not even its name can be read: a snapshot without it would say that it was delisted.
        """
        message = instrument_of(frame)
        update_type = _TYPES.get(message.type)
        if update_type is None:
            return [Unknown(f"instrument frame of type {message.type[:40]!r}")]
        assets = {} if update_type is UpdateType.SNAPSHOT else dict(self._assets)
        assets.update((asset.id, asset) for asset in message.data.assets)
        changed = {} if update_type is UpdateType.SNAPSHOT else self._affected(message.data.assets, assets)
        unknown: list[MarketDataMessage] = []
        for raw in message.data.pairs:
            try:
                instrument = self._instrument(pair_of(raw), assets)
            except _MALFORMED as error:
                symbol = pair_name_of(raw).symbol
                unknown.append(Unknown(f"instrument {symbol[:40]}: {error}"[:200]))
                known = self.instruments.get(symbol)
                if known is None:
                    continue
                instrument = msgspec.structs.replace(known, status=TradingStatus.UNKNOWN)
            changed[instrument.symbol] = instrument
        self._assets = assets
        if update_type is UpdateType.SNAPSHOT:
            self.instruments = dict(changed)
        else:
            self.instruments.update(changed)
        if not changed and update_type is UpdateType.INCREMENTAL:
            return unknown
        return [InstrumentUpdate(update_type, tuple(changed.values())), *unknown]

    def _affected(self, rows: Iterable[AssetRow], assets: Mapping[str, AssetRow]) -> dict[str, Instrument]:
        """Instruments that an asset's news change: it may come without any pair."""
        touched = {row.id for row in rows}
        changed = {}
        for symbol in self.instruments if touched else ():
            known = self._known(symbol)
            assert known is not None
            if known.base in touched or known.quote in touched:
                updated = msgspec.structs.replace(known, **_asset_facts(known, known.base, known.quote, assets))
                if updated != known:
                    changed[symbol] = updated
        return changed

    def _known(self, symbol: str) -> Instrument | None:
        """As this connection was told, with the facts that only REST has as they are known by now."""
        known, live = self.instruments.get(symbol), self._live.get(symbol)
        if known is None or live is None:
            return known or live
        return msgspec.structs.replace(known, **{name: getattr(live, name) for name in _REST_ONLY})

    def _instrument(self, pair: PairRow, assets: Mapping[str, AssetRow]) -> Instrument:
        known = self._known(pair.symbol)
        price_decimals, quantity_decimals = decimals(pair.price_precision), decimals(pair.qty_precision)
        legacy = names.v1_symbol(pair.symbol)
        rest: dict[str, Any] = {name: getattr(known, name) for name in _REST_ONLY} if known is not None else {}
        rest.setdefault("aliases", (legacy,) if legacy != pair.symbol else ())
        venue = names.execution_venue(pair.execution_venue)
        return Instrument(
            symbol=pair.symbol,
            base=pair.base,
            quote=pair.quote,
            price_decimals=price_decimals,
            quantity_decimals=quantity_decimals,
            cost_decimals=pair.cost_precision,
            tick_size=(
                names.optional_fact(pair.price_increment)
                or names.optional_fact(pair.tick_size)
                or names.step_text(price_decimals)
            ),
            lot_size=names.optional_fact(pair.qty_increment) or names.step_text(quantity_decimals),
            min_quantity=names.optional_fact(pair.qty_min),
            min_cost=names.optional_fact(pair.cost_min),
            status=names.trading_status(pair.status),
            venue_status=pair.status,
            marginable=pair.marginable,
            margin_initial=names.optional_fact(pair.margin_initial),
            position_limit_long=names.optional_fact(pair.position_limit_long),
            position_limit_short=names.optional_fact(pair.position_limit_short),
            execution_venue=venue if venue is not None or known is None else known.execution_venue,
            has_index=pair.has_index,
            **_asset_facts(known, pair.base, pair.quote, assets),
            **rest,
        )


def _asset_facts(
    known: Instrument | None, base_name: str, quote_name: str, assets: Mapping[str, AssetRow]
) -> dict[str, Any]:
    """What an instrument says of its two assets; what no frame told stays as it was known."""
    base, quote = assets.get(base_name), assets.get(quote_name)
    return {
        "base_class": (base.asset_class if base else None) or (known.base_class if known else None),
        "multiplier": names.optional_fact(base.multiplier) if base else (known.multiplier if known else None),
        **_facts_of("base", base, known),
        **_facts_of("quote", quote, known),
    }


def _facts_of(role: str, asset: AssetRow | None, known: Instrument | None) -> dict[str, Any]:
    facts = (f"{role}_status", f"{role}_decimals", f"{role}_margin_rate")
    result = {name: getattr(known, name) for name in facts} if known is not None else {}
    if asset is not None:
        result[facts[0]] = names.asset_status(asset.status)
        if asset.precision is not None:
            result[facts[1]] = asset.precision
        if asset.margin_rate is not None or asset.borrowable is False:
            result[facts[2]] = names.optional_fact(asset.margin_rate)
    return result
