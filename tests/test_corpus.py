"""Encoded envelopes of version 1 stay readable: lines are added to the corpus, never changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from gwcore import wire
from gwcore.model import TYPE_OF_KIND, Envelope, Header

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "tests" / "data" / "corpus-v1.jsonl"
LINES = CORPUS.read_bytes().splitlines()


def fields_of(node: object, found: set[tuple[str, str]]) -> None:
    if isinstance(node, msgspec.Struct):
        for field in msgspec.structs.fields(type(node)):
            value = getattr(node, field.name)
            default = field.default
            if value is not None and value != default:
                found.add((type(node).__name__, field.name))
            fields_of(value, found)
    elif isinstance(node, tuple | list):
        for item in node:
            fields_of(item, found)


def structs_of(kind: Any, found: set[type]) -> None:
    for field in msgspec.inspect.type_info(kind).fields:
        parts: list[Any] = [field.type]
        while parts:
            part = parts.pop()
            parts += list(getattr(part, "types", ())) + list(getattr(part, "item_types", ()))
            parts += [part.item_type] if hasattr(part, "item_type") else []
            if isinstance(part, msgspec.inspect.StructType) and part.cls not in found:
                found.add(part.cls)
                structs_of(part.cls, found)


@pytest.mark.parametrize("line", LINES, ids=range(1, len(LINES) + 1))
def test_each_line_is_read_and_written_as_it_is(line: bytes) -> None:
    envelope = wire.decode_envelope(line)
    assert envelope.header.v == 1
    assert wire.encode(envelope) == line


def test_every_kind_has_a_line() -> None:
    assert {json.loads(line)["event"]["kind"] for line in LINES} == set(TYPE_OF_KIND)


def test_every_field_of_every_event_is_set_in_some_line() -> None:
    found: set[tuple[str, str]] = set()
    for line in LINES:
        fields_of(wire.decode_envelope(line), found)
    structs: set[type] = {Header, *TYPE_OF_KIND.values()}
    for kind in TYPE_OF_KIND.values():
        structs_of(kind, structs)
    due = {(kind.__name__, field.name) for kind in structs for field in msgspec.structs.fields(kind)}
    missing = sorted(due - found)
    assert missing == [], f"add lines (never change one) to {CORPUS.name} that set these fields"


def test_the_corpus_is_as_the_published_schema_says() -> None:
    validator = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "schema" / "envelope.json").read_text()))
    for line in LINES:
        validator.validate(json.loads(line))


def test_a_line_with_a_wrong_field_is_seen() -> None:
    envelope = json.loads(LINES[0])
    envelope["event"]["price_decimals"] = "one"
    validator = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "schema" / "envelope.json").read_text()))
    assert not validator.is_valid(envelope)
    assert isinstance(wire.decode_envelope(LINES[0]), Envelope)
