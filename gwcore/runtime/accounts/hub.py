"""AccountHub: whom an account's connection tells."""

from __future__ import annotations

from typing import Protocol

from gwcore.model import ConnectionState, Event, MarketStatus


class AccountHub(Protocol):
    """What an account's connection tells the gateway."""

    def on_account(self, account: str, state: ConnectionState, cause: str | None, *, halted: bool = False) -> None:
        """The connection came or went; `halted`: it will not come again."""
        ...

    def on_cancel_timer(self, account: str, is_armed: bool, cause: str) -> None:
        """The venue's dead-man timer was armed or disarmed, or ended."""
        ...

    def on_venue_status(self, status: MarketStatus) -> None:
        """The account's own stream says how the venue as a whole stands."""
        ...

    def publish_status(self, event: Event) -> None:
        """Publish in partition `st`."""
        ...
