"""What somebody asks the order desk for, whatever way it came: REST, WebSocket, another user interface, a trader."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


class OrderRefused(Exception):
    """Kraken's text of a refusal (sheet 2.2)."""


@dataclass(frozen=True, slots=True)
class PriceSpec:
    """A price: static, or away from a reference by a percentage or by an amount of the quote asset (with its sign)."""

    value: Decimal
    kind: str = "static"  # static, pct, quote

    def at(self, reference: Decimal) -> Decimal:
        """The price beside this reference, not rounded."""
        if self.kind == "pct":
            return reference * (1 + self.value / 100)
        return reference + self.value if self.kind == "quote" else self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """A conditional close: the order that each fill makes (sheet 3.6)."""

    order_type: str
    limit: PriceSpec | None = None
    trigger: PriceSpec | None = None
    reference: str = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A new order. Quantities in the base asset, prices in the quote asset, times in ns since the epoch."""

    symbol: str
    side: int  # BUY, SELL
    order_type: str  # a word of order_types.ORDER_TYPES
    quantity: Decimal
    limit_price: Decimal | None = None
    limit_type: str = "static"  # static, pct, quote
    trigger: PriceSpec | None = None
    reference: str = "last"  # last, index: what the trigger looks at
    display: Decimal | None = None  # what of an iceberg is seen
    cash: Decimal | None = None  # a buy for so much of the quote asset, in place of a quantity
    close: Close | None = None
    stp: str = "cancel_newest"
    time_in_force: str = "GTC"  # GTC, GTD, IOC, FOK
    start_ns: int = 0  # not live before; 0: at once
    expire_ns: int = 0  # of GTD
    deadline_ns: int = 0  # the engine refuses the order after it; 0: none
    deadline_min_ns: int = 0  # how far ahead a deadline has to be
    post_only: bool = False
    reduce_only: bool = False
    leverage: int = 0  # 0: spot
    fee_in_base: bool = False
    cl_ord_id: str = ""
    userref: int = 0
    validate: bool = False  # check only

    @property
    def limit(self) -> PriceSpec | None:
        """The limit with how it is meant."""
        return None if self.limit_price is None else PriceSpec(self.limit_price, self.limit_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendRequest:
    """A change of an open order; what is None stays as it is."""

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    limit_type: str = "static"
    trigger: PriceSpec | None = None
    display: Decimal | None = None
    post_only: bool = False
    deadline_ns: int = 0
    deadline_min_ns: int = 0

    @property
    def limit(self) -> PriceSpec | None:
        """The new limit with how it is meant."""
        return None if self.limit_price is None else PriceSpec(self.limit_price, self.limit_type)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to change."""
        return self.quantity is None and self.limit_price is None and self.trigger is None and self.display is None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditRequest:
    """What replaces an open order; what is None is taken over from it, the flags are not (sheet 2.7 EditOrder)."""

    symbol: str
    quantity: Decimal | None = None
    limit: PriceSpec | None = None
    trigger: PriceSpec | None = None
    reference: str = ""
    display: Decimal | None = None
    post_only: bool = False
    reduce_only: bool = False
    fee_in_base: bool | None = None
    userref: int = 0
    deadline_ns: int = 0
    deadline_min_ns: int = 0
    validate: bool = False
