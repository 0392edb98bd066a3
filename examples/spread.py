"""Print the spread of every book that a gateway can vouch for: python examples/spread.py /path/to/gw.sock"""

import asyncio
import sys

from gwcore.client import BookNotLive, connect


async def main(address: str) -> None:
    async with await connect(address) as client:
        await client.subscribe(symbols=["BTC/*"], kinds=["market_by_price"])
        async for envelope in client:
            book = client.books[envelope.event.symbol]
            try:
                print(book.symbol, book.best_bid, book.best_ask, book.spread)  # exact Decimals
            except BookNotLive as error:
                print(error)  # STALE, and why: nobody trades on this by accident


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
