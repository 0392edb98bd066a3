"""Logs: a line a message, in UTC, repeats held back, secrets masked."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from gwcore.runtime.observability.logs import (
    MESSAGES_MAX,
    REPEATS_MAX,
    TEXT_LENGTH_MAX,
    WINDOW_S,
    LogHandler,
    configure_logging,
)
from gwcore.secrets import Secret


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(autouse=True)
def root_level() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


def record(text: str, *args: object, created: float = 1795341600.25, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("gwcore.x", logging.INFO, "file.py", 1, text, args, None)
    made.created = created
    made.__dict__.update(extra)
    return made


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_has_time_level_logger_message_and_what_belongs_to_it(stream: io.StringIO) -> None:
    LogHandler(stream, "json").handle(record("lost %s", "md.0", connection="md.0", after_s=1.5, odd={1}))
    assert lines(stream) == [
        {
            "time": "2026-11-22T10:00:00.250000Z",
            "level": "info",
            "logger": "gwcore.x",
            "message": "lost md.0",
            "connection": "md.0",
            "after_s": 1.5,
            "odd": "{1}",
        }
    ]


def test_text_is_one_line_whatever_the_message(stream: io.StringIO) -> None:
    LogHandler(stream, "text").handle(record("two\nlines", connection="md.0"))
    assert stream.getvalue() == "2026-11-22T10:00:00.250000Z INFO    gwcore.x: two\\nlines connection=md.0\n"


@pytest.mark.parametrize("style", ["json", "text"])
def test_secrets_are_masked_wherever_they_stand(stream: io.StringIO, style: Any) -> None:
    secret = Secret("canary-log-41x")
    handler = LogHandler(stream, style)
    try:
        raise RuntimeError(f"refused canary-log-41x {secret}")
    except RuntimeError:
        made = record("sent %s token=canary2222 %s", "canary-log-41x", secret, token="canary333", key=secret)
        made.exc_info = sys.exc_info()
        handler.handle(made)
    handler.handle(record("x" * (TEXT_LENGTH_MAX - 5) + "canary-log-41x"))
    assert "canary" not in stream.getvalue()
    assert "RuntimeError" in stream.getvalue()


def test_a_message_with_wrong_arguments_is_written_all_the_same(stream: io.StringIO) -> None:
    LogHandler(stream, "json").handle(record("%d of %d", "x"))
    assert lines(stream)[0]["message"] == "%d of %d ('x',)"


def test_a_long_message_is_cut(stream: io.StringIO) -> None:
    LogHandler(stream, "json").handle(record("-" * 100_000))
    assert len(lines(stream)[0]["message"]) == TEXT_LENGTH_MAX


def test_repeats_are_held_back_and_told_when_their_window_ends(stream: io.StringIO) -> None:
    handler = LogHandler(stream, "json")
    for number in range(REPEATS_MAX + 7):
        handler.handle(record("bad frame %d", number, created=100.0 + number / 100))
    handler.handle(record("another", created=101.0))
    assert [line["message"] for line in lines(stream)] == [*(f"bad frame {n}" for n in range(REPEATS_MAX)), "another"]
    assert handler.suppressed == 7
    handler.handle(record("bad frame %d", 99, created=100.0 + WINDOW_S))
    told, last = lines(stream)[-2:]
    assert (told["message"], told["suppressed"]) == ("held back 7 more of: bad frame %d", 7)
    assert last["message"] == "bad frame 99"


def test_what_is_held_back_is_told_by_any_later_message_and_at_the_end(stream: io.StringIO) -> None:
    handler = LogHandler(stream, "json")
    for _ in range(REPEATS_MAX + 1):
        handler.handle(record("a", created=100.0))
    handler.handle(record("b", created=100.0 + WINDOW_S))
    assert [line["message"] for line in lines(stream)[-2:]] == ["held back 1 more of: a", "b"]
    for _ in range(REPEATS_MAX + 2):
        handler.handle(record("c", created=120.0))
    handler.close()
    assert lines(stream)[-1]["message"] == "held back 2 more of: c"


def test_messages_told_apart_are_limited(stream: io.StringIO) -> None:
    handler = LogHandler(stream, "json")
    for number in range(MESSAGES_MAX * 2):
        handler.handle(record(f"message {number}", created=100.0))
    assert len(handler._windows) <= MESSAGES_MAX
    assert len(lines(stream)) == MESSAGES_MAX * 2


def test_setting_up_twice_writes_once(stream: io.StringIO) -> None:
    configure_logging("info", "json", io.StringIO())
    configure_logging("warning", "json", stream)
    logger = logging.getLogger("gwcore.test")
    logger.info("not this")
    logger.warning("this", extra={"shard": 1})
    logging.getLogger("httpx").info("nor this")
    assert [(line["message"], line["shard"]) for line in lines(stream)] == [("this", 1)]
