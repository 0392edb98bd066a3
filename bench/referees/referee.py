"""What every referee is: somebody else's client on the simulator, which tells what books it holds and what it complained of.

    python referee.py NAME --ws-url URL --rest-url URL --depth N --log FILE SYMBOL...

It runs in an environment of its own and imports nothing of the gateway. One command a line on standard input, one JSON
object a line back: `state` (are all books there, what was reported, how much was heard), `books` (all levels). It ends
with its standard input. What the client itself prints goes to the log file.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import IO, Any, Protocol

#: (price, quantity) as text, best first.
Side = list[tuple[str, str]]


class Serving(Protocol):
    """What `serve` runs: a client, and what it knows of it."""

    async def run(self) -> None:
        """Connect, subscribe, follow; until cancelled."""
        ...

    async def answer(self, command: str) -> Any:
        """What a command is answered with, as JSON; None: it is none, and the process ends."""
        ...


class Referee:
    """Base of all that hold books. Subclasses call `report` for each checksum that did not hold, in the client's words."""

    distribution = ""

    def __init__(self, ws_url: str, rest_url: str, depth: int, symbols: Sequence[str], log_path: str) -> None:
        self.ws_url = ws_url
        self.rest_url = rest_url
        self.depth = depth
        self.symbols = tuple(symbols)
        self.log_path = log_path
        self.books_heard = self.trades_heard = self.tickers_heard = 0
        self.snapshots: dict[str, int] = dict.fromkeys(symbols, 0)
        self._reports: list[dict[str, Any]] = []

    def report(self, symbol: str, words: str) -> None:
        """The client found a checksum that does not hold."""
        self._reports.append({"symbol": symbol, "words": words, "snapshots_before": self.snapshots.get(symbol, 0)})

    def reports(self) -> list[dict[str, Any]]:
        """All that was reported so far, oldest first."""
        return self._reports

    async def run(self) -> None:
        """Connect, subscribe, follow; until cancelled."""
        raise NotImplementedError

    def book(self, symbol: str) -> tuple[Side, Side] | None:
        """Bids and asks as the client holds them now, all levels; None where it holds none."""
        raise NotImplementedError

    async def answer(self, command: str) -> Any:
        """To `state` and `books`."""
        if command == "state":
            return self.state()
        return {symbol: self.book(symbol) for symbol in self.symbols} if command == "books" else None

    def state(self) -> dict[str, Any]:
        missing = [symbol for symbol in self.symbols if self.book(symbol) is None]
        return {
            "missing": missing,
            "reports": self.reports(),
            "heard": {"book": self.books_heard, "trade": self.trades_heard, "ticker": self.tickers_heard},
            "version": metadata.version(self.distribution),
        }


async def serve(referee: Serving, answers: IO[str]) -> None:
    """Answer commands until standard input ends or the client does."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    client = asyncio.ensure_future(referee.run())
    while True:
        line = asyncio.ensure_future(reader.readline())
        await asyncio.wait((line, client), return_when=asyncio.FIRST_COMPLETED)
        if client.done():
            client.result()
            raise SystemExit("the client ended by itself")
        answer = await referee.answer(line.result().decode().strip())
        if answer is None:
            return
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--ws-url", required=True)
    parser.add_argument("--rest-url", required=True)
    parser.add_argument("--depth", type=int, required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("symbols", nargs="+")
    chosen = parser.parse_args()
    answers = apart(chosen.log)
    module = importlib.import_module(chosen.name)
    run(module.REFEREE(chosen.ws_url, chosen.rest_url, chosen.depth, chosen.symbols, chosen.log), answers)


def apart(log_path: str) -> IO[str]:
    """Where answers go. Clients write to the standard streams, from native code too: these go to the log."""
    answers = os.fdopen(os.dup(1), "w")
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    return answers


def run(referee: Serving, answers: IO[str]) -> None:
    """Serve, and end the process."""
    try:
        asyncio.run(serve(referee, answers))
    finally:
        # Clients with threads or slow goodbyes of their own must not keep the run waiting.
        sys.stdout.flush()
        sys.stderr.flush()
        if sys.exc_info()[0] is None:
            os._exit(0)


if __name__ == "__main__":
    # The one module, whether run or imported by a referee.
    sys.modules["referee"] = sys.modules["__main__"]
    main()
