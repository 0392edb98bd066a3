"""The AsyncAPI document as somebody reads it who has nothing else: subjects to channels, messages to schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "schema" / "asyncapi.json"


class Contract:
    """Holds messages to the document. `closed`: a field that no schema names is a fault as well."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._closed = closed(document)
        self._validators: dict[str, jsonschema.Draft7Validator] = {}

    def channel_of(self, subject: str) -> str:
        """Name of the one channel that a subject belongs to."""
        (found,) = [
            name
            for name, channel in self.document["channels"].items()
            if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[A-Za-z0-9_-]+", re.escape(channel["address"])), subject)
        ]
        return str(found)

    def check(self, channel: str, message: str, payload: bytes, headers: Mapping[str, str] | None = None) -> None:
        """A message against the payload's and (where they are given) the headers' schema."""
        target = self.document["channels"][channel]["messages"][message]["$ref"]
        self._validate(f"{target}/payload", json.loads(payload))
        if headers is not None:
            self._validate(f"{target}/headers", dict(headers))

    def _validate(self, target: str, value: Any) -> None:
        validator = self._validators.get(target)
        if validator is None:
            validator = self._validators[target] = jsonschema.Draft7Validator(
                self._closed | {"allOf": [{"$ref": target}]}
            )
        faults = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]
        assert not faults, f"{target}: {faults}: {value}"


def closed(node: Any) -> Any:
    """The same schemas, but what they don't name is forbidden."""
    if isinstance(node, list):
        return [closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: closed(value) for key, value in node.items()}
    return made | {"additionalProperties": False} if node.get("type") == "object" and "properties" in node else made


@pytest.fixture(scope="session")
def contract() -> Contract:
    return Contract(json.loads(DOCUMENT.read_text()))
