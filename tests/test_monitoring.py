"""Alerts, dashboard and runbook say what there is: declared metrics, and an entry for each alert and STALE reason."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gwcore.model import StaleReason
from gwcore.runtime.observability.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parent.parent
PROMETHEUS = ROOT / "contrib" / "prometheus"
ALERTS = (PROMETHEUS / "alerts.yml").read_text()
DASHBOARD = json.loads((ROOT / "contrib" / "grafana" / "gwcore.json").read_text())
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
PARTS = ("Means", "Check", "Cure")


def names_in(expression: str) -> set[str]:
    """Metrics an expression asks for, as they are declared."""
    found = set()
    for name in re.findall(r"\bgw_[a-z_]+", expression):
        base = re.sub(r"_(bucket|count|sum)$", "", name)
        found.add(base if CATALOGUE.get(base) and CATALOGUE[base].kind == "histogram" else name)
    return found


def labels_in(expression: str) -> set[tuple[str, str]]:
    """(metric, label) of each selector."""
    found = set()
    for name, selector in re.findall(r"\b(gw_[a-z_]+)\{([^}]*)\}", expression):
        found |= {(name, label) for label in re.findall(r"(\w+)\s*(?:=|!=|=~|!~)", selector)}
    return found


def expressions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "expr" in node:
            yield node["expr"]
        for value in node.values():
            yield from expressions(value)
    elif isinstance(node, list):
        for item in node:
            yield from expressions(item)


def entries(heading: str) -> dict[str, str]:
    """Title and text of each entry below a heading of the runbook."""
    part = RUNBOOK.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    texts = re.split(r"^### (\S+)\n", part, flags=re.MULTILINE)[1:]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def alerts() -> list[str]:
    return re.findall(r"- alert: (\S+)", ALERTS)


def test_each_alert_has_one_entry_and_each_entry_an_alert() -> None:
    assert sorted(entries("Alerts")) == sorted(alerts())
    assert len(set(alerts())) == len(alerts())
    assert re.findall(r"runbook: docs/runbook\.md#(\S+)", ALERTS) == [name.lower() for name in alerts()]


def test_each_reason_of_a_stale_book_has_one_entry_and_each_entry_a_reason() -> None:
    assert sorted(entries("Why a book is STALE")) == sorted(reason.value for reason in StaleReason)


@pytest.mark.parametrize("heading", ["Alerts", "Why a book is STALE"])
def test_each_entry_says_what_it_means_what_to_look_at_and_what_to_do(heading: str) -> None:
    for name, text in entries(heading).items():
        for part in PARTS:
            assert re.search(rf"^- \*\*{part}\*\*: \S.{{10,}}", text, re.MULTILINE), f"{name} has no {part}"


def test_what_the_runbook_names_is_there() -> None:
    assert {name.rstrip("_") for name in names_in(RUNBOOK)} <= CATALOGUE.keys()
    known = {*alerts(), *(reason.value for reason in StaleReason)}
    for name in re.findall(r"\b(?:[Ss]ee|As) ([A-Z]\w+)", RUNBOOK):
        assert name in known, f"the runbook sends to {name}"


@pytest.mark.parametrize("where", ["alerts", "dashboard"])
def test_alerts_and_dashboard_ask_for_metrics_and_labels_that_are_declared(where: str) -> None:
    found = re.findall(r"expr: (.*)", ALERTS) if where == "alerts" else list(expressions(DASHBOARD))
    assert len(found) > 20
    for expression in found:
        assert names_in(expression) <= CATALOGUE.keys(), expression
        for name, label in labels_in(expression):
            metric = CATALOGUE[next(iter(names_in(name)))]
            assert label in {*metric.labels, "instance", "job", "le"}, f"{name} has no label {label}"


def test_every_panel_has_a_title_a_source_and_something_to_show() -> None:
    panels = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    assert len(panels) > 20
    for panel in panels:
        assert panel["title"]
        assert panel["targets"]
        assert panel["datasource"]["uid"] == "${datasource}"
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.mark.parametrize(
    "command",
    [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"], ["check", "config", "prometheus.yml"]],
    ids=" ".join,
)
def test_promtool_finds_no_fault(command: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run([promtool, *command], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
