"""What Kraken has and allows about orders (API sheet §2.7, §3.6, §3.7, §4.14). Data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from gwcore.model import OrderType, TimeInForce
from gwcore.venue import Cost, CounterRule, OrderAbilities, OrderFeature, OrderLimits, RequestKind

#: Orders in one batch (§4.14, §2.7): 2 to 15 to place, 2 to 50 to cancel.
BATCH_MAX, CANCEL_BATCH_MAX = 15, 50
#: The dead-man timer takes less than a day.
CANCEL_TIMER_MAX_S = 86_399
#: REST was seen to lag a minute (§2.7).
SETTLE_S = 60.0
COUNTER = "orders"


class EngineTier(NamedTuple):
    """The matching engine's counter for each pair, and open orders for each pair."""

    threshold: float
    decay_per_s: float
    open_orders: int


ENGINE_TIERS: Mapping[str, EngineTier] = {
    "starter": EngineTier(60.0, 1.0, 60),
    "intermediate": EngineTier(125.0, 2.34, 80),
    "pro": EngineTier(180.0, 3.75, 225),
}
_CANCEL = Cost(by_age=((5.0, 8.0), (10.0, 6.0), (15.0, 5.0), (45.0, 4.0), (90.0, 2.0), (300.0, 1.0)))
COSTS: Mapping[RequestKind, Cost] = {
    RequestKind.CREATE: Cost(fixed=1.0),
    RequestKind.MODIFY: Cost(fixed=1.0, by_age=((5.0, 3.0), (10.0, 2.0), (15.0, 1.0))),
    RequestKind.CANCEL: _CANCEL,
    RequestKind.CANCEL_ALL: _CANCEL,  # not documented: as a batch of cancels, and taken
    RequestKind.CREATE_BATCH: Cost(fixed=0.5),
    RequestKind.CANCEL_BATCH: _CANCEL,
}


def order_limits(tier: str) -> OrderLimits:
    """The limits of an account of this tier. Raises KeyError for a tier there is not."""
    found = ENGINE_TIERS[tier]
    counter = CounterRule(
        name=COUNTER,
        per_symbol=True,
        maximum=found.threshold,
        decay_per_s=found.decay_per_s,
        costs=COSTS,
        always_taken=frozenset({RequestKind.CANCEL_BATCH, RequestKind.CANCEL_ALL}),
    )
    return OrderLimits(counters=(counter,), open_orders_per_symbol=found.open_orders, settle_s=SETTLE_S)


#: All that our model has today, by name: a word it gets later is Kraken's only when the encoder knows it. What of them
#: Kraken has only together with others is refused by `orders_checks`.
ABILITIES = OrderAbilities(
    order_types=frozenset(
        {
            OrderType.MARKET,
            OrderType.LIMIT,
            OrderType.ICEBERG,
            OrderType.STOP_LOSS,
            OrderType.STOP_LOSS_LIMIT,
            OrderType.TAKE_PROFIT,
            OrderType.TAKE_PROFIT_LIMIT,
            OrderType.TRAILING_STOP,
            OrderType.TRAILING_STOP_LIMIT,
            OrderType.SETTLE_POSITION,
        }
    ),
    times_in_force=frozenset({TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK}),
    features=frozenset(
        {
            OrderFeature.POST_ONLY,
            OrderFeature.REDUCE_ONLY,
            OrderFeature.MARGIN,
            OrderFeature.DISPLAY_QUANTITY,
            OrderFeature.CASH_QUANTITY,
            OrderFeature.RELATIVE_PRICE,
            OrderFeature.INDEX_TRIGGER,
            OrderFeature.CONDITIONAL_CLOSE,
            OrderFeature.SELF_TRADE_PREVENTION,
            OrderFeature.FEE_ASSET,
            OrderFeature.SCHEDULED_START,
            OrderFeature.DEADLINE,
            OrderFeature.VALIDATE_ONLY,
        }
    ),
    batch_max=BATCH_MAX,
    cancel_batch_max=CANCEL_BATCH_MAX,
    deadline_s=(0.5, 60.0),
    cancel_timer_max_s=CANCEL_TIMER_MAX_S,
)
#: Without a connection: REST takes no deadline nearer than two seconds.
REST_ABILITIES = replace(ABILITIES, deadline_s=(2.0, 60.0))
