"""connect and connect_sync over a real Unix socket."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gwcore.client import BookState, NotConnected, RequestRefused, connect, connect_sync
from gwcore.client.address import gateway_address, socket_path
from gwcore.errors import ConfigError
from gwcore.testing.events import book_change, book_snapshot, trade


def test_blocking_calls(gateway: Any) -> None:
    gateway.publish(book_snapshot())
    with connect_sync(gateway.path, name="me") as client:
        assert client.welcome is not None
        assert client.welcome.source == "toy"
        client.subscribe(["BTC/*"])
        gateway.publish(book_change(bids=["100.1x1.00"]), trade())
        envelopes = iter(client)
        assert [next(envelopes).event for _ in range(3)][1:] == [book_change(bids=["100.1x1.00"]), trade()]
        assert client.token == {"md.0": ("S1", 3)}
        assert str(client.call(lambda inner: inner.books["BTC/USD"].mid)) == "100.3"
        assert [envelope.event.symbol for envelope in client.snapshot()] == ["BTC/USD"]  # type: ignore[union-attr]
        with pytest.raises(RequestRefused):
            client.unsubscribe(99)
        assert client.batch(timeout_s=0.01) == []
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.batch()


def test_the_end_of_the_gateway_is_raised(gateway: Any) -> None:
    client = connect_sync(f"unix://{gateway.path}")
    gateway.stop()
    with pytest.raises(NotConnected, match="the gateway stops"):
        list(client)
    client.close()


def test_nobody_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        NotConnected, match=r"gw.sock: cannot connect: No such file or directory; is the gateway running"
    ):
        connect_sync(tmp_path / "gw.sock")


def test_async_over_the_socket_with_reconnect(gateway: Any) -> None:
    async def main() -> None:
        async with await connect(gateway.path, reconnect_s=10.0) as client:
            await client.subscribe()
            gateway.publish(book_snapshot())
            await anext(client)
            gateway.call(lambda: gateway.port.sessions[0].end("cut"))
            gateway.publish(trade())
            assert (await anext(client)).event == trade()
            await client.snapshot(["NO/*"])  # answered behind all that the resume brought
            assert client.books["BTC/USD"].state is BookState.LIVE
            assert client.reconnects == 1

    asyncio.run(main())


@pytest.mark.parametrize("text", ["unix:///run/gw.sock", "/run/gw.sock"])
def test_addresses(text: str) -> None:
    assert socket_path(text) == Path("/run/gw.sock")


def test_what_is_no_address_of_either_kind_is_told_both() -> None:
    with pytest.raises(ConfigError, match=r"write unix:///run/gw\.sock or a path, or nats://HOST:4222/<env>/<venue>"):
        gateway_address("http://host:1")


@pytest.mark.parametrize("text", ["tcp://host:1", "unix://relative", "", "nats://x"])
def test_no_addresses(text: str) -> None:
    with pytest.raises(ConfigError, match=r"write unix:///run/gw\.sock or a path"):
        socket_path(text)
