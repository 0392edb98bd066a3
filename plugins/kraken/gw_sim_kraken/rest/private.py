"""The private REST: who asks, may they, and what for (sheet 2.1-2.4). The methods are in `rest_account`, `rest_orders`,
`rest_history` and `rest_trading`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.accounts.api_key import ApiKey
from gw_sim_kraken.counters import POINT
from gw_sim_kraken.faults import trade_faults, trade_strikes
from gw_sim_kraken.orders.request import OrderRefused
from gw_sim_kraken.rest import private_methods
from gw_sim_kraken.rest.market import ApiError
from gw_sim_kraken.rest.private_body import read_body
from gw_sim_kraken.rest.private_methods import Method
from gw_sim_kraken.signing import is_signed
from gw_sim_kraken.texts import SECOND_NS
from gwcore.rest import HttpRequest

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

PREFIX = "/0/private/"


#: Parameters that may be a list or an object in a JSON body.
_STRUCTURED = frozenset({"orders", "cl_ord_ids", "close", "pair"})


@dataclass(frozen=True, slots=True)
class Caller:
    """One request that was let in. `as_of_ns`: what is newer than this is not seen yet (None: all is)."""

    exchange: SimulatedKraken
    account: Account
    key: ApiKey
    params: Mapping[str, Any]
    now_ns: int
    as_of_ns: int | None

    def sees(self, time_ns: int) -> bool:
        """Whether something of this time is in REST already."""
        return self.as_of_ns is None or time_ns <= self.as_of_ns


class NoAnswer(Exception):
    """The API says nothing: a gateway before it answers with `status`, or (0) the line is cut."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)


class PrivateRest:
    """Checks key, signature, nonce, counter and permission, in this order (Kraken's order is not documented)."""

    def __init__(self, exchange: SimulatedKraken) -> None:
        self._exchange = exchange
        self._strangers = 0  # requests with unknown keys in a row
        self._strangers_until_ns = 0

    def answer(self, request: HttpRequest, now_ns: int) -> Any:
        """The `result` of one request. Raises ApiError with Kraken's text."""
        path = urlsplit(request.url).path
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            params = read_body(request.body, headers.get("content-type", ""))
        except (ValueError, UnicodeDecodeError):
            raise ApiError("EGeneral:Invalid arguments") from None
        key = self._key(headers.get("api-key", ""), now_ns)
        self._check_signature(key, path, headers.get("api-sign", ""), request.body, params, now_ns)
        key.last_used_ns = now_ns
        method = private_methods.TABLE.get(path[len(PREFIX) :])
        if method is None:
            raise ApiError("EGeneral:Unknown method")
        self._check_counter(key, method.cost(self._exchange.settings), now_ns)
        if method.permissions.isdisjoint(key.permissions):
            raise ApiError("EGeneral:Permission denied")
        lag_ns = self._exchange.account_faults.rest_lag_ns
        _check_shapes(params)
        account = self._exchange.accounts.get(key.account)
        caller = Caller(self._exchange, account, key, params, now_ns, now_ns - lag_ns if lag_ns else None)
        name = trade_faults.METHODS.get(path[len(PREFIX) :])
        if name is not None:
            return self._trade(name, method, caller)
        return _result(method, caller)

    def _trade(self, name: str, method: Method, caller: Caller) -> Any:
        """A trading request, with what the faults do to it. Raises ApiError, or NoAnswer for what is no reply of the API."""
        exchange, faults = self._exchange, self._exchange.trade_faults
        scope = (name, trade_faults.REST, caller.account.name)
        gone, late = faults.take(trade_faults.LOSE_REQUEST, *scope), faults.take(trade_faults.TAKE_LATE, *scope)
        if gone is not None:
            raise NoAnswer(gone.status)
        if late is not None:
            exchange.schedule.at(caller.now_ns + late.delay_ns, self._carry_out_late, method, caller, scope)
            raise NoAnswer(late.status)
        refused, lost = faults.take(trade_faults.REFUSE, *scope), faults.take(trade_faults.LOSE, *scope)
        if refused is not None and not refused.after:
            raise ApiError(refused.error)
        trade_strikes.strike(exchange, scope, caller.params)
        try:
            result = _result(method, caller)
        finally:
            if lost is not None:
                raise NoAnswer(0) from None
        if refused is not None:
            raise ApiError(refused.error)
        return result

    def _carry_out_late(self, when_ns: int, method: Method, caller: Caller, scope: tuple[str, str, str]) -> None:
        """Nobody hears what becomes of it."""
        trade_strikes.strike(self._exchange, scope, caller.params)
        self._exchange.lag_ns = when_ns - caller.now_ns
        with contextlib.suppress(ApiError):
            _result(method, replace(caller, now_ns=when_ns))
        self._exchange.lag_ns = 0

    def _key(self, text: str, now_ns: int) -> ApiKey:
        accounts, settings = self._exchange.accounts, self._exchange.settings
        key = accounts.keys.get(text)
        if key is None or key.revoked:
            self._exchange.counts["invalid_keys"] += 1
            if now_ns < self._strangers_until_ns:
                raise ApiError("EGeneral:Temporary lockout")
            self._strangers += 1
            if self._strangers >= settings.lockout_failures:
                self._strangers, self._strangers_until_ns = 0, now_ns + int(settings.lockout_s * SECOND_NS)
                self._exchange.counts["lockouts"] += 1
            raise ApiError("EAPI:Invalid key")
        self._strangers = 0
        if now_ns < key.locked_until_ns:
            raise ApiError("EGeneral:Temporary lockout")
        return key

    def _check_signature(
        self, key: ApiKey, path: str, signature: str, body: bytes, params: Mapping[str, Any], now_ns: int
    ) -> None:
        nonce = str(params.get("nonce", ""))
        if not is_signed(path, nonce, body, key.secret, signature):
            self._refuse(key, "signatures", "EAPI:Invalid signature", now_ns)
        if not (nonce.isascii() and nonce.isdigit() and key.takes_nonce(int(nonce))):
            self._refuse(key, "nonces", "EAPI:Invalid nonce", now_ns)
        key.failures = 0

    def _refuse(self, key: ApiKey, what: str, text: str, now_ns: int) -> None:
        settings, counts = self._exchange.settings, self._exchange.counts
        counts[f"invalid_{what}"] += 1
        if key.fail(now_ns, settings.lockout_failures, int(settings.lockout_s * SECOND_NS)):
            counts["lockouts"] += 1
        raise ApiError(text)

    def _check_counter(self, key: ApiKey, cost: int, now_ns: int) -> None:
        if cost and self._exchange.settings.rest_limits and not key.counter.takes(cost * POINT, now_ns):
            self._exchange.counts["rate_limited"] += 1
            raise ApiError("EAPI:Rate limit exceeded")


def _result(method: Method, caller: Caller) -> Any:
    try:
        return method.call(caller)
    except OrderRefused as refusal:
        raise ApiError(str(refusal)) from None


def _check_shapes(params: Mapping[str, Any]) -> None:
    """All else is a text, whatever a JSON body wrote."""
    for name, value in params.items():
        if not isinstance(value, str) and name not in _STRUCTURED:
            raise ApiError(f"EGeneral:Invalid arguments:{name}")
