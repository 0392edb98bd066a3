"""SECURITY.md says what is so: each test it names is there, and each row has one. And what no other test looked at."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from gwcore.config import Sources, lint_config
from gwcore.errors import ConfigError
from gwcore.settings import AccountSettings, GatewaySettings

ROOT = Path(__file__).resolve().parent.parent
#: Assets of the table, in its order: none may be lost.
ROWS = (
    "API keys and other secrets",
    "The process, from its plugins",
    "Files, from names",
    "The Unix socket",
    "Accounts, from clients",
    "The venue's money, from a client that runs wild",
    "What passes over NATS",
    "Metrics, health, status page",
    "Memory and processor",
    "The journal",
    "What we install",
    "The machine, from the gateway",
    "Real money, from a mistake",
)


def rows() -> dict[str, list[str]]:
    """Cells of each row of the table, by the first."""
    text = (ROOT / "SECURITY.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {each[0]: each[1:] for each in cells}


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_no_row_is_lost_or_without_a_defence() -> None:
    found = rows()
    assert tuple(found) == ROWS
    for name, (threat, defence, _, shown) in found.items():
        assert len(threat) > 20, name
        assert len(defence) > 60, name
        assert re.search(r"`(tests|plugins)/", shown), f"{name} has no test"


def test_what_shows_it_is_there() -> None:
    for name, (*_, shown) in rows().items():
        named = re.findall(r"`([^`]+)`", shown)
        assert re.sub(r"`[^`]+`", "", shown).strip() == "", f"{name}: tests and shows only"
        for each in named:
            path, _, function = each.partition("::")
            assert (ROOT / path).exists(), f"{name}: {each}"
            if path.startswith("scripts/show/"):
                assert not function
            else:
                assert function.startswith("test_"), f"{name}: {each} is no test"
                assert function in names_in(path), f"{name}: there is no {each}"


# --- what no other test looks at --------------------------------------------------------------------------------------

OUTSIDE = ("../x", "a/b", "/etc", ".hidden", "x\\u0000y", "Ünïcode", "x" * 33, "a b", "-x", "x.toml")


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("place", ["gateway", "account", "user"])
def test_no_name_leads_out_of_its_folder(tmp_path: Path, place: str, name: str) -> None:
    head = '[gateway]\nvenue = "kraken"\ntransports = ["unix"]\n'
    text = {
        "gateway": f'{head}name = "{name}"\n',
        "account": f'{head}[account."{name}"]\nkey = "env:A"\nsecret = "env:B"\n',
        "user": f'{head}[user."{name}"]\nuids = [1]\n',
    }[place]
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="is not a name"):
        lint_config(Sources(files=(path,)))


def test_nothing_is_served_unless_it_is_asked_for() -> None:
    settings = GatewaySettings()
    assert settings.metrics_port is None
    assert settings.metrics_host == "127.0.0.1"
    assert settings.transports == settings.sinks == ()


def test_trading_is_off_unless_it_is_switched_on() -> None:
    assert AccountSettings(key="env:A", secret="env:B").trading == "off"


def test_every_locked_package_has_a_hash() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    fetched = [package for package in lock["package"] if "registry" in package["source"]]
    ours = {package["name"] for package in lock["package"]} - {package["name"] for package in fetched}
    assert ours == {"gwcore", "gw-venue-kraken", "gw-sinks", "gw-transports"}
    assert len(fetched) > 80
    for package in fetched:
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]
        assert files, package["name"]
        for file in files:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", file.get("hash", "")), package["name"]
