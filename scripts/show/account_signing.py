"""Issue 7, line 1: the signing vectors, and every recorded private frame and answer as its golden file says.

Needs the recordings (`$GW_FIXTURES`). Exits 1 where a signature or an event differs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "plugins" / "kraken" / "tests" / "venue"))

import private_frames
from gw_venue_kraken.accounts.private_rest import private_request

from gwcore.runtime.accounts.nonces import NonceStore
from gwcore.runtime.accounts.signer import KeySigner
from gwcore.runtime.clock import SystemClock
from gwcore.secrets import Secret
from gwcore.testing.fixtures import fixture_path
from gwcore.testing.storage import MemoryStorage


def signer(secret: str) -> KeySigner:
    """The signer of a gateway."""
    return KeySigner(
        Secret("published-key"), Secret(secret), NonceStore(MemoryStorage(), "key", SystemClock()), SystemClock()
    )


def show_vectors() -> bool:
    """Each vector by the gateway's own signer; and a whole request of the plugin, checked by the same rule."""
    good = True
    for vector in json.loads(fixture_path("kraken-spot/rest-signing-vectors.json").read_text()):
        inner = hashlib.sha256((vector["nonce"] + vector["body"]).encode()).digest()
        found = signer(vector["private_key"]).sign("hmac-sha512-base64", vector["path"].encode() + inner)
        holds = base64.b64encode(found).decode() == vector["api_sign"]
        good = good and holds
        print(f"signing vector {vector['name']}: {'as published' if holds else 'DIFFERS'}")
        request = private_request("https://host", signer(vector["private_key"]), "AddOrder", {"pair": "XBTUSD"})
        nonce = request.body.decode().split("&")[0].removeprefix("nonce=")
        inner = hashlib.sha256(nonce.encode() + request.body).digest()
        expected = signer(vector["private_key"]).sign("hmac-sha512-base64", b"/0/private/AddOrder" + inner)
        good = good and request.headers["API-Sign"] == base64.b64encode(expected).decode()
    return good


def show_frames() -> bool:
    """Each recorded frame and answer, and what it becomes."""
    now, kept = private_frames.all_lines(), private_frames.GOLDEN.read_text().splitlines()
    places = [line for line in now if line.startswith(">")]
    kinds = Counter(line.removeprefix("<").split("(")[0].split()[0] for line in now if line.startswith("<"))
    unread = [line for line in now if "DecodeError" in line]
    print(f"{len(places)} recorded private frames and answers become {len(now) - len(places)} messages: {dict(kinds)}")
    different = [line for line in now if line not in set(kept)] + [line for line in kept if line not in set(now)]
    for line in different[:5]:
        print(f"not as in the golden file: {line[:200]}")
    return now == kept and not unread and len(places) > 0


if __name__ == "__main__":
    results = [show_vectors(), show_frames()]
    print("holds" if all(results) else "DOES NOT HOLD")
    sys.exit(0 if all(results) else 1)
