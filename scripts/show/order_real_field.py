"""Where a row about orders is played over real sockets: a simulator, a gateway and its clients as processes."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from order_row import Row
from order_trader import ACCOUNT, SYMBOL, Told, Trader, make_config, processes
from small_volume import MEGABYTE, leave_free, small_volume

from gwcore.model import OrderRequest
from gwcore.nats_connection import flush_client
from gwcore.testing.nats_server import NatsServer
from gwcore.testing.processes import Gw, Sim, wait_for

CLIENT = Path(__file__).with_name("order_client.py")
VOLUME_BYTES, RESERVE_BYTES = 48 * MEGABYTE, 8 * MEGABYTE
_ORDER = (
    b'{"request":"create_order","request_id":1,"account":"account1","order_id":"forged","symbol":"BTC/USD","side":"BUY",'
    b'"order_type":"LIMIT","quantity":"0.01","price":"100.0"}'
)
#: To be read by nobody, or from somebody who may not; and where it is sent.
NATS_GARBAGE = (
    b"",
    b"\xff\xfe",
    b"[" * 5_000,
    b'{"request":"hello","name":"x","token":"wrong"}',
    bytes(500_000),
    _ORDER,
)
NATS_SUBJECTS = tuple(f"gw.sim.kraken.cmd.{rest}" for rest in ("stranger.x", "doomed.create_order", "x", "a.b.c.d"))
NATS_S = 60.0
#: A busy machine gets its time.
READY_S = 240.0
#: Longer than a client may leave heartbeats unanswered.
SLOW_S = 18.0


class RealField:
    """Processes and sockets of this machine. Everything is ended by `end`."""

    def __init__(self, folder: Path, row: Row) -> None:
        self.folder = folder
        self.told = Told()
        self.trader: Trader | None = None
        self._ends = contextlib.ExitStack()
        self._strangers: list[socket.socket] = []
        self._slow: subprocess.Popen[bytes] | None = None
        self._state, self._limits = "state", {}
        self.server = NatsServer(folder / "nats").start() if row.nats else None
        if self.server is not None:
            self._ends.callback(self.server.stop)
        if row.small_disk:
            self._ends.enter_context(small_volume(folder / "volume", VOLUME_BYTES))
            self._state, self._limits = "volume/state", {"GW_JOURNAL__RESERVE_BYTES": str(RESERVE_BYTES)}
        self.sim: Sim = processes.make_sim(folder, accounts=2)
        self._ends.callback(self.sim.end)
        self.config = make_config(folder, drop_copy=row.doomed is not None, doomed=row.doomed)
        if row.nats:
            with self.config.open("a") as file:
                file.write('[user.bus]\nbus = true\naccounts = ["*"]\ndrop_copy = true\n')
        self.gateway: Gw = self._start()
        self._ends.callback(lambda: self.gateway.end())

    def _start(self) -> Gw:
        way = () if self.server is None else ("--transport", "nats", "--nats-url", self.server.url)
        gateway: Gw = processes.start(
            self.folder, self.sim, self.config, "--symbols", SYMBOL, *way, state=self._state, **self._limits
        )
        return gateway

    async def begin(self) -> None:
        """Up and subscribed."""
        await self.ready()
        self.trader = Trader(self.gateway.socket_path, self.told, from_start=True)

    async def submit(self, request: OrderRequest) -> None:
        """A client's request."""
        assert self.trader is not None
        self.trader.send(request)

    async def until(self, what: str, condition: Callable[[], Any], limit_s: float = 120.0) -> None:
        """Until something is so."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + limit_s
        while not condition():
            if loop.time() > end_s:
                raise AssertionError(f"{what}: not within {limit_s:g} s: {self.told.words()[-20:]}")
            await asyncio.sleep(0.02)

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    def wall_ns(self) -> int:
        """The gateway's wall clock."""
        return time.time_ns()

    async def ready(self) -> None:
        """Until the gateway is."""
        for _ in range(2):  # the account may be on its way down when asked first
            await asyncio.sleep(0.3)
            await asyncio.to_thread(
                self.gateway.wait_for, "ready", lambda: self.gateway.status().get("ready"), timeout_s=READY_S
            )

    async def kill(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """kill -9, and a new start."""
        self.gateway.kill()
        meanwhile()
        self.gateway = self._start()
        await self.begin()

    def end(self) -> None:
        """All processes."""
        if self.trader is not None:
            self.trader.close()
        for stranger in self._strangers:
            stranger.close()
        self._ends.close()

    # --- the venue ----------------------------------------------------------------------------------------------------

    def fault(self, name: str, **options: Any) -> None:
        """Switch a fault of the venue."""
        self.sim.fault(name, **options)

    def do(self, name: str, **options: Any) -> Any:
        """Have something done at the venue."""
        return processes.do(self.sim, name, **{"account": ACCOUNT, **options})

    def truth(self) -> Any:
        """What the venue holds."""
        return processes.truth(self.sim, ACCOUNT)

    def stats(self) -> dict[str, Any]:
        """What the venue counted."""
        found: dict[str, Any] = self.sim.stats()["simulator"]
        return found

    def ask_price(self) -> str:
        """The best price at which somebody sells; a market order of the venue's own tells it."""
        self.do("fills", count=1, symbol=SYMBOL, side="buy")
        return str(self.truth()["fills"][-1]["price"])

    # --- other clients ------------------------------------------------------------------------------------------------

    def garbage(self, data: bytes) -> None:
        """A stranger's bytes; he stays, as long as he is let."""
        stranger = socket.socket(socket.AF_UNIX)
        self._strangers.append(stranger)
        stranger.connect(str(self.gateway.socket_path))
        stranger.sendall(data)

    def _client(self, what: str, argument: str) -> subprocess.Popen[bytes]:
        address = str(self.gateway.socket_path) if self.server is None else f"{self.server.url}/sim/kraken"
        where = (address, str(self.folder / "doomed.token"), ACCOUNT, SYMBOL)
        with (self.folder / "client.out").open("wb") as out, (self.folder / "client.err").open("wb") as err:
            client = subprocess.Popen([sys.executable, str(CLIENT), *where, what, argument], stdout=out, stderr=err)
        self._ends.callback(client.wait)
        self._ends.callback(client.kill)

        def is_placed() -> bool:
            assert client.poll() is None, (self.folder / "client.err").read_text()[-500:]
            return "placed" in self._said()

        wait_for("the orders of the client", is_placed)
        return client

    def _said(self) -> str:
        return (self.folder / "client.out").read_text()

    async def other_client(self, name: str) -> None:
        """A client of the second user, over NATS where that is there, that places an order and follows it."""
        self._slow = await asyncio.to_thread(self._client, "one", name)

    async def nats_garbage(self, times: int) -> None:
        """A stranger on the server, who asks for what nobody may and sends what nobody can read."""
        assert self.server is not None
        stranger = Client()
        await stranger.connect(self.server.url, allow_reconnect=False)
        for number in range(times):
            for payload in NATS_GARBAGE:
                for subject in NATS_SUBJECTS:
                    await stranger.publish(subject, payload, reply=f"_INBOX.stranger.{number}")
            await flush_client(stranger, NATS_S)
        await stranger.close()

    async def slow_client(self, name: str) -> None:
        """The same, which then reads nothing: SIGSTOP."""
        await self.other_client(name)
        assert self._slow is not None
        self._slow.send_signal(signal.SIGSTOP)

    def slow_knows(self, name: str) -> bool:
        """Whether it knows that its order ended."""
        return f"ended {name} CANCELED" in self._said()

    async def wake_slow_client(self) -> None:
        """It reads again, after so long that the gateway has given it up."""
        assert self._slow is not None
        await asyncio.sleep(SLOW_S)
        self._slow.send_signal(signal.SIGCONT)

    async def doomed_client(self) -> None:
        """A client of the second user that places orders, and is killed while it places more: SIGKILL."""
        client = await asyncio.to_thread(self._client, "many", "5")
        await asyncio.sleep(0.2)
        client.kill()
        client.wait()

    # --- the disk -----------------------------------------------------------------------------------------------------

    def disk(self, how: str) -> None:
        """The volume of the state directory is at its `reserve`, `full`, or has `room` again."""
        ballast = self.folder / "volume" / "ballast"
        if how == "room":
            ballast.unlink()
        else:
            leave_free(ballast, RESERVE_BYTES // 2 if how == "reserve" else 0)

    def is_degraded(self) -> bool:
        """Whether the gateway says that its journal fails."""
        return self.gateway.status().get("state") == "DEGRADED"

    def verified(self) -> str:
        """What `gw log verify` says, which must be ok."""
        done = subprocess.run(
            [processes.GW, "log", "verify", "--state-dir", str(self.gateway.state_dir)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        counts = [int(count) for count in re.findall(r"(\d+) records", done.stdout)]
        return f"ok, {sum(counts)} records"
