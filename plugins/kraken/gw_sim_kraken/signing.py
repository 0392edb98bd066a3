"""API-Sign, the signature of a private REST request (sheet 2.3). Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac


def api_sign(path: str, nonce: str, body: bytes, secret: str) -> str:
    """HMAC-SHA-512 over path + SHA-256(nonce + body), keyed with the decoded `secret`; all as base64 text.

    `nonce` is its decimal text, also where the body is JSON. Raises ValueError for a secret that is no base64.
    """
    inner = hashlib.sha256(nonce.encode() + body).digest()
    try:
        key = base64.b64decode(secret, validate=True)
    except binascii.Error:
        raise ValueError("the secret of an API key is base64 text") from None
    return base64.b64encode(hmac.new(key, path.encode() + inner, hashlib.sha512).digest()).decode()


def is_signed(path: str, nonce: str, body: bytes, secret: str, signature: str) -> bool:
    """Whether `signature` is the right one."""
    return hmac.compare_digest(api_sign(path, nonce, body, secret).encode(), signature.encode())
