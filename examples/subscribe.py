"""A client in ten lines: best prices of a gateway's books, as they change. Usage: subscribe.py SOCKET [SYMBOL ...]."""

import asyncio
import contextlib
import sys

from gwcore.client import BookNotLive, connect


async def main(address: str, symbols: list[str]) -> None:
    async with await connect(address, name="example", reconnect_s=60.0) as client:
        await client.subscribe(symbols, ["market_by_price"])
        async for envelope in client:
            book = client.books[getattr(envelope.event, "symbol", None) or ""]
            try:
                print(book.symbol, *book.bids(1), *book.asks(1), book.spread)
            except BookNotLive as error:
                print(error)


if len(sys.argv) < 2:
    sys.exit(__doc__)
with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
