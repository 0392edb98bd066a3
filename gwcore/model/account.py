"""What an account holds."""

from __future__ import annotations

import msgspec

from gwcore.model.enums import Origin, UpdateType


class PositionUpdate(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="kind", tag="position"
):
    """The margin positions of one account in one symbol, together. Quantities of 0: there is none any more."""

    account: str
    symbol: str
    update_type: UpdateType = UpdateType.SNAPSHOT
    long_quantity: str | None = None
    short_quantity: str | None = None
    cost: str | None = None
    profit_loss: str | None = None
    origin: Origin = Origin.VENUE
    venue_time_ns: int | None = None


class FundsUpdate(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="kind", tag="funds"
):
    """What an account holds of one asset in one wallet. `hold`, `available`: as of the last time the venue said so."""

    account: str
    asset: str
    update_type: UpdateType = UpdateType.SNAPSHOT
    total: str | None = None
    hold: str | None = None
    available: str | None = None
    wallet: str | None = None
    origin: Origin = Origin.VENUE
    venue_time_ns: int | None = None


class FeesUpdate(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="kind", tag="fees"):
    """What an account pays in one market, in percent of a trade's cost; negative: it is paid. Absent: not known.

    STALE: the venue could not be asked for too long.

    `volume`: what it traded in 30 days, in `volume_currency`, when these fees were told; fees follow from it.
    """

    account: str
    symbol: str
    update_type: UpdateType = UpdateType.SNAPSHOT
    maker_fee: str | None = None
    taker_fee: str | None = None
    volume: str | None = None
    volume_currency: str | None = None
    origin: Origin = Origin.VENUE
    venue_time_ns: int | None = None


class TradeBalance(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="kind", tag="trade_balance"
):
    """What an account is worth and how much of it is free, in one currency."""

    account: str
    asset: str
    update_type: UpdateType = UpdateType.SNAPSHOT
    equity: str | None = None  # trade balance and what open positions would give
    trade_balance: str | None = None
    equivalent_balance: str | None = None
    margin_used: str | None = None
    free_margin: str | None = None
    margin_level: str | None = None  # percent; absent without a position
    profit_loss: str | None = None  # of open positions
    cost: str | None = None  # of open positions
    valuation: str | None = None  # of open positions
    origin: Origin = Origin.VENUE
    venue_time_ns: int | None = None
