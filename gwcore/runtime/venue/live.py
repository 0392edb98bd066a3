"""Runs a LiveCheck with the real clock and network."""

from __future__ import annotations

import asyncio
import platform
from datetime import UTC, datetime

import gwcore
from gwcore.runtime.clock import SystemClock, SystemIds, SystemRandom
from gwcore.runtime.libraries import find_client
from gwcore.runtime.observability.logs import configure_logging
from gwcore.runtime.venue.live_check import LiveCheck, LiveReport
from gwcore.runtime.venue.network import RealNetwork
from gwcore.settings import GatewayConfig


def check_live(config: GatewayConfig, *, pairs: int, duration_s: float) -> LiveReport:
    """Look at the venue for so long and report."""
    configure_logging(config.gateway.log_level, "text")
    return asyncio.run(_check(config, pairs, duration_s))


async def _check(config: GatewayConfig, pairs: int, duration_s: float) -> LiveReport:
    clock = SystemClock()
    network = RealNetwork(clock, f"gwcore/{gwcore.__version__}", find_client(config.runtime.websocket))
    report = LiveReport(
        venue=config.venue.spec.name,
        environment=config.gateway.env,
        started=datetime.fromtimestamp(clock.now_ns() / 1e9, UTC).isoformat(timespec="seconds"),
        versions={
            "gwcore": gwcore.__version__,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
        },
    )
    check = LiveCheck(config, report, pairs=pairs, network=network, clock=clock, random=SystemRandom(), ids=SystemIds())
    try:
        await check.run(duration_s)
    finally:
        await network.close()
    return report
