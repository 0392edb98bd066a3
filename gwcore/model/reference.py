"""What is traded: instruments, and what their markets allow."""

from __future__ import annotations

import msgspec

from gwcore.model.enums import InstrumentKind, Origin, TradingStatus


class ReferenceData(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="reference_data",
):
    """One instrument. Numbers are decimal text; `*_decimals` are digits after the point on the venue's wire.

    `symbol` is the venue's current public name (`BTC/USD`); `aliases` are all other names it goes by there.
    """

    symbol: str
    base: str
    quote: str
    instrument_kind: InstrumentKind = InstrumentKind.SPOT
    venue_symbol: str | None = None  # the name the venue's REST interface keys it by
    aliases: tuple[str, ...] = ()
    price_decimals: int
    quantity_decimals: int
    cost_decimals: int | None = None
    tick_size: str
    lot_size: str
    min_quantity: str | None = None
    min_cost: str | None = None
    status: TradingStatus = TradingStatus.ONLINE
    venue_status: str | None = None  # the venue's own word
    marginable: bool | None = None
    leverage_buy: tuple[int, ...] = ()
    leverage_sell: tuple[int, ...] = ()
    margin_initial: str | None = None
    position_limit_long: str | None = None
    position_limit_short: str | None = None
    taker_fees: tuple[tuple[str, str], ...] = ()  # (30-day volume from, percent), by volume
    maker_fees: tuple[tuple[str, str], ...] = ()
    fee_volume_currency: str | None = None
    base_class: str | None = None
    quote_class: str | None = None
    execution_venue: str | None = None
    has_index: bool | None = None
    base_status: str | None = None
    quote_status: str | None = None
    multiplier: str | None = None
    venue_time_ns: int | None = None
    margin_call: str | None = None  # margin level in percent at which the venue asks for more
    margin_stop: str | None = None  # ... and at which it closes positions
    base_decimals: int | None = None  # of balances, digits after the point
    quote_decimals: int | None = None
    base_margin_rate: str | None = None  # what borrowing costs, as the venue tells it
    quote_margin_rate: str | None = None


#: The name the contracts use for one element of discovery.
Instrument = ReferenceData


class MarketStatus(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="market_status",
):
    """What one market (or, without `symbol`, the whole venue) allows. The four flags follow from `status`."""

    symbol: str | None = None
    status: TradingStatus
    venue_status: str | None = None
    can_create: bool | None = None
    can_modify: bool | None = None
    can_cancel: bool | None = None
    is_matching: bool | None = None
    upcoming_maintenance: tuple[str, ...] = ()
    maintenance_ns: int | None = None  # when the first that is announced begins; None: nothing says so
    origin: Origin = Origin.VENUE
    venue_time_ns: int | None = None
