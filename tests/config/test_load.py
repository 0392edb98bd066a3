"""Files, variables and flags become one configuration; every fault is a sentence with its place and cure."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gwcore import plugins
from gwcore.config import ConfigFaults, FlagValue, Sources, config_rows, lint_config, load_config
from gwcore.errors import ConfigError, GatewayError
from gwcore.model import Channel
from gwcore.runtime.libraries import find_client, find_loop

Put = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("toys")


def load(*files: Path, environ: Mapping[str, str] | None = None, **flags: Any) -> Any:
    return load_config(sources(*files, environ=environ, **flags))


def sources(*files: Path, environ: Mapping[str, str] | None = None, **flags: Any) -> Sources:
    values = tuple(
        FlagValue(
            f"--{path.split('__')[-1].replace('_', '-')}",
            tuple("*" if p == "any" else p for p in path.split("__")),
            value,
        )
        for path, value in flags.items()
    )
    return Sources(files=files, environ={"HOME": "/home/me", **(environ or {})}, flags=values)


def faults(*files: Path, environ: Mapping[str, str] | None = None, **flags: Any) -> list[str]:
    with pytest.raises(GatewayError) as caught:
        load(*files, environ=environ, **flags)
    error = caught.value
    return [str(fault) for fault in error.faults] if isinstance(error, ConfigFaults) else [str(error)]


GOOD = '[gateway]\nvenue = "toy"\n'


def test_defaults_are_filled_and_names_resolved(put: Put) -> None:
    config = load(put(GOOD)).config
    assert config.gateway.name == "toy"
    assert config.gateway.state_dir == "/home/me/.local/state/gw/toy"
    assert config.gateway.book_depth == 10
    assert config.venue.spec.name == "toy"
    assert config.venue.settings.rest_url == "https://toy.example"
    assert (config.transports, config.sinks) == ((), ())


def test_the_state_directory_follows_the_standard(put: Put) -> None:
    file = put(GOOD)
    assert load(file, environ={"XDG_STATE_HOME": "/s"}).config.gateway.state_dir == "/s/gw/toy"
    assert load(file, environ={"XDG_STATE_HOME": "s"}).config.gateway.state_dir == "/home/me/.local/state/gw/toy"
    assert load(file, gateway__state_dir="~/x").config.gateway.state_dir == "/home/me/x"
    assert load(file, gateway__state_dir="x").config.gateway.state_dir == str(Path.cwd() / "x")


def test_later_files_variables_and_flags_win_key_by_key(put: Put) -> None:
    first = put(GOOD + 'name = "one"\nbook_depth = 25\nsymbols = ["A/B", "C/D"]\nlog_level = "debug"\n', "one.toml")
    second = put('[gateway]\nname = "two"\nsymbols = ["E/F"]\n', "two.toml")
    loaded = load(
        first,
        second,
        environ={"GW_GATEWAY__LOG_LEVEL": "error", "GW_GATEWAY__ENV": "prod", "GW_GATEWAY__EXCLUDE": "X/Y, Z*"},
        gateway__env="sim",
    )
    gateway = loaded.config.gateway
    assert (gateway.name, gateway.book_depth, gateway.symbols) == ("two", 25, ("E/F",))
    assert (gateway.log_level, gateway.env, gateway.exclude) == ("error", "sim", ("X/Y", "Z*"))
    assert {
        key: loaded.origins.get(f"gateway.{key}") for key in ("name", "book_depth", "log_level", "env", "exclude")
    } == {
        "name": "two.toml:2",
        "book_depth": "one.toml:4",
        "log_level": "GW_GATEWAY__LOG_LEVEL",
        "env": "--env",
        "exclude": "GW_GATEWAY__EXCLUDE",
    }


def test_an_environment_of_the_venue_stands_below_files_and_flags(put: Put) -> None:
    file = put(GOOD + 'env = "sim"\n[venue.toy]\nbatch = 9\n')
    loaded = load(file)
    assert (loaded.config.venue.settings.rest_url, loaded.config.venue.settings.batch) == ("http://127.0.0.1:1", 9)
    assert loaded.origins["venue.toy.rest_url"] == 'environment "sim"'
    assert load(file, venue__any__rest_url="http://x").config.venue.settings.rest_url == "http://x"


def test_components_are_chosen_by_flag_file_or_variable(put: Put) -> None:
    file = put(
        GOOD + 'transports = ["pipe"]\nsinks = ["heap"]\n[transport.pipe]\npath = "/p"\n[sink.two-part]\nwait_s = 3\n'
    )
    config = load(file).config
    assert [(t.spec.name, t.settings.path) for t in config.transports] == [("pipe", "/p")]
    assert [s.spec.name for s in config.sinks] == ["heap"]
    config = load(file, environ={"GW_SINK__TWO_PART__URL": "u"}, gateway__sinks=["two-part", "heap", "two-part"]).config
    assert [(s.spec.name, s.settings.url, s.settings.wait_s) for s in config.sinks] == [
        ("two-part", "u", 3.0),
        ("heap", "", 1.0),
    ]


def test_variables_are_read_as_the_type_of_their_setting(put: Put) -> None:
    environ = {
        "GW_GATEWAY__DURATION_S": "2",
        "GW_GATEWAY__METRICS_PORT": "0",
        "GW_GATEWAY__CANDLE_INTERVALS_S": "60,300",
        "GW_VENUE__TOY__VERBOSE": "true",
        "GW_VENUE__TOY__RATIO": "0.25",
        "GW_VENUE__TOY__TAGS": "a,b",
        "GW_VENUE__TOY__NAMES": '{"a": 1}',
        "GW_VENUE__TOY__KEY": "env:TOY_KEY",
        "GW_DEBUG": "1",
    }
    config = load(put(GOOD), environ=environ).config
    assert (config.gateway.duration_s, config.gateway.metrics_port) == (2.0, 0)
    assert config.gateway.candle_intervals_s == (60, 300)
    settings = config.venue.settings
    assert (settings.verbose, settings.ratio, settings.tags) == (True, 0.25, ("a", "b"))
    assert (settings.names, settings.key) == ({"a": 1}, "env:TOY_KEY")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[gatway]\n",
            'gw.toml:1: no table [gatway] (did you mean "gateway"? tables: account, capture, clients, detection, ',
        ),
        (GOOD + "bok_depth = 10\n", 'gw.toml:3: no setting gateway.bok_depth (did you mean "book_depth"? settings: '),
        (
            GOOD + 'book_depth = "ten"\n',
            'gw.toml:3: gateway.book_depth: expected a whole number of at least 1; found the text "ten"',
        ),
        (
            GOOD + "book_depth = 0\n",
            "gw.toml:3: gateway.book_depth: expected a whole number of at least 1; found the number 0",
        ),
        (
            GOOD + "book_depth = true\n",
            "gw.toml:3: gateway.book_depth: expected a whole number of at least 1; found true",
        ),
        (
            GOOD + "book_depth = 11\n",
            "gw.toml:3: gateway.book_depth: venue toy has no books of depth 11 (depths: 10, 25)",
        ),
        (GOOD + "duration_s = -1\n", "gw.toml:3: gateway.duration_s: expected a number above 0; found the number -1"),
        (GOOD + "duration_s = inf\n", "gw.toml:3: gateway.duration_s: expected a number, found inf"),
        (
            GOOD + "metrics_port = 70000\n",
            "gw.toml:3: gateway.metrics_port: expected a whole number from 0 to 65535; found the",
        ),
        (
            GOOD + 'log_level = "debgu"\n',
            "gw.toml:3: gateway.log_level: expected one of debug, error, info, warning; found the "
            'text "debgu" (did you mean "debug"?',
        ),
        (
            GOOD + 'symbols = "BTC/USD"\n',
            'gw.toml:3: gateway.symbols: expected a list of texts in quotes; found the text "BTC/USD"',
        ),
        (
            GOOD + 'symbols = [\n"BTC/USD",\n3]\n',
            "gw.toml:3: gateway.symbols: expected a list of texts in quotes; found the number 3 in it",
        ),
        (GOOD + "symbols = []\n", 'gw.toml:3: gateway.symbols is empty ("*" means all symbols)'),
        (
            GOOD + 'symbols = ["BTC USD"]\n',
            'gw.toml:3: gateway.symbols: "BTC USD" is not a glob of symbols (write it like BTC/USD,',
        ),
        (
            GOOD + 'channels = ["boook"]\n',
            'gw.toml:3: gateway.channels: no channel "boook" (did you mean "book"? channels: book, ',
        ),
        (GOOD + "channels = []\n", "gw.toml:3: gateway.channels is empty (channels: "),
        (GOOD + 'channels = ["status"]\n', "gw.toml:3: gateway.channels names nothing that a symbol is subscribed to"),
        (
            GOOD + 'channels = ["ohlc"]\n',
            "gw.toml:3: gateway.channels: venue toy does not serve the channel ohlc (it serves: book, ",
        ),
        (
            GOOD + 'name = "../x"\n',
            'gw.toml:3: gateway.name: "../x" is not a name (a name matches ^[a-z][a-z0-9_-]{0,31}$)',
        ),
        (
            GOOD + 'env = "prd"\n',
            'gw.toml:3: gateway.env: venue toy has no environment "prd" (did you mean "prod"? environments: ',
        ),
        (GOOD + 'metrics_host = ""\n', "gw.toml:3: gateway.metrics_host is empty (127.0.0.1 is the default)"),
        ('[gateway]\nvenue = "tyo"\n', 'gw.toml:2: no venue "tyo" is installed (did you mean "toy"? installed: '),
        ("[gateway]\nvenue = 3\n", "gw.toml:2: gateway.venue: expected text in quotes; found the number 3"),
        (GOOD + 'sinks = ["hepa"]\n', 'gw.toml:3: no sink "hepa" is installed (did you mean "heap"? installed: '),
        (GOOD + "[sink.hepa]\n", 'gw.toml:3: no sink "hepa" is installed (did you mean "heap"? installed: '),
        (
            GOOD + "[healing]\nreconnect_first_s = 60.5\n",
            "gw.toml:4: healing.reconnect_first_s: 60.5 is above healing.reconnect_max_s",
        ),
        (
            GOOD + "[journal]\nmd_bytes_max = 5\n",
            "gw.toml:4: journal.md_bytes_max: 5 is below journal.segment_bytes, which is 67108864",
        ),
        (GOOD + '[venue.toy]\ncolor = "green"\n', "gw.toml:4: [venue.toy]: color is green: use red"),
        (GOOD + '[venue.toy]\ncolor = "purple"\n', "[venue.toy]: venue toy refuses its settings: no purple streams"),
        (
            GOOD + '[venue.toy]\nverbose = "yes"\n',
            'gw.toml:4: venue.toy.verbose: expected true or false; found the text "yes"',
        ),
        (
            GOOD + "[venue]\nbatch = 3\n",
            "gw.toml:4: venue.batch is a key without a venue (put it below [venue.<name>])",
        ),
        (GOOD + "venue.toy.batch = 3\n", "gw.toml:3: this is not TOML: "),
        ('venue = "toy"\n[gateway]\n', "gw.toml:1: venue is a table (write [venue] on a line of its own)"),
        ('name = "toy"\n' + GOOD, "gw.toml:1: the key name stands in no table (put it below a line such as [gateway])"),
        ("[gateway\n", "gw.toml: this is not TOML: "),
        ("[gateway]\n", "gateway.venue: no venue is chosen (--venue NAME, or venue in [gateway]; installed: "),
    ],
)
def test_each_fault_of_a_file_is_one_sentence(put: Put, text: str, sentence: str) -> None:
    found = faults(put(text))
    if "this is not TOML" in sentence:
        assert len(found) == 2  # and the venue that is not chosen, since nothing of the file was read
        assert found[0].startswith(("gw.toml: this is not TOML", sentence))
        return
    assert [line for line in found if line.startswith(sentence)], found
    assert all("\n" not in line for line in found)
    assert len(found) == (2 if text.startswith("venue") else 1) + ("[gatway]" in text)


def test_all_faults_are_reported_at_once(put: Put) -> None:
    found = faults(
        put(GOOD + 'book_depth = "x"\nnmae = "a"\n[journl]\n[clients]\nclients_max = 0\n[venue.toy]\nbatch = "x"\n'),
        environ={"GW_HEALING__QUARANTINE_AFTER": "x"},
        gateway__sinks=["nope"],
    )
    places = sorted(line.split(": ")[0] for line in found)
    assert places == [
        "--sinks",
        "GW_HEALING__QUARANTINE_AFTER",
        "gw.toml:3",
        "gw.toml:4",
        "gw.toml:5",
        "gw.toml:7",
        "gw.toml:9",
    ]


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        ("GW_GATWAY__NAME", 'GW_GATWAY__NAME: no table "gatway" (did you mean "gateway"? tables: '),
        ("GW_GATEWAY__NAME__X", "GW_GATEWAY__NAME__X: not the name of a setting (the form is GW_<TABLE>__<KEY>)"),
        ("GW_VENUE__TOY", "GW_VENUE__TOY: not the name of a setting (the form is GW_VENUE__<NAME>__<KEY>)"),
        ("GW_GATEWAY__", "GW_GATEWAY__: not the name of a setting (the form is GW_<TABLE>__<KEY>)"),
        ("GW_GATEWAY__NAEM", 'GW_GATEWAY__NAEM: no setting gateway.naem (did you mean "name"? settings: '),
        (
            "GW_GATEWAY__BOOK_DEPTH",
            "GW_GATEWAY__BOOK_DEPTH: gateway.book_depth: expected a whole number of at least 1; found",
        ),
        (
            "GW_VENUE__TOY__KEY",
            "GW_VENUE__TOY__KEY: venue.toy.key: a secret is given by reference only, and this is not one (name",
        ),
        ("GW_SINK__NOPE__URL", 'GW_SINK__NOPE__URL: no sink "nope" is installed (installed: '),
    ],
)
def test_each_fault_of_a_variable_is_one_sentence(put: Put, variable: str, sentence: str) -> None:
    (found,) = faults(put(GOOD), environ={variable: "hunter2hunter2"})
    assert found.startswith(sentence)


def test_a_flag_for_what_the_venue_lacks_or_nobody_chose_is_refused(put: Put) -> None:
    (found,) = faults(put(GOOD), venue__any__ws_l3_url="wss://x")
    assert found.startswith("--ws-l3-url: no setting venue.toy.ws_l3_url (")
    assert "settings: batch, color, key, " in found
    assert faults(put(GOOD), transport__pipe__path="/p") == [
        "--path: transport pipe is not chosen (add --transport pipe)"
    ]
    loaded = load(put(GOOD), transport__pipe__path="/p", gateway__transports=["pipe"])
    assert loaded.config.transports[0].settings.path == "/p"


def test_a_flag_for_two_plugins_is_for_those_that_are_chosen(put: Put) -> None:
    both = {"transport__pipe__path": "/p", "sink__two-part__path": "/p"}
    assert faults(put(GOOD), **both) == [
        "--path: neither transport pipe nor sink two-part is chosen (add --transport pipe or --sink two-part)"
    ]
    loaded = load(put(GOOD), gateway__transports=["pipe"], **both)
    assert loaded.config.transports[0].settings.path == "/p"
    assert (loaded.config.sinks, loaded.origins["transport.pipe.path"]) == ((), "--path")


@pytest.mark.parametrize(
    "value", ["hunter2-literal-canary", "ENV:X", "env:", "file:relative", "file:", "cred:../x", "cred:.", "***"]
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(put: Put, value: str) -> None:
    (found,) = faults(put(GOOD + f'sinks = ["heap"]\n[sink.heap]\npassword = "{value}"\n'))
    assert found.startswith("gw.toml:5: sink.heap.password: a secret is given by reference only, and this is not one")
    assert "file:/PATH (mode 0600, your own)" in found
    assert "canary" not in found


def test_a_url_with_a_password_is_refused_and_not_repeated(put: Put) -> None:
    for url in ("nats://me:canary@host:4222", "nats://canary@host", "nats://a:1,nats://x:canary@b:1"):
        (found,) = faults(put(GOOD + f'sinks = ["heap"]\n[sink.heap]\nurl = "{url}"\n'))
        assert found.startswith(
            "gw.toml:5: sink.heap.url: a URL may not carry a user, password or token (use the settings"
        )
        assert "canary" not in found


def test_files_that_cannot_be_read_are_told(put: Put, tmp_path: Path) -> None:
    good = put(GOOD)
    assert faults(good, Path("absent.toml")) == ["absent.toml: the file can't be read: no such file or directory"]
    Path("folder.toml").mkdir()
    assert faults(good, Path("folder.toml")) == ["folder.toml: the file can't be read: is a directory"]
    Path("latin.toml").write_bytes(b'[gateway]\nname = "\xe9"\n')
    assert faults(good, Path("latin.toml")) == ["latin.toml:2: the file is not UTF-8 text"]
    Path("big.toml").write_bytes(b"#" * (1024 * 1024 + 1))
    assert faults(good, Path("big.toml")) == ["big.toml: the file has more than 1048576 bytes"]


def test_only_what_is_chosen_is_imported(put: Put, toys: Path) -> None:
    toys.joinpath("toy_heap.py").write_text("raise RuntimeError('must not be imported')\n")
    file = put(GOOD + "[sink.heap]\nnonsense = 1\n")
    load(file)
    assert faults(file, gateway__sinks=["heap"])[0].startswith(
        '--sinks: sink "heap" (gw-sink-heap 1.0, toy_heap) can\'t be imported: RuntimeError: must not be imported;'
    )


def test_lint_checks_the_tables_of_what_is_not_chosen_too(put: Put) -> None:
    file = put(GOOD + "[sink.heap]\nnonsense = 1\n[transport.pipe]\nwait_s = 0\n")
    load(file)
    with pytest.raises(ConfigFaults) as caught:
        lint_config(Sources(files=(file,)))
    assert [str(fault).split(" (")[0] for fault in caught.value.faults] == [
        "gw.toml:4: no setting sink.heap.nonsense",
        "gw.toml:6: transport.pipe.wait_s: expected a number above 0; found the number 0",
    ]
    lint_config(Sources(files=(put("[gateway]\nname = 'part'\n", "part.toml"),)))


def test_rows_show_every_value_with_its_origin(put: Put) -> None:
    loaded = load(put(GOOD + '[venue.toy]\nkey = "file:/k"\n'), gateway__sinks=["heap"])
    rows = {row.key: (row.value, row.origin) for row in config_rows(loaded)}
    assert rows["gateway.venue"] == ("toy", "gw.toml:2")
    assert rows["venue.toy.key"] == ("file:/k", "gw.toml:4")
    assert rows["venue.toy.batch"] == (5, "default")
    assert rows["sink.heap.wait_s"] == (1.0, "default")
    assert rows["clients.clients_max"] == (256, "default")
    assert not [key for key in rows if key.startswith("transport.")]


def test_a_library_that_is_not_installed_is_a_fault_with_its_cure(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    file = put(GOOD + '[runtime]\nwebsocket = "picows"\nloop = "uvloop"\n')
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in ("picows", "uvloop") else find_spec(name)
    )
    assert faults(file) == [
        f'{file}:{line}: runtime.{key}: "{library}" is not installed '
        '(pip install "gwcore[fast]", or leave it at "auto")'
        for line, key, library in ((4, "websocket", "picows"), (5, "loop", "uvloop"))
    ]
    with pytest.raises(ConfigError, match='"uvloop" is not installed'):
        find_loop("uvloop")
    assert (find_client("auto").library, find_loop("auto").library) == ("websockets", "asyncio")


def test_libraries_by_name(put: Put) -> None:
    runtime = load(put(GOOD + '[runtime]\nwebsocket = "websockets"\n'), runtime__loop="asyncio").config.runtime
    assert (runtime.websocket, runtime.loop) == ("websockets", "asyncio")
    (fault,) = faults(put(GOOD + '[runtime]\nwebsocket = "aiohttp"\n'))
    assert "websockets" in fault
    assert (find_client("websockets").library, find_loop("asyncio").library) == ("websockets", "asyncio")


def test_channels_that_nobody_asked_for_are_those_the_venue_serves(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    # A venue author's first run: the default names channels that his venue does not have.
    assert "status" in load(put(GOOD)).config.gateway.channels
    spec = load(put(GOOD)).config.venue.spec
    limits = spec.streams(spec.settings()).limits
    group, known = next(iter(limits.groups.items()))
    books = replace(limits, groups={group: replace(known, channels=frozenset({Channel.BOOK}))})
    narrow = replace(spec, streams=lambda settings: SimpleNamespace(limits=books))
    monkeypatch.setitem(plugins.LOADERS, "venue", lambda name: narrow)
    assert load(put(GOOD)).config.gateway.channels == ("book",)
    assert "does not serve the channel status" in faults(put(GOOD + 'channels = ["book", "status"]\n'))[0]
