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
from pathlib import Path

from referee_environments import NoEnvironment
from referee_stage import ACCOUNT, SETTLE_S, check_itself, print_settled, processes, stage

from gwcore.testing.processes import ProcessError, Sim, wait_for

#: The referees' keys may read and not trade.
RIGHTS = "query-funds,query-open-trades,query-closed-trades,query-ledger,create-ws-token"
#: How long the account trades by itself, and how often a second.
TRADE_S, RATE = 30.0, 6


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


def show(folder: Path) -> list[str]:
    """The whole story; returns what does not hold."""
    with stage(folder, "--account-rate", str(RATE), rights=RIGHTS) as on:
        began = time.monotonic()
        trade(on.sim)
        made = processes.truth(on.sim, ACCOUNT)
        count = len(made["fills"])
        wait_for("all fills", lambda: len(on.client.reading()["trades"]) >= count, timeout_s=SETTLE_S)
        statuses = {status: sum(order["status"] == status for order in made["orders"]) for status in
                    sorted({order["status"] for order in made["orders"]})}  # fmt: skip
        print(
            f"{time.monotonic() - began:.0f} s: {count} fills, {len(made['orders'])} orders {statuses}, "
            f"{len(made['positions'])} positions, {made['volume_usd']} USD traded; our client heard "
            f"{len(on.client.events)} events",
            flush=True,
        )
        return print_settled(on) or check_itself(on)


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
