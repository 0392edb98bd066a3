"""Lives of orders: every order in which the words of a venue may arrive, and lives full of losses, cuts and restarts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import permutations

from gwcore.model import AckStatus, CancelOrder, ModifyOrder, OrderAck, OrderStatus, OrderUpdate, TradeUpdate
from gwcore.testing.hand_venue import HandVenue
from gwcore.testing.order_stage import ACCOUNT, SECOND_NS, OrderStage, Sent, create
from gwcore.venue import AccountMessage

LISTED_AFTER_S = 200.0
#: The venue's words: answer and state of the create, a fill and the state after it, answers and states of change and cancel.
WORDS = ("A", "W", "T", "P", "M", "X", "C", "D")


def permuted(words: Sequence[str] = WORDS) -> Iterator[tuple[str, ...]]:
    """All orders of the words."""
    return permutations(words)


def play(order: Sequence[str]) -> list[str]:
    """One life whose words come in this order, each as soon as what it answers has left; what is wrong in the end."""
    stage, venue = OrderStage(), HandVenue()
    stage.ready()
    stage.submit(create())
    client_id = stage.sent[0].client_id or ""
    ready: dict[str, AccountMessage] = {}
    ready["A"], ready["W"] = venue.take(stage.sent[0], 0)
    ready["T"], ready["P"] = venue.fill(client_id, "0.4")
    stage.submit(ModifyOrder(account=ACCOUNT, order_id="a1", price="101.0"))
    left = list(order)
    while left:
        if len(stage.sent) > 1 and "M" not in ready:
            ready["M"], ready["X"] = venue.take(stage.sent[1], 0)
            stage.submit(CancelOrder(account=ACCOUNT, order_id="a1"))
        if len(stage.sent) > 2 and "C" not in ready:
            ready["C"], ready["D"] = venue.take(stage.sent[2], 0)
        word = next((one for one in left if one in ready), None)
        if word is None:
            return [f"{''.join(order)}: {''.join(left)} never left"]
        left.remove(word)
        stage.tell(ready[word])
    return [f"{''.join(order)}: {one}" for one in judge([stage], venue)]


def killed_at(events: int) -> tuple[list[str], bool]:
    """One life that ends when so many events are durable, and what the next one makes of it; whether it reached its end."""
    stage, venue = OrderStage(auto_sync=False), HandVenue()
    stage.ready()
    requests = [
        create("a1"),
        create("a2"),
        ModifyOrder(account=ACCOUNT, order_id="a1", price="101.0"),
        CancelOrder(account=ACCOUNT, order_id="a2"),
        create("a3"),
        CancelOrder(account=ACCOUNT, order_id="a1"),
    ]
    seen = 0
    for request in requests:
        stage.submit(request)
        while True:
            stage.sync(events)
            left, seen = stage.sent[seen:], len(stage.sent)
            if not left:
                break
            for sent in left:
                stage.tell(*venue.take(sent, 0))
            for word in venue.fill(next(iter(venue.orders)), "0.1"):
                stage.tell(word)
    is_whole = len(stage.journal) <= events
    after = stage.restart(auto_sync=True)
    after.ready(venue.stream(), venue.rest())
    for _ in range(200):
        while after.flows:
            kind, asked, done = after.flows.pop(0)
            done(venue.answer_flow(kind, asked, after.now_ns), after.now_ns)
        after.wait(1.0)
    found = judge([stage, after], venue)
    if after.sent:
        found.append(f"{len(after.sent)} requests left after the restart")
    return [f"killed at {events}: {one}" for one in found], is_whole


def judge(lives: Sequence[OrderStage], venue: HandVenue) -> list[str]:
    """What the gateway told, over all its lives, against what the venue holds."""
    events = [event for event, _ in lives[-1].journal]
    found = []
    last = {one.order_id: one for one in events if isinstance(one, OrderUpdate)}
    of_client = {one.venue_client_id: one for one in last.values()}
    for order in venue.orders.values():
        ours = of_client.get(order.client_id)
        if ours is None:
            found.append(f"{order.client_id} is not ours any more")
            continue
        facts = (
            ours.order_status,
            Decimal(ours.price or 0),
            Decimal(ours.quantity or 0),
            Decimal(ours.traded_quantity or 0),
        )
        truth = (order.status, order.price, order.quantity, order.traded)
        if facts != truth:
            found.append(f"{ours.order_id} is told {facts}, and is {truth}")
        if ours.user is None or ours.external:
            found.append(f"{ours.order_id} is nobody's")
        if order.created > 1:
            found.append(f"{ours.order_id} was placed {order.created} times")
    found += [
        f"{one.order_id} is {one.order_status.value}, and the venue has no such order"
        for one in last.values()
        if one.venue_client_id not in venue.orders and one.order_status is not OrderStatus.REJECTED
    ]
    told = Counter(fill.trade_id for one in events if isinstance(one, TradeUpdate) for fill in one.fills)
    truth_fills = {fill.trade_id for order in venue.orders.values() for fill in order.fills}
    if set(told) != truth_fills or any(count > 1 for count in told.values()):
        found.append(f"fills told {dict(told)}, and are {sorted(truth_fills)}")
    if any(one.order_id is None for one in events if isinstance(one, TradeUpdate)):
        found.append("a fill of ours was told as somebody else's")
    return found + _acks(lives, venue, events)


def _acks(lives: Sequence[OrderStage], venue: HandVenue, events: Sequence[object]) -> list[str]:
    """Each request that was told ends once, and says what happened."""
    found = []
    acks: dict[str, list[OrderAck]] = {}
    for one in events:
        if isinstance(one, OrderAck):
            acks.setdefault(one.request_id, []).append(one)
    final = (AckStatus.ACCEPTED, AckStatus.REJECTED)
    for number, told in acks.items():
        ends = [one for one in told if one.status in final]
        if len(ends) != 1:
            found.append(
                f"request {number} ({told[0].request}) ended {len(ends)} times: {[a.status.value for a in told]}"
            )
            continue
        [end] = ends
        if end.request == "create_order" and (end.venue_client_id in venue.orders) != (
            end.status is AckStatus.ACCEPTED
        ):
            found.append(f"create of {end.order_id} is {end.status.value}")
    sent = [one for life in lives for one in life.sent]
    names = Counter(one.client_id for one in sent if one.verb == "create")
    found += [f"{name} left {count} times" for name, count in names.items() if count > 1]
    return found


def random_life(seed: int) -> list[str]:
    """Orders with every misfortune: words lost or late, requests lost, cuts, time-outs, restarts from any durable state."""
    return _RandomLife(seed).run()


class _RandomLife:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.venue = HandVenue()
        self.lives = [OrderStage(auto_sync=False)]
        self.words: list[AccountMessage] = []  # on the line, in order
        self.answers: list[AccountMessage] = []
        self.late: list[tuple[Sent, int]] = []  # requests that arrive at the venue at a time
        self.seen = 0  # requests of this life that the venue's side looked at
        self.orders = 0
        self.connected = False

    @property
    def stage(self) -> OrderStage:
        return self.lives[-1]

    def run(self) -> list[str]:
        self._connect()
        often = (self._ask, self._word, self._word, self._sync, self._answer, self._flow)
        acts = (*often, *often, self._ask, self._word, self._fill, self._wait, self._cut, self._restart)
        for _ in range(self.rng.randint(10, 60)):
            self.rng.choice(acts)()
            self._carry()
        self._heal()
        return [f"seed {self.seed}: {one}" for one in judge(self.lives, self.venue)]

    def _connect(self) -> None:
        if not self.connected:
            self.connected = True
            self.stage.ready(self.venue.stream(), self.venue.rest())

    def _ask(self) -> None:
        self._connect()
        name = f"a{self.rng.randint(0, max(0, self.orders - 1))}"
        kind = self.rng.random()
        if kind < 0.4 or not self.orders:
            self.stage.submit(create(f"a{self.orders}"))
            self.orders += 1
        elif kind < 0.7:
            price, quantity = f"{self.rng.randint(90, 110)}.0", self.rng.choice((None, None, "2"))
            self.stage.submit(ModifyOrder(account=ACCOUNT, order_id=name, price=price, quantity=quantity))
        else:
            self.stage.submit(CancelOrder(account=ACCOUNT, order_id=name))

    def _carry(self) -> None:
        """What left arrives at the venue, or is lost; its answer too."""
        for sent in self.stage.sent[self.seen :]:
            if sent.by_rest:
                continue  # answered as a flow
            fate = self.rng.random()
            if fate < 0.1:
                self.late.append((sent, self.stage.now_ns + self.rng.randint(0, 20) * SECOND_NS))
            elif fate < 0.9 and self.connected:
                answer, *news = self.venue.take(sent, self.stage.now_ns)
                self.words += news
                if self.rng.random() < 0.8:
                    self.answers.append(answer)
        self.seen = len(self.stage.sent)
        self._arrive(self.stage.now_ns)

    def _arrive(self, now_ns: int) -> None:
        """Requests that took their time: nobody waits for the answer any more, the stream tells."""
        for sent, at_ns in self.late:
            if at_ns <= now_ns:
                _, *news = self.venue.take(sent, at_ns)
                self.words += news
        self.late = [one for one in self.late if one[1] > now_ns]

    def _sync(self) -> None:
        self.stage.sync()

    def _word(self) -> None:
        if self.words and self.connected:
            self.stage.tell(self.words.pop(0))

    def _answer(self) -> None:
        if self.answers and self.connected:
            self.stage.tell(self.answers.pop(self.rng.randrange(len(self.answers))))

    def _fill(self) -> None:
        if self.venue.orders:
            name = self.rng.choice(list(self.venue.orders))
            self.words += self.venue.fill(name, self.rng.choice(("0.1", "0.4", "5")))

    def _wait(self) -> None:
        self.stage.wait(self.rng.choice((0.3, 1.0, 6.0, 30.0)))

    def _flow(self) -> None:
        if self.stage.flows:
            number = self.rng.randrange(len(self.stage.flows))
            kind, asked, done = self.stage.flows.pop(number)
            done(self.venue.answer_flow(kind, asked, self.stage.now_ns), self.stage.now_ns)

    def _cut(self) -> None:
        if self.connected:
            self.connected = False
            self.words, self.answers = [], []
            self.stage.lose()

    def _restart(self) -> None:
        if self.rng.random() < 0.3:
            self.words, self.answers, self.seen, self.connected = [], [], 0, False
            synced, total = self.stage.synced, len(self.stage.journal)
            self.lives.append(self.stage.restart(self.rng.randint(synced, total), auto_sync=False))

    def _heal(self) -> None:
        """No more misfortune: all that can be known is."""
        self.stage.auto_sync = True
        self.stage.sync()
        self._arrive(self.stage.now_ns + 60 * SECOND_NS)
        for _ in range(4):
            self._connect()
            while self.words or self.answers or self.seen < len(self.stage.sent):
                for sent in self.stage.sent[self.seen :]:
                    if not sent.by_rest:
                        answer, *news = self.venue.take(sent, self.stage.now_ns)
                        self.answers.append(answer)
                        self.words += news
                self.seen = len(self.stage.sent)
                while self.words or self.answers:
                    self._word()
                    self._answer()
            for _ in range(int(LISTED_AFTER_S)):
                while self.stage.flows:
                    self._flow()
                self.stage.wait(1.0)
