"""Signing and nonces: the published vectors hold, a nonce never comes twice, whatever the clock and the disk do."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from gwcore.errors import ConfigError, StorageError, Unsupported
from gwcore.runtime.accounts.nonces import RESERVE_NS, NonceStore, key_name
from gwcore.runtime.accounts.signer import KeySigner
from gwcore.secrets import Secret
from gwcore.testing.fixtures import fixture_path, requires_fixtures
from gwcore.testing.storage import MemoryStorage

NOON_NS = 1_800_000_000_000_000_000
HOUR_NS = 3_600_000_000_000


class SteppedClock:
    """A wall clock that is set by hand."""

    def __init__(self, now_ns: int = NOON_NS) -> None:
        self.time_ns = now_ns

    def now_ns(self) -> int:
        return self.time_ns

    def monotonic_ns(self) -> int:
        return self.time_ns


def signer(secret: str, storage: MemoryStorage | None = None) -> KeySigner:
    clock = SteppedClock()
    return KeySigner(Secret("public-part"), Secret(secret), NonceStore(storage or MemoryStorage(), "key", clock), clock)


@requires_fixtures
def test_the_published_vectors_hold() -> None:
    vectors = json.loads(fixture_path("kraken-spot/rest-signing-vectors.json").read_text())
    assert len(vectors) >= 2
    for vector in vectors:
        inner = hashlib.sha256((vector["nonce"] + vector["body"]).encode()).digest()
        signature = signer(vector["private_key"]).sign("hmac-sha512-base64", vector["path"].encode() + inner)
        assert base64.b64encode(signature).decode() == vector["api_sign"]


def test_what_it_can_not_sign_with_is_said() -> None:
    with pytest.raises(Unsupported, match="ed25519"):
        signer("c2VjcmV0").sign("ed25519", b"")
    with pytest.raises(ConfigError, match="not base64") as caught:
        signer("canary?not-base64").sign("hmac-sha512-base64", b"")
    assert "canary" not in str(caught.value)


def test_a_signer_shows_no_secret() -> None:
    shown = repr(signer("c2VjcmV0LWNhbmFyeQ=="))
    assert "c2VjcmV0" not in shown
    assert "public-part" not in shown


def test_nonces_rise_over_restarts_and_clocks_that_go_back() -> None:
    storage, clock = MemoryStorage(), SteppedClock()
    seen: list[int] = []
    for step_ns in (0, 1_000_000_000, -HOUR_NS, 0, 2 * HOUR_NS, -3 * HOUR_NS):
        clock.time_ns += step_ns
        nonces = NonceStore(storage, key_name("key"), clock)  # a restart
        seen += [nonces.next() for _ in range(5)]
    assert seen == sorted(set(seen))


def test_a_nonce_follows_the_clock_where_it_can() -> None:
    clock = SteppedClock()
    nonces = NonceStore(MemoryStorage(), "key", clock)
    assert nonces.next() == NOON_NS
    clock.time_ns += 5
    assert nonces.next() == NOON_NS + 5


def test_one_write_serves_a_minute() -> None:
    storage, clock = MemoryStorage(), SteppedClock()
    nonces = NonceStore(storage, "key", clock)
    nonces.next()
    before = storage.read("key.nonce")
    clock.time_ns += RESERVE_NS - 1
    nonces.next()
    assert storage.read("key.nonce") == before
    clock.time_ns += 1
    nonces.next()
    assert storage.read("key.nonce") != before


def test_a_damaged_nonce_is_no_first_start() -> None:
    storage = MemoryStorage()
    storage.replace("key.nonce", b"{")
    with pytest.raises(StorageError, match=r"key\.nonce"):
        NonceStore(storage, "key", SteppedClock())


def test_the_name_of_a_key_says_nothing_of_it() -> None:
    assert key_name("canary-key") == key_name("canary-key")
    assert "canary" not in key_name("canary-key")
