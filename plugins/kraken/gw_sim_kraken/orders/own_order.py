"""An account's order and its fills, as the exchange keeps them (sheet 3.6, 4.12). Quantities are exact decimals."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from gw_sim_kraken.accounts.amounts import ZERO, rounded
from gw_sim_kraken.market.market import PairMarket
from gw_sim_kraken.market.matching import BUY
from gw_sim_kraken.orders.request import Close, PriceSpec
from gw_sim_kraken.orders.types import LIMITED, TRAILING

PENDING, NEW, PARTIAL, FILLED, CANCELED, EXPIRED = (
    "pending_new", "new", "partially_filled", "filled", "canceled", "expired",
)  # fmt: skip
OPEN_STATES = frozenset({PENDING, NEW, PARTIAL})


@dataclass(frozen=True, slots=True)
class OwnFill:
    """One trade of an account. Cost and fee have the pair's cost decimals; a fee in base has its asset's."""

    exec_id: str
    trade_id: int
    order: OwnOrder = field(repr=False)
    price: Decimal
    quantity: Decimal
    cost: Decimal
    fee: Decimal
    fee_asset: str
    fee_usd: Decimal
    is_maker: bool
    time_ns: int
    margin: Decimal = ZERO  # bound by what this fill opened
    position_status: str = ""  # opened, closing, closed; empty: no margin
    position_id: str = ""  # opened or reduced by it
    ledger_ids: tuple[str, ...] = ()

    @property
    def fee_in_quote(self) -> Decimal:
        """What REST tells as the fee (its page: "quote currency"), whatever asset it was taken from."""
        pair = self.order.market.pair
        return self.fee if self.fee_asset == pair.quote else rounded(self.fee * self.price, pair.cost_precision)

    @property
    def is_closing(self) -> bool:
        """Whether it reduced a position."""
        return self.position_status in ("closing", "closed")


@dataclass(frozen=True, slots=True)
class Amendment:
    """What an order was changed to, and when."""

    amend_id: str
    kind: str  # original, user, restated
    quantity: Decimal
    remaining: Decimal
    limit_price: Decimal | None
    reason: str
    post_only: bool
    time_ns: int
    display: Decimal | None = None
    trigger_price: Decimal | None = None


@dataclass(slots=True)
class Trigger:
    """What an order waits for. `price` follows `peak` where the order trails."""

    spec: PriceSpec
    reference: str  # last, index
    price: Decimal = ZERO
    peak: Decimal = ZERO
    last_price: Decimal = ZERO  # of the reference, when it was looked at last
    fired_price: Decimal | None = None  # of the reference, when it reached the trigger
    fired_ns: int = 0

    @property
    def is_fired(self) -> bool:
        """Whether the order is on its way."""
        return self.fired_price is not None


@dataclass(slots=True, eq=False)
class OwnOrder:
    """`number` is that of the matching engine while it rests there, else 0."""

    order_id: str
    account: str
    market: PairMarket = field(repr=False)
    side: int  # BUY, SELL
    order_type: str  # a word of order_types.ORDER_TYPES
    quantity: Decimal  # of a cash order 0 until it meets the book
    limit_price: Decimal | None
    opened_ns: int
    time_in_force: str = "GTC"
    expire_ns: int = 0
    post_only: bool = False
    reduce_only: bool = False
    leverage: int = 0  # 0: spot
    fee_in_base: bool = False
    cl_ord_id: str = ""
    userref: int = 0
    status: str = PENDING
    reason: str = ""
    amended: bool = False
    limit: PriceSpec | None = None  # as it was asked for
    trigger: Trigger | None = None
    display: Decimal | None = None  # of an iceberg
    shown: Decimal = ZERO  # what of it is seen now
    cash: Decimal | None = None  # in the quote asset, instead of a quantity
    is_short: bool = False  # the book had less than the cash would buy
    close: Close | None = None
    stp: str = "cancel_newest"
    start_ns: int = 0
    parent_id: str = ""  # the order whose fill made it
    changed_ns: int = 0  # opened or amended last: what a cancel costs depends on it
    closed_ns: int = 0
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    fee: Decimal = ZERO
    fee_usd: Decimal = ZERO
    number: int = 0
    fills: list[OwnFill] = field(default_factory=list, repr=False)
    amendments: list[Amendment] = field(default_factory=list, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.status in OPEN_STATES

    @property
    def is_waiting(self) -> bool:
        """Whether its trigger has not been reached yet."""
        return self.trigger is not None and not self.trigger.is_fired

    @property
    def is_trailing(self) -> bool:
        """Whether its trigger follows the reference."""
        return self.order_type in TRAILING

    @property
    def executes_as(self) -> str:
        """What it is to the book: limit or market."""
        return "limit" if self.order_type in LIMITED else "market"

    @property
    def price(self) -> Decimal | None:
        """By which it is paid for at most, as far as that is known: its limit, else its trigger."""
        if self.limit_price is not None or self.trigger is None:
            return self.limit_price
        return self.trigger.price

    @property
    def side_name(self) -> str:
        """buy or sell."""
        return "buy" if self.side == BUY else "sell"

    @property
    def remaining(self) -> Decimal:
        """What is not filled."""
        return self.quantity - self.filled

    @property
    def symbol(self) -> str:
        """The market's name as it is now."""
        return self.market.pair.symbol

    @property
    def fee_preference(self) -> str:
        """fcib: fees in the base asset, fciq: in the quote asset."""
        return "fcib" if self.fee_in_base else "fciq"

    def average(self) -> Decimal:
        """The mean price of its fills at the pair's decimals; 0 without any."""
        decimals = self.market.pair.price_precision
        return rounded(self.cost / self.filled, decimals) if self.filled else rounded(ZERO, decimals)
