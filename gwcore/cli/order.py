"""`gw order create|modify|cancel|cancel-all|cancel-all-after|batch`: requests about orders, and what became of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

import click
import msgspec
import orjson

from gwcore.cli.accounts import connect_as
from gwcore.cli.gateways import GatewayChoice, gateway_options
from gwcore.cli.order_batch import create_of, read_batch
from gwcore.cli.order_options import close_of, create_options, modify_options
from gwcore.client import Outcome, SyncTrader
from gwcore.client.trading.venue_host import venue_line
from gwcore.errors import ConfigError
from gwcore.model import Fate

F = TypeVar("F", bound=Callable[..., Any])

#: Exit code where nobody knows yet what became of the request. Not 3: there nothing was sent.
EXIT_UNKNOWN = 5
_EXITS = {Fate.DONE: 0, Fate.NOT_DONE: 1, Fate.UNKNOWN: EXIT_UNKNOWN}
_WORDS = {Fate.DONE: "accepted", Fate.NOT_DONE: "refused", Fate.UNKNOWN: "UNKNOWN"}
_COMMON = [
    click.option("--account", metavar="NAME", required=True, help="The account."),
    click.option("--token", metavar="REF", help="Where the token is that says who you are: file:/PATH, env:NAME, ..."),
    click.option(
        "--timeout", "timeout_s", metavar="S", type=click.FloatRange(min=0), default=10.0, show_default=True,
        help="How long to wait for the fate of the request (with --wait: then for the end of the order).",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object a request."),
]  # fmt: skip


@click.group(name="order")
def command() -> None:
    """Place, change or cancel orders.

    Exit codes: 0 accepted; 1 refused; 2 usage; 3 not connected, nothing was sent; 5 UNKNOWN, it may have been carried out:
    look with `gw orders` before you send anything again.
    """


def _request(function: F) -> F:
    """A command that is given a trader, and gives the outcome of one request, or of several."""

    @wraps(function)
    def run(gateway: GatewayChoice, account: str, token: str | None, as_json: bool, **options: Any) -> int:
        with connect_as(gateway, token, command="order") as client:
            trader = client.trader(account)
            click.echo(f"gw: {venue_line(client.welcome, account)}", err=True)
            try:
                outcome = function(trader, **options)
            except (TypeError, ValueError) as error:
                raise ConfigError(str(error)) from error
            if isinstance(outcome, list):
                return _tell_all(outcome, as_json=as_json)
            return _tell(outcome, as_json=as_json)

    for option in reversed(_COMMON):
        run = option(run)
    return cast("F", gateway_options(run))


@command.command(name="create")
@click.argument("symbol")
@click.argument("side", type=click.Choice(["buy", "sell"], case_sensitive=False))
@create_options
@click.option("--dry-run", is_flag=True, help="The venue checks the order, and places nothing.")
@click.option("--wait", is_flag=True, help="Wait until the order ended.")
@_request
def create(
    trader: SyncTrader, symbol: str, side: str, timeout_s: float, dry_run: bool, wait: bool, **fields: Any
) -> Outcome:
    """Place an order: gw order create BTC/USD buy --quantity 0.1 --price 60000 --account main.

    LIMIT where there is a price, else MARKET. Without --order-id one is made and printed before anything is sent.
    """
    close = close_of(fields)
    form = trader.form(symbol, side, validate_only=dry_run or None, conditional_close=close, **fields)
    click.echo(f"gw: sending order {form.order_id}{' (dry run)' if dry_run else ''}", err=True)
    outcome = trader.send(form, timeout_s=timeout_s)
    if wait and outcome.order is not None and outcome.fate is not Fate.NOT_DONE:
        trader.ended(outcome.order, timeout_s=timeout_s)
    return outcome


@command.command(name="modify")
@click.argument("order_id")
@modify_options
@_request
def modify(trader: SyncTrader, order_id: str, timeout_s: float, **fields: Any) -> Outcome:
    """Change a working order in place. --quantity is the new total, what was traded included."""
    return trader.modify(order_id, timeout_s=timeout_s, **fields)


@command.command(name="cancel")
@click.argument("order_ids", metavar="ORDER_ID...", nargs=-1, required=True)
@_request
def cancel(trader: SyncTrader, order_ids: tuple[str, ...], timeout_s: float) -> Outcome | list[Outcome]:
    """Cancel orders by their ids (`gw orders`), several together. Refused with ORDER_DONE: it had ended."""
    if len(order_ids) == 1:
        return trader.cancel(order_ids[0], timeout_s=timeout_s)
    return trader.cancel_batch(order_ids, timeout_s=timeout_s)


@command.command(name="cancel-all")
@click.option("--symbol", metavar="SYMBOL", help="Only orders of this symbol.")
@click.option("--side", type=click.Choice(["buy", "sell"], case_sensitive=False), help="Only this side.")
@click.option("--strategy", metavar="NAME", help="Only orders of this strategy.")
@click.option("--user", metavar="NAME", help="Those of another user; * for everybody's. Needs the verb admin.")
@_request
def cancel_all(trader: SyncTrader, timeout_s: float, **filters: Any) -> Outcome:
    """Cancel all your working orders of an account that match."""
    return trader.cancel_all(timeout_s=timeout_s, **filters)


@command.command(name="cancel-all-after")
@click.argument("seconds", type=click.IntRange(min=0))
@_request
def cancel_all_after(trader: SyncTrader, seconds: int, timeout_s: float) -> Outcome:
    """Arm the venue's dead-man timer: unless this is asked again in SECONDS, it cancels every order of the account.

    0 disarms it. Everybody's orders are meant, external ones too, so it needs the verb admin. The gateway renews nothing that
    was armed so: see cancel_after_s in docs/limits.md for a timer that it keeps.
    """
    outcome = trader.cancel_all_after(seconds, timeout_s=timeout_s)
    if outcome.is_done:
        what = (
            f"will cancel every order of {trader.account} in {seconds} s, unless asked again" if seconds else "is off"
        )
        click.echo(f"gw: the venue's timer {what}", err=True)
    return outcome


@command.command(name="batch")
@click.argument("orders", metavar="FILE", type=click.File("rb"), callback=read_batch)
@click.option("--dry-run", is_flag=True, help="The venue checks the orders, and places nothing.")
@_request
def batch(trader: SyncTrader, orders: list[dict[str, Any]], timeout_s: float, dry_run: bool) -> list[Outcome]:
    """Place the orders of FILE together (- is stdin): JSON Lines, one order each, 100 at most.

    A line has the fields of CreateOrder: {"symbol": "BTC/USD", "side": "buy", "quantity": "0.1", "price": "60000"}. Where one
    line can't be read nothing is sent. Orders are accepted and refused one by one; the exit code is 5 if one is UNKNOWN, else
    1 if one was refused. Ids that are not given are made, and printed before anything is sent.
    """
    forms = []
    for fields in orders:
        made = trader.form(fields["symbol"], fields["side"]).order_id
        forms.append(create_of(trader.account, {"order_id": made, **fields}, validate_only=dry_run))
    ids = " ".join(form.order_id for form in forms)
    click.echo(f"gw: sending {_count(len(forms))}{' (dry run)' if dry_run else ''}: {ids}", err=True)
    return trader.create_batch(forms, timeout_s=timeout_s)


def _tell_all(outcomes: Sequence[Outcome], *, as_json: bool) -> int:
    """Several requests: one line each. UNKNOWN counts before refused."""
    for outcome in outcomes:
        if as_json:
            click.echo(orjson.dumps(_told(outcome)))
        else:
            click.echo(f"{getattr(outcome.request, 'order_id', '')}  {_words(outcome)}")
    fates = {outcome.fate for outcome in outcomes}
    if Fate.UNKNOWN in fates:
        _warn()
    return next(_EXITS[fate] for fate in (Fate.UNKNOWN, Fate.NOT_DONE, Fate.DONE) if fate in fates)


def _told(outcome: Outcome) -> dict[str, Any]:
    order = outcome.order
    return {
        "fate": outcome.fate.value,
        "error": outcome.error,
        "text": outcome.text or None,
        "request": msgspec.to_builtins(outcome.request),
        "ack": msgspec.to_builtins(outcome.ack),
        "order": None if order is None else msgspec.to_builtins(order.update),
        "fills": [] if order is None else msgspec.to_builtins(order.fills),
    }


def _words(outcome: Outcome) -> str:
    cause = f": {outcome.error}: {outcome.text}" if outcome.error else f": {outcome.text}" if outcome.text else ""
    return f"{_WORDS[outcome.fate]}{cause}"


def _count(number: int) -> str:
    return "1 order" if number == 1 else f"{number} orders"


def _warn() -> None:
    click.echo("gw: it may have been carried out, or may be yet: look with `gw orders` before you act", err=True)


def _tell(outcome: Outcome, *, as_json: bool) -> int:
    order = outcome.order
    if as_json:
        click.echo(orjson.dumps(_told(outcome)))
    else:
        click.echo(_words(outcome))
        if outcome.count is not None:
            click.echo(f"{_count(outcome.count)} cancelled")
        if order is not None and outcome.fate is not Fate.NOT_DONE:
            update = order.update
            price = update.price or update.stop_price or "market"
            what = f"{update.side.value if update.side else '?'} {update.quantity} {update.symbol} at {price}"
            traded = f", traded {format(order.traded, 'f')}" if order.traded else ""
            click.echo(f"{update.order_id or update.venue_order_id}  {what}  {update.order_status.value}{traded}")
    if outcome.fate is Fate.UNKNOWN:
        _warn()
    return _EXITS[outcome.fate]
