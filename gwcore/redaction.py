"""Masks what looks like a secret in text on its way out: logs, error messages, listings.

Pure but for one memory of the secrets that were read, so that those are masked wherever they turn up.
"""

from __future__ import annotations

import re

MASK = "***"

#: Shorter secrets are not searched for: masking them would maim ordinary text.
KNOWN_LENGTH_MIN = 6
#: Known secrets kept; a gateway has a handful, so the limit is only a guard.
KNOWN_MAX = 256

_NAMES = (
    r"(?:api[-_ ]?(?:key|sign|secret)|private[-_]?key|secret(?:[-_]?key)?|pass(?:word|wd|phrase)"
    r"|token|authorization|signature|otp)"
)
_QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*')"""
_PATTERNS = (
    # token=abc, "token": "abc", password = 'abc'
    (
        re.compile(
            rf"""({_NAMES}["']?\s*)(?:(=\s*)(?:{_QUOTED}|[^\s,;&"'}})]+)|(:\s*){_QUOTED})""",
            re.I,
        ),
        rf"\1\2\3{MASK}",
    ),
    # API-Key: abc, Authorization: Bearer abc
    (
        re.compile(r"\b(api[-_]?(?:key|sign)|authorization)(\s*:\s*)(?:(?:bearer|basic)\s+)?[^\s,;]+", re.I),
        rf"\1\2{MASK}",
    ),
    # password: abc123, but not "token: expected text", which is a sentence of ours
    (re.compile(rf"({_NAMES}\s*:\s+)(?=\S*\d)[^\s,;\"']{{6,}}", re.I), rf"\1{MASK}"),
    # scheme://user:password@host
    (re.compile(r"(\b[a-z][a-z0-9+.-]{0,15}://)[^\s/@]*@", re.I), rf"\1{MASK}@"),
    # Authorization: Bearer abc
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9+/_=.-]{8,}", re.I), rf"\1 {MASK}"),
    # JSON web tokens and NATS seeds
    (re.compile(r"\beyJ[\w-]{8,256}(?:\.[\w-]{1,4096}){1,2}"), MASK),
    (re.compile(r"\bS[AOUNCX][A-Z2-7]{54,}\b"), MASK),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S), MASK),
)
_LONG = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40,}={0,2}")
_known: dict[str, None] = {}


def remember(secret: str) -> None:
    """Mask exactly this text from now on, wherever it turns up."""
    if len(secret) >= KNOWN_LENGTH_MIN:
        _known.pop(secret, None)
        _known[secret] = None
        while len(_known) > KNOWN_MAX:
            del _known[next(iter(_known))]


def redact(text: str) -> str:
    """`text` with known secrets, and what looks like a key, token or password, masked."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return _LONG.sub(_mask_mixed, text)


def has_userinfo(text: str) -> bool:
    """Whether a URL in the text carries a user, password or token before its host."""
    return re.search(r"://[^\s/?#,]*@", text) is not None


def _mask_mixed(match: re.Match[str]) -> str:
    text = match.group()
    # Keys and tokens in base64 mix all three; hashes in hex and long words do not.
    mixed = any(c.isdigit() for c in text) and any(c.isupper() for c in text) and any(c.islower() for c in text)
    return MASK if mixed else text


#: Keys of JSON members that hold a secret in a frame; only their values are masked, so that the frame stays JSON.
_SECRET_MEMBER = re.compile(
    rb'("(?:token|api[-_]?key|api[-_]?sign|secret|password|passphrase|signature|(?:signed|original)_challenge|otp'
    rb'|authorization|listen_?key)"\s*:\s*)"(?:[^"\\]|\\.)*"',
    re.I,
)
#: A frame without any of these has no such member; looking for them first costs a tenth of the expression.
_SECRET_HINTS = (b"token", b"key", b"sign", b"secret", b"pass", b"otp", b"auth")


def redact_frame(frame: bytes) -> bytes:
    """A venue's frame with known secrets, and members that are named like one, masked; every other byte as it was."""
    for secret in _known:
        encoded = secret.encode()
        if encoded in frame:
            frame = frame.replace(encoded, MASK.encode())
    lower = frame.lower()
    for hint in _SECRET_HINTS:
        if hint in lower:
            return _SECRET_MEMBER.sub(rb'\1"***"', frame)
    return frame
