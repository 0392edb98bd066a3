"""The NATS transport and how a server knows who it is: TLS, password, nkey, creds. What does not fit is waited out."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from gwcore.testing.events import trade
from gwcore.testing.nats_keys import Operator, make_user_key, write_stranger_creds


def secret(path: Path, text: str) -> str:
    """A file for `file:`; the reference to it."""
    path.write_text(text)
    path.chmod(0o600)
    return f"file:{path}"


def serves(**options: Any) -> Any:
    """A scene: a client with these options hears an event."""

    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", "md.>", **options)
        [record] = stage.port.publish(trade())
        assert (await peer.events(1))[0].data == record.payload

    return scene


async def never(stage: Any) -> None:
    raise AssertionError("it must not serve")


class Refused(Exception):
    """The transport said why it is not let in."""


def refused(play_nats: Any, server: Any, cause: str, **settings: Any) -> None:
    """With these settings the gateway is not let in: it says why, and would go on trying."""

    def on_record(record: logging.LogRecord) -> bool:
        if cause in record.getMessage():
            raise Refused
        return True

    logger = logging.getLogger("gwcore.transport.nats")
    logger.addFilter(on_record)
    try:
        with pytest.raises(Refused):
            play_nats(never, server=server, **settings)
    finally:
        logger.removeFilter(on_record)


def test_user_and_password(play_nats: Any, make_nats: Any, caplog: Any, tmp_path: Path) -> None:
    server = make_nats(extra='authorization { user: "gw", password: "letmein" }')
    reference = secret(tmp_path / "secret", "letmein\n")
    wrong = secret(tmp_path / "wrong", "canary\n")
    for settings in ({}, {"user": "gw", "password": wrong}):
        refused(play_nats, server, "no_rights", **settings)
        assert "canary" not in caplog.text
    play_nats(serves(user="gw", password="letmein"), server=server, user="gw", password=reference)


def test_nkey(play_nats: Any, make_nats: Any, tmp_path: Path) -> None:
    user = make_user_key("user")
    server = make_nats(extra=f"authorization {{ users: [ {{ nkey: {user.public_key.decode()} }} ] }}")
    wrong = secret(tmp_path / "wrong", make_user_key("stranger").seed.decode())
    refused(play_nats, server, "no_rights", nkey=wrong)
    seed = user.seed.decode()
    play_nats(serves(nkeys_seed_str=seed), server=server, nkey=secret(tmp_path / "right", seed))


def test_creds(play_nats: Any, make_nats: Any, tmp_path: Path) -> None:
    operator = Operator()
    server = make_nats(extra=operator.server_config())
    refused(play_nats, server, "no_rights", creds_file=write_stranger_creds(tmp_path / "stranger"))
    right = operator.write_creds(tmp_path / "right")
    play_nats(serves(user_credentials=right), server=server, creds_file=right)


def test_tls_and_a_client_certificate(play_nats: Any, make_nats: Any, tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    of_server, of_client = authority.issue_cert("127.0.0.1"), authority.issue_cert("gw@gw")
    paths = {
        name: str(tmp_path / f"{name}.pem") for name in ("ca", "other", "cert", "key", "client_cert", "client_key")
    }
    authority.cert_pem.write_to_path(paths["ca"])
    stranger.cert_pem.write_to_path(paths["other"])
    of_server.cert_chain_pems[0].write_to_path(paths["cert"])
    of_server.private_key_pem.write_to_path(paths["key"])
    of_client.cert_chain_pems[0].write_to_path(paths["client_cert"])
    of_client.private_key_pem.write_to_path(paths["client_key"])
    server = make_nats(
        extra=f'tls {{ cert_file: "{paths["cert"]}", key_file: "{paths["key"]}", ca_file: "{paths["ca"]}", verify: true }}'
    )
    certificate = {"tls_cert_file": paths["client_cert"], "tls_key_file": paths["client_key"]}
    refused(play_nats, server, "tls", tls_ca_file=paths["other"], **certificate)
    context = ssl.create_default_context(cafile=paths["ca"])
    context.load_cert_chain(paths["client_cert"], paths["client_key"])
    url = server.url.replace("nats://", "tls://")
    play_nats(serves(tls=context), server=server, url=url, tls_ca_file=paths["ca"], **certificate)


def test_a_server_that_does_not_let_us_publish_is_named(
    play_nats: Any, make_nats: Any, caplog: Any, monkeypatch: Any
) -> None:
    server = make_nats(
        extra="""authorization { users: [ { user: gw, password: a, permissions: { publish: ["_INBOX.>"], subscribe: [">"] } },
                                          { user: alice, password: a } ] }"""
    )

    async def scene(stage: Any) -> None:
        stage.port.publish(trade())
        await stage.until(lambda: stage.transport.refusals > 0)
        assert "see conf/nats for the rights a gateway needs" in caplog.text

    monkeypatch.setenv("GW_TEST_NATS_PASSWORD", "a")
    play_nats(scene, server=server, user="gw", password="env:GW_TEST_NATS_PASSWORD")
