"""Line numbers of keys, whatever TOML allows around them."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwcore.config.toml_lines import KeyPath, key_lines

TEXT = '''\
# [not.a.table]
top = "x # no = comment"
[ gateway ]   # comment = 1
name = """
[fake]
key = 1
"""
list = [ # why
  "a]", 'b',
  # key = 2
  [1, 2], { c = 1, "d.e" = [ "}" ] },
]
when = 1979-05-27 07:32:00
"quoted = key" = \'\'\'
x = 1\'\'\'
a . "b.c" . d = 1

[venue."kra ken"]
inline = { x = 1, y = { z = "{" } }
[[many]]
k = 1
[[many]]
k = 2
'''


def test_each_key_has_its_line() -> None:
    tomllib.loads(TEXT)
    lines = key_lines(TEXT)
    assert lines[("top",)] == 2
    assert lines[("gateway",)] == 3
    assert lines[("gateway", "name")] == 4
    assert lines[("gateway", "list")] == 8
    assert lines[("gateway", "when")] == 13
    assert lines[("gateway", "quoted = key")] == 14
    assert lines[("gateway", "a", "b.c", "d")] == 16
    assert lines[("venue", "kra ken")] == 18
    assert lines[("venue", "kra ken", "inline", "y", "z")] == 19
    assert lines[("many",)] == 20
    assert ("fake",) not in lines
    assert ("not",) not in lines


def paths(node: object, path: KeyPath = ()) -> set[KeyPath]:
    if not isinstance(node, dict):
        return {path}
    return {path} | {found for key, value in node.items() for found in paths(value, (*path, key))}


VALUES = st.sampled_from(
    [
        "1",
        '"a"',
        "'b#'",
        "true",
        "[]",
        '[1, "]", [2]]',
        "{}",
        '{ x = 1, y = "," }',
        '"""a\n[b]\nc = 1"""',
        "1.5e3",
        "07:32:00",
        "1979-05-27 07:32:00",
        r'"\"[x]\""',
        "[\n 1, # [\n 2,\n]",
        "'''it''s'''",
        '""""quoted""""',
    ]
)
KEYS = st.sampled_from(["a", "b-c", '"d e"', "'f.g'", "h.i", 'j . "k"', "l"])


@given(
    st.lists(
        st.tuples(st.sampled_from(["t", "u.v", '"w x"', "y . z"]), st.dictionaries(KEYS, VALUES)),
        unique_by=lambda t: t[0],
    )
)
def test_every_key_of_a_valid_text_is_found_in_a_line_that_names_it(tables: list[tuple[str, dict[str, str]]]) -> None:
    text = "".join(
        f"[{table}] # c\n" + "".join(f" {key} = {value} # d = 1\n" for key, value in content.items())
        for table, content in tables
    )
    try:
        parsed: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # two keys that mean the same
    lines = key_lines(text)
    rows = text.split("\n")
    for path in paths(parsed) - {()}:
        assert path[-1] in rows[lines[path] - 1]


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n", "a = 1"])
def test_small_texts(text: str) -> None:
    assert key_lines(text) == ({("a",): 1} if "a =" in text else {})
