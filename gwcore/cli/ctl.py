"""`gw ctl`: have a running gateway do something, as its operator. Each action is an event of the gateway (`control`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import click
import orjson

from gwcore.cli.accounts import connect_as
from gwcore.cli.gateways import GatewayChoice, gateway_options

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = [
    click.option("--token", metavar="REF", help="Where the token is that says who you are: file:/PATH, env:NAME, ..."),
    click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to print what came of it."),
]


def operator_options(function: F) -> F:
    """Give a command the options that choose a gateway, who asks, and a way to print."""
    command: Any = gateway_options(function)
    for option in reversed(_OPTIONS):
        command = option(command)
    return cast("F", command)


def operate(gateway: GatewayChoice, token: str | None, output: str, action: str, **arguments: Any) -> int:
    """Ask for an action and print what came of it. Raises RequestRefused, NotConnected, ConfigError."""
    with connect_as(gateway, token, command=f"ctl {action}") as client:
        outcome = client.control(action, **arguments)
    if output == "json":
        click.echo(orjson.dumps({"action": action, "text": outcome.text, "result": outcome.result}))
    else:
        click.echo(outcome.text)
    return 0


@click.group(name="ctl")
def command() -> None:
    """Have a running gateway do something.

    Allowed to who runs the gateway, and to users with the verb `admin` in their [user.NAME]. Each action, and each that was
    denied, is a `control` event: `gw tail --kinds control`. Exit code 1 where it was refused or could not be done.
    """


@command.command()
@click.argument("symbol")
@operator_options
def resubscribe(gateway: GatewayChoice, token: str | None, output: str, symbol: str) -> int:
    """Subscribe all streams of SYMBOL anew, out of quarantine too.

    Its book is STALE (OPERATOR) until the fresh snapshot; the other symbols go on.
    """
    return operate(gateway, token, output, "resubscribe", symbol=symbol)


@command.group()
def client() -> None:
    """Clients of the gateway."""


@client.command()
@click.argument("client_id", metavar="ID")
@operator_options
def cut(gateway: GatewayChoice, token: str | None, output: str, client_id: str) -> int:
    """Close the connection of the client ID (`gw status` lists them). It is told why; it may come again."""
    return operate(gateway, token, output, "client_cut", client=client_id)


@command.command("log-level")
@click.argument("level", type=click.Choice(["debug", "info", "warning", "error"]))
@operator_options
def log_level(gateway: GatewayChoice, token: str | None, output: str, level: str) -> int:
    """Write log messages of LEVEL and above, until the gateway ends or is told otherwise."""
    return operate(gateway, token, output, "log_level", level=level)


@command.group()
def symbols() -> None:
    """Symbols that are subscribed, until the gateway starts anew or reloads its configuration."""


@symbols.command("add")
@click.argument("globs", metavar="GLOB...", nargs=-1, required=True)
@operator_options
def add_symbols(gateway: GatewayChoice, token: str | None, output: str, globs: tuple[str, ...]) -> int:
    """Subscribe what GLOB matches, too. What is subscribed already goes on untouched."""
    return operate(gateway, token, output, "symbols_add", globs=globs)


@symbols.command("remove")
@click.argument("globs", metavar="GLOB...", nargs=-1, required=True)
@operator_options
def remove_symbols(gateway: GatewayChoice, token: str | None, output: str, globs: tuple[str, ...]) -> int:
    """Leave what GLOB matches. Its books are STALE (UNSUBSCRIBED); the other symbols go on untouched."""
    return operate(gateway, token, output, "symbols_remove", globs=globs)


@command.command()
@operator_options
def reload(gateway: GatewayChoice, token: str | None, output: str) -> int:
    """Read the configuration anew: symbols, users, limits of clients and the log level change at once.

    A configuration with a fault changes nothing. What else differs is named; it is in force after a restart.
    """
    return operate(gateway, token, output, "reload")
