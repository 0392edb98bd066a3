"""Settings of the Unix transport: table `[transport.unix]`."""

from __future__ import annotations

import msgspec


class UnixSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[transport.unix]`: the socket clients connect to."""

    path: str = ""  # of the socket; empty: <state_dir>/run/gw.sock
    group: str = ""  # group that owns the socket; empty: the process's own
    connections_max: int = 300  # more are told so and closed; the core's own limit counts those that said hello
    hello_timeout_s: float = 5.0  # a connection that has not said hello by then is closed
    high_water_bytes: int = 1024 * 1024  # unsent bytes of a client at which the core is told to hold back
    unsent_bytes_max: int = 32 * 1024 * 1024  # a client that goes on asking without reading is cut at this
    close_s: float = 2.0  # how long a goodbye may take to be read before the connection is cut
