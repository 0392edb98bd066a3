"""A state directory belongs to one venue, one environment, and to paper or real orders."""

from __future__ import annotations

import pytest

from gwcore.errors import ConfigError
from gwcore.runtime.identity import FILE, Identity, claim_state
from gwcore.testing.storage import MemoryStorage

MINE = Identity(venue="kraken", environment="prod")


def test_the_first_one_takes_it_and_may_come_again() -> None:
    disk = MemoryStorage()
    claim_state(disk, MINE, "/state")
    claim_state(disk, MINE, "/state")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Identity(venue="kraken", environment="sim"), "venue kraken, env sim"),
        (Identity(venue="other", environment="prod"), "venue other, env prod"),
        (Identity(venue="kraken", environment="prod", paper=True), "venue kraken, env prod, on paper"),
    ],
)
def test_another_one_is_told_whose_it_is(other: Identity, words: str) -> None:
    disk = MemoryStorage()
    claim_state(disk, MINE, "/state")
    with pytest.raises(
        ConfigError, match=rf"/state is of venue kraken, env prod, and this gateway is of {words}"
    ) as told:
        claim_state(disk, other, "/state")
    assert "--state-dir" in (told.value.hint or "")
    claim_state(disk, MINE, "/state")


def test_a_file_that_was_spoilt_is_told() -> None:
    disk = MemoryStorage()
    disk.replace(FILE, b"\xff{")
    with pytest.raises(ConfigError, match=r"identity.json in the state directory /state can't be read"):
        claim_state(disk, MINE, "/state")
