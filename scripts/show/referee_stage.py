"""A stage for other people's clients on one simulated account: the simulator, the gateway with a client of ours, referees.

Everybody has a key of his own on the account, and all follow its private stream from before its first order.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from account_reading import Comparison, Reading, planted, reading_of
from referee_environments import TOP, environment
from referee_process import RefereeProcess

sys.path.insert(0, str(TOP / "tests" / "e2e"))

import account_processes as processes

from gwcore.client import SyncClient, connect_sync
from gwcore.errors import NotConnected
from gwcore.model import Discrepancy, Event
from gwcore.testing.processes import Gw, ProcessError, Sim, ending, wait_for

ACCOUNT = "account1"
#: Name of the environment, module in bench/referees, and what is compared of REST and of the stream.
REFEREES = (
    ("kraken_sdk", "account_kraken_sdk", ("balances", "holds", "orders", "trades", "positions", "fees")),
    ("ccxt", "account_ccxt", ("balances", "holds", "orders", "trades", "fees")),
)
STREAM = ("balances", "orders", "trades")
KINDS = ("order_update", "trade_update", "funds", "position", "fees", "discrepancy")
#: Its fees are asked for often: they follow from what it trades meanwhile.
MASTER = {"GW_ACCOUNT__ACCOUNT1__MASTER": "true", "GW_ACCOUNT__ACCOUNT1__FEES_S": "5"}
#: What REST and the gateway's timed comparison may be behind when everything stands still.
SETTLE_S = 90.0


class OurClient:
    """A client of the gateway, and all events of the account that it heard."""

    def __init__(self, client: SyncClient) -> None:
        self._client = client
        self.events: list[Event] = []
        client.subscribe(kinds=KINDS, from_start=True)

    def reading(self) -> Reading:
        """What it knows by now."""
        while batch := self._client.batch(timeout_s=0.2):
            self.events += [delivery.envelope.event for delivery in batch]
        return reading_of(self.events)


@dataclass(frozen=True)
class Stage:
    """All that take part; referees by the name of their environment."""

    sim: Sim
    gateway: Gw
    client: OurClient
    referees: dict[str, RefereeProcess]


@contextmanager
def stage(
    folder: Path,
    *sim_arguments: str,
    referees: Sequence[tuple[str, str, tuple[str, ...]]] = REFEREES,
    rights: str = "",
    verbs: str = "",
    accounts: int = 1,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Stage]:
    """A market that stands still, and everybody follows. `rights` of the referees' keys; `verbs` of our client, who may trade
    then; `settings` of the gateway's account by environment variable."""
    sim = processes.make_sim(folder, *sim_arguments, "--set", "rest_limits=false", accounts=accounts)
    with ExitStack() as stack:
        stack.enter_context(ending(sim))
        sim.fault("freeze")
        config = processes.config_file(folder, ACCOUNT, verbs=verbs)
        gateway = processes.start(folder, sim, config, **MASTER, **settings)
        stack.enter_context(ending(gateway))
        gateway.wait_ready()
        client = OurClient(stack.enter_context(connect_sync(gateway.socket_path, keep_events=True)))
        found = {}
        for name, module, _ in referees:
            found[name] = referee = _start_referee(name, module, sim, folder, rights)
            stack.callback(referee.end)
        for name, referee in found.items():
            wait_for(f"{name} to follow the account", lambda referee=referee: referee.ask("state")["has_snapshots"])
        wait_for("our client to hear of the account", lambda: client.reading()["balances"])
        try:
            yield Stage(sim, gateway, client, found)
        except NotConnected as error:
            raise ProcessError(f"{error}\n{gateway.errors()[-2000:]}") from None


def _start_referee(name: str, module: str, sim: Sim, folder: Path, rights: str) -> RefereeProcess:
    made = processes.do(sim, "add_key", account=ACCOUNT, permissions=rights)
    addresses = ["--ws-url", sim.ws_url.replace("/v2", "/auth/v2"), "--rest-url", sim.rest_url]
    program = [str(environment(name)), str(TOP / "bench/referees/account_referee.py"), module, *addresses]
    return RefereeProcess(
        program, folder / f"{module}.log", GW_REFEREE_KEY=made["key"], GW_REFEREE_SECRET=made["secret"]
    )


def settled(on: Stage) -> dict[str, dict[str, Comparison]]:
    """What was compared, by referee and way, once it holds, or the last there was time for: nothing changes any more."""
    end = time.monotonic() + SETTLE_S
    while True:
        ours = on.client.reading()
        found = {}
        for name, _, sections in REFEREES:
            told = _told(on.referees[name], sections)
            found[name] = {way: Comparison(ours, theirs, kinds) for way, (theirs, kinds) in told.items()}
        if time.monotonic() > end or not any(one.complaints for each in found.values() for one in each.values()):
            return found


def _told(referee: RefereeProcess, sections: tuple[str, ...]) -> dict[str, tuple[Reading, tuple[str, ...]]]:
    """REST, asked now, and the stream; each with what is compared of it."""
    return {"REST": (referee.ask("rest"), sections), "stream": (referee.ask("stream"), STREAM)}


def print_settled(on: Stage, *, tell_untold: bool = False) -> list[str]:
    """Compare and print; returns the complaints."""
    complaints = []
    for name, comparisons in settled(on).items():
        state = on.referees[name].ask("state")
        print(f"{name} {state['version']}, which heard {state['heard']}")
        for way, comparison in comparisons.items():
            print(f"  {way}: {comparison}", *comparison.complaints[:20], sep="\n    ", flush=True)
            if tell_untold and comparison.untold:
                untold = "; ".join(f"{section}: {', '.join(names)}" for section, names in comparison.untold.items())
                print(f"    not told by it: {untold}")
            complaints += [f"{name}, {way}: {text}" for text in comparison.complaints]
    told = [event for event in on.client.events if isinstance(event, Discrepancy)]
    return complaints + [f"the gateway tells of {event}" for event in told]


def check_itself(on: Stage) -> list[str]:
    """What was changed in ours and not found, or found as something else; one change at a time."""
    ours = on.client.reading()
    failures, count = [], 0
    for name, _, sections in REFEREES:
        for way, (theirs, kinds) in _told(on.referees[name], sections).items():
            for wanted, reading in planted(ours, theirs, kinds):
                count += 1
                complaints = Comparison(reading, theirs, kinds).complaints
                if len(complaints) != 1 or not complaints[0].startswith(wanted):
                    failures.append(
                        f"{name}, {way}: a difference planted at {wanted[:-1]} is found as {complaints[:3]}"
                    )
    print(f"{count - len(failures)} of {count} planted differences found")
    return failures
