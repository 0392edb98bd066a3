"""What only a client over NATS meets: servers, rights, events lost on the way, readers that NATS does not wait for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from gwcore.client import BookState, Client, NotConnected, RequestRefused, Session, connect
from gwcore.client import aio as client_aio
from gwcore.client.address import NatsAddress, gateway_address
from gwcore.client.nats.backlog import CAUSE_SLOW
from gwcore.client.nats.dial import NatsDial
from gwcore.client.nats.link import NatsLink
from gwcore.errors import ConfigError
from gwcore.model import Event, Gap
from gwcore.nats_settings import NatsSettings
from gwcore.secrets import SecretRef
from gwcore.testing.events import book_change, book_snapshot, trade
from gwcore.testing.nats_server import NatsServer


async def take(client: Client, count: int) -> list[Event]:
    return [(await anext(client)).event for _ in range(count)]


# --- addresses --------------------------------------------------------------------------------------------------------


def test_an_address_names_servers_gateway_and_user() -> None:
    assert gateway_address("nats://ann:s%40fe@h1:4222,h2:4222/sim/kraken") == NatsAddress(
        servers=("nats://h1:4222", "nats://h2:4222"), environment="sim", venue="kraken", user="ann", password="s@fe"
    )
    found = gateway_address("tls://h:4222/prod/kraken/")
    assert found == NatsAddress(servers=("tls://h:4222",), environment="prod", venue="kraken")
    assert "s@fe" not in repr(gateway_address("nats://ann:s%40fe@h1/sim/kraken"))


@pytest.mark.parametrize(
    "text", ["nats://h:4222", "nats://h:4222/sim", "nats://h/sim/kraken/more", "nats:///sim/kraken", "nats://h/sim//"]
)
def test_an_address_that_says_too_little_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"write nats://HOST:4222/<env>/<venue>"):
        gateway_address(text)
    with pytest.raises(ConfigError) as caught:
        gateway_address(text.replace("nats://", "nats://ann:secret@"))
    assert "secret" not in str(caught.value)


# --- nobody there -----------------------------------------------------------------------------------------------------


def refused(address: str, **options: Any) -> str:
    async def main() -> str:
        with pytest.raises(NotConnected) as caught:
            await connect(address, **options)
        return str(caught.value)

    return asyncio.run(main())


def test_no_server_is_one_sentence(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    text = refused(f"nats://bob:secret@127.0.0.1:{server.port}/sim/kraken")
    assert f"nats://127.0.0.1:{server.port}/sim/kraken: no connection to" in text
    assert "is the NATS server running" in text
    assert "secret" not in text


def test_no_gateway_is_one_sentence(nats_server: NatsServer) -> None:
    text = refused(f"{nats_server.url}/none/kraken")
    assert "no gateway answers on gw.none.kraken.cmd.guest.*: is one of this environment and venue running" in text


def test_no_answer_names_the_subject_and_the_cure(nats_gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_aio, "CONNECT_TIMEOUT_S", 0.3)
    nats_gateway.nats.is_mute = True
    text = refused(nats_gateway.address)
    assert f"did not answer within 0.3 s on gw.{nats_gateway.environment}.toy.cmd.guest.hello" in text
    assert "receive below _INBOX.guest" in text


def test_without_the_extra_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gwcore.client.nats.dial", None)
    with pytest.raises(ConfigError, match=r"pip install 'gwcore\[nats\]'"):
        asyncio.run(connect("nats://127.0.0.1:4222/sim/kraken"))


# --- rights -----------------------------------------------------------------------------------------------------------

RIGHTS = """
authorization {
  users = [
    { user: gw, password: gw }
    { user: ann, password: ann, permissions: {
        publish: ["gw.*.*.cmd.ann.*"], subscribe: ["gw.*.*.md.>", "gw.*.*.st.>", "_INBOX.ann.>"] } }
    { user: eve, password: eve, permissions: { publish: ["gw.*.*.cmd.eve.*"], subscribe: ["_INBOX.other.>"] } }
    { user: joe, password: joe, permissions: { publish: ["nothing"], subscribe: ["_INBOX.joe.>"] } }
  ]
}
"""


@pytest.fixture(scope="module")
def guarded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path_factory.mktemp("guarded"), extra=RIGHTS).start()
    yield server
    server.stop()


@pytest.fixture
def guarded(tmp_path: Path, guarded_server: NatsServer, make_gateway: Any) -> Iterator[Any]:
    gateway = make_gateway(tmp_path, guarded_server.url.replace("//", "//gw:gw@"))
    gateway.address = gateway.address.replace("gw:gw@", "")
    yield gateway
    gateway.close()


def address_of(gateway: Any, user: str) -> str:
    return str(gateway.address).replace("//", f"//{user}:{user}@")


def test_a_wrong_password_is_named(guarded: Any) -> None:
    text = refused(guarded.address.replace("//", "//ann:wrong@"))
    assert "as user 'ann'" in text
    assert "uthoriz" in text
    assert "wrong" not in text


def test_no_right_to_ask_and_no_right_to_hear(guarded: Any) -> None:
    assert "the user 'joe' may not ask this gateway" in refused(address_of(guarded, "joe"))
    assert "does not let the user 'eve' receive on _INBOX.eve." in refused(address_of(guarded, "eve"))


def test_all_is_what_a_user_may_see(guarded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANN_PASSWORD", "ann")

    async def main() -> None:
        who = NatsSettings(user="ann", password=SecretRef("env:ANN_PASSWORD"))
        async with await connect(guarded.address, nats=who) as client:
            await client.subscribe()
            guarded.publish(trade())
            assert await take(client, 1) == [trade()]
            with pytest.raises(RequestRefused, match=r"no_rights: .*'ann' subscribe to .*order_update"):
                await client.subscribe(kinds=["order_update"])
            guarded.publish(trade(trade_id="2"))
            assert await take(client, 1) == [trade(trade_id="2")]

    asyncio.run(main())


def test_tls_is_insisted_on_and_an_unknown_authority_is_named(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    paths = {name: str(tmp_path / f"{name}.pem") for name in ("ca", "other", "cert", "key")}
    authority.cert_pem.write_to_path(paths["ca"])
    stranger.cert_pem.write_to_path(paths["other"])
    certificate.cert_chain_pems[0].write_to_path(paths["cert"])
    certificate.private_key_pem.write_to_path(paths["key"])
    server = NatsServer(
        tmp_path / "server", extra=f'tls {{ cert_file: "{paths["cert"]}", key_file: "{paths["key"]}" }}'
    ).start()
    try:
        address = f"{server.url.replace('nats://', 'tls://')}/sim/kraken"
        # That nobody answers is what the server says over TLS: the way there is good.
        assert "no gateway answers" in refused(address, nats=NatsSettings(tls_ca_file=paths["ca"]))
        text = refused(address, nats=NatsSettings(tls_ca_file=paths["other"]))
        assert "certificate" in text
        assert "is the NATS server running" in text
    finally:
        server.stop()


# --- readers that are too slow ----------------------------------------------------------------------------------------


async def small_client(gateway: Any, *, events_max: int = 50) -> Client:
    """A client that keeps little, on a link that keeps little."""
    address = gateway_address(gateway.address)
    if not isinstance(address, NatsAddress):
        return await connect(gateway.address, queue_events_max=10)
    client = Client(NatsDial(address, waiting_events_max=events_max), Session(name="slow"), queue_events_max=10)
    await client.open()
    return client


async def paused(client: Client) -> None:
    """Wait until the client reads no more."""
    while not client._queue.is_paused:
        client._news.clear()
        await client._news.wait()


def test_a_slow_reader_gets_a_gap_and_fresh_state(nats_gateway: Any) -> None:
    async def main() -> None:
        async with await small_client(nats_gateway) as client:
            await client.subscribe()
            nats_gateway.publish(book_snapshot(), *[trade(trade_id=f"{number}") for number in range(20)])
            await paused(client)
            for number in range(40):
                nats_gateway.publish(
                    *[trade(trade_id=f"{number}-{n}") for n in range(9)], book_change(bids=["100.2x1.00"])
                )
            nats_gateway.publish(book_change(bids=["100.3x1.00"]))
            told: list[int] = []
            dropped = 0
            while not told or told[-1] < 422:
                envelope = await anext(client)
                event = envelope.event
                if isinstance(event, Gap):
                    assert (event.cause, event.partition, event.session_id) == (CAUSE_SLOW, "md.0", "S1")
                    told += range(event.first_sequence, event.last_sequence + 1)  # type: ignore[operator,arg-type]
                    dropped += event.dropped  # type: ignore[operator]
                elif envelope.header.sequence is not None:
                    told.append(envelope.header.sequence)
            assert told == list(range(1, 423))  # each event or the gap it is in, in order
            assert dropped > 300
            assert client.gaps == 0
            await client.snapshot(kinds=["trade_summary"])
            assert client.books["BTC/USD"].state is BookState.LIVE
            assert str(client.books["BTC/USD"].best_bid.price) == "100.3"  # type: ignore[union-attr]
            nats_gateway.publish(trade(trade_id="last"))
            while (await anext(client)).event != trade(trade_id="last"):
                pass

    asyncio.run(main())


@pytest.mark.parametrize("partition", ["md.0", "ex.main"])
def test_who_must_not_miss_anything_is_cut_with_the_reason(nats_gateway: Any, partition: str) -> None:
    async def main() -> None:
        client = await small_client(nats_gateway)
        await client.subscribe(on_slow="disconnect" if partition == "md.0" else "conflate")
        link = client._link
        assert link is not None
        nats_gateway.publish(*[trade(trade_id=str(number)) for number in range(500)], partition=partition)
        await link.closed
        read = [delivery.envelope.header.sequence for delivery in await client.batch()]
        assert read == list(range(1, len(read) + 1))
        with pytest.raises(NotConnected, match="too slow: more came over NATS than may wait"):
            await client.next()
        await client.close()

    asyncio.run(main())


def test_a_replay_longer_than_what_may_wait_is_cut_and_goes_on(core_gateway: Any) -> None:
    async def main() -> None:
        async with await small_client(core_gateway, events_max=100) as client:
            await client.subscribe(["BTC/*"], ["trade_summary"], from_start=True)
            await paused(client)
            later = [trade(trade_id=f"later {number}") for number in range(400)]
            payloads.extend(payload for one in later for payload in core_gateway.publish(one, trade("ETH/USD"))[:1])
            read = []
            while len(read) < len(payloads):
                delivery = await client.next()
                assert delivery is not None
                read.append(delivery.payload)
                await asyncio.sleep(0)  # the reader is slower than the gateway
            assert read == payloads
            assert client.gaps == 0
            assert client.reconnects == 0
            await client.snapshot(kinds=["gap"])
            assert await client.batch(timeout_s=0.01) == []  # what was dropped meanwhile was in the replay: no Gap
            link = client._link._transport  # type: ignore[union-attr]
            if isinstance(link, NatsLink):
                assert link.cuts > 3

    payloads = core_gateway.publish(*[trade(trade_id=str(number)) for number in range(1500)])
    core_gateway.publish(trade("ETH/USD"), partition="md.1")
    asyncio.run(main())


@pytest.mark.parametrize("from_start", [True, False])
def test_what_is_in_the_answer_and_on_the_subjects_is_heard_once(nats_gateway: Any, from_start: bool) -> None:
    async def main() -> None:
        async with await connect(nats_gateway.address) as client:
            # Published when the client has its subjects and the gateway has not looked at its request yet.
            nats_gateway.nats.before_subscribe = lambda: nats_gateway.port.publish(trade(trade_id="between"))
            await client.subscribe(from_start=from_start)
            nats_gateway.publish(trade(trade_id="after"))
            wanted = ["between", "after"] if from_start else ["after"]
            assert await take(client, len(wanted)) == [trade(trade_id=one) for one in wanted]
            await client.snapshot(kinds=["trade_summary"])
            assert await client.batch(timeout_s=0.01) == []
            assert client.gaps == 0

    asyncio.run(main())


# --- what breaks ------------------------------------------------------------------------------------------------------


def test_an_event_lost_on_the_way_is_a_gap(nats_gateway: Any) -> None:
    async def main() -> None:
        async with await connect(nats_gateway.address) as client:
            nats_gateway.nats.outlet.withheld.add("S1:3")
            await client.subscribe(["BTC/USD"], ["trade_summary"])
            nats_gateway.publish(*[trade(trade_id=str(number)) for number in range(1, 6)])
            events = await take(client, 5)
            assert isinstance(events[2], Gap)
            assert (events[2].cause, events[2].symbol, events[2].dropped) == ("CLIENT_TOPIC_SEQUENCE", "BTC/USD", 1)

    asyncio.run(main())


def test_a_server_that_dies_is_come_back_to(tmp_path: Path, make_gateway: Any) -> None:
    server = NatsServer(tmp_path / "server").start()
    gateway = make_gateway(tmp_path, server.url)

    async def main() -> None:
        client = await connect(gateway.address, reconnect_s=30.0)
        await client.subscribe()
        gateway.publish(trade(trade_id="1"))
        await take(client, 1)
        server.kill()
        gateway.stop()
        gateway.publish_unserved(trade(trade_id="2"))
        server.start()
        gateway.start()
        gateway.publish(trade(trade_id="3"))
        assert await take(client, 2) == [trade(trade_id="2"), trade(trade_id="3")]
        assert client.gaps == 0
        await client.close()

    asyncio.run(main())
    gateway.close()
    server.stop()


def test_a_gateway_that_starts_anew_without_a_word_is_noticed(nats_gateway: Any) -> None:
    async def main() -> None:
        async with await connect(nats_gateway.address, reconnect_s=30.0) as client:
            await client.subscribe()
            nats_gateway.publish(trade(trade_id="1"))
            await take(client, 1)
            nats_gateway.crash()
            nats_gateway.publish(trade(trade_id="2"))
            [gap] = await take(client, 1)
            assert isinstance(gap, Gap)
            assert (gap.session_id, gap.first_sequence) == ("S1", 2)
            nats_gateway.publish(trade(trade_id="3"))
            assert await take(client, 1) == [trade(trade_id="3")]
            assert client.reconnects == 1

    asyncio.run(main())
