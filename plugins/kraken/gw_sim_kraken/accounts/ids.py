"""Identifiers of accounts' things (sheet 3.5): a letter and 16 more letters or digits, in groups of 6, 5 and 6."""

from __future__ import annotations

import base64
from random import Random

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Ids:
    """All from the generator that is handed in."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def make(self, letter: str) -> str:
        """`O`: order, `T`: trade, amend; `L`: ledger entry: OQCLML-BW3P3-BUCMWZ."""
        text = letter + "".join(self._rng.choices(_LETTERS, k=16))
        return f"{text[:6]}-{text[6:11]}-{text[11:]}"

    def token(self) -> str:
        """43 characters of base64, as WebSocket tokens are."""
        return base64.b64encode(self._rng.randbytes(32)).decode().rstrip("=")

    def key(self) -> str:
        """A public API key: 56 characters."""
        return base64.b64encode(self._rng.randbytes(42)).decode()

    def secret(self) -> str:
        """A private key: base64 of 64 bytes."""
        return base64.b64encode(self._rng.randbytes(64)).decode()
