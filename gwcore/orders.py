"""CONTRACT of a venue's orders: what it can, what it allows, requests in its form. Plugins import it from `gwcore.venue`.

The engine owns time-outs, the fate of requests, pacing within the limits, ids and their durability; a venue translates. An
order the venue was asked for twice costs money: nothing here may send by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from gwcore.model import CreateOrder, ModifyOrder, OrderType, TimeInForce
from gwcore.rest import HttpFlow
from gwcore.venue_messages import AccountSnapshot, Outbound


class OrderFeature(str, Enum):
    """What an order or a request may ask for beyond type, side, quantity and price, where the venue has it."""

    POST_ONLY = "POST_ONLY"
    REDUCE_ONLY = "REDUCE_ONLY"
    MARGIN = "MARGIN"
    DISPLAY_QUANTITY = "DISPLAY_QUANTITY"  # with order type ICEBERG
    CASH_QUANTITY = "CASH_QUANTITY"
    RELATIVE_PRICE = "RELATIVE_PRICE"  # price types other than STATIC
    INDEX_TRIGGER = "INDEX_TRIGGER"
    CONDITIONAL_CLOSE = "CONDITIONAL_CLOSE"
    SELF_TRADE_PREVENTION = "SELF_TRADE_PREVENTION"
    FEE_ASSET = "FEE_ASSET"
    SCHEDULED_START = "SCHEDULED_START"
    DEADLINE = "DEADLINE"
    VALIDATE_ONLY = "VALIDATE_ONLY"


class RequestKind(str, Enum):
    """What limits and priorities are stated for."""

    CREATE = "CREATE"
    MODIFY = "MODIFY"
    CANCEL = "CANCEL"
    CANCEL_ALL = "CANCEL_ALL"
    CREATE_BATCH = "CREATE_BATCH"  # costs are of one order of the batch
    CANCEL_BATCH = "CANCEL_BATCH"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAbilities:
    """What the venue has; the gateway refuses the rest (UNSUPPORTED) before it leaves.

    `deadline_s`: least and greatest distance of a deadline from now.
    """

    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    features: frozenset[OrderFeature] = frozenset()
    can_modify: bool = True
    batch_max: int = 1  # orders in one request to create; 1: no batches
    cancel_batch_max: int = 1
    deadline_s: tuple[float, float] | None = None
    cancel_timer_max_s: int | None = None  # CancelTimer: longest time; None: there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a request takes from a counter: `fixed`, and by the age of its order (s) what the first row above it says."""

    fixed: float = 0.0
    by_age: tuple[tuple[float, float], ...] = ()  # (age below which, cost), ascending; older: nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterRule:
    """One counter of the venue: requests raise it, time lowers it, above `maximum` the venue refuses (or locks out).

    `always_taken`: kinds that the venue takes though they exceed it. `locks_out_s`: what exceeding costs, None: a refusal.
    """

    name: str
    per_symbol: bool  # one for each symbol of the account, else one for the account
    maximum: float
    decay_per_s: float
    costs: Mapping[RequestKind, Cost]
    always_taken: frozenset[RequestKind] = frozenset()
    locks_out_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLimits:
    """What the venue allows one account about orders."""

    counters: tuple[CounterRule, ...] = ()
    open_orders_per_symbol: int | None = None
    answer_timeout_s: float = 5.0  # without an answer by then the fate is UNKNOWN and asked for
    settle_s: float = 60.0  # how long after its deadline a request that was taken may be missing from every list


class OrderKey(NamedTuple):
    """How an order of ours is named at the venue."""

    symbol: str
    venue_client_id: str | None
    venue_order_id: str | None = None


class Orders(Protocol):
    """Requests of ours in the venue's form. One for each connection of an account (codec None: not connected, REST only).

    `request_id` is unique for the account and this process; the answer names it (`OrderAnswer`). Requests were checked
    against `abilities` and the instrument's digits before they come here. Pure but for the signer. The methods that make
    requests raise Unsupported, in one sentence with the cure, for a combination that `abilities` can't tell and the venue
    does not have; the gateway refuses it (UNSUPPORTED), and nothing leaves.
    """

    @property
    def abilities(self) -> OrderAbilities:
        """What the venue has."""
        ...

    @property
    def limits(self) -> OrderLimits:
        """What the venue allows this account."""
        ...

    def client_id(self, number: int) -> str:
        """A client id in the venue's grammar for a number of up to 64 bits. Injective."""
        ...

    def create_order(self, request_id: int, request: CreateOrder, client_id: str) -> Outbound:
        """Place one. `client_id` is durable before this leaves."""
        ...

    def modify_order(self, request_id: int, request: ModifyOrder, key: OrderKey) -> Outbound:
        """Amend one in place."""
        ...

    def cancel_order(self, request_id: int, key: OrderKey) -> Outbound:
        """Cancel one."""
        ...

    def cancel_all_orders(self, request_id: int) -> Outbound:
        """Cancel every order of the account, external ones too."""
        ...

    def find_order(self, key: OrderKey) -> HttpFlow[AccountSnapshot]:
        """Everything the venue lists of one order, by its client id where the venue's id is not known. Raises VenueError.

        Open and ended lists, and its fills. Nothing in any of them: an empty snapshot with `orders=()`.
        """
        ...


class BatchOrders(Protocol):
    """Orders that can be placed and cancelled several at a time (`batch_max`, `cancel_batch_max` above 1)."""

    def create_orders(self, request_id: int, requests: Sequence[CreateOrder], client_ids: Sequence[str]) -> Outbound:
        """Place several of one symbol; answers name the place in the batch (`OrderAnswer.order`)."""
        ...

    def cancel_orders(self, request_id: int, keys: Sequence[OrderKey]) -> Outbound:
        """Cancel several; answers name the place in the batch where the venue tells them apart."""
        ...


class CancelTimer(Protocol):
    """Orders whose venue has a dead-man timer for each account (`cancel_timer_max_s`)."""

    def cancel_all_after(self, request_id: int, timeout_s: int) -> Outbound:
        """Arm it (again) for `timeout_s`; 0 disarms."""
        ...
