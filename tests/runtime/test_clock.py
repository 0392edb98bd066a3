"""The system's clock, random and ids."""

from __future__ import annotations

import time

from gwcore.runtime.clock import SystemClock, SystemIds, SystemRandom, UlidSequence, encode_ulid


def test_ulid_text_is_crockfords() -> None:
    assert encode_ulid(0) == "0" * 26
    assert encode_ulid((1 << 128) - 1) == "7" + "Z" * 25
    assert encode_ulid(32) == "0" * 24 + "10"


def test_ids_sort_by_time() -> None:
    sequence = UlidSequence()
    assert sequence.next(1, b"\xff" * 10)[:10] == "0000000001"
    later = sequence.next(2, bytes(10))
    assert later == "0000000002" + "0" * 16
    assert sequence.next(2, b"\xff" * 10) == "0000000002" + "0" * 15 + "1"
    assert sequence.next(1, b"\xff" * 10) == "0000000002" + "0" * 15 + "2"


def test_system_ids_are_new_and_rise() -> None:
    ids = SystemIds()
    names = [ids.session_id() for _ in range(1000)]
    assert names == sorted(set(names))
    assert all(len(name) == 26 and name.isalnum() for name in names)
    assert SystemIds().session_id() != SystemIds().session_id()


def test_system_clock_is_the_systems() -> None:
    clock = SystemClock()
    before = time.time_ns()
    assert before <= clock.now_ns() <= time.time_ns()
    assert clock.monotonic_ns() <= clock.monotonic_ns() <= time.monotonic_ns()


def test_system_random_is_a_share() -> None:
    rng = SystemRandom()
    draws = [rng.random() for _ in range(100)]
    assert all(0 <= draw < 1 for draw in draws)
    assert len(set(draws)) == 100
    assert SystemRandom().random() != SystemRandom().random()
