"""Identity: what a gateway tells every client of itself."""

from __future__ import annotations

import gwcore
from gwcore.client.trading.venue_host import told_host
from gwcore.engine.clients.fanout import Identity
from gwcore.settings import GatewayConfig


def identity_of(config: GatewayConfig, name: str) -> Identity:
    """Which venue, in which environment, and where its requests go."""
    return Identity(
        version=gwcore.__version__,
        venue=config.venue.spec.name,
        environment=config.gateway.env,
        source=name,
        host=told_host(config.venue.settings),
    )
