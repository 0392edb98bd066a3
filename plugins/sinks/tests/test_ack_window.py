from __future__ import annotations

import random

from gw_sinks.ack_window import AckWindow


def test_position_follows_the_oldest_gap() -> None:
    window = AckWindow(40)
    numbers = [window.sent(position, 10) for position in (41, 42, 45)]
    assert not window.acknowledged(numbers[1])
    assert window.position == 40
    assert window.acknowledged(numbers[0])
    assert window.position == 42
    assert (len(window), window.bytes_outstanding) == (1, 10)
    assert window.acknowledged(numbers[2])
    assert (window.position, len(window), window.bytes_outstanding) == (45, 0, 0)


def test_strange_and_second_acknowledgements_change_nothing() -> None:
    window = AckWindow(0)
    assert not window.acknowledged(0)
    number = window.sent(1, 1)
    assert not window.acknowledged(number + 1)
    assert window.acknowledged(number)
    assert not window.acknowledged(number)
    second = window.sent(2, 1)
    assert second == number + 1
    assert window.position == 1
    assert window.acknowledged(second)


def test_any_order_ends_at_the_last() -> None:
    chance = random.Random(7)
    window = AckWindow(0)
    numbers = [window.sent(position, 1) for position in range(1, 501)]
    chance.shuffle(numbers)
    positions = [window.position for number in numbers if window.acknowledged(number)]
    assert positions == sorted(positions)
    assert window.position == 500
