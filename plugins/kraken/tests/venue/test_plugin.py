from __future__ import annotations

from importlib.metadata import entry_points

import gw_venue_kraken.plugin as plugin
import msgspec
import pluggy
import pytest
from gw_venue_kraken.names import split_pair, v1_symbol, v2_symbol
from gw_venue_kraken.orders.orders import make_orders
from gw_venue_kraken.settings import ENVIRONMENTS, KrakenSettings
from gw_venue_kraken.venue import DEPTHS, PUBLIC_CHANNELS, KrakenStreams

from gwcore import API_VERSION, hookspecs
from gwcore.errors import Unsupported
from gwcore.model import Channel, Instrument
from gwcore.ports import Endpoint
from gwcore.rest import HttpFlow
from gwcore.venue import Shard, Support

INSTRUMENT = Instrument(
    symbol="AAA/USD", base="AAA", quote="USD", price_decimals=1, quantity_decimals=8, tick_size="0.1", lot_size="1"
)


def result_of(flow: HttpFlow[Endpoint]) -> Endpoint:
    with pytest.raises(StopIteration) as stop:
        next(flow)
    value = stop.value.value
    assert isinstance(value, Endpoint)
    return value


def test_the_plugin_registers_one_venue() -> None:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    [[spec]] = manager.hook.gw_register_venues()
    assert spec is plugin.SPEC
    assert (spec.name, spec.api_version, spec.orders) == ("kraken", API_VERSION, make_orders)
    assert {Support.ACCOUNT, Support.ORDERS} <= spec.supports
    assert not spec.supports & {Support.MARKET_BY_ORDER, Support.BOOK_SEQUENCE}


def test_the_entry_point_names_the_plugin() -> None:
    [entry] = entry_points(group="gw.venues", name="kraken")
    assert entry.load() is plugin


def test_environments_fill_fields_that_exist_and_settings_have_defaults() -> None:
    assert set(ENVIRONMENTS) == {"prod", "beta", "sim"}
    for values in ENVIRONMENTS.values():
        msgspec.convert(dict(values), KrakenSettings)
    assert KrakenSettings() == msgspec.convert(dict(ENVIRONMENTS["prod"]), KrakenSettings)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"rest_urls": "x"}, KrakenSettings)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"ticker_trigger": "all"}, "use 'auto', 'trades' or 'bbo'"),
        ({"rest_url": "ftp://x"}, "rest_url is 'ftp://x': it begins with https:// or http://"),
        ({"ws_public_url": "https://x"}, "it begins with wss:// or ws://"),
        ({"symbols_per_connection": 0}, "use 1 or more"),
        ({"requests_per_s": 0.0}, "above 0"),
    ],
)
def test_settings_the_venue_would_refuse_are_refused_at_once(values: dict[str, object], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert(values, KrakenSettings)


def test_limits_are_the_venues() -> None:
    limits = KrakenStreams(KrakenSettings(symbols_per_connection=7, requests_per_s=3.0)).limits
    [group] = limits.groups.values()
    assert group.channels == PUBLIC_CHANNELS
    assert (group.symbols_per_connection, group.requests_per_s, group.topics_per_request) == (7, 3.0, 100)
    assert (group.connects, group.connects_window_s) == (150, 600.0)
    assert limits.depths == (10, 25, 100, 500, 1000)


@pytest.mark.parametrize("depth", DEPTHS)
def test_equal_arguments_give_equal_book_rules(depth: int) -> None:
    first, second = (KrakenStreams(KrakenSettings()).book_rule(INSTRUMENT, depth) for _ in range(2))
    assert first == second
    assert (first.depth, first.checksum_levels, first.price_decimals) == (depth, 10, 1)
    assert first != KrakenStreams(KrakenSettings()).book_rule(
        msgspec.structs.replace(INSTRUMENT, price_decimals=2), depth
    )


def test_a_depth_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Unsupported, match="10, 25, 100, 500, 1000"):
        KrakenStreams(KrakenSettings()).book_rule(INSTRUMENT, 20)


def test_a_connection_goes_to_the_public_host() -> None:
    settings = KrakenSettings(ws_public_url="ws://127.0.0.1:1/v2", frame_bytes_max=5)
    codec = KrakenStreams(settings).market_data(Shard(index=0, group="public", topics=()))
    endpoint = result_of(codec.endpoint())
    assert (endpoint.url, endpoint.frame_bytes_max, endpoint.binary) == ("ws://127.0.0.1:1/v2", 5, False)
    assert list(codec.open()) == []


@pytest.mark.parametrize(
    ("v1", "v2"),
    [
        ("XBT/USD", "BTC/USD"),
        ("XDG/XBT", "DOGE/BTC"),
        ("XTZ/USD", "XTZ/USD"),
        ("ETH/XBT", "ETH/BTC"),
        ("XBT/USD:BTNL", "BTC/USD:BTNL"),
        ("AAPLx/USD", "AAPLx/USD"),
    ],
)
def test_names_of_both_websocket_versions(v1: str, v2: str) -> None:
    assert v2_symbol(v1) == v2
    assert v1_symbol(v2) == v1


def test_what_is_no_pair_name_is_none() -> None:
    for name in ("", "XBTUSD", "/USD", "XBT/"):
        assert v2_symbol(name) is None
        assert split_pair(name) is None
    assert split_pair("XBT/USD:BTNL") == ("BTC", "USD")


def test_only_market_data_channels_are_offered() -> None:
    assert Channel.ORDERS not in PUBLIC_CHANNELS
