"""Both WebSocket clients by the same rules: messages, bursts, sending, keep-alive, closing."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from websockets.frames import Opcode

from gwcore.runtime.venue import websocket

Stage = Venue = Any  # of conftest.py


def text(body: bytes, opcode: int = 1, *, fin: bool = True, rsv: int = 0) -> bytes:
    """A frame as a server would send it, or should not."""
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    size = len(body)
    if size < 126:
        return head + bytes([size]) + body
    return head + (bytes([126]) + size.to_bytes(2) if size < 65536 else bytes([127]) + size.to_bytes(8)) + body


def test_messages_come_in_order_and_bursts_end(stage: Stage) -> None:
    async def behave(venue: Venue) -> None:
        await venue.accept(at_once=text(b"early") + text(b"x" * 60_000, 2))
        venue.writer.write(
            text(b"one") + text(b"frag", fin=False) + text(b"", 9) + text(b"ment", 0) + text(b"") + b"\x81"
        )
        await venue.listen()

    async def main() -> None:
        listener = stage.listener()
        async with stage.serve(behave) as url:
            connection = await stage.open(url, listener)
            await listener.until(lambda: b"" in listener.frames and listener.said[-1] is None)
            assert listener.frames == [b"early", b"x" * 60_000, b"one", b"fragment", b""]
            assert all(type(one) is bytes for one in listener.frames)
            assert listener.received_ns == sorted(listener.received_ns)
            assert listener.received_ns[0] > 0
            connection.close("the test is over")
            assert await listener.closed() == "the test is over"

    stage.run(main)


def test_a_burst_that_ends_with_a_ping_ends_and_is_answered(stage: Stage) -> None:
    venues: list[Venue] = []

    async def behave(venue: Venue) -> None:
        await venue.accept()
        venues.append(venue)
        venue.writer.write(text(b"one") + text(b"are you there", 9))
        await venue.listen()

    async def main() -> None:
        listener = stage.listener()
        async with stage.serve(behave) as url:
            connection = await stage.open(url, listener)
            await listener.until(lambda: listener.frames and listener.said[-1] is None)
            pong = await venues[0].frame(Opcode.PONG)
            assert bytes(pong.data) == b"are you there"
            connection.close("done")
            await listener.closed()

    stage.run(main)


@pytest.mark.parametrize("binary", [False, True])
def test_what_is_sent_arrives_with_the_headers_asked_for(stage: Stage, binary: bool) -> None:
    venues: list[Venue] = []

    async def behave(venue: Venue) -> None:
        venues.append(venue)
        await venue.accept()
        await venue.listen()

    async def main() -> None:
        listener = stage.listener()
        async with stage.serve(behave) as url:
            connection = await stage.open(url, listener, binary=binary, headers={"Authorization": "Bearer x"})
            connection.send(b'{"method":"ping"}')
            got = await venues[0].frame(Opcode.BINARY if binary else Opcode.TEXT)
            assert bytes(got.data) == b'{"method":"ping"}'
            request = venues[0].request
            assert request is not None
            assert (request.path, request.headers["Authorization"]) == ("/v2", "Bearer x")
            connection.close("done")
            connection.send(b"too late")
            connection.close("twice")
            assert await listener.closed() == "done"
            close = await venues[0].frame(Opcode.CLOSE)
            assert bytes(close.data) == (1000).to_bytes(2)
            connection.send(b"far too late")
            connection.abort()

    stage.run(main)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (1001, "closed by the peer: 1001 moving"),
        (4001, "closed by the peer: 4001 moving"),
        (None, "closed by the peer: 1005"),
    ],
)
def test_the_peers_farewell_is_the_cause(stage: Stage, code: int | None, told: str) -> None:
    answers: list[bytes] = []

    async def behave(venue: Venue) -> None:
        await venue.accept()
        body = b"" if code is None else code.to_bytes(2) + b"moving"
        venue.writer.write(text(b"last") + text(body, 8))
        answers.append(await venue.reader.read(64))

    async def main() -> None:
        listener = stage.listener()
        async with stage.serve(behave) as url:
            await stage.open(url, listener)
            assert await listener.closed() == told
            assert listener.frames == [b"last"]
        assert answers[0][0] == 0x88  # a closing frame in answer

    stage.run(main)


def test_a_peer_that_does_not_answer_pings_is_given_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in _modules():
        monkeypatch.setattr(module, "PONG_TIMEOUT_S", 0.05)

    async def behave(venue: Venue) -> None:
        await venue.accept()
        while await venue.reader.read(65536):
            pass

    async def main() -> None:
        listener = stage.listener()
        async with stage.serve(behave) as url:
            await stage.open(url, listener, protocol_ping_s=0.01)
            assert await listener.closed() == "no pong for 0.05 s"

    stage.run(main)


def test_a_peer_that_answers_pings_is_kept(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in _modules():
        monkeypatch.setattr(module, "PONG_TIMEOUT_S", 5.0)
    venues: list[Venue] = []

    async def behave(venue: Venue) -> None:
        venues.append(venue)
        await venue.accept()
        await venue.listen()

    async def main() -> None:
        listener = stage.listener()
        async with stage.serve(behave) as url:
            connection = await stage.open(url, listener, protocol_ping_s=0.005)
            for _ in range(5):
                assert bytes((await venues[0].frame(Opcode.PING)).data) == b"gw"
            assert listener.causes == []
            connection.close("done")
            await listener.closed()

    stage.run(main)


def test_a_peer_that_ignores_our_close_is_cut(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in _modules():
        monkeypatch.setattr(module, "CLOSE_TIMEOUT_S", 0.05)

    async def behave(venue: Venue) -> None:
        await venue.accept()
        while await venue.reader.read(65536):
            pass

    async def main() -> None:
        listener = stage.listener()
        async with stage.serve(behave) as url:
            (await stage.open(url, listener)).close("enough")
            assert await listener.closed() == "enough"

    stage.run(main)


def _modules() -> list[object]:
    """Where the constants of the clients stand."""
    modules: list[object] = [websocket]
    with contextlib.suppress(ImportError):
        from gwcore.runtime.venue import picows_websocket

        modules.append(picows_websocket)
    return modules
