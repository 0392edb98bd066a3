"""OrderParts: what the orders of all accounts of one gateway share, and where each account's own come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from gwcore.engine.orders.all_orders import AllOrders
from gwcore.engine.orders.defaults import NoPace, OpenGuard
from gwcore.engine.orders.owners import OrderIds
from gwcore.engine.orders.ports import OrderGuard, OrderPace
from gwcore.model import Instrument
from gwcore.venue import Account, AccountCodec, Orders

#: Makes the orders of one connection of an account; of none: by REST alone.
OrdersFactory: TypeAlias = Callable[[Account, AccountCodec | None], Orders]


class OrderJournal(Protocol):
    """What orders ask of the journal."""

    def last_position(self, journal_class: str) -> int:
        """Position of the newest record."""
        ...

    def synced_position(self, journal_class: str) -> int:
        """Position up to which a class is durable."""
        ...

    def dropped_of(self, journal_class: str) -> int:
        """Records of a class that were not taken."""
        ...

    def failed_of(self, journal_class: str) -> str:
        """Why records of a class are not being made durable; empty: all is well."""
        ...


class AllDurable:
    """A journal without a disk, for where there are no orders: everything is durable at once."""

    def last_position(self, journal_class: str) -> int:
        """Nothing is kept."""
        return 0

    def synced_position(self, journal_class: str) -> int:
        """Nothing is kept."""
        return 0

    def dropped_of(self, journal_class: str) -> int:
        """Nothing is dropped."""
        return 0

    def failed_of(self, journal_class: str) -> str:
        """Nothing fails."""
        return ""


@dataclass(slots=True, kw_only=True)
class OrderParts:
    """What the orders of all accounts of a gateway share. `pace` makes one for each account."""

    ids: OrderIds = field(default_factory=OrderIds)
    view: AllOrders = field(default_factory=AllOrders)
    guard: OrderGuard = field(default_factory=OpenGuard)
    pace: Callable[[], OrderPace] = NoPace
    instruments: Callable[[], Mapping[str, Instrument]] = dict
    journal: OrderJournal = field(default_factory=AllDurable)
