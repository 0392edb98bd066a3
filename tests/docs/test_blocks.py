"""Every block of code has a language and, where it is not run by scripts/show/10-5, a reason; and how 10-5 reads a page."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import doc_blocks
import doc_session
import pytest
from doc_blocks import FENCE, BadNote, blocks_of, pages
from doc_session import play
from doc_stages import BY_INSTALL, IN_CLONE, STAGES, WITH_WHEELS

from gwcore.testing.processes import wait_for

ROOT = Path(__file__).resolve().parents[2]

PAGES = list(pages())
by_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())


@by_page
def test_each_block_has_a_language_and_its_note_says_something(path: Path) -> None:
    for block in blocks_of(path):
        assert block.code.strip(), block.place
        if block.language == "text":
            first = block.code.split(maxsplit=1)[0]
            is_usage = path.name == "cli.md" and block.code.startswith("gw")  # `gw book [OPTIONS] SYMBOL`: no command
            assert is_usage or first not in {"gw", "make", "pip", "import", "$"}, (
                f"{block.place}: this is code, not text"
            )


@by_page
def test_no_code_is_indented_where_a_fence_would_say_what_it_is(path: Path) -> None:
    text = FENCE.sub(lambda match: "\n" * match[0].count("\n"), path.read_text(encoding="utf-8"))
    found = re.finditer(r"(?:\A|\n)\n((?:    .+\n)+)", re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL))
    assert [match[1] for match in found] == [], "put it between ``` with a language"


@by_page
def test_nothing_in_angle_brackets_is_lost_as_html(path: Path) -> None:
    text = re.sub(r"<!--.*?-->", "", FENCE.sub("", path.read_text(encoding="utf-8")), flags=re.DOTALL)
    assert re.findall(r"<[A-Za-z/][^>\n]*>", re.sub(r"``[^\n]*?``|`[^`]*`", "", text)) == []


def test_pages_that_10_5_prepares_are_there() -> None:
    there = {path.relative_to(ROOT).as_posix() for path in PAGES}
    assert {*STAGES, *IN_CLONE, *WITH_WHEELS, BY_INSTALL} - there == set()


def blocks(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> list[doc_blocks.Block]:
    monkeypatch.setattr(doc_blocks, "ROOT", folder)
    (folder / "page.md").write_text(text)
    return blocks_of(folder / "page.md")


SHELL = "```sh\ntrue\n```\n"


def test_a_note_is_of_the_block_right_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"<!-- block: shown only, no exchange -->\n{SHELL}\n{SHELL}\n<!-- block: own terminal, before\nx=1\n-->\n{SHELL}"
    first, second, third = blocks(tmp_path, text, monkeypatch)
    assert (first.reason, first.line, second.reason, second.goes_on) == ("no exchange", 2, "", False)
    assert (third.goes_on, third.before) == (True, "x=1\n")


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("```\ntrue\n```\n", "page.md:1: a block of 'no language'; use one of sh"),
        ("```bash\ntrue\n```\n", "page.md:1: a block of 'bash'; use one of sh"),
        (f"<!-- block: shown only -->\n{SHELL}", "page.md:2: the note 'shown only' says nothing"),
        (f"<!-- block: skip -->\n{SHELL}", "page.md:2: the note 'skip' says nothing"),
        ("```conf\nx\n```\n", "page.md:1: `conf` is run nowhere: say why"),
    ],
)
def test_what_it_does_not_know_it_refuses(
    text: str, cure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadNote, match=re.escape(cure)):
        blocks(tmp_path, text, monkeypatch)


PAGE = """
`it.py`:

```python
print("of the file")
```

```sh
NAME=kept
python it.py
```

<!-- block: own terminal -->
```sh
echo listens; exec sleep 100
```

<!-- block: before
there = 1
-->
```python
    import asyncio
    await asyncio.sleep(0)
    print("with", there)
```

```json
{"a": 1}
```

<!-- block: exits 3 -->
```sh
exit 3
```

```sh
echo "the shell $NAME it"
```
"""


@pytest.mark.e2e
def test_a_page_is_run_in_order_by_one_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = blocks(tmp_path, PAGE, monkeypatch)
    outcome = play(found, tmp_path / "p", programs=Path(sys.executable).parent, stage="", work=None)
    assert outcome.is_ok, outcome.said
    assert outcome.held == len(found) == 7
    assert [line for line in outcome.said.splitlines() if line in LINES] == LINES


LINES = ["of the file", "with 1", "the shell kept it"]


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("bad", "line", "said"),
    [
        ("```sh\nfalse\ntrue\n```\n", 5, ""),
        ("```python\nprint(nobody)\n```\n", 5, "NameError"),
        ("```json\n{]\n```\n", 5, "Expecting property name"),
        (
            "<!-- block: own terminal -->\n```sh\necho no >&2; exit 1\n```\n",
            6,
            "did not end well: no",
        ),
        ("<!-- block: exits 3 -->\n```sh\nexit 4\n```\n", 6, ""),
    ],
)
def test_a_block_that_does_not_hold_is_named(
    bad: str, line: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = blocks(tmp_path, f"{SHELL}\n{bad}\n", monkeypatch)
    outcome = play(found, tmp_path / "p", programs=Path(sys.executable).parent, stage="", work=None)
    assert (outcome.failed_line, outcome.held) == (line, outcome.held)
    assert outcome.held < len(found)
    assert said in outcome.said


@pytest.mark.e2e
def test_of_a_page_that_does_not_end_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doc_session, "PAGE_S_MAX", 1.0)
    listens = f"<!-- block: own terminal -->\n```sh\necho $BASHPID > {tmp_path}/first; echo on; exec sleep 100\n```\n\n"
    text = f"{listens}```sh\n( echo $BASHPID > {tmp_path}/second; exec sleep 100 )\n```\n"
    found = blocks(tmp_path, text, monkeypatch)
    outcome = play(found, tmp_path / "p", programs=Path(sys.executable).parent, stage="", work=None)
    assert (outcome.failed_line, "not done after 1 s" in outcome.said) == (6, True)
    for name in ("first", "second"):
        pid = int((tmp_path / name).read_text())
        wait_for(f"the end of {name}", lambda pid=pid: is_gone(pid))  # a signal is sent, and the kernel takes its time


def is_gone(pid: int) -> bool:
    """Ended: nobody, or one whom nobody has asked after yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_the_menu_of_the_site_has_every_page_once() -> None:
    """Those of docs/; MkDocs says so too, but only where it is installed (`make docs`)."""
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    entries = re.findall(r": ([\w/.-]+\.md)$", nav, re.MULTILINE)
    assert len(entries) == len(set(entries))
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    named = {entry for entry in entries if not entry.startswith("source/")}
    assert there - named == set(), "a line of the menu in mkdocs.yml is missing"
    assert named - there == set()
    outside = {entry.removeprefix("source/") for entry in entries if entry.startswith("source/")}
    hooks = (ROOT / "scripts/site/hooks.py").read_text(encoding="utf-8")
    assert outside == set(re.findall(r'"([\w./]+)"', re.search(r"^IN_NAV = \((.*)\)", hooks, re.MULTILINE)[1]))  # type: ignore[index]


def test_what_builds_the_site_is_pinned_by_hash() -> None:
    text = (ROOT / "scripts/site/requirements.txt").read_text(encoding="utf-8")
    pinned = re.findall(r"^([\w-]+)==\S+(?: ;.*)? \\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    assert "mkdocs-material" in pinned
    assert len(pinned) == len(re.findall(r"^\w", text, re.MULTILINE))
