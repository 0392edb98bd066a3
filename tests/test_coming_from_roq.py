"""The page for who comes from roq names settings, events and metrics that there are, and leaves no event of ours out."""

from __future__ import annotations

import re
from pathlib import Path

from gwcore.model import TYPE_OF_KIND
from gwcore.runtime.observability.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "coming-from-roq.md").read_text()
REFERENCE = (ROOT / "docs" / "reference" / "config.md").read_text()
TABLES = ("gateway", "journal", "clients", "healing", "detection", "runtime", "venue", "transport", "sink")


def here(heading: str) -> list[str]:
    """The right-hand cells of a table."""
    part = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [line.split("|")[2] for line in part.splitlines() if line.startswith("| ")][1:]


def test_every_setting_it_names_is_there() -> None:
    named = {name for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", PAGE) if name.split(".")[0] in TABLES}
    assert len(named) > 20
    for name in named:
        assert re.search(rf"\b{name.rpartition('.')[2]}\b", REFERENCE), f"{name} is no setting"


def test_every_event_of_ours_is_somewhere_in_it_and_none_that_is_not() -> None:
    named = {name for cell in here("Events") for name in re.findall(r"`([a-z_]+)`", cell)}
    assert TYPE_OF_KIND.keys() - named == set()
    assert {name for name in named if name not in TYPE_OF_KIND} <= {
        "component", "allowed", "can_create", "can_modify", "can_cancel", "is_matching",
    }  # fmt: skip


def test_every_metric_it_names_is_there() -> None:
    assert set(re.findall(r"`(gw_[a-z_]+)`", PAGE)) <= CATALOGUE.keys()


def test_no_cell_is_empty() -> None:
    for heading in ("Flags", "Streams", "Events"):
        assert all(cell.strip() for cell in here(heading))
