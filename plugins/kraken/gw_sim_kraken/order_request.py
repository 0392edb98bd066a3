"""What somebody asks the order desk for, whatever way it came: REST, WebSocket, another user interface, a trader."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


class OrderRefused(Exception):
    """Kraken's text of a refusal (sheet 2.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A new order. Quantities in the base asset, prices in the quote asset, times in ns since the epoch."""

    symbol: str
    side: int  # BUY, SELL
    order_type: str  # limit, market
    quantity: Decimal
    limit_price: Decimal | None = None
    time_in_force: str = "GTC"  # GTC, GTD, IOC, FOK
    expire_ns: int = 0  # of GTD
    deadline_ns: int = 0  # the engine refuses the order after it; 0: none
    post_only: bool = False
    reduce_only: bool = False
    leverage: int = 0  # 0: spot
    fee_in_base: bool = False
    cl_ord_id: str = ""
    userref: int = 0
    validate: bool = False  # check only


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendRequest:
    """A change of an open order; what is None stays as it is."""

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    post_only: bool = False
    deadline_ns: int = 0
