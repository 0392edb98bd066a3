"""Cards T: what a transport owes its clients, the good, the slow and the broken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gwcore import wire
from gwcore.model import Event
from gwcore.testing.conformance.card import Card, require
from gwcore.testing.conformance.peers import Peer, Served, serve
from gwcore.testing.conformance.transport_case import TransportCase
from gwcore.testing.events import book_snapshot, trade
from gwcore.testing.seeds import SeededRandom

EVENTS = 300
#: Events published at once: one write, where the transport does as it should.
TURN = 20
#: A batch for the slow client, about half a megabyte.
FAT_EVENTS = 40
FAT_LEVELS = 300


# --- T10 --------------------------------------------------------------------------------------------------------------


def check_same_sequence(case: TransportCase) -> None:
    """Two clients see the same bytes in the same order: what the core published, nothing more."""
    serve(case, _same_sequence)


async def _same_sequence(served: Served) -> None:
    clients = [await served.client(name) for name in ("first client", "second client")]
    published: list[bytes] = []
    for start in range(0, EVENTS, TURN):
        events = [trade(trade_id=str(start + number)) for number in range(TURN)]
        published += [record.payload for record in served.port.publish(*events)]
        if start % 3 == 0:
            await asyncio.sleep(0)
    for client in clients:
        for number, (found, wanted) in enumerate(zip(await client.events(EVENTS), published, strict=True), 1):
            require(found == wanted, f"{client.name}: event {number} is {found!r:.120}, published was {wanted!r:.120}")
        await client.check_served()


# --- T20 --------------------------------------------------------------------------------------------------------------


def check_slow_client(case: TransportCase) -> None:
    """A client that does not read is held back or cut, and the others get everything."""
    serve(case, _slow_behind_a_broker if case.shared_sessions else _slow_client)


async def _slow_client(served: Served) -> None:
    slow = await served.client("slow client")
    [slow_session] = served.port.sessions
    good = await served.client("good client")
    written = 0
    count = 0
    while not slow_session.is_paused and slow_session.is_open:
        require(
            written < served.case.slow_bytes_max,
            f"the slow client was sent {written} bytes, read none, and the core was never told to pause: "
            "they are kept in memory without a limit",
        )
        records = served.port.publish(*[_fat_event() for _ in range(FAT_EVENTS)])
        written += sum(len(record.payload) for record in records)
        count += len(records)
        found = await good.events(len(records))
        require(
            found == [record.payload for record in records],
            f"the good client got other events than were published while the slow one had {written} bytes to read",
        )
    await good.check_served()
    if slow_session.is_open:
        found = await slow.events(count)
        require(len(found) == count, "the slow client did not get what was written to it")
        await served.until(
            lambda: not slow_session.is_paused or not slow_session.is_open,
            "the slow client read everything, and the core was not told to resume",
        )
        await slow.check_served()


async def _slow_behind_a_broker(served: Served) -> None:
    """What carries the events carries them for all: nobody's reading may hold it up."""
    await served.client("slow client")
    good = await served.client("good client")
    shared = served.port.sessions[: served.case.shared_sessions]
    written = 0
    while written < served.case.slow_bytes_max:
        records = served.port.publish(*[_fat_event() for _ in range(FAT_EVENTS)])
        written += sum(len(record.payload) for record in records)
        found = await good.events(len(records))
        require(
            found == [record.payload for record in records],
            f"the good client got other events than were published while the slow one had {written} bytes to read",
        )
    await good.check_served()
    for session in shared:
        require(session.is_open, "the session that carries the events was closed for one slow client")
        require(not session.dropped, f"{session.dropped} events were dropped for everybody, for one slow client")


def _fat_event() -> Event:
    levels = [f"{100 + number}.5x1.25" for number in range(FAT_LEVELS)]
    return book_snapshot(bids=levels[::-1], asks=[f"9{level}" for level in levels], depth=FAT_LEVELS)


# --- T30 --------------------------------------------------------------------------------------------------------------


def check_broken_clients(case: TransportCase) -> None:
    """Half a frame, a huge frame, garbage: that client is cut, or waited for; everybody else is served."""
    serve(case, _broken_clients)


async def _broken_clients(served: Served) -> None:
    good = await served.client("good client")
    for name, data in _broken().items():
        for is_welcome in (False, True):
            peer = await (served.client(name) if is_welcome else served.dial(name))
            peer.send(data)
            what = f"{name}, {'after' if is_welcome else 'before'} hello"
            await _check_cut(peer, what)
            await _check_unharmed(served, good, what)
    half = wire.frame_request(wire.Ping(request_id=1))[:-3]
    for what, leave in (("half a frame, then gone", True), ("half a frame, then nothing", False)):
        peer = await served.client(what)
        peer.send(half)
        if leave:
            peer.close()
        await _check_unharmed(served, good, what)
    slow_typist = await served.client("one byte at a time")
    for byte in wire.frame_request(wire.Ping(request_id=7)):
        slow_typist.send(bytes([byte]))
        await asyncio.sleep(0)
    while (await slow_typist.message(wire.Heartbeat)).request_id != 7:
        pass
    # The one that left and those that were cut are gone for the core as well: good, half a frame, and the typist are left.
    left = 3 + served.case.shared_sessions
    await served.until(
        lambda: len(served.port.sessions) == left,
        f"{len(served.port.sessions)} sessions are open, 3 clients are left, and the core was not told",
    )


def _broken() -> dict[str, bytes]:
    body = b"x" * 100
    return {
        "a huge frame": (1 << 31).to_bytes(4, "big") + wire.TYPE_REQUEST + body,
        "a frame just over the limit": (wire.REQUEST_BYTES_MAX + 1).to_bytes(4, "big") + wire.TYPE_REQUEST + body,
        "an empty frame": (0).to_bytes(4, "big"),
        "garbage": b"\xff" + SeededRandom(1, "garbage").bytes(4_096),
        "a request that is no JSON": len(body).to_bytes(4, "big") + wire.TYPE_REQUEST + body[1:],
        "a request of an unknown kind": _framed(wire.TYPE_REQUEST, b'{"request":"surprise"}'),
        "an event of its own": _framed(wire.TYPE_EVENT, b"{}"),
    }


def _framed(frame_type: bytes, body: bytes) -> bytes:
    return (len(body) + 1).to_bytes(4, "big") + frame_type + body


async def _check_cut(peer: Peer, what: str) -> None:
    try:
        await peer.end()
    except AssertionError as error:
        raise AssertionError(f"{what}: the client was not cut: {error}") from error


async def _check_unharmed(served: Served, good: Peer, what: str) -> None:
    [record] = served.port.publish(trade(trade_id=what))
    try:
        [found] = await good.events(1)
        await good.check_served()
    except AssertionError as error:
        raise AssertionError(f"{what}: another client suffers: {error}") from error
    require(found == record.payload, f"{what}: another client got {found!r:.120}")


_CHECKS: tuple[tuple[str, str, Callable[[TransportCase], None]], ...] = (
    ("TRN-T10", "two clients see the same sequence", check_same_sequence),
    ("TRN-T20", "a slow client does not harm others", check_slow_client),
    ("TRN-T30", "half a frame, a huge frame, garbage: others are served on", check_broken_clients),
)
CARDS = tuple(Card(id=card_id, law=law, check=check) for card_id, law, check in _CHECKS)
