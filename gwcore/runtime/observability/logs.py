"""Logs on stderr: one JSON object (or one line of text) a message, in UTC, with repeats held back and secrets masked.

Values that belong to a message go in `extra=`: `logger.info("connected", extra={"connection": "md.0"})`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from gwcore.redaction import redact

#: One message (logger, level, unformatted text) may come this often in a window; then it is held back until the window ends.
REPEATS_MAX = 20
WINDOW_S = 10.0
#: Messages told apart; of more, the ones not seen for longest are forgotten.
MESSAGES_MAX = 512
#: Longest message and traceback written.
TEXT_LENGTH_MAX = 8 * 1024

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure_logging(
    level: str = "info", style: Literal["json", "text"] = "json", stream: TextIO | None = None
) -> LogHandler:
    """Send all logs of this process to `stream` (stderr). Replaces what an earlier call set up."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, LogHandler)]:
        root.removeHandler(handler)
        handler.close()
    handler = LogHandler(stream if stream is not None else sys.stderr, style)
    root.addHandler(handler)
    set_level(level)
    return handler


def set_level(level: str) -> str:
    """Write messages of this level and above from now on; returns the level before."""
    root = logging.getLogger()
    before = logging.getLevelName(root.level).lower()
    root.setLevel(level.upper())
    # These libraries tell each request and frame on `info` or `debug`; that is for the debugger of the library.
    for name in ("httpx", "httpcore", "websockets", "picows", "nats", "asyncio"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    return before


class LogHandler(logging.StreamHandler[TextIO]):
    """Writes records that are not held back. `suppressed` counts those that were."""

    def __init__(self, stream: TextIO, style: Literal["json", "text"]) -> None:
        super().__init__(stream)
        self.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
        self.suppressed = 0
        self._windows: OrderedDict[tuple[str, int, str], _Window] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, unless it repeats too often; what was held back is told when its window ends."""
        key = (record.name, record.levelno, str(record.msg))
        window = self._windows.get(key)
        if window is None or record.created - window.began >= WINDOW_S:
            self._windows.pop(key, None)
            if window is not None and window.held:
                self._tell(key, window, record.created)
            window = self._windows[key] = _Window(record.created)
            self._forget(record.created)
        window.seen += 1
        if window.seen > REPEATS_MAX:
            window.held += 1
            self.suppressed += 1
            return
        super().emit(record)

    def close(self) -> None:
        """Tell what is still held back, then close."""
        for key, window in self._windows.items():
            if window.held:
                self._tell(key, window, window.began)
        self._windows.clear()
        super().close()

    def _forget(self, now: float) -> None:
        # Windows stand in the order they began, so the ended ones come first.
        while self._windows:
            key, window = next(iter(self._windows.items()))
            if now - window.began < WINDOW_S and len(self._windows) <= MESSAGES_MAX:
                return
            del self._windows[key]
            if window.held:
                self._tell(key, window, now)

    def _tell(self, key: tuple[str, int, str], window: _Window, created: float) -> None:
        name, level, text = key
        record = logging.makeLogRecord(
            {
                "name": name,
                "levelno": level,
                "levelname": logging.getLevelName(level),
                "msg": f"held back {window.held} more of: {text}",
                "created": created,
                "suppressed": window.held,
            }
        )
        super().emit(record)


class _Window:
    __slots__ = ("began", "held", "seen")

    def __init__(self, began: float) -> None:
        self.began = began
        self.seen = 0
        self.held = 0


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the values of `extra`, the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as a line."""
        fields: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        fields.update({key: _plain(value, key) for key, value in _extra(record).items()})
        if record.exc_info:
            fields["exception"] = _masked(self.formatException(record.exc_info))
        return json.dumps(fields, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """One line of text: time, level, message, `key=value`; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as a line."""
        extra = "".join(f" {key}={_plain(value, key)}" for key, value in _extra(record).items())
        # A line break in a message must not look like the beginning of another one.
        message = _message(record).replace("\n", "\\n").replace("\r", "\\r")
        line = f"{_time(record)} {record.levelname:<7} {record.name}: {message}{extra}"
        if record.exc_info:
            line += "\n" + _masked(self.formatException(record.exc_info))
        return line


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _message(record: logging.LogRecord) -> str:
    try:
        return _masked(record.getMessage())
    except (TypeError, ValueError, KeyError):
        return _masked(f"{record.msg} {record.args}")


def _plain(value: Any, key: str) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    # The key goes along, because `token` beside a value is what gives it away.
    text = _masked(f"{key}={value}")
    return text.removeprefix(f"{key}=")


def _masked(text: str) -> str:
    # Masked first and cut after, so that the cut never leaves the beginning of a secret; the first cut is far behind that.
    text = redact(text[: 4 * TEXT_LENGTH_MAX])
    return text if len(text) <= TEXT_LENGTH_MAX else text[: TEXT_LENGTH_MAX - 3] + "..."


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
