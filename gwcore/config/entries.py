"""Accounts and users: the tables whose names the operator chooses. Fills them and checks them against the venue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gwcore.config.faults import FaultList
from gwcore.config.layers import OPTIONS, Setting
from gwcore.config.tables import FilledTable
from gwcore.config.toml_lines import KeyPath
from gwcore.plugin_checks import NAME_PATTERN, is_name
from gwcore.settings import AccountSettings, SelectedAccount, UserSettings
from gwcore.venue import Support, VenueSpec

#: The account of a gateway that trades on paper and names none.
PAPER_ACCOUNT = "paper"


class Entries:
    """`[account.NAME]` and `[user.NAME]` of what was given."""

    def __init__(
        self, given: Mapping[KeyPath, Setting], fill: Callable[..., FilledTable[Any]], faults: FaultList
    ) -> None:
        self._given = given
        self._fill = fill
        self._faults = faults

    def _names(self, table: str) -> list[str]:
        found: list[str] = []
        for path, setting in self._given.items():
            if path[0] != table or len(path) < 2 or path[1] in found:
                continue
            found.append(path[1])
            if not is_name(path[1]):
                self._faults.add(
                    f'{table} "{path[1]:.60}" is not a name',
                    place=setting.origin,
                    hint=f"a name matches {NAME_PATTERN}",
                )
        return [name for name in found if is_name(name)]

    def _place(self, *path: str) -> str:
        while path and path not in self._given:
            path = path[:-1]
        return self._given[path].origin if path else ""

    def accounts(self, venue: VenueSpec | None, *, on_paper: bool = False) -> tuple[SelectedAccount, ...]:
        """The accounts of the gateway; `venue` None: nothing can be said of their options.

        On paper nobody needs a key, and where no account is named there is one.
        """
        found: list[SelectedAccount] = []
        for name in self._names("account"):
            table = ("account", name)
            filled = self._fill(AccountSettings, table)
            settings: AccountSettings = filled.settings
            for key in ("key", "secret") if not on_paper else ():
                if not getattr(settings, key) and key not in filled.bad:
                    self._faults.add(
                        f"account.{name}.{key} is missing",
                        place=self._place(*table),
                        hint="name where it is: file:/PATH, cred:NAME, keyring:SERVICE/NAME or env:NAME",
                    )
            if venue is not None:
                found.append(
                    SelectedAccount(name=name, settings=settings, options=self._options(venue, name, settings))
                )
        self._check_together(found)
        if on_paper and not found:
            options = self._options(venue, PAPER_ACCOUNT, AccountSettings()) if venue is not None else None
            found.append(SelectedAccount(name=PAPER_ACCOUNT, settings=AccountSettings(), options=options))
        return tuple(found)

    def _options(self, venue: VenueSpec, name: str, settings: AccountSettings) -> Any:
        table = ("account", name, OPTIONS)
        if Support.ACCOUNT not in venue.supports:
            self._faults.add(f"venue {venue.name} has no accounts", place=self._place("account", name))
            return None
        if settings.master and Support.FEES not in venue.supports:
            self._faults.add(
                f"account.{name}.master: venue {venue.name} tells no fees, which the master account is for",
                place=self._place("account", name, "master"),
                hint="leave it out",
            )
        if venue.account_options is None:
            if settings.options:
                self._faults.add(f"accounts of venue {venue.name} have no options", place=self._place(*table))
            return None
        return self._fill(venue.account_options, table).settings

    def _check_together(self, accounts: list[SelectedAccount]) -> None:
        masters = [account.name for account in accounts if account.settings.master]
        for name in masters[1:]:
            self._faults.add(
                f"account.{name}.master: {masters[0]} is the master already",
                place=self._place("account", name, "master"),
                hint="one account of a gateway is",
            )
        keys: dict[str, str] = {}
        for account in accounts:
            other = keys.setdefault(account.settings.key, account.name) if account.settings.key else account.name
            if other != account.name:
                self._faults.add(
                    f"account.{account.name}.key: account {other} has the same",
                    place=self._place("account", account.name, "key"),
                    hint="two accounts with one key would break each other's nonces",
                )

    def users(self) -> dict[str, UserSettings]:
        """The users of the gateway, by name."""
        found: dict[str, UserSettings] = {}
        owners: dict[object, str] = {}
        for name in self._names("user"):
            settings: UserSettings = self._fill(UserSettings, ("user", name)).settings
            found[name] = settings
            marks: list[object] = [*settings.uids, *settings.nats, *([settings.token] if settings.token else [])]
            marks += ["bus"] if settings.bus else []
            if not marks:
                self._faults.add(
                    f"user.{name}: nothing says who that is",
                    place=self._place("user", name),
                    hint="uids = [1000], nats = [...] or token = a reference",
                )
            for mark in marks:
                other = owners.setdefault(mark, name)
                if other != name:
                    self._faults.add(f"user.{name}: {other} is the same one", place=self._place("user", name))
        return found
