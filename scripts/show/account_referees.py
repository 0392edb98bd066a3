"""Issue 7, line 4: other people's clients read the account that the gateway reads, and tell the same to the last digit.

One simulated account with three keys: the gateway's, python-kraken-sdk's, ccxt's. All follow its private stream from before
its first order; it trades by itself and by command: resting, amended and canceled orders, fills of both kinds, margin, money
in and out. Then everything stands still, both ask everything by REST too, and each of their readings is held against what a
client heard from the gateway. Last, one thing is changed in ours at a time, and each must be found. Exits 1 where it is not.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from account_reading import Comparison, Reading, altered, reading_of, without
from referee_environments import TOP, NoEnvironment, environment
from referee_process import RefereeProcess

sys.path.insert(0, str(TOP / "tests" / "e2e"))

import account_processes as processes

from gwcore.client import SyncClient, connect_sync
from gwcore.model import Event
from gwcore.testing.processes import ProcessError, Sim, ending, wait_for

ACCOUNT = "account1"
#: Name of the environment, module in bench/referees, and what is compared of REST and of the stream.
REFEREES = (
    ("kraken_sdk", "account_kraken_sdk", ("balances", "holds", "orders", "trades", "positions", "fees")),
    ("ccxt", "account_ccxt", ("balances", "holds", "orders", "trades", "fees")),
)
#: Its fees are asked for often: they follow from what it trades meanwhile.
MASTER = {"GW_ACCOUNT__ACCOUNT1__MASTER": "true", "GW_ACCOUNT__ACCOUNT1__FEES_S": "5"}
STREAM = ("balances", "orders", "trades")
KINDS = ("order_update", "trade_update", "funds", "position", "fees")
#: How long the account trades by itself, and how often a second.
TRADE_S, RATE = 30.0, 6
#: What REST and the gateway's timed comparison may be behind when everything stands still.
SETTLE_S = 90.0


class OurClient:
    """A client of the gateway, and all events of the account that it heard."""

    def __init__(self, client: SyncClient) -> None:
        self._client = client
        self._events: list[Event] = []
        client.subscribe(kinds=KINDS, from_start=True)

    def reading(self) -> Reading:
        """What it knows by now."""
        while batch := self._client.batch(timeout_s=0.2):
            self._events += [delivery.envelope.event for delivery in batch]
        return reading_of(self._events)

    @property
    def heard(self) -> int:
        """Events so far."""
        return len(self._events)


def start_referee(name: str, module: str, sim: Sim, folder: Path) -> RefereeProcess:
    """A referee with a key of its own on the account, which may read and not trade."""
    rights = "query-funds,query-open-trades,query-closed-trades,query-ledger,create-ws-token"
    made = processes.do(sim, "add_key", account=ACCOUNT, permissions=rights)
    addresses = ["--ws-url", sim.ws_url.replace("/v2", "/auth/v2"), "--rest-url", sim.rest_url]
    program = [str(environment(name)), str(TOP / "bench/referees/account_referee.py"), module, *addresses]
    return RefereeProcess(
        program, folder / f"{module}.log", GW_REFEREE_KEY=made["key"], GW_REFEREE_SECRET=made["secret"]
    )


@contextmanager
def stage(folder: Path) -> Iterator[tuple[Sim, OurClient, dict[str, RefereeProcess]]]:
    """Simulator, our client on a gateway, referees; everybody follows before the first order."""
    sim = processes.make_sim(folder, "--account-rate", str(RATE), "--set", "rest_limits=false", accounts=1)
    with ExitStack() as stack:
        stack.enter_context(ending(sim))
        sim.fault("freeze")
        gateway = processes.start(folder, sim, processes.config_file(folder, ACCOUNT), **MASTER)
        stack.enter_context(ending(gateway))
        gateway.wait_ready()
        client = OurClient(stack.enter_context(connect_sync(gateway.socket_path, keep_events=True)))
        found = {}
        for name, module, _ in REFEREES:
            found[name] = referee = start_referee(name, module, sim, folder)
            stack.callback(referee.end)
        for name, referee in found.items():
            wait_for(f"{name} to follow the account", lambda referee=referee: referee.ask("state")["has_snapshots"])
        wait_for("our client to hear of the account", lambda: client.reading()["balances"])
        yield sim, client, found


def trade(sim: Sim) -> None:
    """The account's own trading for a while, and what it does not do by itself."""
    rng = random.Random(4)
    sim.fault("freeze", on=False)
    end = time.monotonic() + TRADE_S
    commands = [
        ("fills", {"count": 40, "maker": True}),
        ("fills", {"count": 20}),
        ("deposit", {"asset": "USD", "amount": "1234.5678"}),
        ("withdraw", {"asset": "BTC", "amount": "0.00012345"}),
        ("order", {"symbol": "BTC/USD", "side": "buy", "quantity": "0.0213", "leverage": 2}),
        ("order", {"symbol": "BTC/USD", "side": "buy", "quantity": "0.01234567", "price": "1000"}),
        ("fills", {"count": 7, "maker": True, "side": "sell"}),
    ]
    for name, options in commands:
        processes.do(sim, name, account=ACCOUNT, **options)
        time.sleep(rng.uniform(0.0, 2 * TRADE_S / len(commands)) / 2)  # among what it does by itself
    time.sleep(max(0.0, end - time.monotonic()))
    sim.fault("freeze")


def compare(ours: Reading, referee: RefereeProcess, sections: tuple[str, ...]) -> dict[str, Comparison]:
    """REST, asked now, and the stream."""
    return {
        "REST": Comparison(ours, referee.ask("rest"), sections),
        "stream": Comparison(ours, referee.ask("stream"), STREAM),
    }


def settled(client: OurClient, referees: dict[str, RefereeProcess]) -> dict[str, dict[str, Comparison]]:
    """The comparisons once they hold, or the last ones there were time for: nothing changes any more."""
    end = time.monotonic() + SETTLE_S
    while True:
        ours = client.reading()
        found = {name: compare(ours, referees[name], sections) for name, _, sections in REFEREES}
        if time.monotonic() > end or not any(one.complaints for each in found.values() for one in each.values()):
            return found


def check_itself(client: OurClient, referees: dict[str, RefereeProcess]) -> list[str]:
    """What was changed in ours and not found, or found as something else; one change at a time."""
    ours = client.reading()
    fill = sorted(ours["trades"])[len(ours["trades"]) // 2]
    order = next(key for key, row in ours["orders"].items() if row["price"] is not None)
    changed = {
        "one fill withheld": (without(ours, "trades", fill), f"trades {fill}:"),
        "the last digit of a balance": (altered(ours, "balances", "USD"), "balances USD:"),
        "the last digit of a fee": (altered(ours, "trades", fill, "fee"), f"trades {fill} fee:"),
        "the last digit of an order's price": (altered(ours, "orders", order, "price"), f"orders {order} price:"),
    }
    failures = []
    for name, _, sections in REFEREES:
        theirs = {"REST": (referees[name].ask("rest"), sections), "stream": (referees[name].ask("stream"), STREAM)}
        for what, (reading, wanted) in changed.items():
            for way, (told, kinds) in theirs.items():
                complaints = Comparison(reading, told, kinds).complaints
                if len(complaints) != 1 or not complaints[0].startswith(wanted):
                    failures.append(f"{name}, {way}: {what} is found as {complaints[:3]}")
    count = len(changed) * len(REFEREES) * 2
    print(f"changed in ours: {', '.join(changed)}: {count - len(failures)} of {count} found")
    return failures


def show(folder: Path) -> list[str]:
    """The whole story; returns what does not hold."""
    with stage(folder) as (sim, client, referees):
        began = time.monotonic()
        trade(sim)
        made = processes.truth(sim, ACCOUNT)
        count = len(made["fills"])
        wait_for("all fills", lambda: len(client.reading()["trades"]) >= count, timeout_s=SETTLE_S)
        statuses = {status: sum(order["status"] == status for order in made["orders"]) for status in
                    sorted({order["status"] for order in made["orders"]})}  # fmt: skip
        print(
            f"{time.monotonic() - began:.0f} s: {count} fills, {len(made['orders'])} orders {statuses}, "
            f"{len(made['positions'])} positions, {made['volume_usd']} USD traded; our client heard {client.heard} events",
            flush=True,
        )
        complaints = []
        for name, comparisons in settled(client, referees).items():
            state = referees[name].ask("state")
            print(f"{name} {state['version']}, which heard {state['heard']}")
            for way, comparison in comparisons.items():
                print(f"  {way}: {comparison}", *comparison.complaints[:20], sep="\n    ", flush=True)
                complaints += [f"{name}, {way}: {text}" for text in comparison.complaints]
        return complaints or check_itself(client, referees)


def main() -> int:
    try:
        with tempfile.TemporaryDirectory() as home:
            complaints = show(Path(home))
    except (NoEnvironment, ProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    print(*complaints[:40], "holds" if not complaints else "DOES NOT HOLD", sep="\n")
    return 0 if not complaints else 1


if __name__ == "__main__":
    sys.exit(main())
