"""The gateway's one client in a paced run: `gwcore.client` as a user has it, which notes when each book update reached it.

    python live_client.py ADDRESS

Prints "ready" when subscribed and, once standard input ends and it is quiet, one JSON object as `unix_client.py` does, with
`samples`: [symbol, stamp in us, monotonic ns].
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

from contestants.base import EPOCH_S

from gwcore.client import connect
from gwcore.client.book import BookState
from gwcore.model import Gap, MarketByPriceUpdate, UpdateType

#: Nothing for this long after the end was announced: all is here.
QUIET_S = 0.3
_INCREMENTAL = UpdateType.INCREMENTAL


async def follow(address: str) -> dict[str, Any]:
    """All events, each as it comes, until standard input ends."""
    kinds: Counter[str] = Counter()
    samples: list[tuple[str, int, int]] = []
    bad, now_ns, epoch_us = 0, time.monotonic_ns, EPOCH_S * 1_000_000
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    async with await connect(address, name="bench") as client:
        await client.subscribe()
        print("ready", flush=True)
        while True:
            try:
                async with asyncio.timeout(QUIET_S):
                    envelope = await anext(client)
            except TimeoutError:
                if ended.is_set():
                    break
                continue
            event = envelope.event
            kinds[str(event.__struct_config__.tag)] += 1
            bad += isinstance(event, Gap)
            if isinstance(event, MarketByPriceUpdate) and event.update_type is _INCREMENTAL:
                assert event.venue_time_ns is not None
                samples.append((event.symbol, event.venue_time_ns // 1000 - epoch_us, now_ns()))
        books = {}
        for symbol in client.books:
            book = client.books[symbol]
            bad += book.state is not BookState.LIVE
            reader = book.peek()
            books[symbol] = [[(str(p), str(q)) for p, q in side] for side in (reader.bids(), reader.asks())]
    return {"kinds": kinds, "bad": bad, "books": books, "samples": samples}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(follow(sys.argv[1]))))
