"""`gw fills`: fills of the accounts that are granted to you, since the gateway's start, and those to come where asked for."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from gwcore.cli.accounts import account_options, connect_as, of_account, show
from gwcore.cli.gateways import GatewayChoice
from gwcore.client import SyncClient
from gwcore.model import Event, TradeUpdate

#: How long nothing has to come before what the journal holds counts as told.
_QUIET_S = 0.5


@click.command(name="fills")
@account_options
@click.option("--last", metavar="N", type=click.IntRange(min=1), help="Only the last N.")
def command(
    gateway: GatewayChoice,
    account: str,
    token: str | None,
    output: str,
    last: int | None,
) -> int:
    """Print fills, oldest first: each once, with its fees.

    Those of earlier runs of the gateway are in its journal and archive (`gw log`, `gw archive`). Exit code 1 where nothing is
    granted.
    """
    with connect_as(gateway, token, command="fills") as client:
        updates = of_account(_replayed(client), TradeUpdate, account)
    updates = updates[-last:] if last is not None else updates
    rows = [
        (
            update.account,
            _moment(fill.venue_time_ns),
            update.symbol,
            update.side.value if update.side is not None else None,
            fill.quantity,
            fill.price,
            " ".join(f"{amount} {asset}" for asset, amount in fill.fees),
            fill.liquidity.value if fill.liquidity is not None else None,
            fill.trade_id,
        )
        for update in updates
        for fill in update.fills
    ]
    titles = ("account", "time", "symbol", "side", "quantity", "price", "fees", "liquidity", "id at the venue")
    show(titles, rows, updates, as_json=output == "json")
    return 0


def _replayed(client: SyncClient) -> list[Event]:
    client.subscribe((), ["trade_update"], from_start=True)
    events: list[Event] = []
    while batch := client.batch(timeout_s=_QUIET_S):
        events += [delivery.envelope.event for delivery in batch]
    return events


def _moment(time_ns: int | None) -> str:
    """A time in words; seconds and the rest apart, so that no binary float touches it."""
    if time_ns is None:
        return ""
    moment = datetime.fromtimestamp(time_ns // 10**9, tz=UTC).replace(tzinfo=None).isoformat(sep=" ")
    return f"{moment}.{time_ns % 10**9 // 10**6:03d}"
