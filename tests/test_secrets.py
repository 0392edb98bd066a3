"""Secrets: read from where a reference says and hidden everywhere else."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gwcore.errors import ConfigError
from gwcore.redaction import redact
from gwcore.secrets import Secret, SecretRef, mask_secret, resolve_secret

CANARY = "canary-8d1f-Zq"


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(CANARY + "\n")
    path.chmod(0o600)
    return path


def refusal(reference: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve_secret(reference, environ or {})
    assert CANARY not in str(caught.value)
    return str(caught.value)


def test_all_three_places_are_read(secret_file: Path) -> None:
    assert resolve_secret("env:MY_KEY", {"MY_KEY": CANARY}).reveal() == CANARY
    assert resolve_secret(f"file:{secret_file}").reveal() == CANARY
    environ = {"CREDENTIALS_DIRECTORY": str(secret_file.parent)}
    assert resolve_secret("cred:key", environ).reveal() == CANARY


def test_a_secret_hides_itself() -> None:
    secret = Secret(CANARY)
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r:>20}",
        "%s" % secret,  # noqa: UP031
        json.dumps({"a": secret}),
    ]
    shown += [msgspec.json.encode({"a": secret}, enc_hook=mask_secret).decode(), secret.encode().decode(), secret + "x"]
    assert all("***" in text and CANARY not in text for text in shown)
    assert shown[6] == '{"a":"***"}'


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy, msgspec.json.encode, hash])
def test_a_secret_does_not_travel(way: Callable[[object], object]) -> None:
    with pytest.raises(TypeError) as caught:
        way(Secret(CANARY))
    assert CANARY not in str(caught.value)


def test_secrets_compare_by_value_and_only_with_each_other() -> None:
    assert Secret("one") == Secret("one")
    assert Secret("one") != Secret("two")
    assert Secret("one") != "one"
    assert Secret("one") != "***"


def test_what_was_read_is_masked_in_any_text(secret_file: Path) -> None:
    resolve_secret(f"file:{secret_file}")
    assert redact(f"the venue said {CANARY}!") == "the venue said ***!"


def test_a_traceback_with_a_secret_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(CANARY)
    try:
        raise ValueError(f"bad key {secret}")
    except ValueError:
        logging.getLogger("x").exception("failed with %s", secret)
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("hunter2", "a secret is given by reference only (name where the secret is: file:/PATH (mode 0600, your own)"),
        ("file:relative", "a secret is given by reference only"),
        ("cred:../../etc/shadow", "a secret is given by reference only"),
        ("cred:..", "a secret is given by reference only"),
        ("env:NOT_SET", "env:NOT_SET: environment variable NOT_SET is not set"),
        ("cred:key", "cred:key: $CREDENTIALS_DIRECTORY is not set (start with systemd's LoadCredential=)"),
        ("file:/no/such/file", "file:/no/such/file: the secret can't be read: no such file or directory"),
    ],
)
def test_a_reference_that_leads_nowhere_is_one_sentence(reference: str, reason: str) -> None:
    assert refusal(reference).startswith(reason)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o700 | 0o004])
def test_a_file_that_others_may_read_is_refused(secret_file: Path, mode: int) -> None:
    secret_file.chmod(mode)
    assert refusal(f"file:{secret_file}").endswith(f"the file's mode {mode:04o} lets others at it (chmod 600)")


def test_a_link_is_refused(secret_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(secret_file)
    assert refusal(f"file:{link}").endswith("the secret can't be read: it is a symbolic link")


def test_a_file_of_another_user_is_refused(secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    assert "the file belongs to another user" in refusal(f"file:{secret_file}")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert refusal(f"file:{tmp_path}/pipe").endswith("a secret is read from a regular file only")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the secret is empty"),
        (b"\n", "the secret is empty"),
        (b"\xff\xfe", "the secret is not UTF-8 text"),
        (b"x" * 65537, "more than 65536 bytes are no secret"),
    ],
)
def test_what_is_no_secret_is_refused(secret_file: Path, content: bytes, reason: str) -> None:
    secret_file.write_bytes(content)
    assert refusal(f"file:{secret_file}").endswith(reason)


def test_settings_take_references_only() -> None:
    class Settings(msgspec.Struct):
        key: SecretRef | None = None

    assert msgspec.convert({"key": "env:KEY"}, Settings).key == "env:KEY"
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"key": CANARY}, Settings)
    assert CANARY not in str(caught.value)


class _Backend:
    """A keyring in memory."""

    priority = 1

    def __init__(self, secrets: dict[tuple[str, str], str]) -> None:
        self._secrets = secrets

    def get_password(self, service: str, username: str) -> str | None:
        if service == "broken":
            raise RuntimeError(f"locked: {CANARY}")
        return self._secrets.get((service, username))


def test_a_keyring_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring")
    backend = _Backend({("gwcore", "kraken/main"): CANARY})
    monkeypatch.setattr(keyring.core, "_keyring_backend", backend)
    assert resolve_secret("keyring:gwcore/kraken/main").reveal() == CANARY
    assert "keyring set gwcore other" in refusal("keyring:gwcore/other")
    assert "can't be read: RuntimeError" in refusal("keyring:broken/main")
    assert "by reference only" in refusal("keyring:no-name")
