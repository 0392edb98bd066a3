"""WebSocket tokens (sheet 7.1): 15 minutes to be used, then good for as long as a subscription made with it lives."""

from __future__ import annotations

from dataclasses import dataclass, field

from gw_sim_kraken.accounts.api_key import ApiKey
from gw_sim_kraken.texts import SECOND_NS

EXPIRES_S = 900
#: Tokens kept; the oldest ones that nobody uses go first.
TOKENS_MAX = 10_000


@dataclass(slots=True, eq=False)
class Token:
    """One token. `uses`: live private subscriptions, each as (connection, channel)."""

    text: str = field(repr=False)
    key: ApiKey
    expires_ns: int
    uses: set[tuple[int, str]] = field(default_factory=set)


class Tokens:
    """All that were handed out."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}

    def issue(self, text: str, key: ApiKey, now_ns: int) -> Token:
        """A new token for `key`."""
        if len(self._tokens) >= TOKENS_MAX:
            oldest = next((one for one in self._tokens.values() if not one.uses), None)
            del self._tokens[oldest.text if oldest is not None else next(iter(self._tokens))]
        token = self._tokens[text] = Token(text, key, now_ns + EXPIRES_S * SECOND_NS)
        return token

    def find(self, text: str, now_ns: int) -> Token | None:
        """The token, where it is good now."""
        token = self._tokens.get(text)
        if token is None or token.key.revoked or (token.expires_ns <= now_ns and not token.uses):
            return None
        return token

    def release(self, connection: int, channel: str | None = None) -> None:
        """The subscriptions of a connection (on a channel) are over."""
        for token in self._tokens.values():
            token.uses = {use for use in token.uses if use[0] != connection or channel not in (None, use[1])}

    def drop(self, account: str) -> int:
        """Forget all of an account (empty: of all); how many there were."""
        gone = [text for text, token in self._tokens.items() if account in ("", token.key.account)]
        for text in gone:
            del self._tokens[text]
        return len(gone)
