"""In which line of a TOML text each key stands. tomllib checks the text and reads the values; this only finds places.

Pure. Expects a text that tomllib accepted: it decides nothing, so it may be simple.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, TypeAlias

KeyPath: TypeAlias = tuple[str, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
#: A string of any of the four kinds; the long ones first.
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.S,
)
_PLAIN = re.compile(r"[^\s\"'#,\[\]{}=]+")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Path of every table and key -> number of its line, from 1; of several, the first."""
    return _Scan(text).run()


class _Scan:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[KeyPath, int] = {}

    def run(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip_blank()
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                line = self._line()
                self._at += 2 if self._text.startswith("[[", self._at) else 1
                table = self._key("]")
                self._note(table, (), line)
                while self._text[self._at : self._at + 1] == "]":
                    self._at += 1
            else:
                self._statement(table)
            self._skip_blank()
        return self._lines

    def _statement(self, table: KeyPath) -> None:
        line = self._line()
        path = self._key("=")
        self._note(path, table, line)
        self._at += 1
        self._value(table + path)

    def _note(self, path: KeyPath, table: KeyPath, line: int) -> None:
        for length in range(1, len(path) + 1):
            self._lines.setdefault(table + path[:length], line)

    def _value(self, path: KeyPath) -> None:
        self._skip_blank()
        opening = self._text[self._at : self._at + 1]
        if opening not in ("[", "{"):
            self._skip_scalar()
            return
        self._at += 1
        closing = "]" if opening == "[" else "}"
        self._skip_blank()
        while self._text[self._at] != closing:
            if opening == "{":
                self._statement(path)
            else:
                self._value(path)
            self._skip_blank()
            if self._text[self._at] == ",":
                self._at += 1
                self._skip_blank()
        self._at += 1

    def _key(self, end: str) -> KeyPath:
        start = self._at
        while self._text[self._at] != end:
            string = _STRING.match(self._text, self._at)
            self._at = string.end() if string else self._at + 1
        return _parts(self._text[start : self._at])

    def _skip_scalar(self) -> None:
        match = _STRING.match(self._text, self._at)
        if match:
            self._at = match.end()
            return
        # A date may have a blank before its time, so plain words go on until something ends the value.
        while match := _PLAIN.match(self._text, self._at):
            self._at = match.end()
            while self._text[self._at : self._at + 1] in (" ", "\t"):
                self._at += 1

    def _skip_blank(self) -> None:
        match = _BLANK.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1


def _parts(key: str) -> KeyPath:
    # tomllib knows the grammar of keys, with quotes and dots: let it take this one apart.
    parts: list[str] = []
    value: Any = tomllib.loads(f"{key.strip()} = 0")
    while isinstance(value, dict):
        name, value = next(iter(value.items()))
        parts.append(name)
    return tuple(parts)
