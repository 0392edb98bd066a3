"""One gateway as an operating-system process: real clock, files, sockets, signals, logs and the metrics port."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import gwcore
from gwcore.errors import ConfigError, StorageError
from gwcore.runtime.accounts.keys import DirectoryKeys
from gwcore.runtime.app import EXIT_INTERNAL, Gateway, Ports
from gwcore.runtime.clock import SystemClock, SystemIds, SystemRandom
from gwcore.runtime.control.operations import Operations
from gwcore.runtime.control.reload import ReadConfig, Reload
from gwcore.runtime.control.running import Entry, Running
from gwcore.runtime.crash import install_crash_handler
from gwcore.runtime.identity import Identity, claim_state
from gwcore.runtime.journal.committer import Committer
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.runtime.libraries import WebSocketClient, find_client, find_loop
from gwcore.runtime.memory import calm_allocator, find_trim, give_back
from gwcore.runtime.observability.health import HealthServer
from gwcore.runtime.observability.liveness import has_live_snapshot, stuck_parts
from gwcore.runtime.observability.logs import LogHandler, configure_logging
from gwcore.runtime.observability.metrics import Metrics, Sample, build_info
from gwcore.runtime.observability.page import TELL_S, Page, page_html
from gwcore.runtime.observability.service import Notifier, ServiceWatch, find_notifier
from gwcore.runtime.observability.stall import StallWatch
from gwcore.runtime.observability.telemetry import Telemetry
from gwcore.runtime.signals import install_signals
from gwcore.runtime.venue.network import RealNetwork
from gwcore.settings import GatewayConfig

_log = logging.getLogger("gwcore.gateway")

#: How often the loop's own lateness is measured.
LAG_CHECK_S = 0.25
#: Objects made and not freed before the collector looks for cycles: the journal keeps thousands of records, none in one.
COLLECT_AFTER_OBJECTS = 20_000


def run_gateway(config: GatewayConfig, read_again: ReadConfig | None = None) -> int:
    """Run one gateway until it is told to stop; returns the exit code. `read_again` reads the configuration for a reload.

    Raises ConfigError where it can't start (a second process on the state directory, a port in use).
    """
    logs = configure_logging(config.gateway.log_level, config.gateway.log_format)
    notifier = find_notifier(os.environ)
    refuse_core_dumps()
    calm_allocator()
    client, loop = find_client(config.runtime.websocket), find_loop(config.runtime.loop)
    _log.info("WebSockets by %s, event loop of %s", client.library, loop.library)
    with asyncio.Runner(loop_factory=loop.factory) as runner:
        return runner.run(_run(config, client, logs, read_again, notifier))


def refuse_core_dumps() -> None:
    """Secrets are in this process's memory: it never writes that to a disk, whatever ends it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def calm_collector() -> None:
    """Have the garbage collector leave alone what start-up made, and look less often at what the hot path keeps."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 20, 100)


async def _run(
    config: GatewayConfig,
    client: WebSocketClient,
    logs: LogHandler,
    read_again: ReadConfig | None,
    notifier: Notifier | None,
) -> int:
    state_dir = Path(config.gateway.state_dir)
    storage = _open_state(state_dir)
    clock = SystemClock()
    with (
        storage.lock("lock"),
        contextlib.closing(
            DirectoryKeys(DirectoryStorage(Path(config.gateway.keys_dir or state_dir / "keys")), clock)
        ) as keys,
    ):
        claim_state(
            storage,
            Identity(venue=config.venue.spec.name, environment=config.gateway.env, paper=config.paper.enabled),
            str(state_dir),
        )
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
                keys=keys,
            ),
        )
        Operations(gateway).add()
        reload = Reload(gateway, read_again, asyncio.to_thread)
        reload.add()
        install_signals(gateway)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload.on_signal)
        install_crash_handler(asyncio.get_running_loop(), lambda reason: gateway.request_stop(reason, EXIT_INTERNAL))
        _log.info("state in %s", state_dir)
        entry = Entry()
        gateway.on_address = lambda: _tell_running(gateway, entry)
        _tell_running(gateway, entry)
        calm_collector()
        tidying = asyncio.create_task(give_back(asyncio.to_thread, find_trim()), name="memory")
        try:
            async with _telemetry(gateway, clock.now_ns(), logs) as telemetry, _service(telemetry, reload, notifier):
                return await gateway.run()
        finally:
            entry.close()
            tidying.cancel()
            await network.close()


def _tell_running(gateway: Gateway, entry: Entry) -> None:
    config = gateway.config
    trouble = entry.write(
        Running(
            name=gateway.name,
            venue=config.venue.spec.name,
            environment=config.gateway.env,
            pid=os.getpid(),
            state_dir=str(Path(config.gateway.state_dir).absolute()),
            version=gwcore.__version__,
            started_ns=gateway.started_ns,
            addresses={name: _absolute(address) for name, address in gateway.addresses.items()},
        )
    )
    if trouble:
        _log.info("`gw ls` will not know of this gateway: %s", trouble)


def _absolute(address: str) -> str:
    path = address.removeprefix("unix://")
    return address if path == address else f"unix://{Path(path).absolute()}"


def _open_state(state_dir: Path) -> DirectoryStorage:
    try:
        return DirectoryStorage(state_dir)
    except (OSError, StorageError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(error)
        if isinstance(cause, FileExistsError):
            reason = "a file is in the way"
        raise ConfigError(
            f"the state directory {state_dir} can't be made: {reason.lower()}", hint="choose another with --state-dir"
        ) from error


@contextlib.asynccontextmanager
async def _telemetry(gateway: Gateway, started_ns: int, logs: LogHandler) -> AsyncIterator[Telemetry]:
    telemetry = Telemetry(gateway, started_ns)
    telemetry.report.add()
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
            metrics.add(lambda: [Sample("gw_log_suppressed_total", (), logs.suppressed)])
            page = Page(gateway, telemetry.report, gateway.ports.clock.monotonic_ns)
            server = HealthServer(
                metrics,
                not_ready=telemetry.not_ready,
                not_alive=lambda: stuck_parts(gateway),
                status=telemetry.status,
                page=page_html(),
                news=page.data,
                news_s=TELL_S,
            )
            host, bound = await server.start(gateway.config.gateway.metrics_host, port)
            gateway.addresses["metrics"] = f"http://{host}:{bound}/metrics"
            _log.info("metrics and health: http://%s:%d/", host, bound)
            gateway.on_address()
        yield telemetry
    finally:
        lag.cancel()
        stalls.stop()
        if server is not None:
            await server.close()


@contextlib.asynccontextmanager
async def _service(telemetry: Telemetry, reload: Reload, notifier: Notifier | None) -> AsyncIterator[None]:
    """Tell the service manager how the gateway is, where one started the process."""
    if notifier is None:
        yield
        return
    gateway = telemetry.gateway
    watch = ServiceWatch(
        notifier,
        stuck=lambda: stuck_parts(gateway),
        is_live=lambda: has_live_snapshot(gateway),
        status=telemetry.summary,
        shutdown_s=gateway.config.gateway.shutdown_s,
        time_s=asyncio.get_running_loop().time,
    )
    reload.on_reload = watch.on_reload

    async def run() -> None:
        try:
            await watch.run(gateway.stopping)
        except Exception:
            _log.exception("the service manager can't be told how the gateway is")
            gateway.request_stop("its service manager can't be told", EXIT_INTERNAL)

    task = asyncio.create_task(run(), name="service manager")
    try:
        yield
    finally:
        task.cancel()
        notifier.close()


async def _watch_lag(telemetry: Telemetry, stalls: StallWatch) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_CHECK_S
        await asyncio.sleep(LAG_CHECK_S)
        stalls.beat()
        telemetry.loop_lag_s = max(0.0, loop.time() - due)
        telemetry.loop_lag_max_s = max(telemetry.loop_lag_max_s, telemetry.loop_lag_s)
