"""`gw halt`: stop new orders and changes, over restarts, until `gw resume`. Cancels always pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

from gwcore.cli.ctl import operate, operator_options
from gwcore.cli.gateways import GatewayChoice

F = TypeVar("F", bound=Callable[..., Any])

_SCOPE = [
    click.option("--user", metavar="U", help="Only this user's orders."),
    click.option("--account", metavar="A", help="Only orders of this account."),
    click.option("--symbol", metavar="GLOB", help="Only orders in these symbols."),
]


def scoped(function: F) -> F:
    """Give a command the options that say whose orders are meant."""
    command: Any = function
    for option in reversed(_SCOPE):
        command = option(command)
    return cast("F", command)


@click.command(name="halt")
@click.argument("reason", required=False, default="")
@scoped
@click.option("--cancel", is_flag=True, help="Also cancel the orders that are open.")
@click.option("--list", "only_list", is_flag=True, help="Print the halts in force, and halt nothing.")
@operator_options
def command(
    gateway: GatewayChoice,
    token: str | None,
    output: str,
    reason: str,
    user: str | None,
    account: str | None,
    symbol: str | None,
    cancel: bool,
    only_list: bool,
) -> int:
    """Stop new orders and changes: everything, or what --user, --account and --symbol name together.

    Cancels pass. In force over restarts until `gw resume`; each halt is an event of the gateway with its REASON. Allowed to
    operators, as `gw ctl` is.
    """
    if only_list:
        return operate(gateway, token, output, "halts")
    scope = given(user=user, account=account, symbol=symbol)
    return operate(gateway, token, output, "halt", reason=reason or "no reason given", cancel=cancel, **scope)


def given(**options: str | None) -> dict[str, str]:
    """Those that were given."""
    return {name: value for name, value in options.items() if value is not None}
