"""Events and requests <-> bytes, and the framing of byte streams. Pure: bytes in, messages out.

A frame on a byte stream is 4 bytes length (big endian, of what follows), one byte type, and a JSON body:
`E` an event (an Envelope, encoded once for all receivers), `C` a control message of the server, `R` a request of the client.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import msgspec

from gwcore.errors import ProtocolError
from gwcore.model import Envelope, OrderRequest

#: Version of the client protocol, in hello and welcome.
PROTOCOL_VERSION = 1
#: Largest frame a server takes from a client, and a client from a server.
REQUEST_BYTES_MAX = 64 * 1024
FRAME_BYTES_MAX = 16 * 1024 * 1024

TYPE_EVENT = b"E"
TYPE_CONTROL = b"C"
TYPE_REQUEST = b"R"

#: partition -> (session_id, sequence): where a client stands.
ResumeToken: TypeAlias = dict[str, tuple[str, int]]


class Hello(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="request", tag="hello"):
    """First request of a client. `token` says who he is where the transport can't (`[user.NAME]` in the configuration)."""

    protocol: int = PROTOCOL_VERSION
    name: str = ""
    token: str = ""


class Subscribe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="request", tag="subscribe"):
    """Ask for events. `symbols`, `accounts` and `kinds` are globs and names; empty means all that is granted.

    `from_start`: replay the journal's records of the current session first. `resume`: go on after a token.
    Neither: current state first, then increments. `on_slow`: what to do when this client can't keep up.
    """

    request_id: int
    symbols: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    from_start: bool = False
    resume: ResumeToken | None = None
    on_slow: str = "conflate"  # or "disconnect"
    accounts: tuple[str, ...] = ()


class Unsubscribe(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="request", tag="unsubscribe"
):
    """End a subscription by the `request_id` it was made with."""

    request_id: int
    subscription: int


class SnapshotRequest(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="request", tag="snapshot"
):
    """Ask for the current state of what matches, once."""

    request_id: int
    symbols: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()


class Ping(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="request", tag="ping"):
    """Heartbeat of the client; answered with Heartbeat."""

    request_id: int = 0


class ControlRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="request", tag="control"):
    """Have the gateway do something, or tell how it stands. Answered by Outcome, or refused; what it did is an event.

    `action` is one of those the gateway knows (`gwcore.runtime.control.controls`); each has arguments of its own, by name.
    """

    request_id: int
    action: str
    arguments: dict[str, Any] = {}


ClientRequest: TypeAlias = Hello | Subscribe | Unsubscribe | SnapshotRequest | Ping | ControlRequest | OrderRequest


class Welcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="message", tag="welcome"):
    """Answer to Hello. `user`: who the gateway takes the client for; empty: somebody it does not know.

    `partial`: classes (md, ex, st) of which not everything is granted to him, so that sequences may jump without loss.
    `accounts`: those of this gateway that he may read; None: a gateway that does not say.
    `drop_copy`: whether he sees others' orders; None: a gateway that does not say. `host`: the venue, as a URL.
    """

    protocol: int = PROTOCOL_VERSION
    version: str
    venue: str
    environment: str
    source: str
    client_id: str
    heartbeat_s: float
    sessions: ResumeToken
    user: str = ""
    partial: tuple[str, ...] = ()
    accounts: tuple[str, ...] | None = None
    drop_copy: bool | None = None
    host: str = ""


class Subscribed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="message", tag="subscribed"):
    """The subscription stands. `symbols` are those it matches now; events follow."""

    request_id: int
    symbols: tuple[str, ...] = ()


class SnapshotEnd(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="message", tag="snapshot_end"
):
    """All that was asked for was sent: the state, or the records replayed for `from_start` and `resume`.

    What follows is news. It comes once for each Subscribe and each SnapshotRequest that was not refused. `sessions`: of each
    partition the last sequence that is in what was sent; what follows goes on behind it.
    """

    request_id: int
    sessions: ResumeToken = {}


class Done(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="message", tag="done"):
    """A request that needs no other answer was carried out."""

    request_id: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="message", tag="outcome"):
    """What came of a ControlRequest. `text`: one sentence; `result`: the same for programs, as each action says."""

    request_id: int
    text: str
    result: dict[str, Any] = {}


class RequestError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="message", tag="error"):
    """A request could not be done. `code` is one word; `text` one sentence that says what to do."""

    request_id: int | None = None
    code: str
    text: str


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="message", tag="heartbeat"):
    """The server lives; also the answer to Ping."""

    request_id: int = 0
    time_ns: int = 0


class Goodbye(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="message", tag="goodbye"):
    """The server closes this connection, and why."""

    reason: str


ServerMessage: TypeAlias = Welcome | Subscribed | SnapshotEnd | Done | Outcome | RequestError | Heartbeat | Goodbye

_encoder = msgspec.json.Encoder()
_envelope_decoder = msgspec.json.Decoder(Envelope)
_request_decoder: msgspec.json.Decoder[ClientRequest] = msgspec.json.Decoder(ClientRequest)
_message_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)
_LENGTH = struct.Struct(">I")
_EVENT_PREFIX = struct.Struct(">Ic")
# What msgspec raises for bytes that are no such message; text that is no UTF-8 is not one of its own errors.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

encode = _encoder.encode


def decode_envelope(payload: bytes) -> Envelope:
    """An envelope from its bytes. Raises ProtocolError."""
    try:
        return _envelope_decoder.decode(payload)
    except _UNREADABLE as error:
        raise ProtocolError(f"not an envelope: {error}") from error


def decode_request(payload: bytes) -> ClientRequest:
    """A client's request from its bytes. Raises ProtocolError."""
    try:
        return _request_decoder.decode(payload)
    except _UNREADABLE as error:
        raise ProtocolError(f"not a request: {error}") from error


def decode_message(payload: bytes) -> ServerMessage:
    """A server's control message from its bytes. Raises ProtocolError."""
    try:
        return _message_decoder.decode(payload)
    except _UNREADABLE as error:
        raise ProtocolError(f"not a server message: {error}") from error


def frame_event(payload: bytes) -> bytes:
    """An encoded envelope as a frame."""
    return _LENGTH.pack(len(payload) + 1) + TYPE_EVENT + payload


def frame_events(payloads: Iterable[bytes]) -> bytes:
    """Encoded envelopes as frames, joined: one write for all of them (performance notes §6)."""
    parts: list[bytes] = []
    prefix, append = _EVENT_PREFIX.pack, parts.append
    for payload in payloads:
        append(prefix(len(payload) + 1, TYPE_EVENT))
        append(payload)
    return b"".join(parts)


def frame_message(message: ServerMessage) -> bytes:
    """A control message as a frame."""
    payload = _encoder.encode(message)
    return _LENGTH.pack(len(payload) + 1) + TYPE_CONTROL + payload


def frame_request(request: Any) -> bytes:
    """A request as a frame."""
    payload = _encoder.encode(request)
    return _LENGTH.pack(len(payload) + 1) + TYPE_REQUEST + payload


class FrameParser:
    """Cuts a byte stream into (type, body) pairs. Raises ProtocolError for frames over `bytes_max` or empty ones.

    The length is judged as soon as its four bytes are there, so a peer can't make us wait for, or hold, what we would
    refuse. After a ProtocolError the stream has no meaning any more: throw the parser away with the connection.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._rest = bytearray()  # what follows the last whole frame
        self._wanted = 4  # how long the rest must be before looking at it is worth while

    @property
    def pending_bytes(self) -> int:
        """Bytes kept of a frame that is not whole yet: at most `bytes_max` + 4 once the last feed was read to its end."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Add bytes; gives each whole frame. Read it to its end before feeding more."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return iter(())
            data = bytes(self._rest)
            self._rest.clear()
        return self._cut(data)

    def _cut(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        start, end, bytes_max = 0, len(data), self._bytes_max
        wanted = 4
        while end - start >= 4:
            (length,) = _LENGTH.unpack_from(data, start)
            if not 1 <= length <= bytes_max:
                raise ProtocolError(f"a frame of {length} bytes; a frame has 1 to {bytes_max}")
            stop = start + 4 + length
            if stop > end:
                wanted = 4 + length
                break
            yield data[start + 4 : start + 5], data[start + 5 : stop]
            start = stop
        self._rest += data[start:]
        self._wanted = wanted
