"""One gateway as an operating-system process: real clock, files, sockets, signals, logs and the metrics port."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import gwcore
from gwcore.runtime.app import EXIT_INTERNAL, Gateway, Ports, install_signals
from gwcore.runtime.clock import SystemClock, SystemIds, SystemRandom
from gwcore.runtime.committer import Committer
from gwcore.runtime.crash import install_crash_handler
from gwcore.runtime.health import HealthServer
from gwcore.runtime.libraries import WebSocketClient, find_client, find_loop
from gwcore.runtime.logs import configure_logging
from gwcore.runtime.memory import calm_allocator, find_trim, give_back
from gwcore.runtime.metrics import Metrics, build_info
from gwcore.runtime.network import RealNetwork
from gwcore.runtime.stall import StallWatch
from gwcore.runtime.storage import DirectoryStorage
from gwcore.runtime.telemetry import Telemetry
from gwcore.settings import GatewayConfig

_log = logging.getLogger("gwcore.gateway")

#: How often the loop's own lateness is measured.
LAG_CHECK_S = 0.25
#: Objects made and not freed before the collector looks for cycles: the journal keeps thousands of records, none in one.
COLLECT_AFTER_OBJECTS = 20_000


def run_gateway(config: GatewayConfig) -> int:
    """Run one gateway until it is told to stop; returns the exit code.

    Raises ConfigError where it can't start (a second process on the state directory, a port in use).
    """
    configure_logging(config.gateway.log_level, config.gateway.log_format)
    calm_allocator()
    client, loop = find_client(config.runtime.websocket), find_loop(config.runtime.loop)
    _log.info("WebSockets by %s, event loop of %s", client.library, loop.library)
    with asyncio.Runner(loop_factory=loop.factory) as runner:
        return runner.run(_run(config, client))


def calm_collector() -> None:
    """Have the garbage collector leave alone what start-up made, and look less often at what the hot path keeps."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 20, 100)


async def _run(config: GatewayConfig, client: WebSocketClient) -> int:
    state_dir = Path(config.gateway.state_dir)
    storage = DirectoryStorage(state_dir)
    clock = SystemClock()
    with storage.lock("lock"):
        network = RealNetwork(clock, f"gwcore/{gwcore.__version__}", client)
        gateway = Gateway(
            config,
            Ports(
                clock=clock,
                random=SystemRandom(),
                ids=SystemIds(),
                network=network,
                storage=storage,
                state_dir=state_dir,
                committer=Committer,
                offload=asyncio.to_thread,
            ),
        )
        install_signals(gateway)
        install_crash_handler(asyncio.get_running_loop(), lambda reason: gateway.request_stop(reason, EXIT_INTERNAL))
        _log.info("state in %s", state_dir)
        calm_collector()
        tidying = asyncio.create_task(give_back(asyncio.to_thread, find_trim()), name="memory")
        try:
            async with _telemetry(gateway, clock.now_ns()):
                return await gateway.run()
        finally:
            tidying.cancel()
            await network.close()


@contextlib.asynccontextmanager
async def _telemetry(gateway: Gateway, started_ns: int) -> AsyncIterator[None]:
    telemetry = Telemetry(gateway, started_ns)
    stalls = StallWatch(
        lambda late_s, place: _log.error("the event loop has not run for %.1f s; it is in %s", late_s, place)
    )
    telemetry.stalls = stalls
    stalls.start()
    lag = asyncio.create_task(_watch_lag(telemetry, stalls), name="loop lag")
    server = None
    port = gateway.config.gateway.metrics_port
    try:
        if port is not None:
            metrics = Metrics()
            metrics.add(
                build_info(
                    venue=gateway.config.venue.spec.name, environment=gateway.config.gateway.env, source=gateway.name
                )
            )
            metrics.add(telemetry.samples)
            server = HealthServer(metrics, not_ready=telemetry.not_ready, status=telemetry.status)
            host, bound = await server.start(gateway.config.gateway.metrics_host, port)
            gateway.addresses["metrics"] = f"http://{host}:{bound}/metrics"
            _log.info("metrics and health: http://%s:%d/", host, bound)
        yield
    finally:
        lag.cancel()
        stalls.stop()
        if server is not None:
            await server.close()


async def _watch_lag(telemetry: Telemetry, stalls: StallWatch) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_CHECK_S
        await asyncio.sleep(LAG_CHECK_S)
        stalls.beat()
        telemetry.loop_lag_s = max(0.0, loop.time() - due)
        telemetry.loop_lag_max_s = max(telemetry.loop_lag_max_s, telemetry.loop_lag_s)
