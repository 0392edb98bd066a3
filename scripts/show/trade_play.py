"""What each hand plays on the account: every kind of request and every end of an order, one step at a time.

After each step our client has to see the order as it was asked for. Orders that stand at the end are left to who compares.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from trade_hands import OURS, Hand
from trade_table import Table

UNKNOWN_ORDER = "OAAAAA-AAAAA-AAAAAA"


class Play:
    """One hand's play. `complaints` are empty where all was seen as asked for; `placed` are the ids of its orders."""

    def __init__(self, hand: Hand, table: Table, number: int) -> None:
        self.complaints: list[str] = []
        self.placed: list[str] = []
        self.standing: list[str] = []
        self.steps = 0
        self._hand = hand
        self._table = table
        self._number = number
        self._orders = 0

    def run(self) -> None:
        """All scenes, or up to the one that goes wrong: each wait for what does not come takes its time."""
        scenes = (
            self._rests, self._edited, self._at_once, self._post_only, self._partly, self._no_rest, self._several,
            self._stops, self._refused,
        )  # fmt: skip
        for turn, scene in enumerate(scenes):
            if self.complaints:
                return
            symbols = self._table.symbols
            scene(symbols[(self._number + turn) % len(symbols)])

    def cancel_all(self) -> None:
        """All that stands on the account ends, whoever placed it."""
        standing = [key for key, row in self._table.stage.client.reading()["orders"].items() if row["status"] == "open"]
        if sorted(standing) != sorted(self.standing):
            self._complain(f"{sorted(standing)} stand, not {sorted(self.standing)}")
        answer = self._ask("cancel_all")
        if answer.get("count") != len(standing):
            self._complain(f"cancel_all of {len(standing)} orders: {answer}")
        for key in standing:
            self._see(key, status="canceled", reason="User requested")
        self.standing = []

    # --- scenes -------------------------------------------------------------------------------------------------------

    def _rests(self, symbol: str) -> None:
        """A limit that rests, changed in price and quantity, both ways, and canceled."""
        market = self._table.market(symbol)
        wish = self._limit(symbol, "buy", market.bid * Decimal("0.81"), client_id=f"84-{self._number}-rests")
        key = self._place(wish, status="open", filled=Decimal(0))
        for share, more in (("0.83", 5), ("0.79", 2)):
            changed = {"price": market.price(market.bid * Decimal(share)), "quantity": market.quantity(more)}
            wish |= changed
            self._ask("amend", id=key, **{name: value for name, value in wish.items() if name != "client_id"})
            self._see(key, status="open", **numbers_of(wish))
        self._ask("cancel", id=key)
        self._see(key, status="canceled", reason="User requested", **numbers_of(wish))

    def _edited(self, symbol: str) -> None:
        """Another order takes the place of one that rests."""
        if "edit" not in self._hand.verbs:
            return
        market = self._table.market(symbol)
        wish = self._limit(symbol, "sell", market.ask * Decimal("1.27"), userref=8400 + self._number)
        key = self._place(wish, status="open")
        changed = {"price": market.price(market.ask * Decimal("1.31")), "quantity": market.quantity(7)}
        answer = self._ask("edit", id=key, symbol=symbol, **changed)
        self._see(key, status="canceled", **numbers_of(wish))
        [made] = self._ids(answer, 1)
        if made == key:
            self._complain("an edit makes no order of its own")
        self._see(made, status="open", **numbers_of(wish | changed))
        self.standing.append(made)

    def _at_once(self, symbol: str) -> None:
        """A limit, a market order, and one that pays its fee in base, that are filled at once."""
        market = self._table.market(symbol)
        wish = self._limit(symbol, "buy", market.ask, client_id=f"84-{self._number}-now")
        self._place(wish, status="closed", filled=Decimal(wish["quantity"]))
        wish = {"symbol": symbol, "side": "sell", "type": "market", "quantity": market.quantity(3)}
        key = self._place(wish, status="closed", filled=Decimal(wish["quantity"]), price=None)
        self._see_fee(key, symbol.partition("/")[2])
        if "fee_asset" in self._hand.verbs:
            wish = self._limit(symbol, "buy", self._table.market(symbol).ask, fee_asset="base")
            key = self._place(wish, status="closed", filled=Decimal(wish["quantity"]))
            self._see_fee(key, symbol.partition("/")[0])

    def _post_only(self, symbol: str) -> None:
        """One that would take is canceled by the engine, one that would not rests."""
        market = self._table.market(symbol)
        wish = self._limit(symbol, "buy", market.ask, post_only=True)
        self._place(wish, status="canceled", filled=Decimal(0), post_only=True, reason="Post only order")
        wish = self._limit(symbol, "buy", market.bid * Decimal("0.9"), post_only=True)
        self.standing.append(self._place(wish, status="open", post_only=True))

    def _partly(self, symbol: str) -> None:
        """Takes the best level and rests, is hit, is made larger, is hit; then one is canceled, one filled, one stands."""
        for end in ("canceled", "filled", "stands"):
            market = self._table.market(symbol)
            rest = 4 * Decimal(market.quantity(6))
            wish = self._limit(symbol, "buy", market.ask, client_id=f"84-{self._number}-{end}")
            wish["quantity"] = format(market.ask_quantity + rest, "f")
            key = self._place(wish, status="open", filled=market.ask_quantity)
            hit = Decimal(market.quantity(4))
            self._table.crowd_sells(symbol, format(hit, "f"))
            self._see(key, status="open", filled=market.ask_quantity + hit)
            wish["quantity"] = format(market.ask_quantity + rest + hit, "f")
            plain = {name: value for name, value in wish.items() if name != "client_id"}
            self._ask("amend", id=key, **plain)
            self._see(key, status="open", filled=market.ask_quantity + hit, **numbers_of(wish))
            self._table.crowd_sells(symbol, format(hit, "f"))
            self._see(key, status="open", filled=market.ask_quantity + 2 * hit)
            if end == "canceled":
                self._ask("cancel", id=key)
                self._see(key, status="canceled", filled=market.ask_quantity + 2 * hit)
            elif end == "filled":
                self._table.crowd_sells(symbol, format(rest - hit, "f"))
                self._see(key, status="closed", filled=Decimal(wish["quantity"]))
            else:
                self.standing.append(key)

    def _no_rest(self, symbol: str) -> None:
        """Immediate or cancel: the best level is taken, what is left is not kept."""
        market = self._table.market(symbol)
        wish = self._limit(symbol, "sell", market.bid, time_in_force="IOC")
        wish["quantity"] = format(market.bid_quantity + Decimal(market.quantity(8)), "f")
        self._place(wish, status="canceled", filled=market.bid_quantity)

    def _several(self, symbol: str) -> None:
        """Three at once, and two of them canceled at once."""
        market = self._table.market(symbol)
        prices = [market.ask * Decimal(share) for share in ("1.13", "1.14", "1.15")]
        wishes = [
            self._limit(symbol, "sell", price, client_id=f"84-{self._number}-{i}") for i, price in enumerate(prices)
        ]
        if "place_many" in self._hand.verbs:
            keys = self._ids(self._ask("place_many", orders=wishes), 3)
        else:
            keys = [key for wish in wishes for key in self._ids(self._ask("place", **wish), 1)]
        for key, wish in zip(keys, wishes, strict=True):
            self._see(key, status="open", **self._asked(wish))
        answer = self._ask("cancel_many", ids=keys[1:])
        if answer.get("count") != 2:
            self._complain(f"cancel_many of 2 orders: {answer}")
        for key in keys[1:]:
            self._see(key, status="canceled", reason="User requested")
        self.standing.append(keys[0])

    def _stops(self, symbol: str) -> None:
        """An order that waits for the market to fall, with a limit of its own then."""
        market = self._table.market(symbol)
        wish = self._limit(
            symbol, "sell", market.bid * Decimal("0.71"), stop_price=market.price(market.bid * Decimal("0.73"))
        )
        wish["type"] = "stop-loss-limit"
        self.standing.append(self._place(wish, status="open"))

    def _refused(self, symbol: str) -> None:
        """What the venue does not take makes no order, and changes none."""
        market = self._table.market(symbol)
        before = self._table.venue_orders()
        small = self._limit(symbol, "buy", market.bid * Decimal("0.8"))
        dear = small | {"quantity": "100000"}
        small["quantity"] = format(market.quantity_min - market.lot, "f")
        ended = next(key for key in self.placed if before[key]["status"] == "canceled")
        changed = {name: value for name, value in small.items() if name != "quantity"} | {
            "quantity": market.quantity(1)
        }
        for verb, wish in (
            ("place", small), ("place", dear), ("cancel", {"id": ended}), ("amend", {"id": ended, **changed}),
        ):  # fmt: skip
            answer = self._hand.ask(verb, **wish)
            self.steps += 1
            if "refused" not in answer:
                self._complain(f"{verb} {wish} was not refused: {answer}")
        after = self._table.venue_orders()
        if before != after:
            self._complain("a refused request changed an order at the venue")

    # --- steps --------------------------------------------------------------------------------------------------------

    def _limit(self, symbol: str, side: str, price: Decimal, **options: Any) -> dict[str, Any]:
        market = self._table.market(symbol)
        self._orders += 1
        quantity = market.quantity(10 * self._number + self._orders)
        return {
            "symbol": symbol,
            "side": side,
            "type": "limit",
            "quantity": quantity,
            "price": market.price(price),
        } | options

    def _place(self, wish: dict[str, Any], **facts: Any) -> str:
        [key] = self._ids(self._ask("place", **wish), 1)
        self._see(key, **self._asked(wish) | facts)
        return key

    def _ask(self, verb: str, **wish: Any) -> dict[str, Any]:
        self.steps += 1
        answer = self._hand.ask(verb, **wish)
        if "refused" in answer:
            self._complain(f"{verb} {wish} was refused: {answer['refused']}")
        return answer

    def _ids(self, answer: dict[str, Any], count: int) -> list[str]:
        ids = answer.get("ids", [])
        if len(ids) != count or not all(isinstance(one, str) for one in ids):
            self._complain(f"{count} ids were awaited, not {answer}")
            ids = [UNKNOWN_ORDER] * count
        self.placed += ids
        return list(ids)

    def _see(self, key: str, **facts: Any) -> None:
        if found := self._table.wait_seen(key, facts):
            self._complain(found)

    def _see_fee(self, key: str, asset: str) -> None:
        trades = self._table.stage.client.reading()["trades"].values()
        assets = {row["fee_asset"] for row in trades if row["order"] == key}
        if assets != {asset}:
            self._complain(f"the fee of {key} is in {assets}, not in {asset}")

    def _asked(self, wish: dict[str, Any]) -> dict[str, Any]:
        words = {name: wish[name] for name in ("symbol", "side", "type")}
        # The id that the venue knows one of ours by, the gateway makes.
        named = {"client_id": wish.get("client_id")} if self._hand.name != OURS else {}
        return words | named | numbers_of(wish)

    def _complain(self, text: str) -> None:
        self.complaints.append(f"{self._hand.name}: {text}")


def numbers_of(wish: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a wish as our client's reading has them."""
    return {name: Decimal(wish[name]) for name in ("quantity", "price", "stop_price") if name in wish}
