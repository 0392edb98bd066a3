"""Every code that a program can meet is on the page of errors, and every ability of a venue on Kraken's."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from reference.codes import EXITS, REQUEST_CODES

from gwcore.model import OrderError, StaleReason
from gwcore.venue import Support

ROOT = Path(__file__).resolve().parents[2]

ERRORS = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
#: What a request is refused with is said in these calls, by a keyword or by an argument before the text.
SAYING = {"_refuse": 1, "RequestError": None}


@pytest.mark.parametrize("kind", [OrderError, StaleReason])
def test_each_code_is_there_with_a_meaning(kind: type[OrderError | StaleReason]) -> None:
    rows = dict(re.findall(r"^\| \[?`([A-Z_]+)`(?:\]\([^)]*\))? \| (.+) \|$", ERRORS, re.MULTILINE))
    assert {member.value for member in kind} - rows.keys() == set()


def words_of(node: ast.expr | None) -> list[str]:
    """The texts that an expression may be, where they stand there."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return words_of(node.body) + words_of(node.orelse)
    return []


def codes_of_requests() -> set[str]:
    """Those that the code says: RequestError(code=...), _refuse(request, code, text), and (code, text) of complaints."""
    found: set[str] = set()
    files = [*(ROOT / "gwcore").rglob("*.py"), *(ROOT / "plugins/transports/gw_transports").glob("*.py")]
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).rpartition(".")[2]
                if name == "RequestError":
                    found.update(word for key in node.keywords if key.arg == "code" for word in words_of(key.value))
                elif name == "_refuse" and len(node.args) > 2 and "engine" in path.parts:
                    found.update(words_of(node.args[1]))
            is_complaint = isinstance(node, (ast.Assign, ast.Return)) and isinstance(node.value, ast.Tuple)
            if (
                is_complaint
                and "client" not in path.parts
                and path.name in {"session.py", "selection.py", "controls.py"}
            ):
                pair = node.value.elts  # type: ignore[attr-defined]
                if len(pair) == 2:
                    found.update(word for word in words_of(pair[0]) if re.fullmatch(r"[a-z_]+", word))
    return found


def test_each_code_of_a_request_is_there_and_none_that_is_not() -> None:
    said = codes_of_requests()
    assert said - REQUEST_CODES.keys() == set(), "scripts/reference/codes.py wants a line for it"
    assert REQUEST_CODES.keys() - said == set(), "nothing says that any more"
    assert all(f"| `{code}` |" in ERRORS for code in said)


def test_each_exit_code_is_there() -> None:
    said = set()
    for path in (ROOT / "gwcore/cli").glob("*.py"):
        said.update(re.findall(r"^EXIT_\w+ = (\d+)$", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert said | {"0"} == {code for code, _ in EXITS}


def test_each_ability_is_on_krakens_page_as_the_plugin_claims_it() -> None:
    from gw_venue_kraken.plugin import SPEC

    text = (ROOT / "docs/kraken.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (yes|no) \|", text, re.MULTILINE))
    assert rows == {member.value: "yes" if member in SPEC.supports else "no" for member in Support}
