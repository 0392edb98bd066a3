"""A fault proxy on a thread and loop of its own, for tests and shows of real processes that have no loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from gwcore.testing.proxy.proxy import FaultProxy, fault_proxy

T = TypeVar("T")

#: How long a call into the proxy's loop may take.
CALL_S = 10.0


class ProxyThread:
    """Calls into a proxy from another thread. Made by `proxy_thread`."""

    def __init__(self, proxy: FaultProxy, loop: asyncio.AbstractEventLoop) -> None:
        self.port = proxy.port
        self._proxy = proxy
        self._loop = loop

    @property
    def address(self) -> str:
        """Host and port, as an URL has them."""
        return f"{self._proxy.host}:{self.port}"

    def fault(self, name: str, **options: Any) -> str:
        """Switch a fault; see `FaultProxy.fault`."""
        return self._do(lambda: self._proxy.fault(name, **options))

    def counts(self) -> dict[str, int]:
        """What it did so far, and `lines`: the connections that are open."""
        return self._do(lambda: {**self._proxy.counts, "lines": len(self._proxy.lines)})

    def _do(self, call: Callable[[], T]) -> T:
        async def inside() -> T:
            return call()

        return asyncio.run_coroutine_threadsafe(inside(), self._loop).result(CALL_S)


@contextlib.contextmanager
def proxy_thread(host: str, port: int, *, seed: int = 1, listen_port: int = 0) -> Iterator[ProxyThread]:
    """A proxy to `host`:`port` until the block is left. Raises OSError where it can't listen."""
    ready: Future[tuple[ProxyThread, asyncio.Event]] = Future()

    async def main() -> None:
        stopping = asyncio.Event()
        async with fault_proxy(host, port, seed=seed, listen_port=listen_port) as proxy:
            ready.set_result((ProxyThread(proxy, asyncio.get_running_loop()), stopping))
            await stopping.wait()

    def work() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=work, name="fault-proxy", daemon=True)
    thread.start()
    proxy, stopping = ready.result(CALL_S)
    try:
        yield proxy
    finally:
        proxy._loop.call_soon_threadsafe(stopping.set)
        thread.join(CALL_S)
