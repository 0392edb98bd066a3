"""`gw orders`: the open orders of the accounts that are granted to you."""

from __future__ import annotations

import click

from gwcore.cli.accounts import account_options, connect_as, of_account, show
from gwcore.cli.gateways import GatewayChoice
from gwcore.model import OrderUpdate


@click.command(name="orders")
@account_options
def command(gateway: GatewayChoice, account: str, token: str | None, output: str) -> int:
    """Print open orders, as the venue last told them; UNKNOWN: it may be there, or not, and the gateway is finding out.

    Who has no drop_copy sees the orders he placed alone. Exit code 1 where nothing is granted.
    """
    with connect_as(gateway, token, command="orders") as client:
        envelopes = client.snapshot((), ["order_update"])
    orders = of_account((envelope.event for envelope in envelopes), OrderUpdate, account)
    rows = [
        (
            order.account,
            order.symbol,
            order.side.value if order.side is not None else None,
            order.order_type.value if order.order_type is not None else None,
            order.quantity,
            order.price or order.stop_price,
            order.traded_quantity,
            order.order_status.value,
            order.order_id or ("(external)" if order.external else None),
            order.user,
            order.venue_order_id,
        )
        for order in orders
    ]
    titles = (
        "account",
        "symbol",
        "side",
        "type",
        "quantity",
        "price",
        "traded",
        "status",
        "id",
        "user",
        "id at the venue",
    )
    show(titles, rows, orders, as_json=output == "json")
    return 0
