"""A gateway and one client that hears everything, on virtual time, against the simulated Kraken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from gwcore.model import Event, MarketByPriceUpdate, UpdateType
from gwcore.plugins import load_simulator, load_venue
from gwcore.runtime.app import Gateway, Ports
from gwcore.settings import GatewayConfig, GatewaySettings, HealingSettings, SelectedVenue
from gwcore.testing.clients import SimClient
from gwcore.testing.clock import VirtualClock
from gwcore.testing.committer import virtual_committer
from gwcore.testing.loop import Budget, SimLoop, run
from gwcore.testing.network import SimNetwork
from gwcore.testing.seeds import SeededIds, SeededRandom
from gwcore.testing.storage import MemoryStorage
from gwcore.wire import decode_envelope

E = TypeVar("E", bound=Event)


#: Healing that does not make tests wait.
QUICK = HealingSettings(reconnect_first_s=0.1, reconnect_max_s=1.0)


async def _inline(work: Any, *args: Any) -> Any:
    return work(*args)


class Stage:
    """What a test plays on. `events` are the client's, in order of each partition."""

    def __init__(
        self,
        loop: SimLoop,
        *,
        sim: dict[str, Any],
        venue: dict[str, Any],
        seed: int,
        healing: HealingSettings,
        **gateway: Any,
    ) -> None:
        rng = SeededRandom(seed, "stage")
        self.clock = VirtualClock(loop)
        self.loop = loop
        spec, simulator = load_venue("kraken"), load_simulator("kraken")
        self.simulator = simulator.create(simulator.settings(**{"seed": seed, "pairs": 2, "rate": 25.0, **sim}))
        self.network = SimNetwork(loop, self.simulator, rng.stream("network"), clock=self.clock)
        self.client = SimClient(loop, "client", self.clock, rng.stream("client"), from_start=True)
        config = GatewayConfig(
            gateway=GatewaySettings(env="sim", **gateway),
            venue=SelectedVenue(spec=spec, settings=spec.settings(**{**spec.environments["sim"], **venue})),
            healing=healing,
        )
        ports = Ports(
            clock=self.clock,
            random=rng.stream("gateway"),
            ids=SeededIds(self.clock, rng.stream("ids")),
            network=self.network,
            storage=MemoryStorage(),
            state_dir=Path("/simulated"),
            committer=lambda journal, settings: virtual_committer(journal, settings, rng.stream("committer")),
            offload=_inline,
        )
        self.gateway = Gateway(config, ports)

    def fault(self, name: str, **options: Any) -> None:
        """Switch a fault of the simulator."""
        self.simulator.fault(name, **options)
        self.network.poke()

    def events(self, kind: type[E], symbol: str | None = None) -> list[E]:
        """What the client got of one kind, and of one symbol where one is given."""
        payloads = [payload for session in self.client.log.received.values() for _, payload in session]
        found = [event for payload in payloads if isinstance(event := decode_envelope(payload).event, kind)]
        return [event for event in found if symbol is None or getattr(event, "symbol", None) == symbol]

    def faults(self, symbol: str) -> list[tuple[str, str]]:
        """How a book went bad, and came back: (update type, reason) of all that are no increments."""
        return [
            (update.update_type.value, update.reason.value if update.reason else "")
            for update in self.events(MarketByPriceUpdate, symbol)
            if update.update_type is not UpdateType.INCREMENTAL
        ]

    def book(self, symbol: str) -> Any:
        """The client's book."""
        return self.client.session.books[symbol]


def on_stage(
    play: Callable[[Stage], Awaitable[None]],
    *,
    sim: dict[str, Any] | None = None,
    venue: dict[str, Any] | None = None,
    seed: int = 1,
    healing: HealingSettings = QUICK,
    **gateway: Any,
) -> None:
    """Start everything, wait 10 s, play, stop in order."""

    async def main(loop: SimLoop) -> None:
        stage = Stage(loop, sim=sim or {}, venue=venue or {}, seed=seed, healing=healing, **gateway)
        running = asyncio.create_task(stage.gateway.run(), name="gateway")
        stage.client.start(stage.gateway.fanout)
        await asyncio.sleep(10.0)
        try:
            await play(stage)
        finally:
            stage.gateway.request_stop("the play ends")
            exit_code = await running
            await asyncio.sleep(1.0)
            stage.client.end()
        assert exit_code == 0

    run(main, seed=seed, budget=Budget(time_s=7_200.0), inline_executor=True)
