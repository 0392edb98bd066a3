"""The docs say what the code does: generated pages are fresh, names are all there, links lead somewhere."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import click
import msgspec
import pytest

from gwcore import errors, hookspecs, settings
from gwcore.cli.main import cli
from gwcore.runtime.observability.catalogue import CATALOGUE

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def markdown_files() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in {"dist", "build"}]
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".md"))


def test_generated_pages_are_as_the_code_says() -> None:
    """Started by another Python, as its first line does where `python3` is not the project's: it once went round for ever."""
    other = getattr(sys, "_base_executable", sys.executable)
    command = [other, str(ROOT / "scripts/docs-reference"), "--check"]
    result = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, timeout=50)
    assert result.returncode == 0, result.stderr


def test_each_hook_is_in_the_contracts_with_its_arguments() -> None:
    text = page("contracts.md")
    hooks = [value for name, value in vars(hookspecs).items() if name.startswith("gw_register_")]
    assert len(hooks) == 4
    for hook in hooks:
        assert f"`{hook.__name__}{inspect.signature(hook)}`".replace("'", "") in text


@pytest.mark.parametrize("module", ["venue", "venue_messages", "trading", "transport", "sink", "simulator", "ports"])
def test_each_method_of_a_contract_is_in_the_contracts(module: str) -> None:
    text = page("contracts.md")
    tree = ast.parse((ROOT / f"gwcore/{module}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            assert f"### `{node.name}`" in text
            for item in node.body:
                if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)) and not item.name.startswith("_"):
                    assert re.search(rf"^- `(async )?{item.name}[(:]", text, re.MULTILINE), f"{node.name}.{item.name}"


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


def test_each_command_and_option_is_in_the_command_line() -> None:
    sections = dict(re.findall(r"^## `(gw[^`]*)`\n(.*?)(?=^## |\Z)", page("cli.md"), re.MULTILINE | re.DOTALL))
    for path, command in commands(cli, "gw"):
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                for option in parameter.opts:
                    assert option in sections[path], f"{path} {option}"


def test_each_command_and_option_has_help() -> None:
    for path, command in commands(cli, "gw"):
        assert command.help, path
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, f"{path} {parameter.name}"


def settings_structs() -> Iterator[type[msgspec.Struct]]:
    for value in vars(settings).values():
        if inspect.isclass(value) and issubclass(value, msgspec.Struct):
            yield value
    for group in ("venues", "transports", "sinks", "simulators"):
        for entry in entry_points(group=f"gw.{group}"):
            for spec in getattr(entry.load(), f"gw_register_{group}")():
                yield spec.settings


def test_each_setting_is_in_the_settings() -> None:
    text = page("config.md")
    structs = list(settings_structs())
    assert len(structs) >= 8
    for struct in structs:
        for field in msgspec.structs.fields(struct):
            row = re.search(rf"^\| `{field.name}` \|.*\| (.*) \|$", text, re.MULTILINE)
            assert row is not None, f"{struct.__name__}.{field.name} is missing: make docs"


def test_each_metric_is_in_the_metrics() -> None:
    text = page("metrics.md")
    assert [name for name in CATALOGUE if f"| `{name}` |" not in text] == []


def test_each_error_is_in_the_errors_and_in_the_tree() -> None:
    text = page("errors.md")
    for name, value in vars(errors).items():
        if inspect.isclass(value) and issubclass(value, Exception):
            assert f"| `{name}` |" in text
            assert re.search(rf"^[│├└─ ]*{name}\b", inspect.getdoc(errors) or "", re.MULTILINE), name


def anchor(heading: str) -> str:
    """The anchor a Markdown page gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("path", list(markdown_files()), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "", text)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, fragment = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), f"{target} leads nowhere"
        if fragment:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert fragment in {anchor(heading) for heading in headings}, f"no heading for {target}"


def test_readme_and_architecture_name_files_that_exist() -> None:
    for name in ("README.md", "docs/architecture.md", "CONTRIBUTING.md", "docs/adr/0001-the-card.md"):
        for quoted in re.findall(
            r"`([\w./-]+/[\w.-]+\.(?:py|toml|md|txt))`", (ROOT / name).read_text(encoding="utf-8")
        ):
            found = (ROOT / quoted).exists() or any(ROOT.glob(f"plugins/*/{quoted}"))
            planned = quoted in PLANNED
            assert found != planned, f"{name}: {quoted} " + ("exists: no longer planned" if found else "does not exist")


def test_the_client_in_the_readme_is_the_example_that_runs() -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert snippet in (ROOT / "examples/subscribe.py").read_text(encoding="utf-8")


#: Named in the docs as coming, with the issue that brings it.
PLANNED: frozenset[str] = frozenset()
