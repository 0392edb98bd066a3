"""What an account holds."""

from __future__ import annotations

import msgspec

from gwcore.model.enums import Origin, UpdateType


class PositionUpdate(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="kind", tag="position"
):
    """A margin position of one account in one symbol."""

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
    """What an account holds of one asset."""

    account: str
    asset: str
    update_type: UpdateType = UpdateType.SNAPSHOT
    total: str | None = None
    hold: str | None = None
    available: str | None = None
    wallet: str | None = None
    origin: Origin = Origin.VENUE
    venue_time_ns: int | None = None
