"""Both WebSocket clients by the same rules: refused handshakes, broken lines and peers, TLS, a listener's own mistake."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from gwcore.errors import AuthenticationError, GatewayError, VenueUnavailable
from gwcore.runtime.venue import websocket

Stage = Venue = Any  # of conftest.py
BYTES_MAX = 70_000


def text(body: bytes, opcode: int = 1, *, fin: bool = True, rsv: int = 0) -> bytes:
    """A frame as a server would send it, or should not."""
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    size = len(body)
    if size < 126:
        return head + bytes([size]) + body
    return head + (bytes([126]) + size.to_bytes(2) if size < 65536 else bytes([127]) + size.to_bytes(8)) + body


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthenticationError), (429, VenueUnavailable), (301, VenueUnavailable)]
)
def test_a_refused_handshake_says_the_status(stage: Stage, status: int, kind: type[GatewayError]) -> None:
    async def behave(venue: Venue) -> None:
        await venue.accept(status)

    async def main() -> None:
        async with stage.serve(behave) as url:
            with pytest.raises(kind, match=f"HTTP {status} instead of a WebSocket"):
                await stage.open(url, stage.listener())

    stage.run(main)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-hello\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"])
def test_a_peer_that_is_no_venue_is_unavailable(stage: Stage, answer: bytes) -> None:
    async def behave(venue: Venue) -> None:
        await venue.reader.readuntil(b"\r\n\r\n")
        venue.writer.write(answer)

    async def main() -> None:
        async with stage.serve(behave) as url:
            with pytest.raises(VenueUnavailable, match=url):
                await stage.open(url, stage.listener())

    stage.run(main)


def test_addresses_that_lead_nowhere(stage: Stage) -> None:
    async def main() -> None:
        for url in ("http://127.0.0.1/", "ws://", "ws://127.0.0.1:port/", "nothing", "ws://127.0.0.1:1/"):
            with pytest.raises(VenueUnavailable):
                await stage.open(url, stage.listener())

    stage.run(main)


@pytest.mark.parametrize("cancel", [False, True])
def test_a_peer_that_never_answers_is_given_up_and_hung_up_on(stage: Stage, cancel: bool) -> None:
    ended = asyncio.Event()

    async def behave(venue: Venue) -> None:
        await venue.reader.read(-1)
        ended.set()

    async def main() -> None:
        async with stage.serve(behave) as url:
            timeout_s = 60.0 if cancel else 0.05
            task = asyncio.create_task(stage.open(url, stage.listener(), connect_timeout_s=timeout_s))
            if cancel:
                for _ in range(20):
                    await asyncio.sleep(0.001)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                with pytest.raises(VenueUnavailable, match=r"no connection within 0\.05 s"):
                    await task
            await asyncio.wait_for(ended.wait(), 10)

    stage.run(main)


def test_a_line_that_breaks_is_told_once(stage: Stage) -> None:
    async def behave(venue: Venue) -> None:
        await venue.accept(at_once=text(b"last") + b"\x81\x05ha")

    async def main() -> None:
        listener = stage.listener()
        async with stage.serve(behave) as url:
            await stage.open(url, listener)
            assert await listener.closed() == "connection lost without a closing frame"
            assert listener.frames == [b"last"]

    stage.run(main)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(b"\x81\x7f" + (BYTES_MAX + 100).to_bytes(8), id="a frame over the limit"),
        pytest.param(text(b"y" * 60_000, fin=False) + text(b"y" * 60_000, 0), id="fragments over the limit"),
        pytest.param(text(b"x", 0), id="a continuation of nothing"),
        pytest.param(text(b"x", fin=False) + text(b"y"), id="a message inside a message"),
        pytest.param(text(b"x", rsv=0x40), id="a reserved bit"),
        pytest.param(text(b"x", 3), id="an opcode that does not exist"),
        pytest.param(b"\x81\x81\0\0\0\0x", id="a mask"),
    ],
)
def test_a_peer_that_breaks_the_protocol_is_cut(stage: Stage, wrong: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def behave(venue: Venue) -> None:
        await venue.accept(at_once=text(b"good"))
        await venue.reader.read(0)
        venue.writer.write(wrong + text(b"never"))
        while await venue.reader.read(65536):
            pass

    async def main() -> None:
        listener = stage.listener()
        async with stage.serve(behave) as url:
            connection = await stage.open(url, listener)
            assert await listener.closed()
            connection.send(b"nothing")
            assert b"never" not in listener.frames

    monkeypatch.setattr(websocket, "CLOSE_TIMEOUT_S", 0.05)
    stage.run(main)


def test_a_listener_that_fails_ends_its_connection_and_is_told_of(stage: Stage) -> None:
    async def behave(venue: Venue) -> None:
        await venue.accept()
        venue.writer.write(text(b"one"))
        while await venue.reader.read(65536):
            pass

    async def main() -> None:
        told: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
        listener = stage.listener()
        listener.fails = True
        async with stage.serve(behave) as url:
            await stage.open(url, listener)
            assert "a mistake of the listener" in await listener.closed()
        assert [str(error) for error in told] == ["a mistake of the listener"]

    stage.run(main)


def test_tls_is_checked_and_used(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    names: list[str | None] = []
    context.sni_callback = lambda _, name, __: names.append(name)

    async def behave(venue: Venue) -> None:
        await venue.accept(at_once=text(b"secret"))
        await venue.listen()

    async def main() -> None:
        listener = stage.listener()
        async with stage.serve(behave, context) as url:
            with pytest.raises(VenueUnavailable, match="certificate"):
                await stage.open(url, listener)
            monkeypatch.setenv("SSL_CERT_FILE", str(file))
            connection = await stage.open(url, listener)
            await listener.until(lambda: listener.frames == [b"secret"])
            connection.close("done")
            await listener.closed()
        assert names[-1] == "localhost"

    stage.run(main)
