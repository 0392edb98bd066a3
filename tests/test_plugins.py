"""Plugins: only the selected one is imported, and a bad one is one sentence that says what to do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gwcore.errors import PluginError
from gwcore.plugins import list_plugins, load_simulator, load_sink, load_transport, load_venue

Installer = Callable[..., None]


def fault(load: Callable[[str], object], name: str) -> str:
    with pytest.raises(PluginError) as caught:
        load(name)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_what_is_installed_is_listed_from_metadata_alone(plugin: Installer) -> None:
    plugin("gw-x", "gw.sinks", "x-sink", "raise RuntimeError('imported')")
    (entry,) = [entry for entry in list_plugins() if entry.name == "x-sink"]
    assert (entry.kind, entry.module, entry.distribution, entry.version) == ("sink", "toy_gw_x", "gw-x", "1.0")


def test_a_good_plugin_gives_its_spec(toys: Path) -> None:
    assert load_venue("toy").summary == "a toy"
    assert load_transport("pipe").name == "pipe"
    assert load_sink("two-part").batch_max == 1


def test_only_the_selected_module_is_imported(toys: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(toys)!r})\n"
        "from gwcore.plugins import load_sink, list_plugins\n"
        "list_plugins(); load_sink('heap')\n"
        "print(sorted(m for m in sys.modules if m.startswith(('toy_', 'gw_'))))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "['toy_heap']\n"


def test_a_missing_plugin_names_what_is_like_it_and_what_there_is(toys: Path) -> None:
    text = fault(load_sink, "hepa")
    assert text.startswith('no sink "hepa" is installed (did you mean "heap"? installed: ')
    assert "heap" in text
    assert "two-part" in text
    assert "did you mean" not in fault(load_sink, "zzzzzz")


def test_where_nothing_is_installed_the_group_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gwcore.plugins.entry_points", lambda group: [])
    assert fault(load_simulator, "x") == (
        'no simulator "x" is installed '
        "(none is installed: install a distribution with an entry point in the group gw.simulators)"
    )


def test_two_distributions_with_one_name_are_both_named(plugin: Installer) -> None:
    plugin("gw-one", "gw.venues", "twin", "raise RuntimeError")
    plugin("gw-two", "gw.venues", "twin", "raise RuntimeError")
    assert fault(load_venue, "twin") == 'venue "twin" is registered by gw-one and gw-two: uninstall all but one'


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "import no_such_module",
            "can't be imported: ModuleNotFoundError: No module named 'no_such_module'; mend or uninstall it",
        ),
        ("def (", "can't be imported: SyntaxError: "),
        ("raise SystemExit('bye')", "can't be imported: SystemExit: bye; mend or uninstall it"),
        ("raise RuntimeError('two\\nlines')", "can't be imported: RuntimeError: two lines; mend or uninstall it"),
        ("raise RuntimeError('x' * 1000)", "can't be imported: RuntimeError: xxx"),
        (
            "x = 1",
            "registers no venue: it needs a function gw_register_venues marked with @gwcore.hookimpl that returns one",
        ),
        (
            "import gwcore\n@gwcore.hookimpl\ndef gw_register_venue(): return []",
            "can't be registered: PluginValidationError: unknown hook 'gw_register_venue' in plugin",
        ),
        (
            "import gwcore\n@gwcore.hookimpl\ndef gw_register_venues(extra): return []",
            "can't be registered: PluginValidationError: Plugin 'bad' for hook 'gw_register_venues' hookimpl definition: ",
        ),
        (
            "import gwcore\n@gwcore.hookimpl\ndef gw_register_venues(): return 1 / 0",
            "can't be registered: ZeroDivisionError: ",
        ),
        ("import gwcore\n@gwcore.hookimpl\ndef gw_register_venues(): return 7", "can't be registered: TypeError: "),
        ("import gwcore\n@gwcore.hookimpl\ndef gw_register_venues(): return []", "registers no venue: "),
        (
            "import gwcore\n@gwcore.hookimpl\ndef gw_register_venues(): return ['x']",
            "registers a str where a VenueSpec is due",
        ),
        ("import gwcore\n@gwcore.hookimpl\ndef gw_register_sinks(): return []", "registers no venue: "),
    ],
)
def test_a_broken_plugin_is_one_sentence(plugin: Installer, source: str, reason: str) -> None:
    plugin("gw-bad", "gw.venues", "bad", source, version="2.5")
    text = fault(load_venue, "bad")
    assert text.startswith(f'venue "bad" (gw-bad 2.5, toy_gw_bad) {reason}')
    assert len(text) < 450


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "api_version=1",
            "api_version=2",
            "was made for plugin API 2 and this gwcore has 1: install a newer gwcore, or an older gw-bad",
        ),
        ("api_version=1", "api_version=0", "was made for plugin API 0 and this gwcore has 1: install a newer gw-bad"),
        ("api_version=1", "api_version='1'", "states api_version '1', which is no whole number"),
        ('name="toy"', 'name="yot"', 'registers "yot" instead: name and entry point must be the same'),
        ("return [SPEC]", "return [SPEC, SPEC]", "registers that name 2 times: once is right"),
        ("settings=ToySettings", "settings=dict", "has settings that are not a msgspec Struct type"),
        ("batch: Count = 5", "batch: Count", "has no default for its setting batch"),
        ("streams=Streams", "streams=None", "has streams that can't be called"),
        (
            '"prod": {}',
            '"prod": {"rest_ulr": "x"}',
            'has an environment "prod" with the unknown setting rest_ulr (did you mean "rest_url"?',
        ),
    ],
)
def test_a_plugin_that_does_not_fit_is_one_sentence(
    plugin: Installer, venue_source: str, old: str, new: str, reason: str
) -> None:
    assert old in venue_source
    plugin("gw-bad", "gw.venues", "toy", venue_source.replace(old, new))
    assert fault(load_venue, "toy").startswith(f'venue "toy" (gw-bad 1.0, toy_gw_bad) {reason}')


def test_a_name_that_could_leave_its_folder_is_refused(plugin: Installer, venue_source: str) -> None:
    plugin("gw-bad", "gw.venues", "../up", venue_source.replace('name="toy"', 'name="../up"'))
    assert fault(load_venue, "../up").endswith("has a name that does not match ^[a-z][a-z0-9_-]{0,31}$")


def test_one_broken_plugin_does_not_disturb_the_others(plugin: Installer, toys: Path) -> None:
    plugin("gw-bad", "gw.sinks", "bad", "raise RuntimeError")
    fault(load_sink, "bad")
    assert load_sink("heap").name == "heap"
