"""`gw positions`: the margin positions of the accounts that are granted to you."""

from __future__ import annotations

from decimal import Decimal

import click

from gwcore.cli.accounts import account_options, connect_as, of_account, show
from gwcore.cli.gateways import GatewayChoice
from gwcore.model import PositionUpdate


@click.command(name="positions")
@account_options
def command(gateway: GatewayChoice, account: str, token: str | None, output: str) -> int:
    """Print open margin positions by symbol, as of the last comparison with the venue.

    Exit code 1 where nothing is granted.
    """
    with connect_as(gateway, token, command="positions") as client:
        events = [envelope.event for envelope in client.snapshot((), ["position"])]
    positions = [
        each
        for each in of_account(events, PositionUpdate, account)
        if Decimal(each.long_quantity or 0) or Decimal(each.short_quantity or 0)
    ]
    rows = [
        (each.account, each.symbol, each.long_quantity, each.short_quantity, each.cost, each.profit_loss)
        for each in positions
    ]
    titles = ("account", "symbol", "long", "short", "cost", "profit or loss")
    show(titles, rows, positions, as_json=output == "json")
    return 0
