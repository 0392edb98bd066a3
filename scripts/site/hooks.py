"""What the docs site needs beyond MkDocs: files of the repository that pages link to become pages under source/.

A link in docs/ is written as it works in a clone (`../examples/place_order.py`). Outside docs/ MkDocs sees nothing, so each
file that is linked is put into the site, text as code, Markdown as it is, and the links are turned to these. A link to a
file that is not there stays as it is, which MkDocs reports, and `--strict` makes an error.
"""

from __future__ import annotations

import posixpath
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[2]
DOCS = "docs"
FOLDER = "source"
#: Files from outside docs/ that mkdocs.yml has in its menu; others are reached by links alone.
IN_NAV = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
#: Targets of links and images, outside code.
LINK = re.compile(
    r"(?P<code>^(?P<fence>```+).*?^(?P=fence)$|`[^`\n]*`)|\]\((?P<target>[^)\s]+)\)", re.DOTALL | re.MULTILINE
)
LANGUAGES = {".py": "python", ".toml": "toml", ".mjs": "js", ".json": "json", ".conf": "text", ".yml": "yaml"}


def origin(uri: str) -> str:
    """Where a page's text comes from, below the repository's root."""
    if not uri.startswith(f"{FOLDER}/"):
        return f"{DOCS}/{uri}"
    name = uri.removeprefix(f"{FOLDER}/")
    return name if (ROOT / name).is_file() else name.removesuffix(".md")


def place(name: str) -> str:
    """Where in the site a file of the repository is, as a source path."""
    if name.startswith(f"{DOCS}/"):
        return name.removeprefix(f"{DOCS}/")
    return f"{FOLDER}/{name}" if name.endswith(".md") else f"{FOLDER}/{name}.md"


def targets(text: str) -> Iterator[str]:
    """Files that a text links to, as written, without the fragments."""
    for match in LINK.finditer(text):
        target = (match["target"] or "").partition("#")[0]
        if target and not re.match(r"[a-z]+:", target):
            yield target


def linked(name: str) -> Iterator[str]:
    """Files outside docs/ that a Markdown file links to, below the repository's root."""
    for target in targets((ROOT / name).read_text(encoding="utf-8")):
        found = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        if not found.startswith((f"{DOCS}/", "../")) and (ROOT / found).is_file():
            yield found


def page_text(name: str) -> str:
    """The page that a file becomes."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if name.endswith(".md"):
        return text
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`{3,}", text)), default=2))
    return f"# {name}\n\n{fence}{LANGUAGES.get(Path(name).suffix, 'text')}\n{text.rstrip()}\n{fence}\n"


def on_files(files: Files, *, config: Any) -> Files:
    """Put the linked files in, and those that these link to."""
    for name in ("site.css", "iframe-worker.js"):
        files.append(File.generated(config, name, content=(ROOT / "scripts/site" / name).read_text(encoding="utf-8")))
    waiting = deque(f"{DOCS}/{file.src_uri}" for file in files if file.is_documentation_page())
    waiting.extend(IN_NAV)
    seen = set(waiting)
    while waiting:
        name = waiting.popleft()
        if not name.startswith(f"{DOCS}/"):
            level = InclusionLevel.INCLUDED if name in IN_NAV else InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, place(name), content=page_text(name), inclusion=level))
        for found in linked(name) if name.endswith(".md") else ():
            if found not in seen:
                seen.add(found)
                waiting.append(found)
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Links that leave docs/, or are in a file from outside it, lead to the pages under source/."""
    here = origin(page.file.src_uri)

    def turned(match: re.Match[str]) -> str:
        target, sharp, fragment = (match["target"] or "").partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return match[0]
        name = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
        to = place(name)
        if files.get_file_from_path(to) is None:
            return match[0]
        return f"]({posixpath.relpath(to, posixpath.dirname(page.file.src_uri) or '.')}{sharp}{fragment})"

    return LINK.sub(turned, markdown)
