"""What can be done to a simulated account as if by its owner elsewhere: names and options, for `gw sim kraken --help`."""

from __future__ import annotations

#: Each takes account=NAME too; without it the first.
ACTIONS = {
    "order": "symbol side quantity price order_type time_in_force expire_in_s post_only reduce_only leverage fee_in_base "
    "userref cl_ord_id limit_type trigger trigger_type reference display cash stp start_in_s close_type close_price "
    "close_trigger: an order from another interface; without a price and order_type a market order",
    "amend": "order_id quantity price",
    "restate": "order_id quantity price reason: the engine changes an order by itself",
    "report_status": "order_id: a report of the kind status",
    "cancel": "order_id reason",
    "cancel_all": "",
    "fills": "count symbol side maker: so many fills at once, by market orders, or (maker=true) of one resting order",
    "deposit": "asset amount",
    "withdraw": "asset amount",
    "add_key": "permissions nonce_window: one more key; the answer shows its secret",
}
