"""Errors a user of the client meets beside those of `gwcore.errors` (NotConnected, ProtocolError, ConfigError)."""

from __future__ import annotations

from gwcore.errors import GatewayError


class RequestRefused(GatewayError):
    """The gateway said no. `code` is one word to act on, `text` its sentence. Do not send the same again."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(f"{code}: {text}")


class BookNotLive(GatewayError):
    """A price was read from a book that nobody vouches for. Wait for LIVE, or read `book.peek()` and know why.

    `state` is STALE or UNKNOWN, `reason` says why, `age_s` how long ago the book last changed (seconds).
    """

    def __init__(self, symbol: str, state: str, reason: str, age_s: float) -> None:
        self.symbol = symbol
        self.state = state
        self.reason = reason
        self.age_s = age_s
        super().__init__(f"the book of {symbol} is {state}: {reason} ({age_s:.3f} s old)")


class TooManyRows(GatewayError):
    """A data frame would have more rows than it may. Ask for fewer symbols, less time, fewer levels, or raise `rows_max`."""

    def __init__(self, rows_max: int) -> None:
        self.rows_max = rows_max
        super().__init__(f"more than {rows_max} rows: ask for fewer symbols or less time, or raise rows_max")
