"""What looks like a secret is masked; what does not is left alone."""

from __future__ import annotations

import pytest

from gwcore.redaction import has_userinfo, redact

KEY = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("token=abc123 next", "token=*** next"),
        ('{"token": "a b", "n": 1}', '{"token": ***, "n": 1}'),
        ("{'password': 'x'}", "{'password': ***}"),
        ("API-Key: abc, more", "API-Key: ***, more"),
        ("Authorization: Bearer abcdefgh", "Authorization: ***"),
        ("with bearer abcdefghi", "with bearer ***"),
        ("api_secret = 'abc'", "api_secret = ***"),
        ("nats://me:pw@host:4222/x", "nats://***@host:4222/x"),
        ("nats://token@host", "nats://***@host"),
        ("password: hunter22", "password: ***"),
        (f"signed with {KEY}", "signed with ***"),
        ("seed SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY used", "seed *** used"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1", "jwt ***"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY----- after", "*** after"),
    ],
)
def test_secrets_are_masked(text: str, masked: str) -> None:
    assert redact(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "BTC/USD 64250.1 checksum 3310070434",
        "sink.heap.token: a secret is given by reference only",
        "topic_sequence=3 sequence=4",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "/usr/lib/python3.11/site-packages/gwcore/runtime/process.py",
        "wss://ws.kraken.com/v2",
        "the session id 01JD8M2ZK4XYZ",
    ],
)
def test_other_text_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_user_and_password_in_a_url_are_noticed() -> None:
    assert has_userinfo("nats://a:1,nats://u:p@b:1")
    assert has_userinfo("https://token@host/x")
    assert not has_userinfo("https://host/x?mail=a@b")
    assert not has_userinfo("wss://ws.kraken.com/v2")
