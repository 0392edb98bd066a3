"""Messages on NATS: an event or an answer becomes the bytes of one HPUB command. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from gwcore.model import OWNED_KINDS, SCHEMA_VERSION, Record
from gwcore.subjects import Subjects
from gwcore.wire import ServerMessage, encode

_END = b"\r\n"
_HEADERS = f"NATS/1.0\r\nGw-Schema: {SCHEMA_VERSION}\r\nGw-Kind: "
#: Prefixes of commands remembered; above it the memory starts anew. One for each kind and symbol.
LEADS_MAX = 100_000


def answer_events(reply: str, records: Sequence[Record], size_max: int) -> tuple[list[bytes], int, list[Record]]:
    """Records to one client: pieces of the commands, their bytes together, and the records too big for the server."""
    parts: list[bytes] = []
    total = 0
    too_big: list[Record] = []
    for record in records:
        event = f"Gw-Event: {record.session_id}:{record.sequence}\r\n" if record.sequence else ""
        header = f"{_HEADERS}{record.kind}\r\n{event}Gw-Type: E\r\n\r\n"
        size = len(header) + len(record.payload)
        if size > size_max:
            too_big.append(record)
            continue
        command = f"HPUB {reply} {len(header)} {size}\r\n{header}".encode()
        parts += (command, record.payload, _END)
        total += len(command) + len(record.payload) + 2
    return parts, total, too_big


_CONTROL = b"NATS/1.0\r\nGw-Type: C\r\n\r\n"


def answer_message(reply: str, message: ServerMessage) -> tuple[list[bytes], int]:
    """A control message to one client: the command, and its bytes."""
    payload = encode(message)
    size = len(_CONTROL) + len(payload)
    data = f"HPUB {reply} {len(_CONTROL)} {size}\r\n".encode() + _CONTROL + payload + _END
    return [data], len(data)


class EventCommands:
    """Events on their subjects. What is the same for all events of one kind and symbol is made once."""

    def __init__(self, subjects: Subjects) -> None:
        self._subjects = subjects
        self._leads: dict[tuple[str, str, str | None, str | None], tuple[str, str]] = {}

    def encode(self, records: Sequence[Record], size_max: int) -> tuple[list[bytes], int, list[Record]]:
        """Pieces of the commands, their bytes together, and the records that are too big for the server."""
        parts: list[bytes] = []
        append, leads = parts.append, self._leads
        total = 0
        too_big: list[Record] = []
        for record in records:
            partition, session_id, sequence, kind, symbol, account, _, _, payload, _ = record
            found = leads.get((partition, kind, symbol, account))
            if found is None:
                found = self._remember(record)
            lead, headers = found
            event = f"Gw-Event: {session_id}:{sequence}\r\n\r\n" if sequence else "\r\n"
            header_size, payload_size = len(headers) + len(event), len(payload)
            if header_size + payload_size > size_max:
                too_big.append(record)
                continue
            rest = f"{header_size} {header_size + payload_size}\r\n{headers}{event}"
            command = f"{lead}{rest}".encode()
            append(command)
            append(payload)
            append(_END)
            total += len(command) + payload_size + 2
            if kind in OWNED_KINDS and (own := self._subjects.of_owner(record)) is not None:
                # The same bytes for who placed the order: the server can't tell apart what one subject carries.
                command = f"HPUB {own} {rest}".encode()
                parts += (command, payload, _END)
                total += len(command) + payload_size + 2
        return parts, total, too_big

    def _remember(self, record: Record) -> tuple[str, str]:
        if len(self._leads) >= LEADS_MAX:
            self._leads.clear()
        found = (
            f"HPUB {self._subjects.of_record(record)} ",
            f"{_HEADERS}{record.kind}\r\n",
        )
        self._leads[record.partition, record.kind, record.symbol, record.account] = found
        return found
