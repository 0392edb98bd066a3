"""`[account.NAME]` and `[user.NAME]`: any names, nothing unknown, secrets by reference alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from gw_venue_kraken import plugin

from gwcore.config import LoadedConfig, Sources, load_config
from gwcore.errors import ConfigError
from gwcore.venue import Support

Load = Callable[[str], LoadedConfig]
KEYS = 'key = "env:KEY"\nsecret = "env:SECRET"\n'


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(text: str) -> LoadedConfig:
        file = tmp_path / "gw.toml"
        file.write_text('[gateway]\nvenue = "kraken"\n' + text)
        return load_config(Sources(files=(file,), environ={"HOME": "/home/me"}))

    return load


def test_accounts_and_users_are_read(load: Load) -> None:
    config = load(
        f"[account.main]\n{KEYS}master = true\n[account.main.options]\ntier = 'pro'\n"
        "[account.second]\nkey = 'file:/key'\nsecret = 'cred:secret'\n"
        "[user.bot]\nuids = [1000]\naccounts = ['main']\nverbs = ['md']\n"
    ).config
    main, second = config.accounts
    assert (main.name, main.settings.master, main.options.tier) == ("main", True, "pro")
    assert (second.name, second.settings.secret, second.options.tier) == ("second", "cred:secret", "starter")
    assert config.users["bot"].verbs == ("md",)
    assert config.gateway.keys_dir == "/home/me/.local/state/gw/keys"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"[account.main]\n{KEYS}mastr = true\n", 'gw.toml:6: no setting account.main.mastr (did you mean "master"?'),
        ("[account.main]\n", "gw.toml:3: account.main.key is missing"),
        ("[account.main]\nkey = 'canary-literal'\nsecret = 'env:S'\n", "gw.toml:4: account.main.key: a secret is given by"),
        (f"[account.Main]\n{KEYS}", 'account "Main" is not a name'),
        (f"[account.main.options]\nteir = 'pro'\n[account.main]\n{KEYS}", 'no setting account.main.options.teir (did you'),
        (f"[account.main]\n{KEYS}[account.main.options]\ntier = 'gold'\n", "tier is 'gold': use starter"),
        (f"[account.a]\n{KEYS}[account.b]\n{KEYS}", "account.b.key: account a has the same"),
        (
            "[account.a]\nkey = 'env:A'\nsecret = 'env:S'\nmaster = true\n"
            "[account.b]\nkey = 'env:B'\nsecret = 'env:S'\nmaster = true\n",
            "gw.toml:10: account.b.master: a is the master already",
        ),
        ("[user.bot]\naccounts = ['*']\n", "user.bot: nothing says who that is"),
        ("[user.bot]\nuids = [1000]\nverbs = ['reed']\n", "user.bot.verbs"),
        ("[user.a]\nuids = [7]\n[user.b]\nuids = [7]\n", "user.b: a is the same one"),
        ("[account]\nkey = 'env:A'\n", "account.key is a key without a account"),
    ],
)  # fmt: skip
def test_faults_are_named_by_line_and_cure(load: Load, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert words in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_master_account_needs_a_venue_that_tells_fees(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    without = dataclasses.replace(plugin.SPEC, supports=plugin.SPEC.supports - {Support.FEES})
    monkeypatch.setattr(plugin, "SPEC", without)
    with pytest.raises(ConfigError) as caught:
        load(f"[account.main]\n{KEYS}master = true\n")
    assert "gw.toml:6: account.main.master: venue kraken tells no fees" in str(caught.value)
    assert "leave it out" in str(caught.value)
    load(f"[account.main]\n{KEYS}")


def test_the_environment_may_name_a_key(tmp_path: Path) -> None:
    file = tmp_path / "gw.toml"
    file.write_text(f'[gateway]\nvenue = "kraken"\n[account.main]\n{KEYS}')
    environ = {"HOME": "/home/me", "GW_ACCOUNT__MAIN__KEY": "cred:other"}
    [account] = load_config(Sources(files=(file,), environ=environ)).config.accounts
    assert account.settings.key == "cred:other"
