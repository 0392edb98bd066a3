"""`gw resume`: let orders leave again that `gw halt` stopped."""

from __future__ import annotations

import click

from gwcore.cli.ctl import operate, operator_options
from gwcore.cli.gateways import GatewayChoice
from gwcore.cli.halt import given, scoped


@click.command(name="resume")
@scoped
@operator_options
def command(
    gateway: GatewayChoice, token: str | None, output: str, user: str | None, account: str | None, symbol: str | None
) -> int:
    """End the halt of just this scope, or, with no option, every halt.

    Exit code 1 where there is none of that scope. Allowed to operators, as `gw ctl` is.
    """
    return operate(gateway, token, output, "resume", **given(user=user, account=account, symbol=symbol))
