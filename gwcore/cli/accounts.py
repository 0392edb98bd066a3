"""What `orders`, `fills`, `funds`, `positions` and `fees` share: their options, who asks, and rows of text or JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import click
import msgspec
import orjson

from gwcore.cli.gateways import GatewayChoice, gateway_options
from gwcore.client import SyncClient, connect_sync
from gwcore.secrets import resolve_secret

F = TypeVar("F", bound=Callable[..., Any])
E = TypeVar("E")

_OPTIONS = [
    click.option(
        "--account", metavar="GLOB", default="*", help="Accounts to show; the default is all that are granted."
    ),
    click.option("--token", metavar="REF", help="Where the token is that says who you are: file:/PATH, env:NAME, ..."),
    click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to print."),
]


def account_options(function: F) -> F:
    """Give a command the options that choose a gateway, an account and a way to print."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return gateway_options(function)


def connect_as(gateway: GatewayChoice, token: str | None, *, command: str) -> SyncClient:
    """A client that says who asks. Raises ConfigError, NotConnected."""
    user_token = resolve_secret(token).reveal() if token is not None else ""
    return connect_sync(gateway.find(), name=f"gw {command}", user_token=user_token)


def of_account(events: Iterable[Any], kind: type[E], account: str) -> list[E]:
    """The events of one kind that belong to accounts of a glob."""
    return [
        event for event in events if isinstance(event, kind) and fnmatchcase(getattr(event, "account", ""), account)
    ]


def show(titles: Sequence[str], rows: Sequence[Sequence[str | None]], events: Sequence[Any], *, as_json: bool) -> None:
    """Print events as JSON lines, or their rows below titles."""
    if as_json:
        for event in events:
            click.echo(orjson.dumps(msgspec.to_builtins(event)))
        return
    table = [list(titles), *([cell or "" for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(titles))]
    for row in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
