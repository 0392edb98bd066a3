"""AccountCase: what stands in for the account side of a venue: a simulator with accounts, and how things are done to one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class AccountCase:
    """The simulator of the venue with these settings has an account. Each call gets the simulator."""

    simulator_settings: Mapping[str, Any]
    credentials: Callable[[Any], tuple[str, str]]  # key and secret of the account
    fill: Callable[[Any, int], Sequence[str]]  # so many fills are made; their ids
    fills: Callable[[Any], Sequence[str]]  # ids of all fills there ever were
    revoke: Callable[[Any], None]  # the key is good no more, and what it opened is closed
    options: Any = None  # of the account
    token_s: float = 3_600.0  # how long what a connection is authorised with may last at the most
    fees: Callable[[Any], Mapping[str, tuple[str, str]]] = lambda simulator: {}  # maker and taker in percent, by symbol
    fee_requests_max: int = 20  # REST calls that the fees of these markets and of one that there is not may take
    requests_max: int = 20  # REST calls that a key which is no good may cause
