"""`gw fees`: what the master account pays in each market."""

from __future__ import annotations

import click

from gwcore.cli.accounts import account_options, connect_as, of_account, show
from gwcore.cli.gateways import GatewayChoice
from gwcore.model import FeesUpdate


@click.command(name="fees")
@account_options
def command(gateway: GatewayChoice, account: str, token: str | None, output: str) -> int:
    """Print maker and taker fees by symbol, in percent, and the volume that they follow from.

    They are those of the account that is `master` in the configuration; without one there are none. Exit code 1 where nothing
    is granted.
    """
    with connect_as(gateway, token, command="fees") as client:
        events = [envelope.event for envelope in client.snapshot((), ["fees"])]
    fees = sorted(of_account(events, FeesUpdate, account), key=lambda each: (each.account, each.symbol))
    rows = [
        (each.account, each.symbol, each.maker_fee, each.taker_fee, each.volume, each.volume_currency) for each in fees
    ]
    show(("account", "symbol", "maker %", "taker %", "volume 30 d", "in"), rows, fees, as_json=output == "json")
    return 0
