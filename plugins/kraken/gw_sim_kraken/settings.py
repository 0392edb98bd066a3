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
    replay: str = ""  # a recording (JSON Lines) to be played instead of a seeded market
    instruments: str = ""  # an instrument snapshot frame for the recording; empty: from its own digits
    speed: float = 1.0  # of the replay; 0: as fast as the clients take it
    drop: int = 0  # the n-th book frame of the recording is withheld from clients; 0: none
    replay_settle_s: float = 0.2  # pause between the first subscription and the first frame, for the others to come
    replay_spacing_s: float = 0.01  # between frames of a recording without any times
