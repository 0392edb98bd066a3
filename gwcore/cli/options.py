"""The options that make up a configuration, shared by `gw run` and `gw config show`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from gwcore.config import FlagValue, Sources

F = TypeVar("F", bound=Callable[..., Any])

#: option -> the setting it stands for; `*` is the chosen venue.
SETTING_OF_OPTION: dict[str, tuple[str, ...]] = {
    "venue": ("gateway", "venue"),
    "env": ("gateway", "env"),
    "name": ("gateway", "name"),
    "symbols": ("gateway", "symbols"),
    "exclude": ("gateway", "exclude"),
    "book_depth": ("gateway", "book_depth"),
    "channels": ("gateway", "channels"),
    "transport": ("gateway", "transports"),
    "sink": ("gateway", "sinks"),
    "state_dir": ("gateway", "state_dir"),
    "duration": ("gateway", "duration_s"),
    "metrics_host": ("gateway", "metrics_host"),
    "metrics_port": ("gateway", "metrics_port"),
    "log_level": ("gateway", "log_level"),
    "log_format": ("gateway", "log_format"),
    "record": ("capture", "record"),
    "paper": ("paper", "enabled"),
    "rest_url": ("venue", "*", "rest_url"),
    "ws_public_url": ("venue", "*", "ws_public_url"),
    "ws_private_url": ("venue", "*", "ws_private_url"),
    "ws_l3_url": ("venue", "*", "ws_l3_url"),
    "unix_path": ("transport", "unix", "path"),
    "nats_url": ("sink", "jetstream", "url"),
}
#: Options that stand for a second setting as well: each is for what is chosen, and one of the two has to be.
ALSO_OF_OPTION: dict[str, tuple[str, ...]] = {"nats_url": ("transport", "nats", "url")}

_OPTIONS: dict[str, Callable[[Any], Any]] = {
    "--venue": click.option("--venue", metavar="NAME", help="The venue to serve."),
    "--env": click.option("--env", metavar="NAME", help="Which of the venue's environments: prod, beta, sim, ..."),
    "--name": click.option(
        "--name", metavar="NAME", help="Name of this gateway; the venue's name where it is not given."
    ),
    "--config": click.option(
        "--config",
        "files",
        metavar="FILE ...",
        multiple=True,
        type=click.Path(path_type=Path, dir_okay=True),
        help="TOML files; later ones win, key by key.",
    ),
    "--symbols": click.option(
        "--symbols", metavar="GLOB ...", multiple=True, help="Symbols to subscribe; the default is all."
    ),
    "--exclude": click.option("--exclude", metavar="GLOB ...", multiple=True, help="Symbols to leave out."),
    "--book-depth": click.option("--book-depth", metavar="N", type=int, help="Levels a side."),
    "--channels": click.option(
        "--channels", metavar="K,...", multiple=True, help="instrument, status, book, trade, ticker, ohlc."
    ),
    "--rest-url": click.option("--rest-url", metavar="U", help="REST address of the venue."),
    "--ws-public-url": click.option("--ws-public-url", metavar="U", help="Address of the venue's public WebSocket."),
    "--ws-private-url": click.option("--ws-private-url", metavar="U", help="Address of the venue's private WebSocket."),
    "--ws-l3-url": click.option("--ws-l3-url", metavar="U", help="Address of the venue's market-by-order WebSocket."),
    "--transport": click.option("--transport", metavar="NAME ...", multiple=True, help="Transports clients come by."),
    "--sink": click.option("--sink", metavar="NAME ...", multiple=True, help="Sinks events go to."),
    "--state-dir": click.option(
        "--state-dir", metavar="DIR", help="Where journal, cursors and sinks keep their state."
    ),
    "--unix-path": click.option("--unix-path", metavar="P", help="Path of the Unix transport's socket."),
    "--nats-url": click.option(
        "--nats-url",
        metavar="U",
        help="Server of the NATS transport and the JetStream sink; the sink starts one without it.",
    ),
    "--metrics-host": click.option(
        "--metrics-host", metavar="H", help="Address that metrics and health are served on."
    ),
    "--metrics-port": click.option(
        "--metrics-port", metavar="P", type=int, help="Port for metrics and health; 0 is any free one."
    ),
    "--duration": click.option("--duration", metavar="S", type=float, help="Stop after this many seconds."),
    "--log-level": click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error."),
    "--log-format": click.option("--log-format", metavar="FORMAT", help="json or text."),
    "--paper": click.option(
        "--paper", is_flag=True, default=None, help="Trade on paper: orders meet the live book here, none leaves."
    ),
    "--record": click.option(
        "--record", is_flag=True, default=None, help="Also write every frame to STATE-DIR/recordings."
    ),
}

#: Options that take several values after one another, and lists with commas.
_LISTS = frozenset({"symbols", "exclude", "channels", "transport", "sink"})
_GREEDY = {"--config", "--symbols", "--exclude", "--channels", "--transport", "--sink"}


#: What a command needs that only looks at a venue.
_VENUE_OPTIONS = (
    "--venue",
    "--env",
    "--config",
    "--symbols",
    "--exclude",
    "--book-depth",
    "--channels",
    "--rest-url",
    "--ws-public-url",
    "--duration",
    "--log-level",
    "--log-format",
)


def config_options(function: F) -> F:
    """Give a command all options of a configuration."""
    for option in reversed(_OPTIONS.values()):
        function = option(function)
    return function


def venue_options(function: F) -> F:
    """Give a command the options that say which venue, and what of it, is looked at."""
    for name in reversed(_VENUE_OPTIONS):
        function = _OPTIONS[name](function)
    return function


def sources_of(options: dict[str, Any]) -> Sources:
    """What the options of a command and the environment of this process say."""
    flags = tuple(
        FlagValue("--" + name.replace("_", "-"), path, value)
        for name, path in (*SETTING_OF_OPTION.items(), *ALSO_OF_OPTION.items())
        if (value := _value(name, options.get(name))) is not None
    )
    return Sources(files=tuple(options["files"]), environ=dict(os.environ), flags=flags)


def _value(name: str, value: Any) -> Any:
    if name not in _LISTS or value is None:
        return value
    items = [item.strip() for text in value for item in text.split(",") if item.strip()]
    # A flag that was given with nothing in it (`--exclude ""`) empties the list; one that was not given says nothing.
    return items if value else None


class GreedyCommand(click.Command):
    """A command without arguments whose repeated options also take several values: `--symbols BTC/USD ETH/USD`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give each further value its option before click reads them."""
        return super().parse_args(ctx, self.spread(args))

    @staticmethod
    def spread(args: Sequence[str]) -> list[str]:
        """The arguments with each further value behind its option once more."""
        spread: list[str] = []
        option: str | None = None
        for position, argument in enumerate(args):
            if argument.startswith("-") and argument != "-":
                option = argument if argument in _GREEDY else None
            elif option is not None and args[position - 1] != option:
                spread.append(option)
            spread.append(argument)
        return spread
