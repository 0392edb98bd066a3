"""The faults of the private side by name; see `fault_switch`. An empty `account` means all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gw_sim_kraken.accounts.api_key import PERMISSIONS, TRADING_PERMISSIONS, ApiKey
from gw_sim_kraken.accounts.private_streams import EXECUTIONS, past_trades
from gw_sim_kraken.faults.account_faults import AccountFaults

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

_MILLISECOND_NS = 1_000_000


class AccountSwitch:
    """Each call says in one sentence what it did."""

    def __init__(self, exchange: SimulatedKraken) -> None:
        self._exchange = exchange

    def table(self) -> dict[str, Callable[..., str]]:
        """Names and calls."""
        return {
            "refuse_token": self._refuse_token,
            "expire_tokens": self._expire_tokens,
            "end_session": self._end_session,
            "revoke_key": self._revoke_key,
            "key_permissions": self._key_permissions,
            "duplicate_executions": self._duplicate_executions,
            "drop_executions": self._drop_executions,
            "replay_fills": self._replay_fills,
            "rest_lag": self._rest_lag,
            "skew_clock": self._skew_clock,
            "lockout": self._lockout,
        }

    def restore(self) -> None:
        """End all of them: keys work again and have their rights; what was sent stays sent."""
        self._exchange.account_faults = AccountFaults()
        for key in self._keys(""):
            key.revoked, key.locked_until_ns = False, 0

    def _keys(self, account: str) -> list[ApiKey]:
        accounts = self._exchange.accounts
        if account:
            accounts.get(account)
        return [key for key in accounts.keys.values() if account in ("", key.account)]

    def _refuse_token(self, where: str = "rest", error: str = "EGeneral:Internal error", on: bool = True) -> str:
        faults = self._exchange.account_faults
        if where not in ("rest", "websocket"):
            raise ValueError("where is rest (GetWebSocketsToken answers the error) or websocket (no token is good)")
        if where == "rest":
            faults.token_error = error if on else ""
        else:
            faults.refuses_tokens = on
        return f"tokens are {'refused' if on else 'taken'} by {where}"

    def _expire_tokens(self, account: str = "") -> str:
        self._keys(account)
        return f"{self._exchange.accounts.tokens.drop(account)} tokens are good no more"

    def _end_session(self, account: str = "", abort: bool = False) -> str:
        """Tokens end and the connections that used them are closed."""
        exchange = self._exchange
        self._keys(account)
        exchange.accounts.tokens.drop(account)
        numbers = exchange.streams.connections_of(account)
        for number in numbers:
            exchange.cut(number, abort=abort)
        return f"{len(numbers)} private connections closed, their tokens ended"

    def _revoke_key(self, account: str = "", closes: bool = True, on: bool = True) -> str:
        keys = self._keys(account)
        for key in keys:
            key.revoked = on
        if on and closes:
            self._end_session(account)
        return f"{len(keys)} keys are {'revoked' if on else 'good again'}"

    def _key_permissions(self, account: str = "", permissions: str = "", on: bool = True) -> str:
        chosen = frozenset(permissions.split(",")) if permissions and on else TRADING_PERMISSIONS
        if not chosen <= set(PERMISSIONS):
            raise ValueError(f"permissions are words of: {', '.join(PERMISSIONS)}")
        keys = self._keys(account)
        for key in keys:
            key.permissions = chosen
        return f"{len(keys)} keys have {', '.join(sorted(chosen))}"

    def _duplicate_executions(
        self, count: int = 1, same_sequence: bool = False, kind: str = "trade", on: bool = True
    ) -> str:  # fmt: skip
        faults = self._exchange.account_faults
        faults.duplicates, faults.duplicate_same_sequence = count if on else 0, same_sequence
        faults.duplicate_kind = kind
        return f"the next {count} reports ({kind}) are sent twice" if on else "reports are sent once"

    def _drop_executions(
        self, count: int = 1, gap: bool = True, channel: str = EXECUTIONS, on: bool = True
    ) -> str:  # fmt: skip
        faults = self._exchange.account_faults
        faults.drops, faults.drop_without_gap, faults.drop_channel = count if on else 0, not gap, channel
        return f"the next {count} frames of {channel} are kept back" if on else "nothing is kept back"

    def _replay_fills(self, account: str = "", count: int = 50, kind: str = "snapshot") -> str:
        """Send the last fills once more, as a snapshot or as updates."""
        exchange = self._exchange
        self._keys(account)
        if kind not in ("snapshot", "update"):
            raise ValueError("kind is snapshot or update")
        listeners = exchange.streams.listeners(account, EXECUTIONS)
        for subscription in listeners:
            rows = past_trades(exchange.accounts.get(subscription.account), count)
            for batch in [rows] if kind == "snapshot" else [[row] for row in reversed(rows)]:
                exchange.streams.send(subscription, kind, batch)
        return f"old fills were sent again to {len(listeners)} subscriptions"

    def _rest_lag(self, ms: int = 1000, on: bool = True) -> str:
        self._exchange.account_faults.rest_lag_ns = ms * _MILLISECOND_NS if on else 0
        return f"private REST is {ms} ms behind the streams" if on else "private REST is up to date"

    def _skew_clock(self, ms: int = 0, on: bool = True) -> str:
        self._exchange.account_faults.clock_skew_ns = ms * _MILLISECOND_NS if on else 0
        return f"the venue's clock is {ms} ms off" if on else "the venue's clock is right"

    def _lockout(self, account: str = "", seconds: int = 900, on: bool = True) -> str:
        keys = self._keys(account)
        for key in keys:
            key.locked_until_ns = self._exchange.now_ns + seconds * 1_000_000_000 if on else 0
        return f"{len(keys)} keys are {'locked out' if on else 'let in'}"
