"""The group of commands: lazy, one sentence for an error, the exit codes that scripts rely on."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest

from gwcore.cli import main as module
from gwcore.cli.main import COMMANDS, cli, exit_code, main
from gwcore.errors import (
    AuthenticationError,
    ConfigError,
    GatewayError,
    NotConnected,
    PluginError,
    StorageError,
    VenueUnavailable,
)
from gwcore.secrets import Secret


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """A command `gw raise` that raises what the test puts into the list."""
    errors: list[BaseException] = []

    @click.command(name="raise")
    def command() -> None:
        raise errors[0]

    monkeypatch.setitem(COMMANDS, "raise", "toy_raise")
    monkeypatch.setitem(sys.modules, "toy_raise", type(sys)("toy_raise"))
    sys.modules["toy_raise"].command = command  # type: ignore[attr-defined]
    return errors


def test_the_version_names_the_plugin_api(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("gw 0.1.0 (plugin API 1, Python 3.")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_is_there_and_says_what_it_does(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.get_short_help_str()
    assert main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: gw {name}")


def test_help_lists_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in COMMANDS)


def test_an_unknown_command_is_a_usage_error_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pluginz"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith('gw: no command "pluginz" (did you mean "plugins"? commands: archive, book, ')
    assert captured.out == ""


def test_an_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--book-deepth", "3"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "gw: see gw run --help"


def test_a_command_is_imported_only_when_it_is_used() -> None:
    code = (
        "import sys\nfrom gwcore.cli.main import main\ncode = main(['plugin'])\n"
        "print(code, [m for m in sys.modules if m.startswith('gwcore.cli.')], 'httpx' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "2 ['gwcore.cli.main'] False\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (PluginError("x"), 2),
        (NotConnected("x"), 3),
        (VenueUnavailable("x"), 3),
        (AuthenticationError("x"), 3),
        (StorageError("x"), 1),
        (GatewayError("x"), 1),
        (RuntimeError("x"), 4),
    ],
)
def test_each_error_has_its_exit_code(error: Exception, code: int, raising: list[BaseException]) -> None:
    raising.append(error)
    assert exit_code(error) == code
    assert main(["raise"]) == code


def test_an_error_of_ours_is_one_sentence(
    raising: list[BaseException], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GW_DEBUG", raising=False)
    raising.append(ConfigError("it is wrong", place="a.toml:3", hint="mend it"))
    main(["raise"])
    assert capsys.readouterr() == ("", "gw: a.toml:3: it is wrong (mend it)\n")


def test_a_fault_of_the_program_is_said_to_be_one(
    raising: list[BaseException], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GW_DEBUG", raising=False)
    raising.append(KeyError("lost\nkey"))
    assert main(["raise"]) == 4
    assert capsys.readouterr().err == "gw: internal error: KeyError: 'lost\\nkey'; GW_DEBUG=1 shows where\n"


@pytest.mark.parametrize("by_flag", [True, False])
def test_debug_shows_the_traceback(
    raising: list[BaseException],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    by_flag: bool,
) -> None:
    monkeypatch.setenv("GW_DEBUG", "" if by_flag else "1")
    raising.append(StorageError("full"))
    main(["--debug", "raise"] if by_flag else ["raise"])
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("gw: full\n")


def test_errors_of_several_tasks_are_a_line_each(
    raising: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    raising.append(ExceptionGroup("x", [ConfigError("one"), ExceptionGroup("y", [NotConnected("two")])]))
    assert main(["raise"]) == 3
    assert capsys.readouterr().err.splitlines()[-2:] == ["gw: one", "gw: two"]


def test_an_interrupt_is_no_error(raising: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    raising.append(KeyboardInterrupt())
    assert main(["raise"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_secret_never_reaches_the_terminal(
    raising: list[BaseException], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GW_DEBUG", "1")
    Secret("canary-77-terminal")
    raising.append(RuntimeError("the venue said canary-77-terminal"))
    main(["raise"])
    assert "canary" not in capsys.readouterr().err


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    code = "import sys; from gwcore.cli.main import main; sys.exit(main(['config', 'show', '--help'] ))"
    result = subprocess.run(
        ["/bin/sh", "-c", f'"{sys.executable}" -c "{code}" | true'], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert "Traceback" not in result.stderr


def test_main_is_the_entry_point_of_the_distribution() -> None:
    assert importlib.import_module("gwcore.cli.main") is module
