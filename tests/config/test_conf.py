"""conf/*.toml is right: every file is free of faults, and kraken.toml shows every setting with its default."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gwcore.config import Sources, lint_config, load_config
from gwcore.plugins import load_sink, load_transport, load_venue
from gwcore.settings import (
    AccountSettings,
    CaptureSettings,
    ClientSettings,
    DetectionSettings,
    GatewaySettings,
    HealingSettings,
    JournalSettings,
    PaperSettings,
    RuntimeSettings,
    UserSettings,
)

CONF = Path(__file__).resolve().parent.parent.parent / "conf"
FILES = sorted(CONF.glob("*.toml"))
#: What kraken.toml sets, beside showing defaults.
CHOSEN = {("gateway", "venue"): "kraken", ("gateway", "transports"): ["unix"], ("gateway", "sinks"): ["file"]}

_shown = re.compile(r"#?(?P<key>[a-z]\w*) =(?P<value>.*)")


def tables() -> dict[str, type[msgspec.Struct]]:
    account_options = load_venue("kraken").account_options
    assert account_options is not None
    return {
        "gateway": GatewaySettings,
        "venue.kraken": load_venue("kraken").settings,
        "transport.unix": load_transport("unix").settings,
        "transport.nats": load_transport("nats").settings,
        "sink.file": load_sink("file").settings,
        "sink.jetstream": load_sink("jetstream").settings,
        "healing": HealingSettings,
        "detection": DetectionSettings,
        "journal": JournalSettings,
        "clients": ClientSettings,
        "capture": CaptureSettings,
        "runtime": RuntimeSettings,
        "paper": PaperSettings,
        "account.main": AccountSettings,
        "account.main.options": account_options,
        "user.me": UserSettings,
    }


def shown_values() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    table = ""
    for line in (CONF / "kraken.toml").read_text().splitlines():
        if line.startswith(("[", "#[")):
            table = line.strip("#[]")
            found[table] = {}
        elif match := _shown.match(line):
            value = match["value"].strip()
            is_unset = value.startswith("# not set")
            found[table][match["key"]] = None if is_unset else tomllib.loads(f"x = {value}")["x"]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_file_is_free_of_faults(file: Path) -> None:
    lint_config(Sources(files=(file,)))
    load_config(Sources(files=(file,), environ={"HOME": "/home/me"}))


def test_there_are_files() -> None:
    assert {"kraken.toml", "kraken-sim.toml"} <= {file.name for file in FILES}


def test_kraken_toml_has_every_table() -> None:
    assert list(shown_values()) == list(tables())


@pytest.mark.parametrize("table", tables())
def test_every_default_is_shown_as_it_is(table: str) -> None:
    defaults = msgspec.to_builtins(msgspec.structs.asdict(tables()[table]()))
    shown = shown_values()[table]
    expected = {key: CHOSEN.get((table, key), list(v) if isinstance(v, tuple) else v) for key, v in defaults.items()}
    assert shown == expected


def test_the_simulated_gateway_stays_off_the_real_venue() -> None:
    config = load_config(Sources(files=(CONF / "kraken-sim.toml",), environ={"HOME": "/home/me"})).config
    urls = [value for key, value in msgspec.structs.asdict(config.venue.settings).items() if key.endswith("_url")]
    assert urls
    assert all("127.0.0.1" in url for url in urls)
    assert config.gateway.state_dir.endswith("/kraken-sim")


def test_the_tables_of_an_account_and_a_user_can_be_taken_as_they_are(tmp_path: Path) -> None:
    text = (CONF / "kraken.toml").read_text()
    account = text[text.index("#[account.main]") :].replace("#[", "[").replace("#options = {}", "")
    account = account.replace('#key = ""', 'key = "env:KEY"').replace('#secret = ""', 'secret = "env:SECRET"')
    file = tmp_path / "account.toml"
    file.write_text('[gateway]\nvenue = "kraken"\n' + account.replace("#uids = []", "uids = [1000]"))
    config = load_config(Sources(files=(file,), environ={"HOME": "/home/me"})).config
    assert [account.name for account in config.accounts] == ["main"]
    assert list(config.users) == ["me"]
