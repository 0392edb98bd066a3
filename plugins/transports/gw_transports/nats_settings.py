"""Settings of the NATS transport: table `[transport.nats]`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from gwcore.nats_settings import NatsSettings

_Count = Annotated[int, msgspec.Meta(gt=0)]
_Seconds = Annotated[float, msgspec.Meta(gt=0)]


class NatsTransportSettings(NatsSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[transport.nats]`: events on subjects, requests by request and reply."""

    linger_ms: Annotated[float, msgspec.Meta(ge=0, le=100)] = 1.0  # events of this time leave in one write
    unsent_bytes_max: _Count = 32 * 1024 * 1024  # waiting for the server; beyond it the core holds back, then conflates
    clients_max: _Count = 300  # clients that said hello; more are told so
    clients_per_user_max: _Count = 64  # ... of one user
    client_timeout_s: _Seconds = 15.0  # a client that has sent nothing for this long is gone
    replay_s: Annotated[float, msgspec.Meta(ge=0)] = (
        30.0  # an absence up to this is made up for; else a Gap and the state
    )
    reply_prefix: str = "_INBOX"  # answers go only to subjects below <reply_prefix>.<user>
