"""One seed of three users who trade on two accounts through the gateway under fire; then the venue's own lists judge.

Fills each once, every order's last state the venue's, funds to the last digit, no order placed twice, every request that was
told ended once and truly; nothing left that a limit or a halt (`trading_rules.py`) was to hold, and nothing else was held.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from account_play import AccountPlay, perform, violations
from trading_halts import HaltingHand
from trading_rules import FAR_PERCENT, USERS, Rules

from gwcore.model import (
    AckStatus,
    CancelAllOrders,
    CancelOrder,
    CancelOrders,
    CreateOrder,
    CreateOrders,
    ModifyOrder,
    OrderAck,
    OrderError,
    OrderStatus,
    OrderType,
    OrderUpdate,
    Side,
    TimeInForce,
    TradeUpdate,
)
from gwcore.testing.clients import SimClient
from gwcore.testing.seeds import SeededRandom

#: How long things happen, and how long after the last of them everything may take to be told.
BUSY_S, SETTLE_S = 60.0, 260.0
#: The book is what a price band goes by.
CHANNELS = ("instrument", "status", "trade", "book")
#: Faults of the venue that are switched by one call: name, options.
SWITCHED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("lose_replies", {"count": 3}),
    ("late_replies", {"ms": 7_000, "count": 2}),
    ("double_replies", {"ms": 500, "count": 3}),
    ("take_late", {"ms": 3_000, "count": 2}),
    ("live_late", {"ms": 1_500, "count": 2}),
    ("refuse_orders", {"error": "EService:Unavailable", "count": 2}),
    ("refuse_orders", {"error": "EGeneral:Internal error", "count": 2, "after": True}),
    ("close_after", {"count": 1}),
    ("close_after", {"count": 1, "reply": True, "reports": False, "abort": True}),
    ("mode_on_order", {"system": "cancel_only", "count": 1}),
    ("reply_order", {"first": True}),
    ("reply_order", {"first": False}),
    ("end_session", {}),
    ("end_session", {"abort": True}),
    ("drop_executions", {"count": 3}),
    ("duplicate_executions", {"count": 5}),
    ("delay_executions", {"ms": 2_000}),
    ("swap_executions", {"count": 2}),
    ("rest_lag", {"ms": 20_000}),
    ("http", {"body": "html", "status": 502}),
    ("http", {"status": 0, "after": True}),
    ("replay_fills", {"kind": "update"}),
    ("lockout", {"seconds": 10}),
    ("status", {"system": "post_only"}),
)


#: What else happens.
SPECIAL = ("kill", "refuse", "clock", "client")
#: What is looked for besides: each has to have been refused.
REFUSALS = ("HALTED", "USER_LIMIT", "PRICE_BAND")


@dataclass(slots=True)
class Outcome:
    """What one seed gave. No violation: all held."""

    seed: int
    violations: list[str] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)
    acks: Counter[str] = field(default_factory=Counter)  # "verb STATUS ERROR"
    orders: int = 0
    fills: int = 0
    fired: Counter[str] = field(default_factory=Counter)
    invalid_nonces: int = 0
    rate_errors: int = 0


def one(seed: int, *, strikes: int = 3) -> Outcome:
    """Play one seed."""
    outcome = Outcome(seed)

    async def act(play: AccountPlay) -> None:
        await _Trading(play, outcome, SeededRandom(seed, "trading"), strikes).run()

    sim = {"pairs": 2, "rate": 1.0, "levels": 20, "deep_pairs": 0}
    try:
        account = {"check_s": 120.0, "trading": "live"}
        perform(act, seed=seed, sim=sim, account=account, users=USERS, channels=CHANNELS)
    except Exception as error:  # what no program may do is a violation too
        outcome.violations.append(f"{type(error).__name__}: {error}")
    return outcome


class _Trading:
    def __init__(self, play: AccountPlay, outcome: Outcome, rng: SeededRandom, strikes: int) -> None:
        self.play = play
        self.outcome = outcome
        self.rng = rng
        self.strikes = strikes
        self.symbols: Sequence[str] = tuple(play.simulator.feed.listing.pairs)
        self.clients: dict[str, SimClient] = {}
        self.placed: dict[str, list[tuple[str, str]]] = {name: [] for name in USERS}  # account, order id
        self.number = 0
        self.rules = Rules()
        self.halting = HaltingHand(play, self.rules, rng)

    async def run(self) -> None:
        play, rng = self.play, self.rng
        await play.ready()
        self._clients()
        begun_s = play.loop.time()
        strikes = [(rng.uniform(5.0, BUSY_S - 10.0), self._strike) for _ in range(self.strikes)]
        planned = sorted([*strikes, (rng.uniform(5.0, BUSY_S - 10.0), self.halting.halt)], key=lambda plan: plan[0])
        while play.loop.time() - begun_s < BUSY_S:
            while planned and play.loop.time() - begun_s >= planned[0][0]:
                await planned.pop(0)[1]()
            self._ask()
            await asyncio.sleep(rng.uniform(0.05, 1.5))
        play.fault("restore")
        play.clock.skew_ns = 0
        await play.ready(1_200.0)
        await asyncio.sleep(SETTLE_S)
        await play.ready()
        self._judge()
        for client in self.clients.values():
            client.end()
        await play.stop()

    def _clients(self) -> None:
        for number, name in enumerate(USERS, 1):
            stream = self.play.rng.stream(f"client.{name}.{self.play.starts}")
            client = SimClient(self.play.loop, f"uid:{number}", self.play.clock, stream)
            client.start(self.play.gateway.fanout)
            self.clients[name] = client

    # --- what users do ------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        user = self.rng.pick(tuple(USERS))
        often = (self._create, self._create, self._create, self._modify, self._cancel)
        act = self.rng.pick((*often, *often, self._create_several, self._cancel_several, self._cancel_all))
        if act == self._cancel_all and not self.rng.chance(0.2):
            act = self._cancel
        request = act(user)
        if request is None or not self.clients[user].submit(request):
            return
        orders = (request,) if isinstance(request, CreateOrder) else getattr(request, "orders", ())
        self.placed[user] += [(order.account, order.order_id) for order in orders]

    def _create(self, user: str) -> CreateOrder:
        rng = self.rng
        self.number += 1
        symbol, side = rng.pick(tuple(self.symbols)), rng.pick((Side.BUY, Side.SELL))
        is_market, is_far = rng.chance(0.25), rng.chance(0.1)
        price = self._price(symbol, side, is_far=is_far)
        request = CreateOrder(
            account=rng.pick(tuple(self.play.names)),
            order_id=f"{user}-{self.number}",
            symbol=symbol,
            side=side,
            order_type=OrderType.MARKET if is_market else OrderType.LIMIT,
            quantity=f"0.{rng.integer(1, 20):02}",
            price=None if is_market else price,
            time_in_force=rng.pick((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC))
            if not is_market
            else TimeInForce.GTC,
            post_only=False,
            strategy=rng.pick(("s1", "s2")),
            request_id=self.number,
        )
        self.rules.note(user, request, symbol, is_far=is_far)
        return request

    def _price(self, symbol: str, side: Side, *, is_far: bool = False) -> str:
        """Near the market, so that some fill at once, some later and some never; or far through it."""
        book = self.play.simulator.book(symbol, 1)
        middle = (Decimal(book.bids[0][0]) + Decimal(book.asks[0][0])) / 2
        instrument = self.play.gateway.machine.instruments.get(symbol)
        tick = Decimal(instrument.tick_size) if instrument is not None else Decimal("0.1")
        factor = Decimal(self.rng.integer(9_600, 10_008)) / 10_000
        if is_far:
            factor = 1 + Decimal(FAR_PERCENT) / 100
        wanted = middle * (factor if side is Side.BUY else 2 - factor)
        return format((wanted // tick) * tick, "f")

    def _modify(self, user: str) -> ModifyOrder | None:
        if not self.placed[user]:
            return None
        account, order_id = self.rng.pick(tuple(self.placed[user][-8:]))
        update = self.play.gateway.accounts.connections[self.play.names.index(account)].machine.own.find(user, order_id)
        if update is None:
            return None
        self.number += 1
        is_far = self.rng.chance(0.1)
        price = self._price(update.symbol, update.update.side or Side.BUY, is_far=is_far)
        quantity = self.rng.pick((None, f"0.{self.rng.integer(1, 30):02}"))
        request = ModifyOrder(
            account=account, order_id=order_id, price=price, quantity=quantity, request_id=self.number
        )
        self.rules.note(user, request, update.symbol, is_far=is_far)
        return request

    def _cancel(self, user: str) -> CancelOrder | None:
        if not self.placed[user]:
            return None
        account, order_id = self.rng.pick(tuple(self.placed[user][-12:]))
        self.number += 1
        return CancelOrder(account=account, order_id=order_id, request_id=self.number)

    def _create_several(self, user: str) -> CreateOrders:
        orders = [self._create(user) for _ in range(self.rng.integer(1, 5))]
        account = orders[0].account
        same = tuple(msgspec.structs.replace(order, account=account, request_id=0) for order in orders)
        return CreateOrders(account=account, orders=same, request_id=self.number)

    def _cancel_several(self, user: str) -> CancelOrders | None:
        if not self.placed[user]:
            return None
        account = self.placed[user][-1][0]
        ids = tuple(order_id for one, order_id in self.placed[user][-6:] if one == account)
        self.number += 1
        return CancelOrders(account=account, order_ids=ids, request_id=self.number)

    def _cancel_all(self, user: str) -> CancelAllOrders:
        self.number += 1
        rng = self.rng
        return CancelAllOrders(
            account=rng.pick(tuple(self.play.names)),
            symbol=rng.pick((None, *self.symbols)),
            side=rng.pick((None, Side.BUY)),
            strategy=rng.pick((None, "s1")),
            request_id=self.number,
        )

    # --- what happens to them -----------------------------------------------------------------------------------------

    async def _strike(self) -> None:
        rng, play = self.rng, self.play
        special: tuple[Callable[[], Any], ...] = (self._kill, self._refuse, self._clock, self._client)
        if rng.chance(0.3):
            act = rng.pick(special)
            self.outcome.struck[act.__name__.strip("_")] += 1
            result = act()
            if asyncio.iscoroutine(result):
                await result
            return
        name, options = rng.pick(SWITCHED)
        self.outcome.struck[name] += 1
        play.fault(name, **options)
        if name in ("http", "status", "mode_on_order", "rest_lag", "delay_executions"):
            play.loop.call_later(rng.uniform(2.0, 12.0), self._restore)

    def _restore(self) -> None:
        self.play.fault("restore")

    async def _kill(self) -> None:
        for client in self.clients.values():
            client.end()
        self._fired()
        self.halting.on_end()
        await self.play.crash()
        self.halting.on_crash()
        await asyncio.sleep(self.rng.uniform(0.1, 5.0))
        self.play.start()
        self._clients()
        self.halting.on_start()

    def _refuse(self) -> None:
        self.play.fault("refuse", count=self.rng.integer(1, 8), status=503)
        self.play.fault("end_session")
        self.play.loop.call_later(self.rng.uniform(2.0, 12.0), self._restore)

    def _clock(self) -> None:
        self.play.clock.skew_ns = self.rng.integer(-2_000, 2_000) * 1_000_000

    def _client(self) -> None:
        self.clients[self.rng.pick(tuple(USERS))].cut()

    # --- what must hold -----------------------------------------------------------------------------------------------

    def _fired(self) -> None:
        stats = self.play.simulator.stats()
        self.outcome.fired.update({name: count for name, count in stats.items() if name.startswith("fault_")})

    def _judge(self) -> None:
        play, outcome = self.play, self.outcome
        outcome.violations += violations(play)
        for name in play.names:
            outcome.violations += [f"{name}: {each}" for each in judge_orders(play, name)]
        outcome.violations += self.rules.judge(play.records())
        for ack in play.events(OrderAck):
            outcome.acks[f"{ack.request} {ack.status.value} {ack.error or ''}".strip()] += 1
        outcome.orders = len([one for one in play.events(OrderAck) if one.request == "create_order"])
        outcome.fills = len(play.events(TradeUpdate))
        outcome.fired.clear()
        self._fired()
        stats = play.simulator.stats()
        outcome.invalid_nonces = stats["invalid_nonces"]
        outcome.rate_errors = outcome.acks["create_order REJECTED RATE_LIMIT"]


def judge_orders(play: AccountPlay, name: str) -> list[str]:
    """Orders of ours against the venue's, and acks against what became of them."""
    found = []
    truth = {order["cl_ord_id"]: order for order in play.simulator.account(name)["orders"] if order["cl_ord_id"]}
    counts = Counter(order["cl_ord_id"] for order in play.simulator.account(name)["orders"] if order["cl_ord_id"])
    found += [f"{key} was placed {count} times" for key, count in counts.items() if count > 1]
    last = {(one.user, one.order_id): one for one in play.events(OrderUpdate, name) if one.order_id is not None}
    ours = {plain(one.venue_client_id): one for one in last.values()}
    for key, theirs in truth.items():
        one = ours.get(plain(key))
        if one is None:
            found.append(f"order {theirs['order_id']} of ours is told as nobody's")
        elif theirs["limit_price"] is not None and Decimal(one.price or 0) != Decimal(theirs["limit_price"]):
            found.append(f"{one.order_id} is at {one.price}, at the venue {theirs['limit_price']}")
    names = {plain(key) for key in truth}
    for one in last.values():
        if plain(one.venue_client_id) not in names and one.order_status is not OrderStatus.REJECTED:
            found.append(f"{one.order_id} is {one.order_status.value}, and the venue has no such order")
    by_request: dict[str, list[OrderAck]] = {}
    for ack in play.events(OrderAck, name):
        by_request.setdefault(ack.request_id, []).append(ack)
    for request_id, acks in by_request.items():
        ends = [one for one in acks if one.status in (AckStatus.ACCEPTED, AckStatus.REJECTED)]
        is_whole = acks[0].request == "cancel_all_orders"  # a restart may leave one that nothing tells of any more
        is_over = is_whole and not ends and acks[-1].error == OrderError.SUPERSEDED.value
        if len(ends) != 1 and not is_over:
            words = [f"{one.status.value} {one.error or ''}" for one in acks]
            found.append(f"{acks[0].request} {acks[0].order_id} {request_id} ended {len(ends)} times: {words}")
        if acks[0].request == "create_order" and ends:
            exists = plain(ends[0].venue_client_id) in names
            if exists != (ends[0].status is AckStatus.ACCEPTED):
                found.append(f"create of {ends[0].order_id} is {ends[0].status.value}, at the venue: {exists}")
    return found


def plain(client_id: str | None) -> str:
    """A client id without what a venue may write differently."""
    return (client_id or "").replace("-", "").lower()
