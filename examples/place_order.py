"""One limit order, its fate, and its end. Usage: place_order.py ADDRESS ACCOUNT SYMBOL buy|sell QUANTITY PRICE [SECONDS].

Exit codes: 0 filled or cancelled at the end, 1 refused, 5 nobody knows yet: look before you send anything again.
"""

import asyncio
import sys
from decimal import Decimal

from gwcore.client import connect
from gwcore.model import Fate


async def main(address: str, account: str, symbol: str, side: str, quantity: str, price: str, wait_s: str) -> int:
    async with await connect(address, name="place_order", reconnect_s=60.0, keep_events=False) as client:
        trader = await client.trader(account)
        outcome = await trader.create(symbol, side, Decimal(quantity), Decimal(price))
        print(outcome)
        if outcome.fate is Fate.UNKNOWN:
            await trader.settle(outcome, timeout_s=60.0)
        if outcome.fate is Fate.NOT_DONE:
            return 1
        order = outcome.order
        if order is None or outcome.fate is Fate.UNKNOWN:
            return 5
        if not await trader.ended(order, timeout_s=float(wait_s)):
            print(await trader.cancel(order))
            await trader.ended(order, timeout_s=10.0)
        print(order, "traded", order.traded, *(f"{fill.quantity} at {fill.price}" for fill in order.fills))
        return 0 if order.is_done else 5


if __name__ == "__main__":
    if len(sys.argv) not in (7, 8):
        sys.exit(__doc__)
    sys.exit(asyncio.run(main(*sys.argv[1:7], *(sys.argv[7:] or ["10"]))))
