"""`gw funds`: what the accounts that are granted to you hold, and how much of it is free."""

from __future__ import annotations

from decimal import Decimal

import click

from gwcore.cli.accounts import account_options, connect_as, of_account, show
from gwcore.cli.gateways import GatewayChoice
from gwcore.model import FundsUpdate, TradeBalance


@click.command(name="funds")
@account_options
@click.option("--zero", is_flag=True, help="Also assets of which nothing is left.")
def command(
    gateway: GatewayChoice,
    account: str,
    token: str | None,
    output: str,
    zero: bool,
) -> int:
    """Print funds by asset and wallet, then equity and margin.

    A hold that is not shown is not known at present: the total changed, and the venue was not asked since. Exit code 1 where
    nothing is granted.
    """
    with connect_as(gateway, token, command="funds") as client:
        events = [envelope.event for envelope in client.snapshot((), ["funds", "trade_balance"])]
    funds = [each for each in of_account(events, FundsUpdate, account) if zero or Decimal(each.total or 0)]
    funds.sort(key=lambda each: (each.account, each.asset, each.wallet or ""))
    balances = of_account(events, TradeBalance, account)
    rows = [(each.account, each.asset, each.wallet, each.total, each.hold, each.available) for each in funds]
    show(("account", "asset", "wallet", "total", "hold", "available"), rows, funds, as_json=output == "json")
    rows = [
        (each.account, each.asset, each.equity, each.free_margin, each.margin_used, each.margin_level)
        for each in balances
    ]
    if rows:
        show(("account", "in", "equity", "free margin", "used", "level"), rows, balances, as_json=output == "json")
    return 0
