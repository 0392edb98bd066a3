"""Whatever happens within one message, a client that follows the rules holds the true window."""

from __future__ import annotations

from itertools import islice

import pytest
from gw_sim_kraken.market.matching import BUY, SELL, MatchingEngine
from gw_sim_kraken.market.window import Window
from hypothesis import given, settings
from hypothesis import strategies as st

#: (what, side, price, quantity): rest an order, cancel all at a price, or take from a side.
actions = st.tuples(
    st.sampled_from(["rest", "cancel", "take"]), st.sampled_from([BUY, SELL]), st.integers(1, 5), st.integers(1, 4)
)


class Client:
    """Rules of sheet 4.8 for one side."""

    def __init__(self, sign: int, depth: int) -> None:
        self.sign, self.depth = sign, depth
        self.levels: dict[int, int] = {}

    def apply(self, changes: list[tuple[int, int]]) -> None:
        for price, quantity in changes:
            if quantity:
                self.levels[price] = quantity
            else:
                del self.levels[price]  # a removal of what is not there is never sent
        for price in [price for price, _ in self.top()][self.depth :]:
            del self.levels[price]

    def top(self) -> list[tuple[int, int]]:
        return sorted(self.levels.items(), key=lambda level: level[0] * self.sign)


def perform(engine: MatchingEngine, action: tuple[str, int, int, int]) -> None:
    what, side, offset, quantity = action
    price = 10 - offset if side == BUY else 10 + offset
    if what == "rest":
        engine.rest(side, price, quantity)
    elif what == "take":
        engine.market(1 - side, quantity)
    else:
        for number in [order.number for order in engine.orders.values() if (order.side, order.price) == (side, price)]:
            engine.cancel(number)


@settings(deadline=None, max_examples=120, derandomize=True)
@given(messages=st.lists(st.lists(actions, min_size=1, max_size=6), max_size=25), depth=st.integers(1, 4))
def test_a_faithful_client_holds_the_true_window(messages, depth: int) -> None:
    engine = MatchingEngine(lambda *change: window.on_level(*change))
    window = Window(depth, 0)
    clients = (Client(-1, depth), Client(1, depth))
    for now_ns, message in enumerate(messages):
        for action in message:
            perform(engine, action)
        changes = window.take(now_ns)
        if changes is not None:
            for client, side_changes in zip(clients, changes, strict=True):
                client.apply(side_changes)
        for client, side in zip(clients, engine.sides, strict=True):
            assert client.top() == list(islice(side.top(), depth))


@pytest.mark.parametrize("depth", [2])
def test_the_recorded_order_of_a_replaced_level(depth: int) -> None:
    """Removal, back-fill, then the new level, as in the captures (sheet 4.8 rule 5)."""
    engine = MatchingEngine(lambda *change: window.on_level(*change))
    window = Window(depth, 0)
    for price in (100, 101, 102):
        engine.rest(SELL, price, 5)
    window.take(1)
    engine.cancel(2)
    engine.rest(SELL, 99, 7)
    assert window.take(2) == ([], [(101, 0), (102, 5), (99, 7)])
    assert window.take(3) is None


def test_a_level_pushed_out_and_removed_in_one_message_is_told() -> None:
    """The client cuts at the end of a message: until then it holds what a better level pushed out."""
    engine = MatchingEngine(lambda *change: window.on_level(*change))
    window = Window(2, 0)
    client = Client(1, 2)
    for price in (101, 102, 103):
        engine.rest(SELL, price, 5)
    engine.rest(SELL, 100, 5)
    engine.cancel(2)
    engine.cancel(4)
    changes = window.take(1)
    assert changes is not None
    client.apply(changes[1])
    assert client.top() == list(engine.asks.top()) == [(101, 5), (103, 5)]
