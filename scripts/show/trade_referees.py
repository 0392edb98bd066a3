"""Issue 8, line 4: other people's clients trade on the account that our client trades on, and all see the same.

One simulated account with three keys: the gateway's, python-kraken-sdk's, ccxt's. By each of their ways they place, amend and
cancel, one after the other; our client sees every order by its drop copy, and trades itself. After each hand's play both read
everything by REST and stream, and that is held against what our client heard. Exits 1 where anything differs.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from referee_environments import NoEnvironment
from referee_stage import ACCOUNT, Stage, check_itself, print_settled, stage
from trade_crossing import all_at_once, cross
from trade_hands import Hand, OurHand, RefereeHand
from trade_play import Play
from trade_table import Table

from gwcore.client import connect_sync
from gwcore.model import OrderUpdate
from gwcore.testing.processes import ProcessError

VERBS = '"md", "read", "create", "modify", "cancel", "admin"'
#: Orders, fills and funds are often compared with REST: holds are told by nothing else.
SETTINGS = {"GW_ACCOUNT__ACCOUNT1__CHECK_S": "3"}


def hands(on: Stage, ours: OurHand) -> list[Hand]:
    """All who trade, and what each can't do is said."""
    found: list[Hand] = []
    for name, referee in on.referees.items():
        for way, verbs in referee.ask("state")["ways"].items():
            found.append(RefereeHand(name, referee, way, verbs))
    found.append(ours)
    known = dict.fromkeys(verb for hand in found for verb in hand.verbs)
    for hand in found:
        if lacking := [verb for verb in known if verb not in hand.verbs]:
            print(f"{hand.name} has no {', '.join(lacking)}")
    return found


def play(hand: Hand, table: Table, number: int, ours: OurHand) -> Play:
    """One hand's turn, and what all read then; some orders stand at its end."""
    on, began = table.stage, time.monotonic()
    turn = Play(hand, table, number)
    turn.run()
    print(
        f"--- {hand.name}: {turn.steps} requests, {len(turn.placed)} orders, {time.monotonic() - began:.0f} s",
        flush=True,
    )
    turn.complaints += print_settled(on, tell_untold=True)
    open_ids = sorted(order.venue_order_id or "" for order in ours.trader.orders())
    if open_ids != sorted(turn.standing):
        turn.complaints.append(f"{hand.name}: our trader's open orders are {open_ids}, not {sorted(turn.standing)}")
    return turn


def whose(on: Stage, placed: dict[str, list[str]]) -> list[str]:
    """Orders of referees are strangers' to our client, its own are its own."""
    last = {event.venue_order_id: event for event in on.client.events if isinstance(event, OrderUpdate)}
    complaints = []
    for name, keys in placed.items():
        for key in keys:
            event = last.get(key)
            if (
                event is None
                or event.external is (name == OurHand.name)
                or (event.order_id is None) is not event.external
            ):
                complaints.append(f"{name}: order {key} is told as {event}")
    return complaints


def show(folder: Path) -> list[str]:
    """The whole story; returns what does not hold."""
    with ExitStack() as stack:
        on = stack.enter_context(stage(folder, accounts=2, verbs=VERBS, settings=SETTINGS))
        client = stack.enter_context(connect_sync(on.gateway.socket_path, keep_events=False))
        ours = OurHand(client.trader(ACCOUNT))
        table = Table(on)
        placed = {}
        everybody = hands(on, ours)
        for number, hand in enumerate(everybody):
            turn = play(hand, table, number, ours)
            if hand.name == OurHand.name and not turn.complaints:
                turn.complaints += check_itself(on)
            turn.cancel_all()
            if turn.complaints:
                return turn.complaints
            placed[hand.name] = turn.placed
        complaints = whose(on, placed) + cross(everybody, table, ours) + print_settled(on)
        all_at_once(everybody, table)
        return complaints + print_settled(on)


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
