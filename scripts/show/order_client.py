"""A trader's own program in a process of its own, for shows that stop or kill it. It says who it is by a token.

Usage: order_client.py ADDRESS TOKEN_FILE ACCOUNT SYMBOL one NAME: places an order, says how it ends; or
... many COUNT: places orders without end, and says `placed` once so many are taken.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from decimal import Decimal
from pathlib import Path

from gwcore.client import connect
from gwcore.client.trading.trader import Trader

#: How soon the next order follows, whether the last one is answered or not.
PAUSE_S = 0.05
SIZE, PRICE = Decimal("0.01"), Decimal("100.0")


def say(*words: object) -> None:
    """One line, at once."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def one(trader: Trader, symbol: str, name: str) -> None:
    """One order until it ends."""
    outcome = await trader.create(symbol, "buy", SIZE, PRICE, order_id=name)
    assert outcome.is_done, outcome
    assert outcome.order is not None
    say("placed", name)
    await trader.ended(outcome.order)
    say("ended", name, outcome.order.status.value)


async def many(trader: Trader, symbol: str, count: int) -> None:
    """Orders without end."""
    under_way: set[asyncio.Task[object]] = set()
    for number in itertools.count(1):
        order = trader.create(symbol, "buy", SIZE, PRICE)
        if number <= count:
            outcome = await order
            assert outcome.is_done, outcome
        else:
            task: asyncio.Task[object] = asyncio.ensure_future(order)
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            await asyncio.sleep(PAUSE_S)
        if number == count:
            say("placed", count)


async def main(address: str, token: str, account: str, symbol: str, what: str, argument: str) -> None:
    """Trade."""
    async with await connect(address, user_token=token, reconnect_s=120.0, keep_events=False) as client:
        trader = await client.trader(account)
        if what == "one":
            await one(trader, symbol, argument)
        else:
            await many(trader, symbol, int(argument))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]).read_text(), *sys.argv[3:7]))
