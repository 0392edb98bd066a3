"""Framing and coding: chunks never change frames, garbage is a ProtocolError and nothing else."""

from __future__ import annotations

import contextlib
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwcore import wire
from gwcore.errors import ProtocolError
from gwcore.model import (
    EVENT_TYPES,
    SCHEMA_VERSION,
    CancelAllOrders,
    CancelOrder,
    CreateOrder,
    Envelope,
    Header,
    ModifyOrder,
    OrderType,
    Side,
)

REQUESTS = [
    wire.Hello(name="a"),
    wire.Subscribe(request_id=1, symbols=("BTC/*",), kinds=("trade_summary",), resume={"md.0": ("S1", 7)}),
    wire.Subscribe(request_id=2, from_start=True, on_slow="disconnect"),
    wire.Unsubscribe(request_id=3, subscription=1),
    wire.SnapshotRequest(request_id=4),
    wire.Ping(),
    CreateOrder(
        account="a",
        order_id="1",
        symbol="BTC/USD",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity="0.10",
        price="1",
    ),
    ModifyOrder(account="a", order_id="1", price="2"),
    CancelOrder(account="a", order_id="1"),
    CancelAllOrders(account="a"),
]
MESSAGES = [
    wire.Welcome(
        version="1", venue="v", environment="e", source="s", client_id="c", heartbeat_s=5.0, sessions={"st": ("S", 1)}
    ),
    wire.Subscribed(request_id=1, symbols=("BTC/USD",)),
    wire.SnapshotEnd(request_id=1),
    wire.Done(request_id=1),
    wire.RequestError(request_id=1, code="c", text="t"),
    wire.RequestError(code="c", text="t"),
    wire.Heartbeat(),
    wire.Goodbye(reason="r"),
]
HEADER = Header(v=SCHEMA_VERSION, venue="v", source="s", partition="md.0", session_id="S", published_ns=1)


def frames(data: bytes, bytes_max: int = 1000) -> list[tuple[bytes, bytes]]:
    return list(wire.FrameParser(bytes_max).feed(data))


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: type(r).__name__)
def test_requests_come_back(request_: object) -> None:
    [(frame_type, body)] = frames(wire.frame_request(request_))
    assert frame_type == wire.TYPE_REQUEST
    assert wire.decode_request(body) == request_


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_messages_come_back(message: wire.ServerMessage) -> None:
    [(frame_type, body)] = frames(wire.frame_message(message))
    assert frame_type == wire.TYPE_CONTROL
    assert wire.decode_message(body) == message


def filled(type_: type) -> msgspec.Struct:
    # The smallest instance: required fields by their type; what a field may hold is the model's own test.
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(type_):
        if field.required:
            known = {str: "1.50", int: 7}
            values[field.name] = known.get(field.type) or next(iter(field.type))
    made = type_(**values)
    assert isinstance(made, msgspec.Struct)
    return made


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda t: t.__name__)
def test_every_event_comes_back(event_type: type) -> None:
    envelope = Envelope(header=HEADER, event=filled(event_type))  # type: ignore[arg-type]
    payload = wire.encode(envelope)
    assert wire.decode_envelope(payload) == envelope
    assert frames(wire.frame_event(payload)) == [(wire.TYPE_EVENT, payload)]


def test_header_always_states_its_version() -> None:
    payload = wire.encode(Envelope(header=HEADER, event=filled(EVENT_TYPES[0])))  # type: ignore[arg-type]
    assert msgspec.json.decode(payload)["header"]["v"] == SCHEMA_VERSION


def test_joined_events_are_the_events_joined() -> None:
    payloads = [b"{}", b"", b"abc"]
    assert wire.frame_events(payloads) == b"".join(wire.frame_event(payload) for payload in payloads)
    assert wire.frame_events([]) == b""


BODIES = st.lists(st.tuples(st.sampled_from([b"E", b"C", b"R"]), st.binary(max_size=40)), max_size=8)


@given(BODIES, st.data())
def test_chunks_never_change_frames(bodies: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    stream = b"".join(struct.pack(">I", len(body) + 1) + kind + body for kind, body in bodies)
    parser = wire.FrameParser(1000)
    found: list[tuple[bytes, bytes]] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += parser.feed(stream[:size])
        stream = stream[size:]
    assert found == bodies
    assert parser.pending_bytes == 0


@given(st.binary(max_size=200))
def test_garbage_raises_protocol_errors_only(garbage: bytes) -> None:
    for decode in (wire.decode_envelope, wire.decode_request, wire.decode_message):
        with contextlib.suppress(ProtocolError):
            decode(garbage)
    with contextlib.suppress(ProtocolError):
        frames(garbage, 64)


@given(st.sampled_from(REQUESTS), st.data())
def test_damaged_requests_raise_protocol_errors_only(request_: object, data: st.DataObject) -> None:
    body = bytearray(frames(wire.frame_request(request_))[0][1])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProtocolError):
        wire.decode_request(bytes(body))


@pytest.mark.parametrize(
    "body",
    [b'{"request":"hello","name":"\xff"}', b'{"request":"hello","x":' + b"[" * 100_000, b'{"request":"fly"}', b"[]"],
    ids=["no UTF-8", "deep", "unknown", "no object"],
)
def test_known_traps_are_protocol_errors(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="not a request"):
        wire.decode_request(body)


def test_a_frame_over_the_limit_is_refused_by_its_length_alone() -> None:
    parser = wire.FrameParser(100)
    with pytest.raises(ProtocolError, match="4294967295 bytes; a frame has 1 to 100"):
        list(parser.feed(b"\xff\xff\xff\xff"))


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(ProtocolError, match="a frame of 0 bytes"):
        frames(b"\0\0\0\0")


def test_frames_before_a_bad_one_are_given_first() -> None:
    found = wire.FrameParser(100).feed(wire.frame_event(b"a") + b"\xff\xff\xff\xff")
    assert next(found) == (b"E", b"a")
    with pytest.raises(ProtocolError):
        next(found)


def test_the_parser_keeps_no_more_than_one_frame() -> None:
    parser = wire.FrameParser(100)
    frame = wire.frame_event(b"a" * 90)
    for _ in range(50):
        assert len(list(parser.feed(frame[:50]))) + len(list(parser.feed(frame[50:]))) == 1
        assert parser.pending_bytes <= 104
