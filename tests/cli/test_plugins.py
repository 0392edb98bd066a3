"""`gw plugins`: what is installed; a broken plugin is a row with its reason and harms nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gwcore.cli import plugins as module
from gwcore.cli.main import main
from gwcore.plugins import PluginEntry

Installer = Callable[..., None]


@pytest.fixture(autouse=True)
def only_toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try only what the test installed: each try is a process."""
    real = module.list_plugins

    def toys() -> list[PluginEntry]:
        return [entry for entry in real() if entry.module.startswith("toy_")]

    monkeypatch.setattr(module, "list_plugins", toys)


def rows(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}


def test_good_ones_show_their_summary(plugin: Installer, venue_source: str, capsys: pytest.CaptureFixture[str]) -> None:
    plugin("gw-good", "gw.venues", "toy", "print('noise')\n" + venue_source, version="3.1")
    assert main(["plugins", "--output", "json"]) == 0
    assert rows(capsys) == {
        "toy": {
            "kind": "venue",
            "name": "toy",
            "distribution": "gw-good",
            "version": "3.1",
            "module": "toy_gw_good",
            "status": "ok",
            "reason": "",
            "summary": "a toy",
        }
    }


def test_broken_ones_are_rows_with_their_reason(plugin: Installer, capsys: pytest.CaptureFixture[str]) -> None:
    plugin("gw-raises", "gw.sinks", "raises", "raise RuntimeError('password=canary99')")
    plugin(
        "gw-exits", "gw.sinks", "exits", "import os, sys; print('last words', file=sys.stderr, flush=True); os._exit(7)"
    )
    plugin("gw-one", "gw.sinks", "twin", "")
    plugin("gw-two", "gw.sinks", "twin", "")
    assert main(["plugins", "--output", "json"]) == 1
    found = rows(capsys)
    assert {name: row["status"] for name, row in found.items()} == dict.fromkeys(("raises", "exits", "twin"), "broken")
    assert "RuntimeError: password=***" in found["raises"]["reason"]
    assert found["exits"]["reason"] == "its import ended the process (exit code 7): last words"
    assert found["twin"]["reason"] == 'sink "twin" is registered by gw-one and gw-two: uninstall all but one'


def test_one_that_never_comes_back_is_given_up(
    plugin: Installer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROBE_S", 0.5)
    plugin("gw-hangs", "gw.sinks", "hangs", "import threading; threading.Event().wait()")
    assert main(["plugins"]) == 1
    assert "does not load within" in capsys.readouterr().out


def test_the_table_has_a_line_a_plugin(
    plugin: Installer, venue_source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin("gw-good", "gw.venues", "toy", venue_source)
    assert main(["plugins"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["KIND", "NAME", "DISTRIBUTION", "VERSION", "STATUS"],
        ["venue", "toy", "gw-good", "1.0", "ok", "a", "toy"],
    ]


def test_without_any_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    assert capsys.readouterr() == ("", "no plugin is installed\n")
