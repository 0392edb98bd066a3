"""`gw`: the group of all commands. Each is a file beside this one and is imported only when it is asked for.

Exit codes: 0 done; 1 what was asked for did not hold; 2 usage, configuration or plugin; 3 can't connect; 4 a fault of ours.
Data goes to stdout, all else to stderr.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
import traceback
from collections.abc import Iterator, Sequence

import click

from gwcore import API_VERSION, __version__
from gwcore.errors import (
    AuthenticationError,
    ConfigError,
    GatewayError,
    NotConnected,
    PluginError,
    VenueUnavailable,
)
from gwcore.redaction import redact
from gwcore.suggest import did_you_mean

EXIT_NOT_HELD = 1
EXIT_USAGE = 2
EXIT_NOT_CONNECTED = 3
EXIT_INTERNAL = 4
#: What a shell reports for a process that an interrupt ended.
EXIT_INTERRUPTED = 130

#: command -> module; each module has a click command called `command`.
COMMANDS = {
    "archive": "gwcore.cli.archive",
    "book": "gwcore.cli.book",
    "check": "gwcore.cli.check",
    "completion": "gwcore.cli.completion",
    "config": "gwcore.cli.config",
    "conform": "gwcore.cli.conform",
    "ctl": "gwcore.cli.ctl",
    "fees": "gwcore.cli.fees",
    "fills": "gwcore.cli.fills",
    "funds": "gwcore.cli.funds",
    "log": "gwcore.cli.log",
    "ls": "gwcore.cli.ls",
    "new": "gwcore.cli.new",
    "order": "gwcore.cli.order",
    "orders": "gwcore.cli.orders",
    "plugins": "gwcore.cli.plugins",
    "positions": "gwcore.cli.positions",
    "quality": "gwcore.cli.quality",
    "record": "gwcore.cli.record",
    "replay": "gwcore.cli.replay",
    "run": "gwcore.cli.run",
    "sim": "gwcore.cli.sim",
    "status": "gwcore.cli.status",
    "symbols": "gwcore.cli.symbols",
    "tail": "gwcore.cli.tail",
    "watch": "gwcore.cli.watch",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command. None for an unknown name."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = importlib.import_module(module).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.command is no click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for a name that is not known."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            ctx.fail(f'no command "{name}" ({did_you_mean(name, COMMANDS, what="commands")})')
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(
    __version__, message=f"gw %(version)s (plugin API {API_VERSION}, Python {platform.python_version()})"
)
@click.option("--debug", is_flag=True, envvar="GW_DEBUG", help="Show the traceback of an error. Also: GW_DEBUG=1.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """A plugin-based exchange gateway: typed, sequenced, durable market data and orders."""
    context.obj = {"debug": debug}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `gw` and give its exit code. The entry point of the distribution."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments or os.environ.get("GW_DEBUG", "") not in ("", "0")
    try:
        result = cli.main(args=arguments, prog_name="gw", standalone_mode=False)
    except click.Abort:
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        _show_usage_error(error)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough; what is left must not raise again when the interpreter flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _report(error, debug=debug)
    return result if isinstance(result, int) else 0


def exit_code(error: BaseException) -> int:
    """The exit code that an error ends the process with."""
    if isinstance(error, ConfigError | PluginError):
        return EXIT_USAGE
    if isinstance(error, NotConnected | VenueUnavailable | AuthenticationError):
        return EXIT_NOT_CONNECTED
    return EXIT_NOT_HELD if isinstance(error, GatewayError) else EXIT_INTERNAL


def _report(error: Exception, *, debug: bool) -> int:
    if debug:
        click.echo(redact("".join(traceback.format_exception(error))), err=True, nl=False)
    leaves = list(_leaves(error))
    for leaf in leaves:
        if isinstance(leaf, GatewayError):
            for line in str(leaf).splitlines():
                click.echo(f"gw: {redact(line)}", err=True)
        else:
            text = " ".join(str(leaf).split())
            what = f"{type(leaf).__name__}: {text}" if text else type(leaf).__name__
            hint = "" if debug else "; GW_DEBUG=1 shows where"
            click.echo(f"gw: internal error: {redact(what)}{hint}", err=True)
    return max(exit_code(leaf) for leaf in leaves)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _show_usage_error(error: click.ClickException) -> None:
    message = redact(" ".join(error.format_message().split()))
    context = getattr(error, "ctx", None)
    click.echo(f"gw: {message}", err=True)
    if context is not None:
        click.echo(f"gw: see {context.command_path} --help", err=True)


if __name__ == "__main__":
    sys.exit(main())
