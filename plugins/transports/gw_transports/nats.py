"""The NATS transport: every event live on its subject, requests by request and reply."""

from __future__ import annotations

from collections.abc import Iterable

from gw_transports.nats_settings import NatsTransportSettings
from gwcore import API_VERSION, hookimpl
from gwcore.errors import ConfigError
from gwcore.transport import Transport, TransportContext, TransportSpec


def _create(settings: NatsTransportSettings, context: TransportContext) -> Transport:
    raise ConfigError("not there yet", place="transport.nats")


SPEC = TransportSpec(
    name="nats",
    api_version=API_VERSION,
    settings=NatsTransportSettings,
    create=_create,
    summary="NATS: events on subjects, requests by request and reply",
)


@hookimpl
def gw_register_transports() -> Iterable[TransportSpec]:
    """The one transport of this module."""
    return [SPEC]
