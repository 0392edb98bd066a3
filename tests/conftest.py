"""Small plugins on disk, so that a configuration can be tested without any real venue."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

VENUE_MODULE = """
from collections.abc import Mapping
from typing import Annotated

import msgspec

import gwcore
from gwcore.model import Channel
from gwcore.settings import Count, SecretRef
from gwcore.venue import GroupLimits, VenueLimits, VenueSpec


class ToySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rest_url: str = "https://toy.example"
    ws_public_url: str = "wss://toy.example"
    batch: Count = 5
    ratio: float = 0.5
    verbose: bool = False
    tags: tuple[str, ...] = ()
    names: Mapping[str, int] = {}
    key: SecretRef | None = None
    color: str = "red"

    def __post_init__(self) -> None:
        if self.color == "green":
            raise ValueError("color is green: use red")


class Streams:
    def __init__(self, settings):
        if settings.color == "purple":
            raise RuntimeError("no purple streams")
        channels = frozenset({Channel.BOOK, Channel.TRADE, Channel.TICKER, Channel.INSTRUMENT, Channel.STATUS})
        self.limits = VenueLimits(
            groups={"main": GroupLimits(channels=channels, symbols_per_connection=10)}, depths=(10, 25)
        )


SPEC = VenueSpec(
    name="toy",
    api_version=1,
    settings=ToySettings,
    environments={"prod": {}, "sim": {"rest_url": "http://127.0.0.1:1", "batch": 7}},
    symbols=lambda settings: object(),
    streams=Streams,
    orders=None,
    supports=frozenset(),
    summary="a toy",
)


@gwcore.hookimpl
def gw_register_venues():
    return [SPEC]
"""

COMPONENT_MODULE = """
import msgspec

import gwcore
from gwcore.settings import SecretRef, Seconds
from gwcore.{kind} import {spec}


class ToySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: str = ""
    url: str = ""
    wait_s: Seconds = 1.0
    password: SecretRef | None = None


@gwcore.hookimpl
def gw_register_{kind}s():
    return [{spec}(name="{name}", api_version=1, settings=ToySettings, create=lambda *a: None, summary="a toy"{extra})]
"""


def install(
    site: Path, distribution: str, group: str, name: str, module: str, source: str, version: str = "1.0"
) -> None:
    """A distribution as an installer would leave it: a module and a .dist-info."""
    site.joinpath(f"{module}.py").write_text(source)
    info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    info.joinpath("entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")


Installer = Callable[..., None]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that plugins can be installed into; what was imported from it is forgotten again."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if name.startswith("toy_"):
            del sys.modules[name]


@pytest.fixture
def toys(site: Path) -> Path:
    """Site with venue toy, transports unix-like `pipe`, sinks `heap` and `two-part`."""
    install(site, "gw-venue-toy", "gw.venues", "toy", "toy_venue", VENUE_MODULE)
    component = COMPONENT_MODULE.format
    install(
        site,
        "gw-transport-pipe",
        "gw.transports",
        "pipe",
        "toy_pipe",
        component(kind="transport", spec="TransportSpec", name="pipe", extra=""),
    )
    for name in ("heap", "two-part"):
        install(
            site,
            f"gw-sink-{name}",
            "gw.sinks",
            name,
            f"toy_{name.replace('-', '_')}",
            component(kind="sink", spec="SinkSpec", name=name, extra=", batch_max=1, linger_ms=1.0"),
        )
    return site


@pytest.fixture
def plugin(site: Path) -> Installer:
    """Install one plugin: `plugin(distribution, group, name, source, version="1.0")`."""

    def make(distribution: str, group: str, name: str, source: str, version: str = "1.0") -> None:
        install(site, distribution, group, name, f"toy_{distribution.replace('-', '_')}", source, version)

    return make


@pytest.fixture
def venue_source() -> str:
    """The source of a venue plugin that is as it should be, to be spoilt."""
    return VENUE_MODULE


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Write a configuration file into the working directory and give its (short, relative) path."""
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "gw.toml") -> Path:
        Path(name).write_text(text)
        return Path(name)

    return write
