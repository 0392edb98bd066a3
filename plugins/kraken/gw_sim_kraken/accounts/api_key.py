"""One API key of an account: its rights, its nonces, its REST counter, its lock-out (sheet 2.3, 2.4)."""

from __future__ import annotations

from dataclasses import dataclass, field

from gw_sim_kraken.counters import DecayingCounter

PERMISSIONS = (
    "query-funds", "add-funds", "withdraw-funds", "earn-funds", "query-open-trades", "query-closed-trades",
    "modify-trades", "close-trades", "query-ledger", "export-data", "create-ws-token", "add-withdraw-address",
    "update-withdraw-address",
)  # fmt: skip
#: What a gateway needs: nothing here moves money out.
TRADING_PERMISSIONS = frozenset(
    {
        "query-funds", "query-open-trades", "query-closed-trades", "modify-trades", "close-trades", "query-ledger",
        "create-ws-token",
    }
)  # fmt: skip
_NONCE_MAX = 2**64 - 1


@dataclass(slots=True, eq=False)
class ApiKey:
    """A key pair. The secret is base64 text and is kept out of every listing."""

    account: str
    name: str
    public: str
    secret: str = field(repr=False)
    counter: DecayingCounter = field(repr=False)
    created_ns: int
    permissions: frozenset[str] = TRADING_PERMISSIONS
    nonce: int = 0  # the highest taken so far
    nonce_window: int = 0
    revoked: bool = False
    last_used_ns: int = 0
    failures: int = 0  # refused signatures and nonces in a row
    locked_until_ns: int = 0

    def takes_nonce(self, nonce: int) -> bool:
        """Whether `nonce` is above the last one, minus the window; it is remembered then."""
        if not self.nonce - self.nonce_window < nonce <= _NONCE_MAX:
            return False
        self.nonce = max(self.nonce, nonce)
        return True

    def fail(self, now_ns: int, failures_max: int, lockout_ns: int) -> bool:
        """Count a refused request; true where it locked the key."""
        self.failures += 1
        if self.failures < failures_max:
            return False
        self.failures, self.locked_until_ns = 0, now_ns + lockout_ns
        return True
