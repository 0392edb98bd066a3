"""Issue 10, line 5: every block of code of every page, README and the plugins' pages too, run where it can be.

In a copy of the checkout with a new environment from the lock, against the simulator and on paper, over loopback: the blocks
of a page one after the other by one shell, each page with a home of its own; shell, Python (with `await` outside functions),
TOML (`gw check`), JSON. What a block needs beyond the page is its stage (doc_stages.py). A block that can't be run says why
in a note before it (doc_blocks.py); without one it has to hold. docs/install.md is done by 10-1's code, with this Python.
At the end the site that `make docs` of CONTRIBUTING.md built is looked at in a browser (doc_site.py).

Arguments: pages, to run these alone. Prints the table; exits 1 where a block does not hold.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import doc_site
import installed_wheels
from doc_blocks import ROOT, BadNote, Block, blocks_of, pages
from doc_session import Outcome, play
from doc_stages import BY_INSTALL, IN_CLONE, PORTS, STAGES, WITH_WHEELS

from gwcore.testing.wheels import build_wheel, new_environment

PORT_WAIT_S = 60.0
PROJECTS = (".", "plugins/kraken", "plugins/sinks", "plugins/transports")


def say(text: str = "") -> None:
    """One line, at once."""
    print(text, flush=True)


def copy_checkout(target: Path) -> None:
    """What git knows of, and what it would, as it stands; then `make setup` there."""
    listed = subprocess.check_output(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, text=True)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    subprocess.run(["make", "setup"], cwd=target, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wheels_environment(folder: Path) -> Path:
    """An environment with our wheels, pip and nothing of the checkout; its programs."""
    core, *others = [build_wheel(ROOT / project, folder / "dist") for project in PROJECTS]
    return new_environment(folder / "environment", [f"{core}[embedded,nats,testing]", *others])


def wait_for_ports() -> None:
    """Until nobody has a port that pages name. Raises SystemExit after a while."""
    until_s = time.monotonic() + PORT_WAIT_S
    for port in PORTS:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)):
                    break
            if time.monotonic() > until_s:
                raise SystemExit(f"port {port} is in use, and pages name it: end what has it")
            time.sleep(0.5)


class Stage:
    """The places that pages are run in; the costly ones are made once, when a page asks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clone = folder / "clone"
        self._wheels: Path | None = None

    def run(self, page: str, number: int, blocks: Sequence[Block]) -> Outcome:
        """The blocks of a page that are to be run."""
        if not self._clone.is_dir():
            say("copying the checkout and making its environment")
            copy_checkout(self._clone)
        wait_for_ports()
        if page == BY_INSTALL:
            return self._install(len(blocks))
        if page in WITH_WHEELS and self._wheels is None:
            self._wheels = wheels_environment(self._folder / "wheels")
        programs = self._wheels if page in WITH_WHEELS and self._wheels else self._clone / ".venv" / "bin"
        work = self._clone if page in IN_CLONE else None
        return play(blocks, self._folder / f"p{number}", programs=programs, stage=STAGES.get(page, ""), work=work)

    def look_at_the_site(self) -> bool:
        """What `make docs` of CONTRIBUTING.md built, in a browser; and a link that leads nowhere has to end the build."""
        is_well = doc_site.main(self._clone / ".site" / "html")
        with (self._clone / "docs" / "index.md").open("a", encoding="utf-8") as page:
            page.write("\n[nowhere](orders.md#nowhere)\n")
        done = subprocess.run(["scripts/site/build"], cwd=self._clone, capture_output=True, text=True, check=False)
        is_refused = done.returncode != 0 and "#nowhere" in done.stderr
        say(f"a link to an anchor that is not there {'ends' if is_refused else 'DOES NOT END'} the build")
        return is_well and is_refused

    def _install(self, count: int) -> Outcome:
        subprocess.run(["make", "dist"], cwd=self._clone, check=True, stdout=subprocess.DEVNULL)
        is_ok = installed_wheels.run(Path(sys.executable).resolve(), self._clone / "dist")
        return Outcome(held=count if is_ok else 0, failed_line=None if is_ok else 0, said="see above")


def row(page: str, blocks: Sequence[Block], outcome: Outcome | None, seconds: float) -> str:
    """A page's line of the table."""
    shown = sum(bool(block.reason) for block in blocks)
    ran = outcome.held if outcome else 0
    failed = len(blocks) - shown - ran
    state = "FAILED" if failed or (outcome and not outcome.is_ok) else "ok"
    return f"{page:34} {len(blocks):>6} {ran:>5} {shown:>11} {failed:>7} {seconds:>6.0f} s  {state}"


def show_page(stage: Stage, number: int, path: Path) -> tuple[str, list[Block], bool]:
    """Run a page; its line, its blocks of code, and whether all held."""
    page, began_s = path.relative_to(ROOT).as_posix(), time.monotonic()
    blocks = [block for block in blocks_of(path) if block.is_code]
    runs = [block for block in blocks if not block.reason]
    outcome = stage.run(page, number, runs) if runs else None
    line = row(page, blocks, outcome, time.monotonic() - began_s)
    if blocks:
        say(line)
    if outcome is None or outcome.is_ok:
        return line, blocks, True
    at = outcome.failed_line or "its stage (scripts/show/doc_stages.py)"
    say(f"\n{page}:{at} did not hold; the page's shell said last:\n{outcome.said}\n")
    return line, blocks, False


def main() -> int:
    """0 where every block held or says why it is shown only."""
    asked = [(ROOT / name).resolve() for name in sys.argv[1:]]
    rows, reasons, kinds, good = [], [], Counter[str](), True
    with tempfile.TemporaryDirectory(prefix="gw-", ignore_cleanup_errors=True) as name:
        stage = Stage(Path(name))
        for number, path in enumerate(asked or list(pages())):
            try:
                line, blocks, is_ok = show_page(stage, number, path)
            except BadNote as error:
                say(str(error))
                line, blocks, is_ok = f"{path.relative_to(ROOT)!s:34} FAILED", [], False
            good = good and is_ok
            rows += [line] if blocks or not is_ok else []
            reasons += [f"{block.place}: {block.reason}" for block in blocks if block.reason]
            kinds.update(block.language for block in blocks)
        good = (bool(asked) or stage.look_at_the_site()) and good
    say(f"\n{'page':34} {'blocks':>6} {'held':>5} {'shown only':>11} {'failed':>7}")
    say("\n".join(rows))
    say("\nshown only, and why:\n" + "\n".join(reasons))
    say("\nblocks: " + ", ".join(f"{count} {language}" for language, count in kinds.most_common()))
    say("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
