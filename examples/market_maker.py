"""A small market maker: a bid and an offer around the live book. Usage: market_maker.py ADDRESS ACCOUNT SYMBOL [SECONDS].

It shows what a trading program has to live with: no quotes while the book is not live, requests whose fate is not known, a
gateway that restarts, and an inventory that stays within a limit. It is no way to earn money.
"""

import asyncio
import sys
from decimal import Decimal

from gwcore.client import Book, BookNotLive, Client, NotConnected, Order, Trader, connect

QUANTITY = Decimal("0.001")
INVENTORY_MAX = Decimal("0.003")
#: Distance of a quote from the best price, and how far it may be off before it is moved, in parts of the price.
EDGE, SLACK = Decimal("0.00002"), Decimal("0.0002")
LOOK_S = 0.25


class MarketMaker:
    """Quotes one symbol. Every order of the strategy is its own, of earlier runs too."""

    def __init__(self, client: Client, trader: Trader, symbol: str) -> None:
        self.client, self.trader, self.symbol = client, trader, symbol
        self.inventory = Decimal(0)
        self.counted: dict[str, Decimal] = {}  # of each order what is in the inventory already
        self.seen: dict[str, Order] = {}

    def quotes(self) -> list[Order]:
        """Its orders that are, or may be, open."""
        return [one for one in self.trader.orders() if one.symbol == self.symbol and one.update.strategy == "mm"]

    def count(self) -> None:
        """Fills of its orders into the inventory, each once."""
        self.seen |= {one.order_id: one for one in self.quotes() if one.order_id}
        for name, order in list(self.seen.items()):
            new = order.traded - self.counted.get(name, Decimal(0))
            self.counted[name] = order.traded
            self.inventory += new if order.side == "BUY" else -new
            if order.is_done and order.remaining == 0:
                del self.seen[name]

    async def look(self) -> None:
        """Bring the quotes to where they should be now."""
        self.count()
        try:
            book: Book = self.client.books[self.symbol]
            bid, ask = book.bids(1)[0].price, book.asks(1)[0].price
            # In the venue's digits, which are those of the prices it tells.
            wanted = {"BUY": (bid * (1 - EDGE)).quantize(bid), "SELL": (ask * (1 + EDGE)).quantize(ask)}
        except (BookNotLive, KeyError, IndexError):
            await self.pull()
            return
        if self.trader.doubts():
            return  # what is not known counts as open: nothing new before it is
        for side, price in wanted.items():
            room = INVENTORY_MAX - (self.inventory if side == "BUY" else -self.inventory)
            mine = [one for one in self.quotes() if one.side == side]
            if mine and mine[0].price is not None and abs(mine[0].price - price) > price * SLACK:
                await self.trader.modify(mine[0], price=price)
            elif not mine and room >= QUANTITY:
                form = self.trader.form(
                    self.symbol, side, quantity=QUANTITY, price=price, post_only=True, strategy="mm"
                )
                outcome = await self.trader.send(form)
                if outcome.order is not None:
                    self.seen[form.order_id] = outcome.order

    async def pull(self) -> None:
        """No quotes while nobody vouches for the book."""
        if self.quotes():
            await self.trader.cancel_all(self.symbol, strategy="mm")


async def main(address: str, account: str, symbol: str, seconds: str) -> int:
    async with await connect(address, name="market_maker", reconnect_s=300.0, keep_events=False) as client:
        await client.subscribe([symbol], ["market_by_price"])
        maker = MarketMaker(client, await client.trader(account), symbol)
        loop = asyncio.get_running_loop()
        end_s = loop.time() + float(seconds)
        while loop.time() < end_s or maker.quotes() or maker.trader.doubts():
            try:
                await (maker.look() if loop.time() < end_s else maker.pull())
            except NotConnected as error:
                print("waiting:", error, flush=True)
            await asyncio.sleep(LOOK_S)
        maker.count()
        print("inventory", maker.inventory, "orders", len(maker.counted), flush=True)
        return 0


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    sys.exit(asyncio.run(main(*sys.argv[1:4], *(sys.argv[4:] or ["60"]))))
