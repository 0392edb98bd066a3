"""The table of cards and plugins, and the faults that are planted in the example venue: what scripts/show/9-1 prints."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

from gwcore.testing.wheels import build_wheel, on_path, unpack

#: (kind, name, folder of its tests) of each plugin that is checked.
PLUGINS = (
    ("venue", "kraken", "plugins/kraken/tests"),
    ("venue", "demo", "examples/gw-venue-demo/tests"),
    ("sink", "file", "plugins/sinks/tests"),
    ("sink", "jetstream", "plugins/sinks/tests"),
    ("sink", "demo", "examples/gw-sink-demo/tests"),
    ("transport", "unix", "plugins/transports/tests"),
    ("transport", "nats", "plugins/transports/tests"),
    ("transport", "demo", "examples/gw-transport-demo/tests"),
)
EXAMPLES = ("gw-venue-demo", "gw-sink-demo", "gw-transport-demo")


class Planted(NamedTuple):
    """One fault: what is changed in the example, and the card that has to see it."""

    card: str
    what: str
    file: str
    right: str
    wrong: str


FAULTS = (
    Planted("VEN-P20", "a clock is read", "market_data.py", "import msgspec\n", "import time\n\nimport msgspec\n"),
    Planted("VEN-I10", "a tick size of zero", "symbols.py", "tick_size=tick", 'tick_size="0"'),
    Planted("VEN-M20", "refusals are not told", "market_data.py", 'message.op == "no"', 'message.op == "never"'),
    Planted("VEN-M30", "pings are not answered", "market_data.py", 'return (Reply(b"pong"),)', "return ()"),
    Planted("VEN-M40", "a gap is not noticed", "streams.py", "Continuity.RANGE", "Continuity.NONE"),
    Planted("VEN-D10", "any error leaves decode", "rest.py", "msgspec.MsgspecError, ValueError, ", ""),
    Planted("VEN-A20", "the past is not downloaded", "account.py", "message.fills or ()),", "()),"),
)


def install_examples(folder: Path) -> Path:
    """The wheels of the examples, built and unpacked into a folder to be found in."""
    for example in EXAMPLES:
        unpack(build_wheel(ROOT / "examples" / example, folder / "dist"), folder / "site")
    return folder / "site"


def conform(kind: str, name: str, tests: str, site: Path, *only: str) -> dict[str, tuple[str, str]]:
    """Card -> (outcome, reason), as `gw conform` says; of some cards `only`."""
    command = [str(Path(sys.executable).with_name("gw")), "conform", name, "--kind", kind, "--output", "json"]
    command += ["--tests", str(ROOT / tests), *(word for card in only for word in ("--card", card))]
    done = subprocess.run(command, env=on_path(site), capture_output=True, text=True, timeout=600, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows, f"gw conform {name} ended with {done.returncode}: {done.stderr[-1500:]}"
    return {row["card"]: (row["outcome"], row["reason"]) for row in rows}


def plant(site: Path, fault: Planted, folder: Path) -> Path:
    """A copy of the examples with one fault in it."""
    copy = folder / fault.card
    shutil.copytree(site, copy)
    path = copy / "gw_venue_demo" / fault.file
    text = path.read_text()
    assert fault.right in text, f"{fault.file} has no {fault.right!r} any more"
    path.write_text(text.replace(fault.right, fault.wrong))
    return copy


def table(found: Mapping[tuple[str, str], Mapping[str, tuple[str, str]]]) -> list[str]:
    """Cards down, plugins across, a table for each kind."""
    lines = []
    for kind in dict.fromkeys(kind for kind, _ in found):
        columns = {name: cards for (each, name), cards in found.items() if each == kind}
        lines += ["", f"{kind:10}" + "".join(f"{name:>11}" for name in columns)]
        for card in next(iter(columns.values())):
            lines.append(f"{card:10}" + "".join(f"{cards[card][0]:>11}" for cards in columns.values()))
    return lines


def main() -> int:
    """Print table and faults; 1 where a card is not green or a fault was not found."""
    bad = 0
    with tempfile.TemporaryDirectory(prefix="gw-show-") as name:
        folder = Path(name)
        site = install_examples(folder)
        found = {(kind, plugin): conform(kind, plugin, tests, site) for kind, plugin, tests in PLUGINS}
        print("\n".join(table(found)))
        for (kind, plugin), cards in found.items():
            for card, (outcome, reason) in cards.items():
                if outcome != "passed" and not (outcome == "skipped" and reason):
                    bad += 1
                    print(f"NOT GREEN: {kind} {plugin} {card}: {reason}")
        print("\nfaults planted in the example venue")
        for fault in FAULTS:
            cards = conform("venue", "demo", PLUGINS[1][2], plant(site, fault, folder))
            red = [card for card, (outcome, _) in cards.items() if outcome == "failed"]
            bad += fault.card not in red
            verdict = "found" if fault.card in red else "NOT FOUND"
            print(f"{fault.card} {verdict:9} {fault.what}: {cards[fault.card][1][:110]} (red: {', '.join(red)})")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
