"""Settings of the simulated Kraken: each has a default, so that `gw sim kraken` alone serves a market."""

from __future__ import annotations

import msgspec


class SimKrakenSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is simulated. Times are seconds, rates are per second."""

    seed: int = 1  # all chance comes from it: same seed and same calls, same bytes
    pairs: int = 20  # markets: known names first, made-up ones after them
    rate: float = 200.0  # market-data messages a second over all pairs (book of depth 10, trade and ticker)
    skew: float = 1.0  # activity of the n-th pair is n^-skew; 0: all alike
    levels: int = 40  # levels a side that a market tends to
    deep_pairs: int = 3  # the first markets have `levels_deep` instead, so that depth 1000 is cut
    levels_deep: int = 1200  # levels a side of the deep markets
    trades_max: int = 100_000  # trades kept for each symbol
    start_ns: int = 0  # when the market opens; 0: at the first call
    catch_up_max_s: float = 30.0  # a longer pause between two calls is skipped, not simulated
    latency: bool = True  # acks 2-40 ms, snapshots 5-250 ms after them; false: at once
    exponents: bool = False  # instrument increments as 1e-08 instead of 0.00000001
    heartbeat_s: float = 1.0  # after the first subscription
    idle_close_s: float = 60.0  # a connection without subscription and request is closed; 0: never
    connects_max: int = 150  # connection attempts ...
    connects_window_s: float = 600.0  # ... in this window; 0 attempts: no limit
    ban_s: float = 600.0  # how long more attempts are refused with 429
    requests_per_s_max: int = 0  # client frames a second on one connection before "Exceeded msg rate"; 0: no limit
    maintenance_closes: bool = False  # maintenance closes the sockets instead of sending new snapshots after it
    accounts: int = 0  # private side: accounts with one API key each, named account1, account2, ...
    account_pairs: int = 4  # the first markets, of which an account owns both assets at the start and trades by itself
    account_rate: float = 0.0  # what each account does by itself (place, amend, cancel, fill) a second; 0: nothing
    account_rows_max: int = 100_000  # orders, fills and ledger lines kept for each account
    tier: str = "pro"  # of all accounts: starter, intermediate, pro
    history_cost: int = 2  # what a call of TradesHistory or Ledgers adds to the REST counter; older guides say 4
    rest_limits: bool = True  # the REST counter of each key
    engine_limits: bool = True  # the matching engine's counter of each account and pair, and the cap of open orders
    lockout_failures: int = 15  # refused keys, signatures or nonces in a row ...
    lockout_s: float = 900.0  # ... until "EGeneral:Temporary lockout" for this long
    replay: str = ""  # a recording (JSON Lines) to be played instead of a seeded market
    instruments: str = ""  # an instrument snapshot frame for the recording; empty: from its own digits
    speed: float = 1.0  # of the replay; 0: as fast as the clients take it
    drop: int = 0  # the n-th book frame of the recording is withheld from clients; 0: none
    replay_settle_s: float = 0.2  # pause between the first subscription and the first frame, for the others to come
    replay_spacing_s: float = 0.01  # between frames of a recording without any times
