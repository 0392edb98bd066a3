"""Code blocks of a Markdown page, and what a note before one says of it. Shared by 10-5 and tests/docs/test_blocks.py.

A block is a fence with a language. A note is an HTML comment right before it, which no reader sees:

    <!-- block: shown only, REASON -->       not run, and why not
    <!-- block: own terminal -->             goes on while what follows runs, says something, and is ended at the end
    <!-- block: exits N -->                  ends with this code
    <!-- block: before                       lines that are run before it, in its language
    ...
    -->

`own terminal, before` has both. A block after a line with just "`NAME`:" is that file.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Languages, and what is done with a block of each.
LANGUAGES = {
    "sh": "run by bash, line by line, in the page's order",
    "python": "run",
    "toml": "checked by gw check, or written where it is a named file",
    "json": "read",
    "conf": "of another program; run nowhere",
    "text": "no code: a diagram, a folder, what a program says",
}
LEFT_OUT = frozenset({"node_modules", "dist", "build"})
FENCE = re.compile(r"^```(?P<language>[^\n]*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
NOTE = re.compile(r"<!-- block: (?P<word>(?:(?!-->).)*)-->\n\Z", re.DOTALL)
NAMED = re.compile(r"^`(?P<name>[\w./-]+)`:\n\n\Z", re.MULTILINE)


class BadNote(Exception):
    """A note that says nothing 10-5 knows. The text names page, line and cure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block: where it stands, what it is, and what its note says."""

    page: str
    line: int
    language: str
    code: str
    reason: str = ""  # why it is shown only; empty: it is run
    goes_on: bool = False
    exits: int = 0
    before: str = ""
    file: str = ""  # its name, where it is a file

    @property
    def is_code(self) -> bool:
        """False for a diagram and its like."""
        return self.language != "text"

    @property
    def place(self) -> str:
        """PAGE:LINE."""
        return f"{self.page}:{self.line}"


def pages() -> Iterator[Path]:
    """Every Markdown page of the project: docs/, and those beside the code; made and hidden folders left out."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in LEFT_OUT)
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".md"))


def blocks_of(path: Path) -> list[Block]:
    """All blocks of a page. Raises BadNote."""
    text, page = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
    return [_block(page, text, match) for match in FENCE.finditer(text)]


def _block(page: str, text: str, match: re.Match[str]) -> Block:
    before, line = text[: match.start()], text.count("\n", 0, match.start()) + 1
    named, noted = NAMED.search(before), NOTE.search(before)
    language = match["language"]
    if language not in LANGUAGES:
        raise BadNote(f"{page}:{line}: a block of {language or 'no language'!r}; use one of {', '.join(LANGUAGES)}")
    said = _note(noted["word"], f"{page}:{line}") if noted else {}
    if language == "conf" and not said.get("reason"):
        raise BadNote(f"{page}:{line}: `conf` is run nowhere: say why, by <!-- block: shown only, REASON -->")
    code = textwrap.dedent(match["code"])
    return Block(page=page, line=line, language=language, code=code, file=named["name"] if named else "", **said)  # type: ignore[arg-type]


def _note(text: str, place: str) -> dict[str, object]:
    head, _, rest = text.partition("\n")
    head = head.strip()
    if found := re.fullmatch(r"shown only, (\S.*)", head):
        return {"reason": found[1]}
    said: dict[str, object] = {}
    for word in head.split(", "):
        if word == "own terminal":
            said["goes_on"] = True
        elif word == "before" and rest.strip():
            said["before"] = rest
        elif found := re.fullmatch(r"exits (\d+)", word):
            said["exits"] = int(found[1])
        else:
            raise BadNote(f"{place}: the note {word!r} says nothing: see the head of scripts/show/doc_blocks.py")
    return said
