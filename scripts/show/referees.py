"""Other people's clients and the gateway on one simulator: the same books, and no wrong checksum but the one made on purpose.

A run is one referee at two depths (a process each), two gateways with a client each, and one simulator with pairs of every
precision. On the way one update is withheld from all of them. At the end the market stands still and all books are compared
with the simulator's own, level by level. Prints what each run found; ends with 1 where one of them does not hold.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from referee_environments import TOP, NoEnvironment, environment
from referee_process import RefereeProcess

from gwcore.client import BookNotLive, SyncClient, connect_sync
from gwcore.testing.processes import Gw, ProcessError, Sim, ask, ending, wait_for

#: Name of the environment, and module in bench/referees.
REFEREES = (("cryptofeed", "cryptofeed_feed"), ("kraken_sdk", "kraken_sdk"), ("nautilus", "nautilus_node"))
DEPTHS = (10, 100)
RUN_S = 60.0
#: Pairs of the catalogue: prices of 0 to 9 decimals, quantities of 5 and 8; a third of them with more than 100 levels a side.
PAIRS, RATE, DEEP_PAIRS = 24, 200, 8
#: Pairs that lose an update, the next one only when nobody noticed: the update after it may say the same level again.
LOSERS = ("ETH/BTC", "BTC/JPY", "SHIB/USD")
NOTICE_S = 8.0
SETTLE_S = 1.0

Side = list[tuple[Decimal, Decimal]]
Books = dict[str, tuple[Side, Side] | None]


class Party:
    """Referee and gateway of one depth."""

    def __init__(self, depth: int, referee: RefereeProcess, gateway: Gw, client: SyncClient) -> None:
        self.depth = depth
        self.referee = referee
        self.gateway = gateway
        self.client = client

    def mismatches(self) -> int:
        """Wrong checksums that the gateway found."""
        wanted = 'gw_book_stale_total{reason="CHECKSUM"}'
        lines = ask(f"{self.gateway.metrics_url}/metrics").decode().splitlines()
        return sum(int(float(line.split()[-1])) for line in lines if line.startswith(wanted))

    def has_noticed(self) -> bool:
        return bool(self.mismatches()) and bool(self.referee.ask("state")["reports"])

    def is_whole(self, symbols: list[str]) -> bool:
        if self.referee.ask("state")["missing"]:
            return False
        return len(held_by_client(self.client, symbols)) == len(symbols)


def held_by_client(client: SyncClient, symbols: list[str]) -> Books:
    """The books of our client that are live."""

    def read(inner: Any) -> Books:
        found: Books = {}
        for symbol in symbols:
            try:
                book = inner.books[symbol]
                found[symbol] = ([tuple(level) for level in book.bids()], [tuple(level) for level in book.asks()])
            except BookNotLive:
                continue
        return found

    return client.call(read)


def held_by_referee(referee: RefereeProcess) -> Books:
    return {symbol: book and (_side(book[0]), _side(book[1])) for symbol, book in referee.ask("books").items()}


def truth(sim: Sim, symbol: str, depth: int) -> tuple[Side, Side]:
    book = json.loads(ask(f"{sim.rest_url}/sim/truth?symbol={symbol}&depth={depth}"))["book"]
    return _side(book["bids"]), _side(book["asks"])


def _side(levels: Any) -> Side:
    return [(Decimal(price), Decimal(quantity)) for price, quantity in levels]


def symbols_of(sim: Sim) -> list[str]:
    """v2 names, from the names that REST gives (sheet 3.1)."""
    rows = json.loads(ask(f"{sim.rest_url}/0/public/AssetPairs"))["result"].values()
    names = [row["wsname"].split("/") for row in rows]
    return ["/".join({"XBT": "BTC", "XDG": "DOGE"}.get(part, part) for part in name) for name in names]


@contextmanager
def parties(python: Path, module: str, sim: Sim, symbols: list[str], folder: Path) -> Iterator[list[Party]]:
    """Start everybody; the referees are ended at the end, whatever happened."""
    with ExitStack() as stack:
        found = []
        for depth in DEPTHS:
            home = folder / str(depth)
            home.mkdir()
            gateway = Gw(home, sim, "--symbols", "*", "--book-depth", str(depth), "--transport", "unix")
            stack.enter_context(ending(gateway))
            addresses = ["--ws-url", sim.ws_url, "--rest-url", sim.rest_url, "--depth", str(depth)]
            program = [str(python), str(TOP / "bench/referees/referee.py"), module, *addresses]
            referee = RefereeProcess(program, folder / f"{module}-{depth}.log", symbols)
            stack.callback(referee.end)
            gateway.wait_ready()
            client = stack.enter_context(connect_sync(gateway.socket_path, keep_events=False))
            client.subscribe(kinds=["market_by_price"])
            found.append(Party(depth, referee, gateway, client))
        for party in found:
            wait_for(f"all books at depth {party.depth}", lambda party=party: party.is_whole(symbols))
        yield found


def lose_one(sim: Sim, all_parties: list[Party]) -> list[str]:
    """Withhold an update until one is noticed; returns the pairs that lost one."""
    lost = []
    for symbol in LOSERS:
        sim.fault("drop_update", symbol=symbol, depth=min(DEPTHS))
        lost.append(symbol)
        try:
            wait_for("the loss", lambda: all(party.has_noticed() for party in all_parties), timeout_s=NOTICE_S)
        except ProcessError:
            if any(party.mismatches() or party.referee.ask("state")["reports"] for party in all_parties):
                break  # some did and some did not: that is to be judged, not repeated
        else:
            break
    return lost


def judge(party: Party, sim: Sim, symbols: list[str], lost: list[str]) -> list[str]:
    """What does not hold at one depth; prints what was found."""
    state = party.referee.ask("state")
    theirs, ours = held_by_referee(party.referee), held_by_client(party.client, symbols)
    complaints, levels = [], 0
    for symbol in symbols:
        true = truth(sim, symbol, party.depth)
        levels += len(true[0]) + len(true[1])
        for whose, books in (("the referee", theirs), ("the gateway's client", ours)):
            if books.get(symbol) != true:
                complaints.append(f"{symbol}: the book of {whose} is not the true one")
    # Several reports of one broken book, before its new snapshot, are about one loss.
    reports = Counter(report["symbol"] for report in state["reports"])
    episodes = {(report["symbol"], report["snapshots_before"]) for report in state["reports"]}
    if len(episodes) != 1 or not reports.keys() <= set(lost):
        complaints.append(f"the referee reported {dict(reports)} where {lost} lost an update")
    if party.mismatches() != 1:
        complaints.append(f"the gateway counted {party.mismatches()} wrong checksums where {lost} lost an update")
    heard = ", ".join(f"{count} {kind}" for kind, count in state["heard"].items())
    print(
        f"  depth {party.depth:3}: {len(symbols)} books, {levels} levels: referee = gateway = truth"
        f"{'' if not complaints else ' DOES NOT HOLD'}; wrong checksums: referee {dict(reports)}, gateway "
        f"{party.mismatches()}; the referee heard {heard}",
        *complaints,
        sep="\n    ",
    )
    return complaints


def show(name: str, module: str, run_s: float) -> bool:
    """One referee at all depths; returns whether it agrees."""
    python = environment(name)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        sim = Sim(folder, "--pairs", str(PAIRS), "--rate", str(RATE), "--set", f"deep_pairs={DEEP_PAIRS}")
        with ending(sim):
            symbols = symbols_of(sim)
            with parties(python, module, sim, symbols, folder) as all_parties:
                version = all_parties[0].referee.ask("state")["version"]
                print(f"{name} {version}: {run_s:g} s at depths {', '.join(map(str, DEPTHS))} side by side", flush=True)
                begin = time.monotonic()
                time.sleep(run_s / 2)
                early = [report for party in all_parties for report in party.referee.ask("state")["reports"]]
                lost = lose_one(sim, all_parties)
                time.sleep(max(0.0, begin + run_s - time.monotonic()))
                for party in all_parties:
                    wait_for(f"all books at depth {party.depth} again", lambda party=party: party.is_whole(symbols))
                sim.fault("freeze")
                time.sleep(SETTLE_S)
                complaints = [f"reported before anything was lost: {early}"] if early else []
                print(f"  {len(lost)} update(s) withheld: {', '.join(lost)}", *complaints, sep="\n    ")
                for party in all_parties:
                    complaints += judge(party, sim, symbols, lost)
    return not complaints


def main() -> int:
    run_s = float(sys.argv[1]) if len(sys.argv) > 1 else RUN_S
    try:
        good = [show(name, module, run_s) for name, module in REFEREES]
    except (NoEnvironment, ProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    print("holds" if all(good) else "DOES NOT HOLD")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
