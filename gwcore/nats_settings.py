"""NatsSettings: how to reach a NATS server and who one is there. The base of every settings table that speaks NATS."""

from __future__ import annotations

from typing import Annotated

import msgspec

from gwcore.secrets import SecretRef

_Seconds = Annotated[float, msgspec.Meta(gt=0)]


class NatsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Server, credentials by reference, TLS, and how soon a silent server is given up."""

    url: str = ""  # one or more of nats://HOST:PORT, by commas
    user: str = ""  # with `password`
    password: SecretRef | None = None  # where the password is
    token: SecretRef | None = None  # where the token is
    nkey: SecretRef | None = None  # where the nkey seed is
    creds_file: str = ""  # path of a .creds file (JWT and seed)
    tls_ca_file: str = ""  # trust these authorities instead of the system's
    tls_cert_file: str = ""  # client certificate, with `tls_key_file`
    tls_key_file: str = ""  # the key of that certificate
    inbox_prefix: str = "_INBOX"  # where answers are received; own one where users share a NATS account
    connect_timeout_s: _Seconds = 5.0  # a server that has not answered by then is tried again later
    ping_interval_s: _Seconds = 5.0  # a server that is silent for about three of them is given up
