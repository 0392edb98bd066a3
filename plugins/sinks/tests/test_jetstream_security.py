"""TLS, user, nkey and creds against a real server, and what is said where they do not fit."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from gw_sinks.jetstream import JetStreamSink
from gw_sinks.jetstream_settings import JetStreamSettings

from gwcore.errors import ConfigError, NotConnected
from gwcore.testing.nats_keys import Operator, make_user_key, write_stranger_creds

MD = "gw-sim-toy-md"


def settings(server, **changes) -> JetStreamSettings:
    return JetStreamSettings(**{"url": server.url, "ack_timeout_s": 2.0, "connect_timeout_s": 5.0} | changes)


async def write_some(around, records, chosen: JetStreamSettings) -> None:
    sink = JetStreamSink(chosen, around.context())
    try:
        await sink.connect(around.cursors)
        await sink.write(records(1, 20))
        await sink.flush()
    finally:
        await sink.close()


def write_secret(path: Path, text: str) -> str:
    """A file for `file:`; the reference to it."""
    path.write_text(text)
    path.chmod(0o600)
    return f"file:{path}"


class Pki(NamedTuple):
    """Files of one authority."""

    ca: str
    server_cert: str
    server_key: str
    client_cert: str
    client_key: str


@pytest.fixture
def make_pki(tmp_path):
    def make(name: str) -> Pki:
        folder = tmp_path / name
        folder.mkdir()
        paths = Pki(*(str(folder / f"{field}.pem") for field in Pki._fields))
        authority = trustme.CA()
        server, client = authority.issue_cert("127.0.0.1"), authority.issue_cert("gw@gw")
        authority.cert_pem.write_to_path(paths.ca)
        server.cert_chain_pems[0].write_to_path(paths.server_cert)
        server.private_key_pem.write_to_path(paths.server_key)
        client.cert_chain_pems[0].write_to_path(paths.client_cert)
        client.private_key_pem.write_to_path(paths.client_key)
        return paths

    return make


def tls_config(pki: Pki, *, verify: bool = False) -> str:
    extra = f', ca_file: "{pki.ca}", verify: true' if verify else ""
    return f'tls {{ cert_file: "{pki.server_cert}", key_file: "{pki.server_key}"{extra} }}'


def test_tls_with_an_authority_of_our_own(make_server, make_pki, surroundings, records) -> None:
    pki = make_pki("right")
    server = make_server(extra=tls_config(pki))
    asyncio.run(write_some(surroundings, records, settings(server, tls_ca_file=pki.ca)))
    assert surroundings.cursors["md"] == 20


def test_a_server_of_an_unknown_authority_is_not_trusted(make_server, make_pki, surroundings, records) -> None:
    server = make_server(extra=tls_config(make_pki("right")))
    for chosen in (settings(server, tls_ca_file=make_pki("wrong").ca), settings(server)):
        with pytest.raises(NotConnected, match="tls"):
            asyncio.run(write_some(surroundings, records, chosen))
        assert surroundings.statuses[-1][0] == "tls"


def test_a_client_certificate(make_server, make_pki, surroundings, records) -> None:
    pki = make_pki("right")
    server = make_server(extra=tls_config(pki, verify=True))
    without = settings(server, tls_ca_file=pki.ca)
    with pytest.raises(NotConnected):
        asyncio.run(write_some(surroundings, records, without))
    chosen = settings(server, tls_ca_file=pki.ca, tls_cert_file=pki.client_cert, tls_key_file=pki.client_key)
    asyncio.run(write_some(surroundings, records, chosen))
    assert surroundings.cursors["md"] == 20


# --- nkeys ------------------------------------------------------------------------------------------------------------


def test_nkey(make_server, surroundings, records, tmp_path) -> None:
    user, stranger = make_user_key("user"), make_user_key("stranger")
    server = make_server(extra=f"authorization {{ users: [ {{ nkey: {user.public_key.decode()} }} ] }}")
    wrong = write_secret(tmp_path / "wrong", stranger.seed.decode())
    with pytest.raises(NotConnected, match="no_rights"):
        asyncio.run(write_some(surroundings, records, settings(server, nkey=wrong)))
    right = write_secret(tmp_path / "right", user.seed.decode() + "\n")
    asyncio.run(write_some(surroundings, records, settings(server, nkey=right)))
    assert surroundings.cursors["md"] == 20


def test_a_seed_that_is_none_is_one_sentence_without_it(make_server, surroundings, records, tmp_path) -> None:
    server = make_server()
    wrong = write_secret(tmp_path / "wrong", "SUCANARY")
    with pytest.raises(ConfigError, match=r"sink\.jetstream\.nkey: .*not an nkey seed") as caught:
        asyncio.run(write_some(surroundings, records, settings(server, nkey=wrong)))
    assert "CANARY" not in str(caught.value)


# --- creds ------------------------------------------------------------------------------------------------------------


def test_creds(make_server, surroundings, records, tmp_path) -> None:
    operator = Operator()
    server = make_server(extra=operator.server_config())
    stranger = write_stranger_creds(tmp_path / "stranger")
    with pytest.raises(NotConnected, match="no_rights"):
        asyncio.run(write_some(surroundings, records, settings(server, creds_file=stranger)))
    right = operator.write_creds(tmp_path / "right")
    asyncio.run(write_some(surroundings, records, settings(server, creds_file=right)))
    assert surroundings.cursors["md"] == 20


def test_user_and_password_by_reference(make_server, surroundings, records, tmp_path) -> None:
    server = make_server(extra='authorization { user: "gw", password: "letmein" }')
    secret = write_secret(tmp_path / "secret", "letmein\n")

    async def main() -> None:
        stranger = JetStreamSink(settings(server), surroundings.context())
        with pytest.raises(NotConnected, match="no_rights"):
            await stranger.connect(surroundings.cursors)
        await stranger.close()
        sink = JetStreamSink(settings(server, user="gw", password=secret), surroundings.context())
        await sink.connect(surroundings.cursors)
        await sink.write(records(1, 5))
        await sink.flush()
        await sink.close()
        assert len(await server.read(MD, user="gw", password="letmein")) == 5

    asyncio.run(main())


def test_lost_rights_are_named(make_server, surroundings, records) -> None:
    rights = 'publish: { deny: ["gwlog.sim.toy.md.>"] }'
    server = make_server(
        extra=f"authorization {{ users: [ {{ user: a, password: b, permissions: {{ {rights} }} }} ] }}"
    )

    async def main() -> None:
        url = server.url.replace("nats://", "nats://a:b@")
        sink = JetStreamSink(settings(server, url=url), surroundings.context())
        await sink.connect(surroundings.cursors)
        await sink.write(records(1, 5))
        with pytest.raises(NotConnected, match="no_rights"):
            await sink.flush()
        assert surroundings.statuses[-1][0] == "no_rights"
        await sink.close()

    asyncio.run(main())


def test_a_missing_file_is_one_sentence(make_server, surroundings) -> None:
    server = make_server()

    async def main() -> None:
        sink = JetStreamSink(settings(server, tls_ca_file="/nowhere/ca.pem"), surroundings.context())
        with pytest.raises(ConfigError, match=r"tls_ca_file: there is no file /nowhere/ca\.pem"):
            await sink.connect(surroundings.cursors)
        await sink.close()

    asyncio.run(main())
