"""NATS subjects of records, and the escape that makes any text one subject token and back.

    gw.<env>.<venue>.md.<kind>.<SYMBOL>       market data; `_` in place of the symbol where there is none
    gw.<env>.<venue>.ex.<account>.<kind>      execution
    gw.<env>.<venue>.own.<user>.<account>.<kind>      execution once more: what belongs to the user's own orders
    gw.<env>.<venue>.st.<kind>[.<SYMBOL or account>]      status

Subjects name the venue, never the gateway. Pure.
"""

from __future__ import annotations

import string

import msgspec

from gwcore.model import OWNED_KINDS, Record

#: First token of every subject an event is known by.
ROOT = "gw"
#: First token under which a sink hands events to a stream, which stores them under `ROOT`: what the NATS transport
#: publishes live on the same server is then not stored a second time.
LOG_ROOT = "gwlog"
#: In place of a symbol or account that is absent. The escape never makes it: there `_` has two digits behind it.
ABSENT = "_"
#: Subjects remembered; above it the memory starts anew.
SUBJECTS_MAX = 100_000

_PLAIN = frozenset(string.ascii_letters + string.digits)


def escape(text: str) -> str:
    """One token of `[A-Za-z0-9_-]` for any text, a different one for each: `/` becomes `-`, other characters `_` and two
    hexadecimal digits for each byte of their UTF-8. `BTC/USD` is `BTC-USD`, `A-B.S` is `A_2dB_2eS`. Raises ValueError for
    the empty text."""
    if not text:
        raise ValueError("the empty text has no subject token")
    return "".join(_escape_character(character) for character in text)


def unescape(token: str) -> str:
    """The text that `escape` made a token of. Raises ValueError for what it never makes."""
    data, index = bytearray(), 0
    while index < len(token):
        character = token[index]
        index += 1
        if character == "-":
            data += b"/"
        elif character == "_":
            data += bytes.fromhex(token[index : index + 2])
            index += 2
        else:
            data += character.encode()
    text = data.decode()
    if not token or escape(text) != token:
        raise ValueError(f"{token!r} is not an escaped subject token")
    return text


class _Event(msgspec.Struct, gc=False):
    user: str | None = None


class _Line(msgspec.Struct, gc=False):
    event: _Event


_decoder = msgspec.json.Decoder(_Line)


class Subjects:
    """Subjects of one venue in one environment. `root`: their first token."""

    __slots__ = ("_known", "prefix")

    def __init__(self, environment: str, venue: str, *, root: str = ROOT) -> None:
        self.prefix = f"{root}.{escape(environment)}.{escape(venue)}"
        self._known: dict[tuple[str, str, str | None, str | None], str] = {}

    def of_class(self, journal_class: str) -> str:
        """The filter that all subjects of a class match."""
        return f"{self.prefix}.{journal_class}.>"

    def of_record(self, record: Record) -> str:
        """The subject of a record."""
        key = (record.partition, record.kind, record.symbol, record.account)
        subject = self._known.get(key)
        if subject is None:
            if len(self._known) >= SUBJECTS_MAX:
                self._known.clear()
            subject = self._known[key] = self._make(record)
        return subject

    def of_owner(self, record: Record) -> str | None:
        """The subject on which a record's owner hears it; None: it belongs to no user."""
        if record.kind not in OWNED_KINDS:
            return None
        user = _decoder.decode(record.payload).event.user
        if not user:
            return None
        account = record.account or record.partition.partition(".")[2]
        return f"{self.prefix}.own.{escape(user)}.{escape(account)}.{record.kind}"

    def _make(self, record: Record) -> str:
        journal_class, _, rest = record.partition.partition(".")
        symbol = escape(record.symbol) if record.symbol else ABSENT
        account = escape(record.account) if record.account else ABSENT
        if journal_class == "ex":
            # The partition is the account's own; a record without the field still belongs to it.
            owner = account if record.account else escape(rest) if rest else ABSENT
            return f"{self.prefix}.ex.{owner}.{record.kind}"
        if journal_class == "st":
            about = symbol if record.symbol else account
            return f"{self.prefix}.st.{record.kind}" + ("" if about == ABSENT else f".{about}")
        return f"{self.prefix}.{journal_class}.{record.kind}.{symbol}"


def _escape_character(character: str) -> str:
    if character in _PLAIN:
        return character
    if character == "/":
        return "-"
    return "".join(f"_{byte:02x}" for byte in character.encode())
